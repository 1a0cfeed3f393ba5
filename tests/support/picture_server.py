"""A host for pictures that behaves as badly as it is told, and beside it enough of the API to make and find a task.

Plain sockets and threads on 127.0.0.1, so that nothing is put right on the way out. A path plays a list of replies,
one for each request; the last one is repeated. Everything that was asked is remembered as it came.
"""

import contextlib
import json
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.support.envelopes import wrapped
from tests.support.pictures import PNG, chunk

KEY = "sk_canary_7f3a9c51d2e84b60"
"""The API key that tests use, to be looked for where it may not be."""


class Seen(NamedTuple):
    """One request, as it came."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def header(self, name: str) -> list[str]:
        """Every value that a header was given."""
        return [value for each, value in self.headers if each.lower() == name.lower()]


Reply = Callable[[socket.socket, Seen], bool]
"""Writes an answer, and tells whether the connection may be used again."""


# --- replies


def head(status: int = 200, *headers: tuple[str, str]) -> bytes:
    """A status line and headers."""
    lines = [f"HTTP/1.1 {status} So", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def answer(status: int = 200, body: bytes = b"", *headers: tuple[str, str]) -> Reply:
    """A proper answer with its length."""

    def reply(connection: socket.socket, _: Seen) -> bool:
        connection.sendall(head(status, ("Content-Length", str(len(body))), *headers) + body)
        return True

    return reply


def picture(data: bytes = PNG, *headers: tuple[str, str]) -> Reply:
    """A picture as it should be sent."""
    return answer(200, data, *headers)


def chunked(data: bytes, size: int = 7) -> Reply:
    """A picture in chunks."""

    def reply(connection: socket.socket, _: Seen) -> bool:
        parts = [data[at : at + size] for at in range(0, len(data), size)]
        body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
        connection.sendall(head(200, ("Transfer-Encoding", "chunked")) + body + b"0\r\n\r\n")
        return True

    return reply


def until_close(data: bytes) -> Reply:
    """A picture of no announced length, which ends when the connection does."""

    def reply(connection: socket.socket, _: Seen) -> bool:
        connection.sendall(head(200, ("Connection", "close")) + data)
        return False

    return reply


def short(data: bytes, missing: int = 10) -> Reply:
    """Less than was announced, and then the end of the connection."""

    def reply(connection: socket.socket, _: Seen) -> bool:
        connection.sendall(head(200, ("Content-Length", str(len(data)))) + data[: len(data) - missing])
        return False

    return reply


def broken_chunks(data: bytes) -> Reply:
    """Chunks that end without the last one."""

    def reply(connection: socket.socket, _: Seen) -> bool:
        connection.sendall(head(200, ("Transfer-Encoding", "chunked")) + b"%x\r\n%b\r\n" % (len(data), data))
        return False

    return reply


def reset(data: bytes) -> Reply:
    """Half a picture and a RST."""

    def reply(connection: socket.socket, _: Seen) -> bool:
        connection.sendall(head(200, ("Content-Length", str(len(data)))) + data[: len(data) // 2])
        time.sleep(0.02)  # the half shall arrive
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    return reply


def _left(connection: socket.socket, seconds: float) -> bool:
    """Whether the other side went away within `seconds`."""
    connection.settimeout(seconds)
    try:
        return not connection.recv(1)
    except TimeoutError:
        return False
    except OSError:
        return True
    finally:
        with contextlib.suppress(OSError):
            connection.settimeout(None)


def drip(data: bytes, every: float = 0.3, first: int = 100) -> Reply:
    """One byte at a time, often enough for any read timeout."""

    def reply(connection: socket.socket, _: Seen) -> bool:
        connection.sendall(head(200, ("Content-Length", str(len(data)))) + data[:first])
        for at in range(first, len(data)):
            if _left(connection, every):
                return False
            connection.sendall(data[at : at + 1])
        return True

    return reply


def silent(first: bytes = b"") -> Reply:
    """Nothing more, until the other side goes away."""

    def reply(connection: socket.socket, _: Seen) -> bool:
        connection.sendall(first)
        _left(connection, 30.0)
        return False

    return reply


def held(release: threading.Event, then: Reply) -> Reply:
    """An answer that waits until the test lets it go."""

    def reply(connection: socket.socket, seen: Seen) -> bool:
        assert release.wait(60)
        return then(connection, seen)

    return reply


def together(barrier: threading.Barrier, then: Reply) -> Reply:
    """An answer that waits until so many others of its kind are to be given as `barrier` says."""

    def reply(connection: socket.socket, seen: Seen) -> bool:
        assert barrier.wait(60) >= 0
        return then(connection, seen)

    return reply


def bomb(inflated: int) -> Reply:
    """Gzip although it was declined: little on the wire, `inflated` bytes for whoever unpacks it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = bytes(1 << 20)
    parts = [packer.compress(PNG), *(packer.compress(block) for _ in range(inflated >> 20)), packer.flush()]
    return answer(200, b"".join(parts), ("Content-Encoding", "gzip"))


def endless(size: int, *, announced: bool = True, block: int = 256 << 10) -> Reply:
    """A PNG of `size` bytes that nobody has to hold in memory."""

    def reply(connection: socket.socket, _: Seen) -> bool:
        start, end = PNG[:33], bytes(4) + chunk(b"IEND", b"")  # four bytes are the checksum of the data
        start += struct.pack(">I", size - len(start) - 8 - len(end)) + b"IDAT"
        headers = [("Content-Length", str(size))] if announced else [("Connection", "close")]
        connection.sendall(head(200, *headers) + start)
        left, view = size - len(start) - len(end), memoryview(bytes(block))
        while left > 0:
            connection.sendall(view[: min(left, block)])
            left -= block
        connection.sendall(end)
        return announced

    return reply


def redirect(location: str | None, status: int = 302, *headers: tuple[str, str]) -> Reply:
    """Elsewhere."""
    return answer(status, b"", *((("Location", location),) if location is not None else ()), *headers)


def raw(data: bytes) -> Reply:
    """These bytes and the end."""

    def reply(connection: socket.socket, _: Seen) -> bool:
        connection.sendall(data)
        return False

    return reply


def as_json(payload: object, status: int = 200) -> Reply:
    """An answer of the API."""
    return answer(status, json.dumps(payload).encode(), ("Content-Type", "application/json"))


def enveloped(data: object, code: int = 200, msg: str = "success", status: int = 200) -> Reply:
    """An answer of the API in its envelope."""
    return as_json(wrapped(data, code, msg), status)


# --- the server


class PictureServer:
    """The host of the pictures, and the API below ``/api/v1``.

    Attributes:
        seen: the requests that came whole, in order.
        received: bytes read so far.
        created: the ids of the tasks that were answered for, in order.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.origin = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.base_url = f"{self.origin}/api/v1"
        self.seen: list[Seen] = []
        self.received = 0
        self.created: list[str] = []
        self._plays: dict[str, list[Reply]] = {}
        self._change = threading.Condition()
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._closing = False

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._change:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10.0)

    # --- what it plays, and what it saw

    def play(self, path: str, *replies: Reply) -> str:
        """Play `replies` at `path`, and give its URL."""
        self._plays[path.partition("?")[0]] = list(replies)
        return self.origin + path

    def create(self, *replies: Reply) -> None:
        """Play these to the creates."""
        self._plays["POST /api/v1/images/generations"] = list(replies)

    def query(self, *replies: Reply) -> None:
        """Play these to the queries."""
        self._plays["GET /api/v1/images/generations"] = list(replies)

    def accepted(self, **fields: Any) -> Reply:
        """A new task for each create; its id is in `created`."""

        def reply(connection: socket.socket, seen: Seen) -> bool:
            with self._change:
                task_id = f"task-{len(self.created) + 1}"
                self.created.append(task_id)
            return enveloped({"taskId": task_id, "state": "pending", **fields})(connection, seen)

        return reply

    def completed(self, *links: str, **fields: Any) -> Reply:
        """A query's answer: whichever task was asked for is done."""

        def reply(connection: socket.socket, seen: Seen) -> bool:
            task_id = seen.target.partition("task_id=")[2]
            data = {"taskId": task_id, "state": "completed", "resultUrls": list(links), **fields}
            return enveloped(data)(connection, seen)

        return reply

    def count(self, path: str, method: str = "GET") -> int:
        """How many requests for `path` came whole."""
        return sum(seen.path == path and seen.method == method for seen in self.seen)

    @property
    def posts(self) -> int:
        """How many creates came whole: each would be paid for."""
        return self.count("/api/v1/images/generations", "POST")

    @property
    def queries(self) -> int:
        """How many queries came whole."""
        return self.count("/api/v1/images/generations")

    def pictures(self) -> list[Seen]:
        """The requests that were not for the API."""
        return [seen for seen in self.seen if not seen.path.startswith("/api/")]

    def wait_until(self, condition: Callable[[], bool], seconds: float = 5.0) -> bool:
        """Whether `condition` came true in time; looked at whenever something happens here."""
        with self._change:
            return self._change.wait_for(condition, seconds)

    def all_closed(self, seconds: float = 5.0) -> bool:
        """Whether the other side has closed every connection."""
        return self.wait_until(lambda: not self._connections, seconds)

    def generate(self) -> Self:
        """Accept each create, and answer each query that the task is completed, with one picture."""
        self.create(self.accepted())
        self.query(self.completed(self.play("/a.png", picture())))
        return self

    # --- how it does it

    def _start(self, work: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=work, args=args, name="picture server")
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._change:
                self._connections.add(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for seen in self._requests(connection):
                reply = self._reply(seen)
                if not reply(connection, seen):
                    break
        with self._change:
            self._connections.discard(connection)
            self._change.notify_all()

    def _requests(self, connection: socket.socket) -> Iterator[Seen]:
        buffer = b""
        while not self._closing:
            while b"\r\n\r\n" not in buffer:
                more = self._receive(connection)
                if not more:
                    return
                buffer += more
            start, _, buffer = buffer.partition(b"\r\n\r\n")
            first, *lines = start.decode("latin-1").split("\r\n")
            headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
            length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
            while len(buffer) < length:
                more = self._receive(connection)
                if not more:
                    return
                buffer += more
            method, target, _ = first.split(" ")
            seen = Seen(method, target, headers, buffer[:length])
            buffer = buffer[length:]
            with self._change:
                self.seen.append(seen)
                self._change.notify_all()
            yield seen

    def _receive(self, connection: socket.socket) -> bytes:
        data = connection.recv(65536)
        with self._change:
            self.received += len(data)
        return data

    def _reply(self, seen: Seen) -> Reply:
        with self._change:
            plays = self._plays.get(f"{seen.method} {seen.path}") or self._plays.get(seen.path)
            if not plays:
                return answer(404, b"nothing is played here")
            return plays.pop(0) if len(plays) > 1 else plays[0]
