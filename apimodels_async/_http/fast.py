"""aiohttp, set up so that its answers differ from httpx's in nothing but their speed.

Imported only where it is needed, and in a thread: aiohttp takes longer to import than all of this package. So no other
module imports this one; `Lanes` loads it.
"""

import re
import socket
import ssl
from contextvars import ContextVar
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakSet

import aiohttp
import httpcore
import httpx
import yarl
from multidict import CIMultiDict

from apimodels_async._http import versions
from apimodels_async._http.network import KEEP_ALIVE
from apimodels_async._http.observing import headers_to_add
from apimodels_async._http.sockets import OpenSockets, is_readable
from apimodels_async._http.trace import SendTrace
from apimodels_async._secret import Secret

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from apimodels_async._http.answers import Received

_DOTS = 3
"""Of an IPv4 address that is written in full."""
_LONG_HEADER = 64 << 10
"""Bytes of one header line; h11 takes 100 KiB of them all, aiohttp by itself 8."""


class FastRequest(NamedTuple):
    """A request as aiohttp takes it: made once, and sent any number of times."""

    method: str
    url: yarl.URL
    headers: Secret[CIMultiDict[str]]
    timeout: aiohttp.ClientTimeout


def prepare(method: str, url: str, headers: httpx.Headers, timeout: httpx.Timeout) -> FastRequest | None:
    """Make a request. The connecting is bounded for each address of a name, and as a whole.

    Returns:
        ``None`` if aiohttp would ask for another URL: it decodes ``%3A`` and its like, and a signature may cover them.
        And if it would ask for none: it refuses ``127.1``, which the system and httpx take for 127.0.0.1.
    """
    try:
        target = yarl.URL(url)
    except ValueError:
        return None
    host = target.host or ""
    if str(target) != url or (re.fullmatch(r"[0-9.]+", host) and host.count(".") != _DOTS):
        return None
    bounds = aiohttp.ClientTimeout(sock_connect=timeout.connect, sock_read=timeout.read, connect=timeout.connect)
    return FastRequest(method, target, Secret(CIMultiDict(headers)), bounds)


def at(request: FastRequest, query: str) -> FastRequest:
    """Return the same request with a query string behind its URL, in which nothing needs to be quoted."""
    return request._replace(url=yarl.URL(f"{request.url}?{query}", encoded=True))


class FastLane:
    """One session of aiohttp.

    It keeps no cookie, bounds no connections, and leaves the environment (``.netrc``) alone. Names are looked up as
    httpx does it.

    Args:
        tls: the context.
        keepalive: seconds for which an idle connection is kept.
        opened: notes the sockets.
        unreadable: called for an answer that aiohttp cannot parse.
    """

    def __init__(
        self, tls: ssl.SSLContext, keepalive: float, opened: OpenSockets, unreadable: "Callable[[], object]"
    ) -> None:
        self._unreadable = unreadable
        self._session = aiohttp.ClientSession(
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
            request_class=_TracedRequest,
        )
        versions.without_second_attempts(self._session)

    async def send(self, request: FastRequest, body: Secret[bytes] | None = None) -> "Received":
        """Send a request, and return its answer before its body is read: nothing is followed, no key is added."""
        headers = request.headers.reveal()
        more = headers_to_add(headers)
        if more:
            headers = CIMultiDict([*headers.items(), *more.items()])
        try:
            response = await self._session.request(
                request.method,
                request.url,
                headers=headers,
                data=None if body is None else body.reveal(),
                allow_redirects=False,
                auto_decompress=False,
                timeout=request.timeout,
            )
        except aiohttp.ClientResponseError:
            self._unreadable()
            raise
        return _Answer(response)

    async def create(self, request: FastRequest, body: Secret[bytes], trace: SendTrace) -> "Received":
        """Send a create request, of which `trace` knows whether a byte can have left."""
        trace.spoke = True
        token = _TRACE.set(trace)
        try:
            while True:  # each turn but the last takes away a connection that was idle
                try:
                    return await self.send(request, body)
                except _StaleConnectionError:
                    continue
        finally:
            _TRACE.reset(token)

    async def aclose(self) -> None:
        """Close it."""
        await self._session.close()


_TRACE: ContextVar[SendTrace | None] = ContextVar("apimodels_async trace", default=None)
"""Of the create request that this task is sending."""


class _StaleConnectionError(Exception):
    """The server has ended an idle connection, or said something on it, before the request began."""


class _TracedRequest(aiohttp.ClientRequest):
    """A request whose trace learns of it when the connection stands, TLS included, and nothing is written."""

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        trace = _TRACE.get()
        if trace is not None:
            if conn.protocol in _USED and _is_stale(conn):
                raise _StaleConnectionError
            await trace.before_write()
            if _is_stale(conn):  # writing to it would be a create request whose outcome is unknown
                trace.withdraw()
                raise httpx.ConnectError("the connection was closed before anything was written")
            _USED.add(conn.protocol)
        return await super().send(conn)


_USED: WeakSet[Any] = WeakSet()
"""Connections that have carried a create request."""


def _is_stale(conn: Any) -> bool:
    """Whether a connection has ended, or the server has said something on it since the last answer (408).

    A new one may have something to read at once: the session tickets of TLS.
    """
    protocol = conn.protocol
    if protocol is None or not protocol.is_connected() or protocol.should_close:
        return True
    return protocol in _USED and is_readable(conn.transport.get_extra_info("socket").fileno())


class _Answer:
    """An answer of aiohttp as `answers` reads it."""

    __slots__ = ("_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status: int = response.status
        self.headers: Mapping[bytes, bytes] = {name.lower(): value for name, value in response.raw_headers}

    def __aiter__(self) -> "AsyncIterator[bytes]":
        return self

    async def __anext__(self) -> bytes:
        """Return what has come of the body since."""
        piece = await self._response.content.readany()
        if not piece:
            raise StopAsyncIteration
        return piece

    async def aclose(self, *, whole: bool) -> None:
        """Give back the connection, or close it if the body was not read to its end."""
        if whole:
            self._response.release()
        else:
            self._response.close()


def _new_socket(opened: OpenSockets, address: tuple[Any, ...]) -> socket.socket:
    made = socket.socket(*address[:3])  # family, kind, protocol
    for option in KEEP_ALIVE:
        made.setsockopt(*option)
    opened.add(made)
    return made


def can_create() -> bool:
    """Whether aiohttp tells a request when its connection stands.

    This version does, as the tests prove; what stands in for its session (aioresponses, VCR) may answer without one.
    """
    ways_in = versions.ways_into(aiohttp.ClientSession)
    return _HANDS_OVER and not any(_is_foreign(each) for each in ways_in if each is not None)


_HANDS_OVER = versions.hands_connections_to(aiohttp.ClientRequest)


def is_replaced() -> bool:
    """Whether another library stands where httpx's requests pass, and must see all of them.

    Some stand in for the network (respx, pytest-httpx). Others wrap it (OpenTelemetry, ddtrace, Sentry): where they
    wrap aiohttp as well, they see its requests there.
    """
    return _is_any_replaced(
        versions.transport_choice(),
        httpx.AsyncHTTPTransport.handle_async_request,
        httpcore.AsyncConnectionPool.handle_async_request,
        httpx.AsyncClient.send,
        *versions.ways_into(aiohttp.ClientSession),
    )


@lru_cache(8)  # asked before every request, and always of the same functions
def _is_any_replaced(choice: Any, transport: Any, pool: Any, send: Any, *ways_into_aiohttp: Any) -> bool:
    seams = choice, transport, pool
    if any(_is_foreign(seam) for seam in seams if seam is not None):
        return True
    wrapped = _is_wrapped(send) or any(map(_is_wrapped, seams))
    return wrapped and not any(map(_is_wrapped, ways_into_aiohttp))


def _is_foreign(method: Any) -> bool:
    return method.__module__.partition(".")[0] not in _OURS


def _is_wrapped(method: Any) -> bool:
    return method is not None and (hasattr(method, "__wrapped__") or _is_foreign(method))


_OURS = ("httpx", "httpcore", "aiohttp")
