"""Reading the requests of a batch: lazily, and without blocking the event loop."""

import contextvars
import logging
import queue
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable, Iterator
from contextlib import suppress
from typing import Generic, TypeVar

import anyio

from apimodels_async._create.arguments import may_be_requests
from apimodels_async._threads import LoopCaller

T = TypeVar("T")

logger = logging.getLogger("apimodels_async")

AHEAD = 16
"""Items that a thread may read before they are asked for."""
_IN_MEMORY = (list, tuple, range, set, frozenset, dict, deque)


class ThreadedIterable(Iterable[T]):
    """A plain iterable that is read in a thread of its own, with the context variables of where this was made."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items = items
        self.context = contextvars.copy_context()

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)


def threaded(items: Iterable[T] | AsyncIterable[T]) -> Iterable[T] | AsyncIterable[T]:
    """`items`, so that reading them does not block the event loop.

    A plain iterable may wait for a file, a database or a queue. It is read in a thread of its own, always the same
    one, because a database connection that a generator opens often belongs to one thread. What is awaited, or is in
    memory already, is read in the loop.
    """
    if isinstance(items, AsyncIterable | ThreadedIterable) or type(items) in _IN_MEMORY:
        return items
    # What cannot be requests stays as it is: the batch refuses it by its type.
    return ThreadedIterable(items) if may_be_requests(items) else items


async def read(items: Iterable[T] | AsyncIterable[T], window: anyio.Semaphore) -> AsyncGenerator[T]:
    """Each item, none of them read before `window` has room for it."""
    if isinstance(items, AsyncIterable):
        await window.acquire()
        async for item in items:
            yield item
            await window.acquire()
    elif isinstance(items, ThreadedIterable):
        reader = _Reader(items)
        try:
            while True:
                await reader.allow(window)
                for item in await reader.next_items():
                    yield item
                if reader.ended:
                    return
        finally:
            reader.stop()
    else:
        await window.acquire()
        for item in items:
            yield item
            await window.acquire()


class _Reader(Generic[T]):
    """A thread that reads an item for each time it is allowed to, and what it has read.

    A daemon: an iterable that waits for ever must not keep the interpreter from its exit.

    Attributes:
        ended: whether all that can be read has been handed over.
    """

    def __init__(self, items: ThreadedIterable[T]) -> None:
        self._items = items
        self._call_in_loop = LoopCaller()
        self._allowed: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._ahead = 0
        self._read: deque[T] = deque()
        self._over = False
        self._error: BaseException | None = None
        self._notified = False  # set by the thread only, and cleared by the loop only
        self._arrived = anyio.Event()
        self._stopped = False
        self.ended = False
        work = items.context.copy().run
        threading.Thread(target=work, args=(self._work,), name="apimodels_async requests", daemon=True).start()

    async def allow(self, window: anyio.Semaphore) -> None:
        """Let it read on, as far as the window has room: one item at least."""
        if self._over:
            return
        if self._ahead == 0:
            await window.acquire()
            self._allow()
        with suppress(anyio.WouldBlock):
            while self._ahead < AHEAD:
                window.acquire_nowait()
                self._allow()

    def _allow(self) -> None:
        self._ahead += 1
        self._allowed.put(True)

    async def next_items(self) -> list[T]:
        """What was read, as soon as there is anything; an empty list at the end.

        Raises:
            BaseException: whatever reading raised.
        """
        while True:
            self._arrived = anyio.Event()
            over = self._over  # asked first: what was read before the end is there then
            if self._read:
                break
            if over:
                self.ended = True
                if self._error is not None:
                    error, self._error = self._error, None
                    raise error
                return []
            await self._arrived.wait()
        some = [self._read.popleft() for _ in range(len(self._read))]
        self._ahead -= len(some)
        return some

    def _wake(self) -> None:
        self._notified = False
        self._arrived.set()

    def stop(self) -> None:
        """Read nothing more; does not wait."""
        self._stopped = True
        self._allowed.put(False)

    # --- in the thread

    def _work(self) -> None:
        iterator: Iterator[T] | None = None
        try:
            while self._allowed.get() and not self._stopped:
                if iterator is None:
                    iterator = iter(self._items)
                self._read.append(next(iterator))
                self._notify()
        except StopIteration:
            pass
        except KeyboardInterrupt as error:  # never Ctrl-C, which reaches only the main thread
            self._error = RuntimeError("KeyboardInterrupt, raised by the requests")
            self._error.__cause__ = error
        except BaseException as error:  # noqa: BLE001  (raised where the items are asked for)
            self._error = error
        self._over = True
        self._notify()
        if isinstance(iterator, Generator):  # its `finally` runs in the thread that ran the rest
            try:
                iterator.close()
            except Exception:
                logger.exception("closing the requests failed")

    def _notify(self) -> None:
        if not self._notified:
            self._notified = True
            self._call_in_loop(self._wake)
