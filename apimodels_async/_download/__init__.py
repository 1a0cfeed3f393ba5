"""Downloads. What a client takes from here is imported when it is used first: many never download."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apimodels_async._download.destination import as_paths, place_of
    from apimodels_async._download.downloader import Downloader, GivenName
    from apimodels_async._download.limits import DownloadLimits
    from apimodels_async._download.names import OF_A_TASK, Naming

DOWNLOADER = "apimodels_async._download.downloader"
"""The module with the most imports; import it in a thread first."""

__all__ = ["DOWNLOADER", "OF_A_TASK", "DownloadLimits", "Downloader", "GivenName", "Naming", "as_paths", "place_of"]

_HOMES = {
    "DownloadLimits": "limits",
    "Downloader": "downloader",
    "GivenName": "downloader",
    "Naming": "names",
    "OF_A_TASK": "names",
    "as_paths": "destination",
    "place_of": "destination",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value
