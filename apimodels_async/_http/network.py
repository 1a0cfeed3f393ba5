"""The network below httpcore: connections that are kept alive, bounded while they are made, and watched while we send.

A server that refuses a request before it has read all of it (413, 407, 401) answers and hangs up, and httpcore sends
all before it reads. So on the lanes of creates each write looks for an answer first, and a large one reads meanwhile.
When an answer is there, the write ends as a failed one, after which httpcore reads what the server says.
"""

import socket
import ssl
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any

import anyio
import anyio.abc
import httpcore
from anyio.streams.tls import TLSAttribute, TLSStream

from apimodels_async._http import versions
from apimodels_async._http.early_answers import is_final
from apimodels_async._http.sockets import OpenSockets, SocketStream, taken_over
from apimodels_async._http.socks import SocksConnection
from apimodels_async._http.wrapped import WrappedConnection

versions.search_for_sniffio_once()

_OPTIONS = (
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 15),
    (socket.IPPROTO_TCP, "TCP_KEEPALIVE", 15),  # the same, as macOS calls it
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 5),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
    (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", 30_000),  # milliseconds that what was sent may stay unacknowledged
)
KEEP_ALIVE = tuple((level, getattr(socket, name), value) for level, name, value in _OPTIONS if hasattr(socket, name))
"""Socket options by which a connection that a middlebox has forgotten is found dead within 30 s, and by which idle
ones stay known to it."""

_SMALL = 64 << 10
"""Maximum bytes that are written without reading meanwhile: a socket accepts them at once."""
_READ = 64 << 10
_MUCH = 256 << 10
"""Bytes that are read at once where the read before brought all it asked for: each read of a large picture passes
through eleven generators."""
_LOOK = 0.01
"""Seconds for bytes that have arrived to come through TLS: they may be a session ticket and no answer."""
_LAST_LOOK = 0.5
"""Seconds for an answer to come through after a write has failed."""


def _left(until: float | None, timeout: float | None) -> float | None:
    """Seconds of a timeout, if it may not last beyond `until`."""
    if until is None:
        return timeout
    left = max(0.001, until - time.monotonic())
    return left if timeout is None else min(timeout, left)


@contextmanager
def _mapped(broken: type[Exception], late: type[Exception]) -> Generator[None]:
    try:
        yield
    except TimeoutError as error:
        raise late(str(error)) from error
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, ssl.SSLError, OSError) as error:
        raise broken(str(error)) from error


class WatchedConnection(httpcore.AsyncNetworkStream):
    """A connection that finds an answer while a request is still being sent.

    Args:
        raw: the socket.
        stream: over it, encrypted or not.
        until: on the monotonic clock, when connecting must have ended.
        handshakes: TLS handshakes that are still to come. Until then it is a tunnel that is being made.
    """

    def __init__(self, raw: SocketStream, stream: anyio.abc.ByteStream, until: float | None, handshakes: int) -> None:
        self._raw = raw
        self._stream = stream
        self._until = until
        self._handshakes = handshakes
        self._sent = False
        self._early = b""
        self._answered = False
        self._ended = False
        self._heard = False  # since the request began

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Bytes that came early, then what comes.

        Raises:
            httpcore.ReadError: nothing comes, because the connection broke while the request was being sent.
        """
        self._sent = self._answered = False
        if self._early:
            chunk, self._early = self._early[:max_bytes], self._early[max_bytes:]
            return chunk
        chunk = b"" if self._ended else await self._receive(max_bytes, timeout)
        if not chunk and not self._heard and self._raw.failed is not None:
            raise httpcore.ReadError(str(self._raw.failed)) from self._raw.failed
        return chunk

    async def _receive(self, max_bytes: int, timeout: float | None) -> bytes:
        bound = _left(self._until, timeout) if self._handshakes > 0 else timeout
        with _mapped(httpcore.ReadError, httpcore.ReadTimeout):
            try:
                data = await self._receive_within(max_bytes, bound)
            except TimeoutError:
                if not self._raw.is_readable:
                    raise
                # It came while the event loop was blocked, or the program stopped, for longer than the timeout.
                data = await self._receive_within(max_bytes, bound)
            self._heard = self._heard or bool(data)
            return data

    async def _receive_within(self, max_bytes: int, seconds: float | None) -> bytes:
        with anyio.fail_after(seconds):
            try:
                return await self._stream.receive(max_bytes)
            except anyio.EndOfStream:
                return b""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write, unless an answer comes first.

        Raises:
            httpcore.WriteError: it did, and can be read; or the write failed.
        """
        if not buffer:
            return
        self._heard = self._heard and self._sent
        if self._sent and not self._answered and self._raw.is_readable:
            await self._look(_LOOK)
        if not self._answered:
            self._sent = True
            if len(buffer) > _SMALL:
                await self._write_and_listen(buffer, timeout)
            else:
                await self._write(buffer, timeout)
                if self._raw.failed is not None:
                    await self._look(_LAST_LOOK)
        if self._answered or self._raw.failed is not None:
            raise httpcore.WriteError("answered before all was sent") from self._raw.failed

    async def _write(self, buffer: bytes, timeout: float | None) -> None:
        with _mapped(httpcore.WriteError, httpcore.WriteTimeout), anyio.fail_after(timeout):
            await self._stream.send(buffer)

    async def _look(self, seconds: float) -> None:
        """Read what has arrived."""
        try:
            self._take(await self._receive(_READ, seconds))
        except (
            httpcore.TimeoutException,
            httpcore.NetworkError,
        ):  # the write or the next read raises it
            return

    def _take(self, data: bytes) -> None:
        self._early += data
        self._ended = not data
        self._answered = self._ended or is_final(self._early)

    async def _write_and_listen(self, buffer: bytes, timeout: float | None) -> None:
        failure: Exception | None = None
        heard = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(self._listen, group.cancel_scope, heard)
            try:
                await self._write(buffer, timeout)
            except Exception as error:  # noqa: BLE001  (raised below: here it would become an exception group)
                failure = error
            if failure is not None or self._raw.failed is not None:
                with anyio.move_on_after(_LAST_LOOK):
                    await heard.wait()
            group.cancel_scope.cancel()
        if failure is not None and not self._answered:
            raise failure

    async def _listen(self, writing: anyio.CancelScope, heard: anyio.Event) -> None:
        """Read until there is an answer, and end the writing then."""
        try:
            while not self._answered:
                self._take(await self._receive(_READ, None))
            writing.cancel()
        except httpcore.NetworkError:  # the connection is broken: the write, or the next read, says how
            return
        finally:
            heard.set()

    async def aclose(self) -> None:
        """Close the connection at once, without a TLS shutdown."""
        await self._raw.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """The same connection, encrypted."""
        try:
            with _mapped(httpcore.ConnectError, httpcore.ConnectTimeout), anyio.fail_after(_left(self._until, timeout)):
                stream = await TLSStream.wrap(
                    self._stream,
                    ssl_context=ssl_context,
                    hostname=server_hostname,
                    standard_compatible=False,
                    server_side=False,
                )
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self.aclose()
            raise
        return WatchedConnection(self._raw, stream, self._until, self._handshakes - 1)

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks for."""
        match info:
            case "is_readable":
                return bool(self._early) or self._ended or self._raw.is_readable
            case "socket":
                return self._raw.raw
            case "ssl_object":
                return self._stream.extra(TLSAttribute.ssl_object, None)  # noqa: S610  (not Django's)
            case "client_addr":
                return self._raw.raw.getsockname()
            case "server_addr":
                return self._raw.raw.getpeername()
            case _:
                return None


class BoundedConnection(WrappedConnection):
    """A connection of httpcore's own whose handshakes end in time.

    Args:
        inner: of httpcore's own.
        until: on the monotonic clock, when connecting must have ended.
        handshakes: TLS handshakes that are still to come. Until then it is a tunnel that is being made.
    """

    def __init__(self, inner: httpcore.AsyncNetworkStream, until: float, handshakes: int) -> None:
        super().__init__(inner)
        self._until = until
        self._handshakes = handshakes
        self._much = False  # the last read brought all it asked for

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read; more than `max_bytes` if much is there. The answer of a proxy that makes a tunnel must come in time."""
        bound = _left(self._until, timeout) if self._handshakes > 0 else timeout
        data = await self._inner.read(_MUCH if self._much and max_bytes >= _READ else max_bytes, bound)
        self._much = len(data) >= _READ
        return data

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """The same connection, encrypted."""
        inner = await self._inner.start_tls(ssl_context, server_hostname, _left(self._until, timeout))
        return BoundedConnection(inner, self._until, self._handshakes - 1) if self._handshakes > 1 else inner


class Network(httpcore.AsyncNetworkBackend):
    """Makes connections.

    Args:
        inner: httpcore's own.
        opened: notes the sockets.
        watched: whether answers are looked for while a request is being sent.
        handshakes: TLS handshakes that follow on a connection before a request can be sent through its tunnel.
        replies: of a SOCKS proxy until its tunnel stands; 0 where there is none.
    """

    def __init__(
        self,
        inner: httpcore.AsyncNetworkBackend,
        opened: OpenSockets,
        *,
        watched: bool,
        handshakes: int,
        replies: int,
    ) -> None:
        self._inner = inner
        self._opened = opened
        self._watched = watched
        self._handshakes = handshakes
        self._replies = replies

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect; what is left of `timeout` bounds the handshakes."""
        until = None if timeout is None else time.monotonic() + timeout
        options = [*(socket_options or ()), *KEEP_ALIVE]
        stream = await self._inner.connect_tcp(host, port, timeout, local_address, options)
        if self._watched:
            raw = taken_over(stream.get_extra_info("socket"))
            try:
                await stream.aclose()
            except BaseException:
                raw.raw.close()
                raise
            self._opened.add(raw.raw)
            stream = WatchedConnection(raw, raw, until, self._handshakes)
        else:
            self._opened.add(stream.get_extra_info("socket"))
            stream = stream if until is None else BoundedConnection(stream, until, self._handshakes)
        return SocksConnection(stream, until, self._replies) if self._replies else stream

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Connect to a socket of this machine."""
        return await self._inner.connect_unix_socket(path, timeout, socket_options)

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await self._inner.sleep(seconds)
