"""Bytes on their way to the disk: in order, not too many at once, and nobody left waiting when it fails."""

import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from apimodels_async import _pouring
from apimodels_async._pouring import AHEAD, gather, pour
from apimodels_async._saving import PartFile

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pouring, "PIECE", 10)


@pytest.fixture
def part(tmp_path: Path) -> PartFile:
    part = PartFile(tmp_path, "t-0")
    part.begin()
    return part


def nothing(_: bytes) -> None:
    pass


class Chunks:
    """Gives them, and then ends, raises or waits for ever; counts what was taken."""

    def __init__(self, chunks: Sequence[bytes], then: Exception | None = None, *, stays: bool = False) -> None:
        self._chunks = iter(chunks)
        self._then = then
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
        raise self._then or StopAsyncIteration


async def pour_all(chunks: AsyncIterator[bytes], part: PartFile) -> None:
    first, more = await gather(chunks, nothing)
    assert more
    with anyio.fail_after(20):
        await pour(first, chunks, nothing, part, anyio.CapacityLimiter(4))


@pytest.mark.parametrize("sizes", [[10], [30, 1, 1], [3] * 100, [1, 20, 1] * 30, [10] * 50])
async def test_all_of_it_is_written_in_order(part: PartFile, sizes: list[int]) -> None:
    chunks = [bytes([at % 256]) * size for at, size in enumerate(sizes)]
    told: list[bytes] = []
    incoming = Chunks(chunks)

    first, more = await gather(incoming, told.append)
    assert more
    await pour(first, incoming, told.append, part, anyio.CapacityLimiter(1))

    assert part.finish("t-0.png").read_bytes() == b"".join(chunks)
    assert told == chunks


async def test_a_small_picture_is_one_piece(part: PartFile) -> None:
    assert await gather(Chunks([b"one", b"two"]), nothing) == ([b"one", b"two"], False)
    part.discard()


async def test_a_slow_disk_holds_up_the_network(part: PartFile, monkeypatch: pytest.MonkeyPatch) -> None:
    may_go = threading.Event()
    write = PartFile.write

    def slow(self: PartFile, data: bytes) -> None:
        assert may_go.wait(20)
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


@pytest.mark.parametrize("stays", [True, False], ids=["nothing more comes", "more comes than there is room for"])
async def test_a_disk_that_fails_is_told_as_it_is_at_once(
    part: PartFile, monkeypatch: pytest.MonkeyPatch, stays: bool
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PartFile, "write", full)
    with pytest.raises(OSError, match="No space left"):
        await pour_all(Chunks([b"0123456789"] * (1 if stays else 50), stays=stays), part)
    part.discard()


async def test_what_receiving_raises_is_told_as_it_is(part: PartFile) -> None:
    with pytest.raises(ConnectionError, match="broken off"):
        await pour_all(Chunks([b"0123456789"] * 7, ConnectionError("broken off")), part)
    part.discard()


async def test_whoever_waits_for_room_can_be_cancelled_and_keeps_no_thread(
    part: PartFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go = threading.Event()
    monkeypatch.setattr(PartFile, "write", lambda *_: may_go.wait(20))
    threads = anyio.to_thread.current_default_thread_limiter()
    scope = anyio.CancelScope()

    async def one() -> None:
        with scope:
            await pour_all(Chunks([b"0123456789"] * 50), part)

    async with anyio.create_task_group() as group:
        group.start_soon(one)
        await anyio.wait_all_tasks_blocked()
        assert threads.borrowed_tokens == 1
        scope.cancel()
        with anyio.fail_after(20):
            while threads.borrowed_tokens:  # noqa: ASYNC110  (a thread ends without an event)
                await anyio.sleep(0.001)
        may_go.set()
    part.discard()
