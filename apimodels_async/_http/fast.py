"""aiohttp, set up so that its answers differ from httpx's in nothing but their speed.

Imported only where it is needed, and in a thread: aiohttp takes longer to import than all of this package. So no other
module imports this one; `Lanes` loads it.
"""

import socket
import ssl
from functools import partial
from typing import Any

import aiohttp
import httpcore
import httpx
import yarl
from httpx_aiohttp import AiohttpTransport

from apimodels_async._http import versions
from apimodels_async._http.network import KEEP_ALIVE
from apimodels_async._http.sockets import OpenSockets

_LONG_HEADER = 64 << 10
"""Bytes of one header line; h11 takes 100 KiB of them all, aiohttp by itself 8."""


def new_transport(tls: ssl.SSLContext, keepalive: float, opened: OpenSockets) -> AiohttpTransport:
    """A transport over aiohttp, whose sockets `opened` notes. An idle connection is kept for `keepalive` seconds."""
    return AiohttpTransport(verify=tls, client=lambda: _new_session(tls, keepalive, opened))


def _new_session(tls: ssl.SSLContext, keepalive: float, opened: OpenSockets) -> aiohttp.ClientSession:
    """A session that keeps no cookie, bounds no connections, and leaves the environment (``.netrc``) alone.

    Names are looked up as httpx does it.
    """
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            ssl=tls,
            limit=0,
            keepalive_timeout=keepalive,
            resolver=aiohttp.ThreadedResolver(),
            socket_factory=partial(_new_socket, opened),
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        max_line_size=_LONG_HEADER,
        max_field_size=_LONG_HEADER,
    )
    versions.without_second_attempts(session)
    return session


def _new_socket(opened: OpenSockets, address: tuple[Any, ...]) -> socket.socket:
    made = socket.socket(*address[:3])  # family, kind, protocol
    for option in KEEP_ALIVE:
        made.setsockopt(*option)
    opened.add(made)
    return made


def keeps(url: str) -> bool:
    """Whether aiohttp would ask for just this URL: it decodes ``%3A`` and its like, and a signature may cover them."""
    return str(yarl.URL(url)) == url


def is_replaced() -> bool:
    """Whether another library stands where httpx's requests pass, and must see all of them.

    Some stand in for the network (respx, pytest-httpx). Others wrap it (OpenTelemetry, ddtrace, Sentry): where they
    wrap aiohttp as well, they see its requests there.
    """
    seams = (
        versions.transport_choice(),
        httpx.AsyncHTTPTransport.handle_async_request,
        httpcore.AsyncConnectionPool.handle_async_request,
    )
    if any(_is_foreign(seam) for seam in seams if seam is not None):
        return True
    wrapped = _is_wrapped(httpx.AsyncClient.send) or any(map(_is_wrapped, seams))
    return wrapped and not any(map(_is_wrapped, versions.ways_into(aiohttp.ClientSession)))


def _is_foreign(method: Any) -> bool:
    return method.__module__.partition(".")[0] not in _OURS


def _is_wrapped(method: Any) -> bool:
    return method is not None and (hasattr(method, "__wrapped__") or _is_foreign(method))


_OURS = ("httpx", "httpcore", "aiohttp")
