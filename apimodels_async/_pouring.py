"""A picture's bytes on their way to the disk: the next ones are received while a thread writes the last ones."""

import queue
import threading
from collections.abc import AsyncIterator, Callable

import anyio
import anyio.to_thread

from apimodels_async._saving import PartFile

PIECE = 512 << 10
"""Bytes gathered before they are handed to the disk."""
AHEAD = 2
"""Pieces that may wait for the disk."""


async def gather(chunks: AsyncIterator[bytes], seen: Callable[[bytes], object]) -> tuple[list[bytes], bool]:
    """The next piece, and whether there may be more. `seen` is called with each chunk, and may raise."""
    gathered: list[bytes] = []
    size = 0
    async for chunk in chunks:
        seen(chunk)
        gathered.append(chunk)
        size += len(chunk)
        if size >= PIECE:
            return gathered, True
    return gathered, False


async def pour(
    first: list[bytes],
    chunks: AsyncIterator[bytes],
    seen: Callable[[bytes], object],
    part: PartFile,
    threads: anyio.CapacityLimiter,
) -> None:
    """Write `first`, and then what comes, in one thread that is kept until all has come.

    Handing each piece to a thread of the pool, and waiting for it, took half as long again (measured).

    Raises:
        OSError: as the system says; and what `seen` and `chunks` raise.
    """
    belt = _Belt(part)
    trouble: list[Exception] = []

    async def write(group: anyio.CancelScope) -> None:
        try:
            await anyio.to_thread.run_sync(belt.run, limiter=threads)
        except Exception as error:  # noqa: BLE001  (raised below, and not in a group)
            trouble.append(error)
            group.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(write, group.cancel_scope)
        try:
            piece, more = first, True
            while more:
                await belt.put(piece)
                piece, more = await gather(chunks, seen)
            await belt.put(piece)
        except Exception as error:  # noqa: BLE001  (as above)
            trouble.append(error)
        finally:
            belt.end()
    if trouble:
        raise trouble[0]


class _Belt:
    """Between the event loop, which puts pieces on, and a thread, which takes them off and writes them."""

    def __init__(self, part: PartFile) -> None:
        self._part = part
        self._pieces: queue.SimpleQueue[list[bytes] | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(AHEAD)

    async def put(self, piece: list[bytes]) -> None:
        """Put a piece on, when there is room for it."""
        if not self._room.acquire(blocking=False):
            # Abandoned when cancelled: the thread that makes room may never have begun. `end` lets this one go.
            await anyio.to_thread.run_sync(self._room.acquire, abandon_on_cancel=True)
        self._pieces.put(piece)

    def end(self) -> None:
        """There is no more, and nobody waits any longer."""
        self._pieces.put(None)
        self._room.release()

    def run(self) -> None:
        """In a thread: write until the end.

        Raises:
            OSError: as the system says.
        """
        try:
            while (piece := self._pieces.get()) is not None:
                self._part.write(b"".join(piece))
                self._room.release()
        finally:
            self._room.release()  # nobody shall wait for a thread that has failed
