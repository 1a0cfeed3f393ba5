"""Everything that is sent. What a client takes from here is imported when the first client is made."""

from typing import TYPE_CHECKING

from apimodels_async import _lazy

if TYPE_CHECKING:
    from apimodels_async._http.transport import Http, HttpClient

__all__ = ["Http", "HttpClient"]

__getattr__: _lazy.Find = _lazy.names(__name__, dict.fromkeys(__all__, "transport"))
