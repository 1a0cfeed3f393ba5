"""Other origins whose web pages may use the API, and never the gateway's own page."""

import re
from collections.abc import Collection

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Receive, Scope, Send

from apimodels_async.gateway.page_guard import is_page

__all__ = ["cross_origin"]

_ORIGIN = re.compile(r"https?://[\w.-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?", re.ASCII | re.IGNORECASE)


def cross_origin(origins: Collection[str]) -> list[Middleware]:
    """The middleware that lets pages of these origins use the API; none without an origin.

    Raises:
        ValueError: one of them is not an origin.
    """
    origins = (origins,) if isinstance(origins, str) else tuple(origins)
    for origin in origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise ValueError(f"cors: {origin!r} is not an origin: give it as http://localhost:5173, without a path")
    if not origins:
        return []
    methods, exposed = ["GET", "POST", "PUT", "HEAD"], ["Retry-After", "Content-Length"]
    return [
        Middleware(_ApiCors, allow_origins=origins, allow_methods=methods, allow_headers=["*"], expose_headers=exposed)
    ]


class _ApiCors(CORSMiddleware):
    """CORS for the API, and not for the gateway's own page, which no other page may read or use."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and is_page(scope):
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)
