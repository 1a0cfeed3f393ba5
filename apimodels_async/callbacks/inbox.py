"""Callbacks for ``async for``: a bounded queue between the loop that receives them and the loop that iterates."""

import contextlib
import threading
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from apimodels_async._threads import LoopCaller
from apimodels_async.callbacks.parsing import Callback

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Inbox", "InboxFullError"]

MOST_BYTES = 8 << 20
"""Maximum size of all bodies in the queue."""


class InboxFullError(Exception):
    """The queue is full because the consumer is too slow."""


class Inbox:
    """Accepted callbacks that have not been consumed. Safe to use from several threads and loops.

    Until iteration starts, a full queue drops its oldest callbacks, because there may never be a consumer. After that,
    a full queue rejects new callbacks.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._turn = threading.Lock()
        self._kept: deque[Callback] = deque()
        self._bytes = 0
        self._waiting: list[Callable[[], None]] = []
        self._closed = False
        self.wanted: bool = False

    def check_room(self) -> None:
        """Check that there is room for one more callback.

        Raises:
            InboxFullError: there is not.
        """
        with self._turn:
            if self.wanted and self._full():
                raise InboxFullError("callbacks come faster than they are taken by `async for`")

    def _full(self) -> bool:
        return len(self._kept) >= self._size or self._bytes > MOST_BYTES

    def put(self, callback: Callback) -> None:
        """Add a callback and wake the waiting consumers."""
        with self._turn:
            while not self.wanted and self._kept and self._full():
                self._bytes -= len(self._kept.popleft().body)
            self._kept.append(callback)
            self._bytes += len(callback.body)
            waiting, self._waiting = self._waiting, []
        for wake in waiting:
            wake()

    async def get(self) -> Callback:
        """Return the oldest callback; wait until there is one.

        Raises:
            StopAsyncIteration: the inbox is closed and empty.
        """
        await anyio.lowlevel.checkpoint()
        while True:
            with self._turn:
                if self._kept:
                    callback = self._kept.popleft()
                    self._bytes -= len(callback.body)
                    return callback
                if self._closed:
                    raise StopAsyncIteration
                event, call_in_loop = anyio.Event(), LoopCaller()
                wake = partial(call_in_loop, event.set)
                self._waiting.append(wake)
            try:
                await event.wait()
            finally:
                with self._turn, contextlib.suppress(ValueError):
                    self._waiting.remove(wake)

    def put_back(self, callback: Callback) -> None:
        """Return a callback that was not consumed to the front of the queue."""
        with self._turn:
            self._kept.appendleft(callback)
            self._bytes += len(callback.body)

    def close(self) -> None:
        """End the iterations once they have consumed what is queued."""
        with self._turn:
            self._closed = True
            waiting, self._waiting = self._waiting, []
        for wake in waiting:
            wake()
