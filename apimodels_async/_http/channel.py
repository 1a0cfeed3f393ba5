"""What all requests to the API share."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import httpx

from apimodels_async._http.lanes import Lanes
from apimodels_async._http.timeouts import Timeouts
from apimodels_async._wire.answer import RawResponse


class Channel(NamedTuple):
    """From one client to the API.

    Attributes:
        base_url: of the API.
        headers: of every request to it.
        timeouts: of the client.
        lanes: the pools of connections.
        given: a client of the caller's own, if there is one.
        ready: raises if the client cannot be used.
        exchange: sends a request and reads its answer.
    """

    base_url: str
    headers: httpx.Headers
    timeouts: Timeouts
    lanes: Lanes
    given: httpx.AsyncClient | None
    ready: Callable[[], None]
    exchange: Callable[..., Awaitable[RawResponse]]
