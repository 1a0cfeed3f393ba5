"""A picture's bytes on their way to the disk: the next ones are received while a thread writes the last ones."""

import queue
import threading
from collections.abc import AsyncIterator, Callable

import anyio

from apimodels_async._download.part_file import PartFile
from apimodels_async._threads import WorkerThreads

PIECE = 512 << 10
"""Bytes gathered before they are handed to the disk."""
AHEAD = 2
"""Pieces that are being written, or wait for it."""
THREADS = WorkerThreads("downloads", 64)
"""For all that waits for the disk: a host program's own worker threads are left alone."""
LEAVING = 1.0
"""Seconds that the disk is waited for when a download fails or is cancelled: nothing is left of it then."""


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


async def write_stream(
    first: list[bytes], chunks: AsyncIterator[bytes], seen: Callable[[bytes], object], part: PartFile
) -> None:
    """Write `first`, and then what comes, in one thread that is kept until all has come.

    Handing each piece to a thread of the pool, and waiting for it, took half as long again (measured). A disk that
    fails is noticed when the next piece is there.

    Raises:
        OSError: as the system says; and what `seen` and `chunks` raise.
    """
    belt = _WriteQueue(part)
    try:
        piece, more = first, True
        while more:
            await belt.put(piece)
            piece, more = await gather(chunks, seen)
        await belt.put(piece)
        await belt.end()
    except GeneratorExit:  # its loop is gone
        belt.drop()
        raise
    except BaseException:
        await belt.leave()
        raise


class _WriteQueue:
    """Between the event loop, which puts pieces on, and a thread, which takes them off and writes them.

    Whoever is cut off waits for no disk that hangs: the thread is left alone with what it is writing, and drops the
    rest. It is a daemon, so that a program whose loop was closed under a download can end.
    """

    def __init__(self, part: PartFile) -> None:
        self._part = part
        self._pieces: queue.SimpleQueue[list[bytes] | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(AHEAD)
        self._ended = threading.Event()
        self._dropped = False
        self._error: Exception | None = None
        threading.Thread(target=self._run, name="apimodels_async picture", daemon=True).start()

    async def put(self, piece: list[bytes]) -> None:
        """Put a piece on, when there is room for it.

        Raises:
            OSError: what was put on before could not be written.
        """
        if not self._room.acquire(blocking=False):
            await THREADS.run(self._room.acquire, abandon=True)  # `drop` lets it go
        self._check()
        self._pieces.put(piece)

    async def end(self) -> None:
        """There is no more: return when all is written.

        Raises:
            OSError: it could not be.
        """
        self._pieces.put(None)
        if not self._ended.is_set():
            await THREADS.run(self._ended.wait, abandon=True)
        self._check()

    async def leave(self) -> None:
        """Nobody wants it any more: return when the thread has let go, or soon."""
        self._dropped = True
        self._pieces.put(None)
        try:
            with anyio.move_on_after(LEAVING, shield=True):
                await THREADS.run(self._ended.wait, abandon=True)
        finally:
            self.drop()

    def drop(self) -> None:
        """Nobody wants it any more, and nobody waits."""
        self._dropped = True
        self._pieces.put(None)
        self._room.release()
        self._ended.set()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            while (piece := self._pieces.get()) is not None and not self._dropped:
                self._part.write(b"".join(piece))
                self._room.release()
        except Exception as error:  # noqa: BLE001  (raised to whoever puts the next piece on)
            self._error = error
        finally:
            self._room.release()
            self._ended.set()
