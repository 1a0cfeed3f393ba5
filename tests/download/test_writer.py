"""Bytes on their way to the disk: in order, not too many at once, and nobody left waiting when it fails."""

import asyncio
import contextlib
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from apimodels_async._download import writer
from apimodels_async._download.part_file import PartFile
from apimodels_async._download.writer import AHEAD, gather, write_stream

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "PIECE", 10)


@pytest.fixture
def part(tmp_path: Path) -> PartFile:
    part = PartFile(tmp_path, "t-0")
    part.begin()
    return part


def nothing(_: bytes) -> None:
    pass


class Chunks:
    """Gives them, and then ends, raises (when `after` has happened) or waits for ever; counts what was taken."""

    def __init__(
        self,
        chunks: Sequence[bytes],
        then: Exception | None = None,
        *,
        after: threading.Event | None = None,
        stays: bool = False,
    ) -> None:
        self._chunks = iter(chunks)
        self._then = then
        self._after = after
        self._stays = stays
        self.taken = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await anyio.lowlevel.checkpoint()
        for chunk in self._chunks:
            self.taken += 1
            return chunk
        if self._stays:
            await anyio.sleep_forever()
        if self._after is not None:
            assert await anyio.to_thread.run_sync(self._after.wait, 60)
        raise self._then or StopAsyncIteration


async def pour_all(chunks: AsyncIterator[bytes], part: PartFile) -> None:
    first, more = await gather(chunks, nothing)
    assert more
    with anyio.fail_after(60):
        await write_stream(first, chunks, nothing, part)


@pytest.mark.parametrize("sizes", [[10], [30, 1, 1], [3] * 100, [1, 20, 1] * 30, [10] * 50])
async def test_all_of_it_is_written_in_order(part: PartFile, sizes: list[int]) -> None:
    chunks = [bytes([at % 256]) * size for at, size in enumerate(sizes)]
    told: list[bytes] = []
    incoming = Chunks(chunks)

    first, more = await gather(incoming, told.append)
    assert more
    await write_stream(first, incoming, told.append, part)

    assert part.finish("t-0.png").read_bytes() == b"".join(chunks)
    assert told == chunks


async def test_a_small_picture_is_one_piece(part: PartFile) -> None:
    assert await gather(Chunks([b"one", b"two"]), nothing) == ([b"one", b"two"], False)
    part.discard()


async def test_a_slow_disk_holds_up_the_network(part: PartFile, monkeypatch: pytest.MonkeyPatch) -> None:
    may_go = threading.Event()
    write = PartFile.write

    def slow(self: PartFile, data: bytes) -> None:
        assert may_go.wait(60)
        write(self, data)

    monkeypatch.setattr(PartFile, "write", slow)
    incoming = Chunks([b"0123456789"] * 50)
    async with anyio.create_task_group() as group:
        group.start_soon(pour_all, incoming, part)
        await anyio.wait_all_tasks_blocked()
        # One that is being written, those that wait, and one in the hand.
        held = incoming.taken
        may_go.set()

    assert held <= AHEAD + 2
    assert part.finish("t-0.png").stat().st_size == 500


@pytest.mark.parametrize("pieces", [1, 2, 50])
async def test_a_disk_that_fails_is_told_as_it_is(part: PartFile, monkeypatch: pytest.MonkeyPatch, pieces: int) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PartFile, "write", full)
    with pytest.raises(OSError, match="No space left"):
        await pour_all(Chunks([b"0123456789"] * pieces), part)
    part.discard()


class SlowFile:
    """Says when it is being written to, and waits until it may go on."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.began, self.may_go = threading.Event(), threading.Event()

    def write(self, data: bytes) -> None:
        self.began.set()
        assert self.may_go.wait(60)
        self._file.write(data)

    def close(self) -> None:
        self._file.close()


@pytest.mark.parametrize("cancelled", [False, True], ids=["fails", "is cancelled"])
async def test_nothing_is_left_when_a_download_ends_while_the_disk_is_at_work(
    part: PartFile, monkeypatch: pytest.MonkeyPatch, cancelled: bool
) -> None:
    file = SlowFile(part._file)
    monkeypatch.setattr(part, "_file", file)
    monkeypatch.setattr(writer, "LEAVING", 60.0)
    if cancelled:
        chunks = Chunks([b"0123456789"], stays=True)
    else:
        chunks = Chunks([b"0123456789"], ConnectionError("broken off"), after=file.began)
    scope = anyio.CancelScope()
    left: list[bool] = []

    async def one() -> None:
        with scope, contextlib.suppress(ConnectionError):
            try:
                await pour_all(chunks, part)
            finally:
                part.discard()
                left.append(part.path.exists())

    async with anyio.create_task_group() as group:
        group.start_soon(one)
        assert await anyio.to_thread.run_sync(file.began.wait, 60)
        assert left == []
        if cancelled:
            scope.cancel()
        await anyio.wait_all_tasks_blocked()
        file.may_go.set()

    assert left == [False]


async def test_what_receiving_raises_is_told_as_it_is(part: PartFile) -> None:
    with pytest.raises(ConnectionError, match="broken off"):
        await pour_all(Chunks([b"0123456789"] * 7, ConnectionError("broken off")), part)
    part.discard()


@pytest.mark.parametrize("pieces", [1, 50], ids=["for the end", "for room"])
@pytest.mark.parametrize("how", ["scope", "Task.cancel"])
async def test_waiting_for_a_disk_that_hangs_can_be_cancelled_and_leaves_nothing(
    part: PartFile, monkeypatch: pytest.MonkeyPatch, anyio_backend_name: str, pieces: int, how: str
) -> None:
    may_go = threading.Event()
    written: list[bytes] = []

    def hang(_: PartFile, data: bytes) -> None:
        assert may_go.wait(60)
        written.append(data)

    monkeypatch.setattr(PartFile, "write", hang)
    monkeypatch.setattr(writer, "LEAVING", 0.02)
    scope = anyio.CancelScope()
    tasks: list[asyncio.Task[None] | None] = []

    async def one() -> None:
        if anyio_backend_name == "asyncio":
            tasks.append(asyncio.current_task())
        with scope:
            await pour_all(Chunks([b"0123456789"] * pieces), part)

    async with anyio.create_task_group() as group:
        group.start_soon(one)
        await anyio.wait_all_tasks_blocked()
        pool = writer.THREADS._limiter.get()
        assert pool.borrowed_tokens == 1
        assert anyio.to_thread.current_default_thread_limiter().borrowed_tokens == 0  # the host program's
        if how == "Task.cancel" and tasks[:1] and tasks[0] is not None:
            tasks[0].cancel()
        else:
            scope.cancel()
        with anyio.fail_after(10):
            while pool.borrowed_tokens:  # noqa: ASYNC110  (a thread ends without an event)
                await anyio.sleep(0.001)
    assert written == []  # the disk still hangs
    may_go.set()
    for thread in threading.enumerate():
        if thread.name == "apimodels_async picture":
            thread.join(10)
            assert not thread.is_alive()
    assert len(written) <= 1
    part.discard()


async def test_a_loop_that_is_closed_under_a_download_keeps_no_process(tmp_path: Path) -> None:
    program = """
import asyncio, sys
from pathlib import Path
from apimodels_async._download import writer
from apimodels_async._download.part_file import PartFile

class Stalled:
    sent = False
    def __aiter__(self): return self
    async def __anext__(self):
        if self.sent:
            waiting.set()
            await asyncio.sleep(3600)
        self.sent = True
        return bytes(writer.PIECE)

async def download():
    part = PartFile(Path(sys.argv[1]), "t-0")
    part.begin()
    chunks = Stalled()
    first, _ = await writer.gather(chunks, len)
    await writer.write_stream(first, chunks, len, part)

waiting = asyncio.Event()
loop = asyncio.new_event_loop()
task = loop.create_task(download())
loop.run_until_complete(waiting.wait())
loop.close()
"""
    done = await anyio.run_process([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert done.returncode == 0
