"""What the servers of the measurements share: HTTP/1.1 on the loopback that costs next to nothing, in another process.

A task takes between two figures of seconds. ``GET /report`` tells what has been seen; ``POST /reset`` forgets it, and
with ``?LOW&HIGH`` changes the figures. ``GET /picture/…`` is a small picture.
"""

import asyncio
import json
import random
import socket
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

EPOCH = time.time() - time.monotonic()
LONGEST = 3600.0
"""Seconds after which it ends by itself, whatever became of whoever started it."""


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PICTURE = b"".join(
    [
        b"\x89PNG\r\n\x1a\n",
        _chunk(b"IHDR", struct.pack(">IIBBBBB", 200, 100, 8, 0, 0, 0, 0)),
        _chunk(b"IDAT", zlib.compress(random.Random(1).randbytes(201 * 100))),
        _chunk(b"IEND", b""),
    ]
)
"""20 kB."""


class Life(NamedTuple):
    """One task: when it was created, when it ends, and when somebody saw that it had ended (else 0)."""

    created: float
    ends: float
    seen: float = 0.0


class Books:
    """What a server knows."""

    def __init__(self, low: float, high: float) -> None:
        self.open = 0
        self.origin = ""
        self.reset(low, high)

    def reset(self, low: float, high: float) -> None:
        self.low, self.high = low, high
        self.draw = random.Random(1)
        self.tasks: dict[str, Life] = {}
        self.queries = self.pictures = 0
        self.opened = self.most_open = self.open

    def create(self) -> str:
        """A new task's id."""
        now = time.monotonic()
        task_id = f"clbench{len(self.tasks):08}"
        self.tasks[task_id] = Life(now, now + self.draw.uniform(self.low, self.high))
        return task_id

    def has_ended(self, task_id: str) -> bool:
        """A query: whether the task is done by now."""
        self.queries += 1
        now = time.monotonic()
        life = self.tasks[task_id]
        if now >= life.ends and not life.seen:
            self.tasks[task_id] = life._replace(seen=now)
        return now >= life.ends

    def picture_url(self, task_id: str) -> str:
        return f"{self.origin}/picture/{task_id}.png"

    def report(self) -> dict[str, float]:
        begun, ended, seen = zip(*self.tasks.values(), strict=True)
        changes = sorted([(at, 1) for at in begun] + [(at, -1) for at in ended])
        alive = most = 0
        for _, change in changes:
            alive += change
            most = max(most, alive)
        return {
            "tasks": len(begun),
            "most_alive": most,
            "queries": self.queries,
            "pictures": self.pictures,
            "opened": self.opened,
            "most_open": self.most_open,
            "slowest": max(end - start for start, end in zip(begun, ended, strict=True)),
            "creating": max(begun) - min(begun),
            "last_end": max(ended) - min(begun),
            "mean_lag": sum(see - end for see, end in zip(seen, ended, strict=True)) / len(begun),
        }


Protocol = Callable[[Books, str, str], tuple[int, Any]]
"""Gives a status and JSON for a method and a target."""


class Visit(asyncio.Protocol):
    """One connection."""

    transport: asyncio.Transport

    def __init__(self, books: Books, protocol: Protocol) -> None:
        self.books = books
        self.protocol = protocol
        self.received = b""
        self.asked: list[str] = []
        self.missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.books.open += 1
        self.books.opened += 1
        self.books.most_open = max(self.books.most_open, self.books.open)

    def connection_lost(self, exc: Exception | None) -> None:
        self.books.open -= 1

    def data_received(self, data: bytes) -> None:
        if self.missing > len(data):  # a large body: nobody reads it
            self.missing -= len(data)
            return
        data, self.received = self.received + data[self.missing :], b""
        if self.missing:
            self.missing = 0
            self.answer(*self.asked)
        while (end := data.find(b"\r\n\r\n")) >= 0:
            head, data = data[:end], data[end + 4 :]
            self.asked = head.decode("latin-1").split(" ", 2)[:2]
            at = head.lower().find(b"\r\ncontent-length:")
            length = int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(data) < length:
                self.missing = length - len(data)
                return
            data = data[length:]
            self.answer(*self.asked)
        self.received = data

    def answer(self, method: str, target: str) -> None:
        status, kind = 200, b"application/json"
        path, _, query = target.partition("?")
        if path == "/report":
            body = json.dumps(self.books.report()).encode()
        elif path == "/reset":
            low, _, high = query.partition("&")
            self.books.reset(float(low or self.books.low), float(high or self.books.high))
            body = b"{}"
        elif path.startswith("/picture/"):
            self.books.pictures += 1
            kind, body = b"image/png", PICTURE
        else:
            status, value = self.protocol(self.books, method, target)
            body = json.dumps(value).encode()
        self.transport.write(
            b"HTTP/1.1 %d OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (status, kind, len(body), body)
        )


async def _serve(protocol: Protocol, low: float, high: float) -> None:
    books = Books(low, high)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Visit(books, protocol), "127.0.0.1", 0, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    books.origin = f"http://127.0.0.1:{port}"
    print(port, flush=True)
    await asyncio.sleep(LONGEST)


def serve(protocol: Protocol) -> None:
    """Be a server that speaks `protocol`; the command line has the two figures of seconds. Prints the port."""
    asyncio.run(_serve(protocol, float(sys.argv[1]), float(sys.argv[2])))


@contextmanager
def server(name: str, low: float, high: float) -> Iterator[str]:
    """The server of that name in another process; gives where it is."""
    file = Path(__file__).with_name(f"{name}.py")
    process = subprocess.Popen([sys.executable, file, str(low), str(high)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()
