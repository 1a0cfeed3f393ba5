"""Answers that cost a client memory or time: packed, large, and endless ones."""

import itertools
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import anyio

from apimodels_async import ApimodelsError, AsyncImagesClient, Task, TaskState
from apimodels_async._download import picture_fetch
from tests.proofs.hostile.hostile_server import (
    CHUNKED,
    DRIPS,
    GZIP_HEAD,
    MOST_SENT,
    Repeated,
    deflated,
    dripping,
    flooding,
    packed_to_nothing,
    streamed,
    zeros,
)
from tests.proofs.hostile.lanes import LANES, on_lane
from tests.proofs.hostile.processes import peak_memory
from tests.proofs.hostile.row import Row, unless
from tests.support.picture_server import KEY, PictureServer, Reply, answer, enveloped, head

MOST_GROWTH = 300
"""MB that a whole row may add to the peak of the client's process, in which the server is as well."""
MOST_BLOCKED = 0.5
"""Seconds that an event loop may be blocked."""
JSON = (("Content-Type", "application/json"), ("Connection", "close"))
LARGE = 60 << 20
"""Bytes of a large answer, below the client's limit of 64 MiB."""

Call = Callable[[AsyncImagesClient, PictureServer, Path], Awaitable[object]]


async def _get(client: AsyncImagesClient, server: PictureServer, folder: Path) -> object:
    return await client.get("task-1")


async def _create(client: AsyncImagesClient, server: PictureServer, folder: Path) -> object:
    return await client.create("a cat")


async def _balance(client: AsyncImagesClient, server: PictureServer, folder: Path) -> object:
    return await client.balance()


async def _download(client: AsyncImagesClient, server: PictureServer, folder: Path) -> object:
    task = Task(id="task-1", state=TaskState.COMPLETED, result_urls=(f"{server.origin}/a",))
    return await client.download(task, folder)


CALLS: dict[str, Call] = {"get": _get, "create": _create, "balance": _balance, "download": _download}


def without_pauses() -> AbstractContextManager[Any]:
    """A download tries again at once: the pauses are bounded elsewhere."""
    return mock.patch.object(picture_fetch, "full_jitter", return_value=0.0)


class Blocked:
    """How long the event loop was blocked at most."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Watch the loop."""

        async def tick() -> None:
            while True:
                began = time.monotonic()
                await anyio.sleep(0.01)
                self.seconds = max(self.seconds, time.monotonic() - began - 0.01)

        async with anyio.create_task_group() as group:
            group.start_soon(tick)
            yield
            group.cancel_scope.cancel()


def play(server: PictureServer, reply: Reply) -> None:
    """Answer every request with this."""
    server.create(reply)
    server.query(reply)
    server.play("/api/v1/balance", reply)
    server.play("/a", reply)


async def _attempt(
    row: Row, case: str, name: str, server: PictureServer, *, most: float, may_work: bool, timeout: float
) -> None:
    blocked, outcome = Blocked(), ""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        async with (
            AsyncImagesClient(KEY, base_url=server.base_url, model="m", max_retries=0, timeout=timeout) as client,
            blocked.watched(),
        ):
            with anyio.move_on_after(3 * most) as scope:
                try:
                    await CALLS[name](client, server, Path(folder))
                    outcome = "" if may_work else "it was taken"
                except ApimodelsError:
                    pass
                except Exception as error:  # noqa: BLE001  (what should not come out)
                    outcome = f"{type(error).__name__}: {error}"
        left = os.listdir(folder)  # noqa: PTH208  (nothing else runs here)
    took = time.monotonic() - began
    row.judge(
        f"{case}, {name}",
        outcome,
        unless(not scope.cancelled_caught and took <= most, f"it took {took:.1f} s"),
        unless(blocked.seconds <= MOST_BLOCKED, f"the loop was blocked for {blocked.seconds:.1f} s"),
        unless(may_work or not left, f"files are left: {left}"),
    )


def _run(
    row: Row,
    replies: dict[str, Reply],
    calls: tuple[str, ...],
    *,
    most: float,
    may_work: bool = False,
    timeout: float = 20,
) -> None:
    before = peak_memory()
    for lane, backend in LANES:
        for case, reply in replies.items():
            with PictureServer() as server, on_lane(lane), without_pauses():
                play(server, reply)
                for name in calls:

                    async def work(case: str = case, name: str = name, server: PictureServer = server) -> None:
                        await _attempt(row, case, name, server, most=most, may_work=may_work, timeout=timeout)

                    anyio.run(work, backend=backend)
    grown = peak_memory() - before
    row.notes.append(f"+{grown} MB")
    row.judge("memory", unless(grown <= MOST_GROWTH, f"the peak grew by {grown} MB"))


def codings(row: Row) -> None:
    """Packed answers: one layer and many, bombs, and streams that stand for nothing."""
    gigabytes = row.count(1024)
    once = deflated(zeros(gigabytes))
    twice = deflated([once])
    pieces = [GZIP_HEAD, *[packed_to_nothing()] * row.count(300)]
    members = once[: len(once) // 2] + once
    replies = {
        "a bomb": answer(200, once, ("Content-Encoding", "gzip")),
        "a bomb in deflate": answer(200, deflated(zeros(gigabytes), -15), ("Content-Encoding", "deflate")),
        "two layers": answer(200, twice, ("Content-Encoding", "gzip, gzip")),
        "two layers in two lines": answer(200, twice, ("Content-Encoding", "gzip"), ("Content-Encoding", "gzip")),
        "five layers": answer(200, deflated([twice]), ("Content-Encoding", ", ".join(["gzip"] * 5))),
        "two kinds": answer(200, twice, ("Content-Encoding", "gzip, deflate")),
        "Brotli": answer(200, twice, ("Content-Encoding", "br")),
        "Zstandard": answer(200, twice, ("Content-Encoding", "zstd")),
        "broken in the middle": answer(200, members, ("Content-Encoding", "gzip")),
        "for nothing": streamed(pieces, ("Content-Encoding", "gzip")),
        "packed for the way": answer(200, once, ("Transfer-Encoding", "gzip, chunked")),
    }
    _run(row, replies, ("get", "create", "balance", "download"), most=30)


def json_answers(row: Row) -> None:
    """Large answers in JSON that are cheap to write and dear to read."""
    size = row.count(LARGE)
    start, end = b'{"code": 200, "data": [', b"0]}"
    parts = {
        "lists": (b"[],", start, end),
        "numbers": (b"1,", start, end),
        "fractions": (b"1e5,", start, end),
        "objects": (b'{"a":1},', start, end),
        "texts": (b'"",', start, end),
        "one text": (b"x", b'{"code": 200, "data": {"taskId": "', b'"}}'),
        "a long message": (b"x", b'{"code": 400, "msg": "', b'"}'),
        "a long reason": (b"x", b'{"code": 200, "data": {"taskId": "task-1", "state": "failed", "failMsg": "', b'"}}'),
        "one text of escapes": (b"\\u0041", b'{"code": 200, "data": {"taskId": "', b'"}}'),
        "half surrogates": (b"\\ud800", b'{"code": 200, "msg": "', b'"}'),
        "one number": (b"1", b'{"code": ', b"}"),
        "one fraction": (b"1", b'{"code": 1.', b"}"),
        "white space": (b" ", b'{"code": ', b"1}"),
        "depth": (b"[", b"", b""),
        "names": (b'"a":1,', b"{", b'"b":1}'),
        "a page": (b"<title>", b"<html>", b""),
        "NUL": (b"\0", b"", b""),
    }
    replies = {
        f"{name}, HTTP {status}": streamed(Repeated(piece, size, start, end), start=head(status, *JSON))
        for name, (piece, start, end) in parts.items()
        for status in (200, 400)
    }
    _run(row, replies, ("get", "create"), most=30, may_work=True)


def links(row: Row) -> None:
    """A task with more results than anyone asked for."""
    many = row.count(100_000)

    def completed(urls: list[str]) -> Reply:
        return enveloped({"taskId": "task-1", "state": "completed", "resultUrls": urls})

    pixel = "data:image/png;base64,iVBORw0KGgo="
    cases = {
        "links": [f"http://127.0.0.1:1/{number}" for number in range(many)],
        "one link": ["http://127.0.0.1:1/a"] * many,
        "data links": [f"{pixel}{number:04}" for number in range(row.count(3000))],
        "empty links": [""] * many,
        "links of other schemes": ["file:///etc/passwd", "ftp://127.0.0.1/a", "javascript:1", "//a", "\\\\a\\b"],
        "links with lines": ["http://127.0.0.1:1/\r\nX: y", "http://127.0.0.1:1/\0", "http://\x1b[31m/"],
        "a long link": ["http://127.0.0.1:1/" + "a" * row.count(1 << 20)],
    }
    for lane, backend in LANES:
        for case, urls in cases.items():
            with PictureServer() as server, on_lane(lane):
                play(server, completed(urls))

                async def work(case: str = case, server: PictureServer = server) -> None:
                    await _make_and_save(row, case, server)

                anyio.run(work, backend=backend)


async def _make_and_save(row: Row, case: str, server: PictureServer) -> None:
    blocked, outcome = Blocked(), ""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        async with (
            AsyncImagesClient(KEY, base_url=server.base_url, model="m", max_retries=0, timeout=20) as client,
            blocked.watched(),
        ):
            try:
                await client.download(await client.generate("a cat"), folder)
                outcome = "it was saved"
            except ApimodelsError as error:
                outcome = unless(error.task_id == "task-1", "the error has no task id")
            except Exception as error:  # noqa: BLE001  (what should not come out)
                outcome = f"{type(error).__name__}: {error}"
        left = len(os.listdir(folder))  # noqa: PTH208  (nothing else runs here)
    took = time.monotonic() - began
    row.judge(
        case,
        outcome,
        unless(took <= 15, f"it took {took:.1f} s"),
        unless(blocked.seconds <= MOST_BLOCKED, f"the loop was blocked for {blocked.seconds:.1f} s"),
        unless(not left, f"{left} files are left"),
        unless(server.posts == 1, f"{server.posts} create requests"),
    )


def slow_answers(row: Row) -> None:
    """Answers that drip in every phase, and such as come as fast as they are read and never end."""
    drips = dict(itertools.islice(DRIPS.items(), row.count(len(DRIPS))))
    replies = {f"{phase} drips": dripping(*how) for phase, how in drips.items()}
    replies |= {f"{phase} floods": flooding(*how) for phase, how in drips.items() if how[1]}
    replies["a body without end"] = streamed(
        Repeated(b"10\r\n0123456789abcdef\r\n", MOST_SENT), start=head(200, CHUNKED)
    )
    _run(row, replies, ("get", "create"), most=12, timeout=0.5)
