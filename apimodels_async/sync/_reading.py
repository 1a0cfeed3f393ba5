"""Reading a plain iterable without holding up the loop that asks for its items."""

import asyncio
import contextvars
import logging
import queue
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import suppress
from typing import Any, Generic, TypeVar

T = TypeVar("T")

logger = logging.getLogger("apimodels_async")

_IN_MEMORY = (list, tuple, set, frozenset, dict)
_END: Any = object()


def read_apart(items: Iterable[T] | AsyncIterable[T]) -> Iterable[T] | AsyncIterable[T]:
    """`items`, so that reading them does not hold up other calls of the client.

    A plain iterable may wait for a file, a database or a queue. It is read in a thread of its own, always the same
    one, because a database connection that a generator opens often belongs to one thread. An async iterable is
    awaited in the client's loop as it is.
    """
    if isinstance(items, AsyncIterable) or type(items) in _IN_MEMORY:
        return items
    return _Apart(items)


class _Apart(AsyncIterable[T]):
    def __init__(self, items: Iterable[T]) -> None:
        self._items = items
        self._context = contextvars.copy_context()

    async def __aiter__(self) -> AsyncGenerator[T]:
        reader = _Reader(self._items, self._context)
        try:
            while (item := await reader.read()) is not _END:
                yield item
        finally:
            reader.stop()


class _Reader(Generic[T]):
    """A thread that reads one item whenever it is asked to.

    A daemon: an iterable that waits for ever must not keep the interpreter from its exit.
    """

    def __init__(self, items: Iterable[T], context: contextvars.Context) -> None:
        self._items = items
        self._loop = asyncio.get_running_loop()
        self._asked: queue.SimpleQueue[asyncio.Future[T] | None] = queue.SimpleQueue()
        thread = threading.Thread(target=context.run, args=(self._work,), name="apimodels-sync requests", daemon=True)
        thread.start()

    async def read(self) -> T:
        """The next item, or `_END`."""
        answer: asyncio.Future[T] = self._loop.create_future()
        self._asked.put(answer)
        return await answer

    def stop(self) -> None:
        """Read nothing more; does not wait."""
        self._asked.put(None)

    # --- in the thread

    def _work(self) -> None:
        iterator = None
        while (answer := self._asked.get()) is not None:
            error: BaseException | None = None
            item: T = _END
            try:
                if iterator is None:
                    iterator = iter(self._items)
                item = next(iterator, _END)
            except BaseException as raised:  # noqa: BLE001  (raised where the item was asked for)
                error = raised
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(_settle, answer, item, error)
            del answer, item, error
        close = getattr(iterator, "close", None)  # a generator's `finally` runs in the thread that ran the rest
        if close is not None:
            try:
                close()
            except Exception:
                logger.exception("closing the requests failed")


def _settle(answer: "asyncio.Future[T]", item: T, error: BaseException | None) -> None:
    if answer.done():  # nobody waits any more
        return
    if error is None:
        answer.set_result(item)
    else:
        answer.set_exception(error)
