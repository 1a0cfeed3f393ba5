"""Connections to the gateway's own server: idle ones are closed, their number is limited."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any, cast

import h11
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from apimodels_async._logs import escaped_logger
from apimodels_async.gateway.disconnect import DISCONNECT
from apimodels_async.gateway.limits import HEAD_TIME, MAX_HEAD, MAX_SMALL_CHUNKS, SEND_TIME, SMALL_CHUNK

__all__ = ["ACCEPTED_AT_ONCE", "Connection", "ConnectionLimits", "max_connections", "quiet_about_accept"]

ACCEPTED_AT_ONCE = 4
"""Connections that are accepted before the first of them is looked at."""
_READ_AT_ONCE = 32 << 10
"""Bytes that are read from a connection before others get their turn."""
_MAX_CONNECTIONS = 1000
_FOR_OTHER_FILES = 72
_ACCEPT_TROUBLE = "socket.accept() out of system resource"

_logger = escaped_logger(__name__)


def max_connections() -> int:
    """How many connections to keep, so that there are file descriptors left for the store and for webhooks."""
    if sys.platform == "win32":
        return _MAX_CONNECTIONS // 2
    import resource  # noqa: PLC0415  (not there on Windows)

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MAX_CONNECTIONS
    return max(8, min(_MAX_CONNECTIONS, soft - _FOR_OTHER_FILES - 2 * ACCEPTED_AT_ONCE))


class ConnectionLimits:
    """The connections that are open, and those among them that have no request under way.

    Args:
        most: the maximum of connections. Beyond it, the connection that is idle the longest is closed.
        stopping: whether the server is about to end.
    """

    def __init__(self, most: int, stopping: Callable[[], bool]) -> None:
        self.stopping = stopping
        self.idle: dict[Connection, None] = {}
        self._most = most
        self._open = 0

    def opened(self) -> None:
        """Count a connection; close another one if there are too many."""
        self._open += 1
        if self._open > self._most and self.idle:
            oldest = next(iter(self.idle))
            del self.idle[oldest]
            oldest.drop()

    def closed(self, connection: "Connection") -> None:
        """Forget a connection."""
        self._open -= 1
        self.idle.pop(connection, None)


class _Parser(h11.Connection):
    """h11, with a limit for chunks: one of a byte costs it as much time as one of many."""

    _chunks = _bytes = 0

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """The next event.

        Raises:
            h11.RemoteProtocolError: the request is not valid, or its body comes in too many small chunks.
        """
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._chunks = self._bytes = 0
        elif isinstance(event, h11.Data):
            self._chunks += event.chunk_start
            self._bytes += len(event.data)
            # The last chunk may be under way, and may be small.
            if self._chunks > MAX_SMALL_CHUNKS and self._bytes < SMALL_CHUNK * (self._chunks - 1):
                raise h11.RemoteProtocolError("too many small chunks")
        return event


class Connection(H11Protocol, asyncio.BufferedProtocol):
    """One connection, with limits that uvicorn does not have.

    Little is read from it at once, because what it costs to parse depends on what it is.

    Args:
        limits: shared by all connections.
        **given: what uvicorn passes.
    """

    def __init__(self, limits: ConnectionLimits, **given: Any) -> None:
        super().__init__(**given)
        self._limits = limits
        self._timer: asyncio.TimerHandle | None = None
        self._buffer = bytearray()
        self.conn: h11.Connection = _Parser(h11.SERVER, MAX_HEAD)
        self.app: Any = cast("Any", _guarded(cast("ASGIApp", self.app), self))

    def drop(self) -> None:
        """Close the connection at once."""
        self.transport.abort()

    @property
    def stopping(self) -> bool:
        """Whether the server is about to end."""
        return self._limits.stopping()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for the head of a request."""
        super().connection_made(transport)
        self._limits.opened()
        self._watch()

    def get_buffer(self, sizehint: int) -> bytearray:
        """Where to put what is received: there only until it is taken, since most connections are idle."""
        self._buffer = bytearray(_READ_AT_ONCE)
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was received."""
        data = bytes(memoryview(self._buffer)[:nbytes])
        self._buffer = bytearray()
        self.data_received(data)
        self._watch()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP, unless the answer has begun already."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            super().send_400_response(msg)
        else:
            self.drop()
        if cycle is not None:
            cycle.disconnected = True  # the application, which may be under way, can answer no more

    def on_response_complete(self) -> None:
        """Start to wait for the next request."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop to wait."""
        super().connection_lost(exc)
        self._limits.closed(self)
        if self._timer is not None:
            self._timer.cancel()

    def _watch(self) -> None:
        """While no request is under way, its head must be complete in time, however slowly it is sent."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        busy = cycle is not None and not cycle.response_complete
        if busy or self.transport.is_closing():
            self._limits.idle.pop(self, None)
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        elif self._timer is None:
            self._limits.idle[self] = None
            self._timer = self.loop.call_later(HEAD_TIME, self.drop)


def _guarded(app: ASGIApp, connection: Connection) -> ASGIApp:
    """The application, with a way to close the connection, a limit for slow readers, and a quiet end."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(SEND_TIME):
                    await send(message)
            except TimeoutError:
                connection.drop()
                raise

        scope["extensions"] = {**scope.get("extensions", {}), DISCONNECT: connection.drop}
        try:
            await app(scope, receive, send_in_time)
        except (asyncio.CancelledError, TimeoutError):
            if not (connection.stopping or connection.transport.is_closing()):
                raise
            # uvicorn logs a traceback for anything that is raised, unless the client has disconnected.
            connection.drop()
            while (await receive())["type"] != "http.disconnect":
                pass

    return guarded


def quiet_about_accept() -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """An exception handler for the event loop that logs once, not each time, that file descriptors are used up."""
    last = float("-inf")

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal last
        if context.get("message") != _ACCEPT_TROUBLE:
            loop.default_exception_handler(context)
            return
        if loop.time() - last > 60:
            _logger.error("no file descriptor is left: new connections wait until others are closed")
        last = loop.time()

    return handle
