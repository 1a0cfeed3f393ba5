"""Writing of a picture's bytes: a thread writes one piece while the next one is received."""

import queue
import threading
from collections.abc import AsyncIterator, Callable

import anyio

from apimodels_async._download.part import PicturePart
from apimodels_async._threads import WorkerThreads

PIECE = 512 << 10
"""Bytes gathered before they are passed to the writing thread."""
AHEAD = 2
"""Maximum pieces that are being written or wait to be written."""
THREADS = WorkerThreads("downloads", 64)
"""Threads for everything that waits for the disk, so that the worker threads of the host program stay free."""
LEAVING = 1.0
"""Maximum seconds to wait for the disk when a download fails or is cancelled and its part file is removed."""


async def gather(chunks: AsyncIterator[bytes], seen: Callable[[bytes], object]) -> tuple[list[bytes], bool]:
    """Return the next piece and whether there may be more. `seen` is called with each chunk and may raise."""
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
    first: list[bytes], chunks: AsyncIterator[bytes], seen: Callable[[bytes], object], part: PicturePart
) -> None:
    """Write `first` and then `chunks` in one thread that is kept until everything is written.

    Passing each piece to a pool thread and waiting for it took 1.5 times as long (measured). A disk error is raised
    when the next piece is put.

    Raises:
        OSError: the disk failed. Errors of `seen` and `chunks` are raised unchanged.
    """
    belt = _WriteQueue(part)
    try:
        piece, more = first, True
        while more:
            await belt.put(piece)
            piece, more = await gather(chunks, seen)
        await belt.put(piece)
        await belt.end()
    except GeneratorExit:  # the event loop has been closed
        belt.drop()
        raise
    except BaseException:
        await belt.leave()
        raise


class _WriteQueue:
    """A queue between the event loop, which puts pieces, and a thread, which writes them.

    A cancelled caller does not wait for a disk that hangs: the thread finishes its current write alone and drops the
    rest. The thread is a daemon, so that a program whose loop was closed during a download can exit.
    """

    def __init__(self, part: PicturePart) -> None:
        self._part = part
        self._pieces: queue.SimpleQueue[list[bytes] | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(AHEAD)
        self._ended = threading.Event()
        self._dropped = False
        self._error: Exception | None = None
        threading.Thread(target=self._run, name="apimodels_async picture", daemon=True).start()

    async def put(self, piece: list[bytes]) -> None:
        """Wait for room and put a piece.

        Raises:
            OSError: an earlier piece could not be written.
        """
        if not self._room.acquire(blocking=False):
            await THREADS.run(self._room.acquire, abandon=True)  # `drop` releases it
        self._check()
        self._pieces.put(piece)

    async def end(self) -> None:
        """Wait until everything is written; there are no more pieces.

        Raises:
            OSError: a piece could not be written.
        """
        self._pieces.put(None)
        if not self._ended.is_set():
            await THREADS.run(self._ended.wait, abandon=True)
        self._check()

    async def leave(self) -> None:
        """Drop the rest, and wait for the thread to end, at most `LEAVING` seconds."""
        self._dropped = True
        self._pieces.put(None)
        try:
            with anyio.move_on_after(LEAVING, shield=True):
                await THREADS.run(self._ended.wait, abandon=True)
        finally:
            self.drop()

    def drop(self) -> None:
        """Drop the rest without waiting for the thread."""
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
        except Exception as error:  # noqa: BLE001  (raised by the next `put` or `end`)
            self._error = error
        finally:
            self._room.release()
            self._ended.set()
