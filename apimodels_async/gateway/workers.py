"""Worker threads that never hold up the end of the process.

The threads of `concurrent.futures` are joined when the interpreter ends, and asyncio joins those of its default
executor, so a picture that takes a minute would keep a process alive for a minute. These are daemon threads.
"""

import asyncio
import ctypes
import queue
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from apimodels_async._logs import escaped_logger

__all__ = ["CLOSE_TIME", "PictureWorkers", "Workers"]

CLOSE_TIME = 2.0
"""Seconds that jobs under way are waited for at the end."""
_SMALL = 32 << 10
_MMAP_THRESHOLD, _LARGE = -3, 1 << 20
"""glibc's number of the setting, and bytes."""

_T = TypeVar("_T")
_Job = tuple[Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]

_logger = escaped_logger(__name__)


class Workers:
    """Runs jobs in a few daemon threads, which start when they are needed.

    Args:
        count: the maximum of jobs at the same time.
        name: the threads' name.
    """

    def __init__(self, count: int, name: str) -> None:
        self.stopping: threading.Event = threading.Event()
        self._count = count
        self._name = name
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._pending: set[asyncio.Future[Any]] = set()

    async def __aenter__(self) -> Self:
        """Get ready for jobs."""
        self.stopping.clear()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Drop the jobs that wait, and wait a little for those under way."""
        self.stopping.set()
        for job in self._pending:
            job.cancel()
        with suppress(queue.Empty):
            while True:
                self._jobs.get_nowait()
        loop = asyncio.get_running_loop()
        ends = [loop.create_future() for _ in self._threads]
        for end in ends:
            self._jobs.put((lambda: None, loop, end))
            self._jobs.put(None)
        if ends:
            await asyncio.wait(ends, timeout=CLOSE_TIME)
        if not all(end.done() for end in ends):
            _logger.warning("a job of %s takes too long to end, and is abandoned", self._name)
        else:
            for thread in self._threads:
                thread.join(CLOSE_TIME)  # it is at its last line
        self._threads.clear()

    async def run(self, job: Callable[[], _T]) -> _T:
        """Return what `job` returns, called in one of the threads."""
        if self.stopping.is_set():
            raise RuntimeError("the gateway is not running")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[_T] = loop.create_future()
        self._pending.add(done)
        done.add_done_callback(self._pending.discard)
        self._jobs.put((job, loop, done))
        if len(self._threads) < min(self._count, len(self._pending)):
            thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._threads.append(thread)
            thread.start()
        return await done

    async def read(self, data: bytes, job: Callable[[], _T]) -> _T:
        """Return what `job` returns, which reads `data`: here, if that takes less time than to wake a thread up."""
        return job() if len(data) <= _SMALL else await self.run(job)

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, loop, done = item
            del item
            if done.cancelled():
                continue
            try:
                result, error = job(), None
            except BaseException as caught:  # noqa: BLE001  (raised again where the result is awaited)
                result, error = None, caught
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(_finish, done, result, error)
            del job, done, result, error


def _finish(done: "asyncio.Future[Any]", result: object, error: BaseException | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(result)
    elif isinstance(error, Exception) and not isinstance(error, StopIteration):
        done.set_exception(error)
    else:
        done.set_exception(RuntimeError(f"a job ended with {type(error).__name__}"))


class PictureWorkers:
    """Decodes and paints: small pictures two at a time, large ones one at a time beside them.

    That bounds the memory by that of one large picture and two small ones, and a small picture never waits behind a
    large one.

    Args:
        small: pixels up to which a job is small.
    """

    def __init__(self, small: int) -> None:
        self._limit = small
        self._small = Workers(2, "apimodels-gateway-pictures")
        self._large = Workers(1, "apimodels-gateway-large-pictures")

    @property
    def stopping(self) -> threading.Event:
        """Set when the gateway ends; a long job should look at it now and then."""
        return self._large.stopping

    async def __aenter__(self) -> Self:
        """Get ready for jobs."""
        await self._small.__aenter__()
        await self._large.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End both."""
        await asyncio.gather(
            self._small.__aexit__(kind, error, traceback), self._large.__aexit__(kind, error, traceback)
        )

    async def run(self, pixels: int, job: Callable[[], _T]) -> _T:
        """Run `job`, which processes `pixels` pixels, and return its result."""
        if pixels <= self._limit:
            return await self._small.run(job)
        return await self._large.run(partial(_and_give_back, job))


def give_memory_back_at_once() -> None:
    """Have the memory of all large objects returned to the system when they are freed.

    glibc returns none below the size of the largest one that was freed before, up to 32 MB.
    """
    if sys.platform == "linux":
        with suppress(AttributeError, OSError):  # another C library
            ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE)


def _and_give_back(job: Callable[[], _T]) -> _T:
    """What `job` returns, once the memory that it has freed is the system's again. glibc keeps it otherwise."""
    try:
        return job()
    finally:
        if sys.platform == "linux":
            with suppress(AttributeError, OSError):  # another C library
                ctypes.CDLL(None).malloc_trim(0)
