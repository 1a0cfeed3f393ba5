"""Group commit: one thread writes what many threads and event loops have to say, in as few transactions as it can."""

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

import anyio

from apimodels_async._threads import LoopCaller, running_loop

logger = logging.getLogger("apimodels_async")

GATHER = 0.008
"""Seconds for which writes gather where several come at a time. It halves the transactions and makes a batch faster:
the thread that writes and the event loop share one interpreter."""
ENOUGH = 16
"""Writers that gather at most: half of what a batch sends at once: one half is sent while the other is written."""
LAZY = 0.5
"""Seconds after which a posted change is written, if no write takes it along before."""
LINGER = 1.0
"""Seconds for which the thread waits for more before it ends."""

C = TypeVar("C")
R = TypeVar("R")


class _Group(Generic[C, R]):
    """Changes that share one transaction."""

    def __init__(self) -> None:
        self.changes: list[C] = []
        self.writers = 0
        self.urgent = False  # a writer waits for it
        self.due = 0.0  # monotonic time at which it is written although no writer waits
        self.outcome: Future[Sequence[R]] = Future()
        self.loops: dict[Any, tuple[anyio.Event, LoopCaller]] = {}


class Write(Generic[C, R]):
    """Changes on their way: `result` waits in a thread, `wait` in an event loop. Both may be given up at any time."""

    __slots__ = ("_first", "_group", "_lock", "_number")

    def __init__(self, group: _Group[C, R], number: int, lock: threading.Lock) -> None:
        self._group = group
        self._first = len(group.changes)
        self._number = number
        self._lock = lock

    def result(self) -> Sequence[R]:
        """Wait until the changes are written, and return the result of each.

        Raises:
            Exception: what writing them raised; then none of the group's changes was written.
        """
        return self._group.outcome.result()[self._first : self._first + self._number]

    async def wait(self) -> Sequence[R]:
        """As `result`, without blocking the event loop."""
        arrived: anyio.Event | None = None
        with self._lock:
            if not self._group.outcome.done():
                # One event for all that wait in this loop: the thread wakes the loop once for each transaction.
                loop = running_loop()
                if loop not in self._group.loops:
                    self._group.loops[loop] = anyio.Event(), LoopCaller()
                arrived, _ = self._group.loops[loop]
        if arrived is not None:
            await arrived.wait()
        return self.result()


class GroupCommit(Generic[C, R]):
    """Writes changes in groups, in the order in which they came.

    While one transaction is on its way to the disk, what all others write gathers for the next, so that thousands of
    writers do not queue for the disk. There are three cases:

    - A single writer waits for nothing but its own transaction.
    - Where the last group had several writers, the next gathers for `gather` seconds more, or until they are `ENOUGH`.
    - A posted change, for which nothing waits, goes with the next write, or by itself after `LAZY` seconds.

    The thread alone takes what has gathered and reports the result. So a writer that is cancelled takes no other's
    changes with it, its own are still written, and none is written twice or out of turn. The thread starts when it is
    needed and ends when it has had nothing to do for `LINGER` seconds.

    Args:
        write: writes changes in one transaction, and returns a result for each; called in the thread.
        gather: seconds.
    """

    def __init__(self, write: Callable[[list[C]], Sequence[R]], *, gather: float = GATHER) -> None:
        self._write = write
        self._gather = gather
        self.after_fork()
        _writers.add(self)

    def after_fork(self) -> None:
        """Begin anew: in a forked child there is no such thread, and what the parent gathered is the parent's."""
        self._lock = threading.Lock()
        self._called = threading.Condition(self._lock)
        self._gathering: _Group[C, R] = _Group()
        self._writing: _Group[C, R] | None = None
        self._several = False  # the last group had several writers
        self._patient = False  # the thread waits for the group to grow
        self._running = False
        self._linger = LINGER
        self._unreported: Exception | None = None

    def post(self, *changes: C) -> None:
        """Write changes soon, without waiting for them."""
        with self._lock:
            group = self._gathering
            if not group.changes:
                group.due = time.monotonic() + LAZY
            group.changes.extend(changes)
            self._call_thread()

    def submit(self, *changes: C) -> Write[C, R]:
        """Write changes at once. They are written whether the result is waited for or not."""
        with self._lock:
            group = self._gathering
            write = Write(group, len(changes), self._lock)
            group.changes.extend(changes)
            group.writers += 1
            group.urgent = True
            if self._patient and group.writers >= ENOUGH:
                self._called.notify()
            inline = not self._call_thread()
        if inline:
            self._run()
        return write

    def flush(self) -> Write[C, R]:
        """Write everything that was posted. Fails also if an earlier posted change could not be written."""
        inline = False
        with self._lock:
            group: _Group[C, R] = self._gathering
            if self._unreported is not None:
                group = _Group()
                group.outcome.set_exception(self._unreported)
                self._unreported = None
            elif group.changes:
                group.urgent = True
                inline = not self._call_thread()
            elif self._writing is not None:
                group = self._writing
            else:
                group = _Group()
                group.outcome.set_result([])
            write = Write(group, 0, self._lock)
        if inline:
            self._run()
        return write

    def stop(self) -> None:
        """Let the thread end as soon as it has nothing to do. A later write starts another."""
        with self._lock:
            self._linger = 0.0
            self._called.notify()

    def _call_thread(self) -> bool:
        """With the lock held: have the thread look. False if there can be none, because the interpreter is ending."""
        if self._running:
            if not self._patient:
                self._called.notify()
            return True
        self._running = True
        try:
            threading.Thread(target=self._run, name="apimodels group commit", daemon=True).start()
        except RuntimeError:
            self._running = False
            self._linger = 0.0
        return self._running

    def _run(self) -> None:
        while (group := self._next()) is not None:
            self._write_group(group)

    def _next(self) -> "_Group[C, R] | None":
        """The next group to be written, when it is time; ``None`` when the thread is to end."""
        with self._lock:
            idle_since = time.monotonic()
            while not self._gathering.urgent:
                until = self._gathering.due if self._gathering.changes else idle_since + self._linger
                left = until - time.monotonic()
                if left > 0:
                    self._called.wait(left)
                elif self._gathering.changes:
                    break
                else:
                    self._running = False
                    return None
            if self._several:
                self._let_it_grow()
            group = self._writing = self._gathering
            self._gathering = _Group()
        return group

    def _let_it_grow(self) -> None:
        """With the lock held: wait until there are enough writers, or the time is over."""
        until = time.monotonic() + self._gather
        self._patient = True
        while self._gathering.writers < ENOUGH and (left := until - time.monotonic()) > 0:
            self._called.wait(left)
        self._patient = False

    def _write_group(self, group: "_Group[C, R]") -> None:
        results: Sequence[R] = []
        error: Exception | None = None
        self._several = group.writers > 1
        try:
            results = self._write(group.changes) if group.changes else []
        except BaseException as trouble:  # noqa: BLE001  (raised where it is waited for: this thread must go on)
            error = trouble if isinstance(trouble, Exception) else RuntimeError(f"{trouble!r}, raised by the store")
        with self._lock:
            self._writing = None
            if error is None:
                group.outcome.set_result(results)
            else:
                group.outcome.set_exception(error)
                if not group.urgent:
                    logger.error("what was posted could not be written: %s", error)
                    self._unreported = error
        for arrived, call in group.loops.values():
            call(arrived.set)


_writers: "weakref.WeakSet[GroupCommit[Any, Any]]" = weakref.WeakSet()


def _after_fork() -> None:
    for writer in list(_writers):
        writer.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
