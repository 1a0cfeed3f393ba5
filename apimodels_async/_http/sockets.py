"""A connected socket as a byte stream, in which a failed write does not take what has been received along."""

import select
import socket
from contextlib import suppress
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel


class SocketStream(anyio.abc.ByteStream):
    """A socket, read and written directly.

    asyncio's transport closes a socket as soon as a write fails, with all that has arrived and was not read; and a TLS
    stream over it cannot be read after a failed write. Here a failed write is noted in `failed`, and reading goes on.

    Attributes:
        failed: why nothing can be written any more.
    """

    def __init__(self, raw: socket.socket) -> None:
        raw.setblocking(False)
        self.raw: socket.socket = raw
        self.failed: OSError | None = None

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """At least one byte.

        Raises:
            anyio.EndOfStream: the other side has ended.
            anyio.BrokenResourceError: the connection is broken, or closed.
        """
        await anyio.lowlevel.checkpoint()
        while True:
            try:
                data = self.raw.recv(max_bytes)
            except (BlockingIOError, InterruptedError):
                await anyio.wait_readable(self.raw)
            except OSError as error:
                raise anyio.BrokenResourceError from error
            else:
                if not data:
                    raise anyio.EndOfStream
                return data

    async def send(self, item: bytes) -> None:
        """Write all of it, unless a write fails."""
        await anyio.lowlevel.checkpoint()
        rest = memoryview(item)
        while rest and self.failed is None:
            try:
                rest = rest[self.raw.send(rest) :]
            except (BlockingIOError, InterruptedError):
                await anyio.wait_writable(self.raw)
            except OSError as error:
                self.failed = error

    async def send_eof(self) -> None:
        """End our side."""
        self.raw.shutdown(socket.SHUT_WR)

    async def aclose(self) -> None:
        """Close it; what waits for it ends."""
        anyio.notify_closing(self.raw)
        self.raw.close()
        await anyio.lowlevel.checkpoint()

    @property
    def is_readable(self) -> bool:
        """Whether bytes, or the end, can be read at once."""
        return is_readable(self.raw.fileno())


def is_readable(descriptor: int) -> bool:
    """Whether bytes, or the end, can be read from a socket at once; also if it is closed."""
    if descriptor < 0:
        return True
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([descriptor], [], [], 0)[0])


class OpenSockets:
    """The sockets of one client's connections, to end them where no event loop can."""

    def __init__(self) -> None:
        self._sockets: list[Any] = []

    def add(self, opened: Any) -> None:
        """Note a socket; closed ones are forgotten."""
        self._sockets = [each for each in self._sockets if each.fileno() >= 0]
        self._sockets.append(opened)

    def cut_off(self) -> bool:
        """End the connections of those that are open, and return whether there were any."""
        found = False
        for each in self._sockets:
            found |= each.fileno() >= 0
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            if isinstance(each, socket.socket):  # those of asyncio and trio are closed with what holds them
                each.close()
        self._sockets.clear()
        return found


def taken_over(connected: Any) -> SocketStream:
    """The stream of a socket that another library has connected, and still owns: a duplicate of it."""
    return SocketStream(socket.fromfd(connected.fileno(), connected.family, connected.type))
