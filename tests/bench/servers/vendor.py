"""A vendor that costs next to nothing, for measurements: HTTP/1.1 on the loopback, in a process of its own.

`python tests/bench/servers/vendor.py LOW HIGH` prints its port. A task takes between LOW and HIGH seconds.
``GET /report`` tells what has been seen, and ``POST /reset`` forgets it.
"""

import asyncio
import json
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

EPOCH = time.time() - time.monotonic()
LONGEST = 3600.0
"""Seconds after which it ends by itself, whatever became of whoever started it."""


class Books:
    """What it knows."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high
        self.open = 0
        self.reset()

    def reset(self) -> None:
        self.draw = random.Random(1)
        self.tasks: dict[str, tuple[float, float, float]] = {}  # id → created, ends, seen to have ended
        self.queries = 0
        self.opened = self.most_open = self.open

    def create(self) -> dict[str, Any]:
        now = time.monotonic()
        task_id = f"clbench{len(self.tasks):08}"
        self.tasks[task_id] = now, now + self.draw.uniform(self.low, self.high), 0.0
        return {"taskId": task_id, "state": "pending", "model": "bench"}

    def query(self, task_id: str) -> dict[str, Any]:
        self.queries += 1
        now = time.monotonic()
        created, ends, seen = self.tasks[task_id]
        if now < ends:
            return {"taskId": task_id, "state": "processing", "model": "bench"}
        if not seen:
            self.tasks[task_id] = created, ends, now
        return {
            "taskId": task_id,
            "state": "completed",
            "model": "bench",
            "resultUrls": [f"https://pictures.example/{task_id}.png"],
            "createTime": round((EPOCH + created) * 1000),
            "completeTime": round((EPOCH + ends) * 1000),
        }

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
            "opened": self.opened,
            "most_open": self.most_open,
            "slowest": max(end - start for start, end in zip(begun, ended, strict=True)),
            "creating": max(begun) - min(begun),
            "last_end": max(ended) - min(begun),
            "mean_lag": sum(see - end for see, end in zip(seen, ended, strict=True)) / len(begun),
        }


class Visit(asyncio.Protocol):
    """One connection. A request is taken to come whole, as small ones on the loopback do, or in head and body."""

    transport: asyncio.Transport

    def __init__(self, books: Books) -> None:
        self.books = books
        self.received = b""

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
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head = self.received[:end]
            at = head.lower().find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.received) < end + 4 + length:
                return
            self.received = self.received[end + 4 + length :]
            self.answer(head.split(b" ", 2)[:2])

    def answer(self, line: list[bytes]) -> None:
        method, target = line
        books = self.books
        if target == b"/report":
            value: Any = books.report()
        elif target == b"/reset":
            books.reset()
            value = {}
        else:
            data = books.create() if method == b"POST" else books.query(target.rpartition(b"task_id=")[2].decode())
            value = {"code": 200, "msg": "success", "data": data}
        body = json.dumps(value).encode()
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )


async def serve(low: float, high: float) -> None:
    books = Books(low, high)
    server = await asyncio.get_running_loop().create_server(lambda: Visit(books), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(LONGEST)


@contextmanager
def vendor(low: float, high: float) -> Iterator[str]:
    """A vendor in another process; gives where it is."""
    process = subprocess.Popen([sys.executable, __file__, str(low), str(high)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1]), float(sys.argv[2])))
