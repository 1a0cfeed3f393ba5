"""Downloads. What a client takes from here is imported when it is used first: many never download."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apimodels_async._download.downloader import Downloader
    from apimodels_async._download.limits import DownloadLimits

DOWNLOADER = "apimodels_async._download.downloader"
"""The module with the most imports; import it in a thread first."""

__all__ = ["DOWNLOADER", "DownloadLimits", "Downloader"]

_HOMES = {"DownloadLimits": "limits", "Downloader": "downloader"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value
