"""A server that takes creates, answers queries, serves pictures, and writes down everything it did.

    python server.py JOURNAL OPTIONS

Each event is one line of JSON, appended to the journal before it is answered. A server that is killed and started
again reads its tasks from there, so that none is forgotten: what the client loses is then the client's doing.
"""

import json
import os
import random
import struct
import sys
import time
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import anyio
import uvicorn

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


def png() -> bytes:
    """A picture of one pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0\0\0\0")) + chunk(b"IEND", b"")
    )


class CountingServer:
    """The application.

    Args:
        journal: the file; the tasks in it are known.
        latency: from how many to how many seconds a task takes.
        create_seconds: from how many to how many seconds a create request takes to be answered, after it has been
            accepted.
    """

    def __init__(self, journal: Path, latency: tuple[float, float], create_seconds: tuple[float, float]) -> None:
        self._latency = latency
        self._create_seconds = create_seconds
        self._random = random.Random(os.getpid())
        self._picture = png()
        self._tasks: dict[str, dict[str, Any]] = {}
        if journal.exists():
            events = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
            self._tasks = {event["id"]: event for event in events if event["event"] == "accepted"}
        self._begun = 0
        self._journal = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def _note(self, event: str, **fields: Any) -> None:
        os.write(self._journal, json.dumps({"event": event, "at": time.time(), **fields}).encode() + b"\n")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        path: str = scope["path"]
        if scope["method"] == "POST":
            await self._create(scope, receive, send)
        elif path.endswith("/images/generations"):
            await self._query(scope, send)
        elif path.endswith("/balance"):
            await _json(send, 200, {"code": 200, "msg": "success", "data": {"balance": 1e6}})
        elif path.startswith("/pictures/"):
            self._note("picture")
            await _answer(send, 200, self._picture, b"image/png")
        else:
            self._note("stray", path=path)
            await _json(send, 404, {"code": 404, "msg": f"no such path: {path}"})

    async def _create(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._begun += 1
        create = f"{os.getpid()}-{self._begun}"
        self._note("begun", create=create)
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self._note("cut", create=create)
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        fields = json.loads(body)
        now = time.time()
        task_id = f"task-{os.getpid()}-{len(self._tasks)}"
        task = {"id": task_id, "prompt": fields["prompt"], "model": fields["model"], "created": now}
        task["ready"] = now + self._random.uniform(*self._latency)
        self._tasks[task_id] = task
        self._note("accepted", **task)
        await anyio.sleep(self._random.uniform(*self._create_seconds))
        await _json(send, 200, {"code": 200, "msg": "success", "data": {"taskId": task_id, "state": "pending"}})
        self._note("answered", create=create)

    async def _query(self, scope: Scope, send: Send) -> None:
        task_id = parse_qs(scope["query_string"].decode()).get("task_id", [""])[0]
        self._note("query", id=task_id)
        task = self._tasks.get(task_id)
        if task is None:
            await _json(send, 404, {"code": 404, "msg": f"unknown task {task_id}"})
            return
        done = time.time() >= task["ready"]
        host = dict(scope["headers"])[b"host"].decode()
        data = {"taskId": task_id, "state": "processing", "createTime": int(task["created"] * 1000)}
        if done:
            links = [f"{scope['scheme']}://{host}/pictures/{task_id}.png"]
            data |= {"state": "completed", "completeTime": int(task["ready"] * 1000), "resultUrls": links}
        await _json(send, 200, {"code": 200, "msg": "success", "data": data})


async def _lifespan(receive: Receive, send: Send) -> None:
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


async def _json(send: Send, status: int, payload: object) -> None:
    await _answer(send, status, json.dumps(payload).encode(), b"application/json")


async def _answer(send: Send, status: int, body: bytes, kind: bytes) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    options = json.loads(sys.argv[2])
    while time.time() < options["start_at"]:  # everything is imported by now, so that an outage is as long as asked
        time.sleep(0.005)
    app = CountingServer(Path(sys.argv[1]), tuple(options["latency"]), tuple(options["create_seconds"]))
    uvicorn.run(
        app,
        host=options["host"],
        port=options["port"],
        log_level="warning",
        access_log=False,
        timeout_keep_alive=options["keepalive"],
        lifespan="off",
    )


if __name__ == "__main__":
    main()
