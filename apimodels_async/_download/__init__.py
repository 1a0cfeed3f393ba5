"""Downloads. What a client takes from here is imported when it is used first: many never download."""

from typing import TYPE_CHECKING

from apimodels_async import _lazy

if TYPE_CHECKING:
    from apimodels_async._download.destination import as_paths, place_of
    from apimodels_async._download.downloader import Downloader, GivenName
    from apimodels_async._download.limits import checked_limits
    from apimodels_async._download.names import OF_A_TASK, Naming

DOWNLOADER = "apimodels_async._download.downloader"
"""The module with the most imports; import it in a thread first."""

__all__ = ["DOWNLOADER", "OF_A_TASK", "Downloader", "GivenName", "Naming", "as_paths", "checked_limits", "place_of"]

__getattr__: _lazy.Find = _lazy.names(
    __name__,
    {
        "Downloader": "downloader",
        "GivenName": "downloader",
        "Naming": "names",
        "OF_A_TASK": "names",
        "as_paths": "destination",
        "checked_limits": "limits",
        "place_of": "destination",
    },
)
