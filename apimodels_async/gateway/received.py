"""A request to the API as the gateway received it, for functions that look at requests and may refuse them."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from starlette.requests import Request

from apimodels_async.gateway.faults import Fault

__all__ = ["OnRequest", "ReceivedRequest", "look_at"]

_SECRET = frozenset({"authorization", "proxy-authorization", "cookie"})


class ReceivedRequest(NamedTuple):
    """One request to the API.

    Attributes:
        method: ``GET`` or ``POST``.
        path: with the query, such as ``/api/v1/images/generations?task_id=…``.
        headers: by their names in lower case, without the API key.
        body: the bytes.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, read as JSON.

        Raises:
            ValueError: it is not JSON.
        """
        return json.loads(self.body)


OnRequest: TypeAlias = Callable[[ReceivedRequest], str | None]
"""Looks at a request, and returns the name of the `Fault` to answer it with, or ``None``."""


def look_at(request: Request, body: bytes, on_request: OnRequest) -> Fault | None:
    """The fault that `on_request` wants for a request.

    Raises:
        ValueError: there is no such fault.
    """
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    headers = {name: value for name, value in request.headers.items() if name not in _SECRET}
    wanted = on_request(ReceivedRequest(request.method, target, headers, body))
    return None if wanted is None else Fault(wanted)
