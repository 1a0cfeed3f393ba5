"""Time limits of create requests, in time in which the event loop was running: one task keeps the clock for all."""

from collections.abc import Awaitable, Callable
from types import TracebackType

import anyio

from apimodels_async._clock import LoopClock
from apimodels_async._create.background import Job

TICK = 1.0
"""Maximum seconds between two looks at the clock."""
LATE = 0.5
"""Seconds. If a sleep ends later than this, the event loop was blocked, and the excess does not count."""


class Deadlines:
    """The time limits of one client's create requests.

    Time in which the process was stopped or its loop was blocked does not count. Otherwise an answer that arrived
    meanwhile, and is paid for, would never be read.

    Args:
        start: starts work in a task owned by the loop.
        clock: of that loop.
    """

    def __init__(self, start: Callable[[Callable[[], Awaitable[None]]], Job[None]], clock: LoopClock) -> None:
        self._start = start
        self._loop_clock = clock
        self._ends: dict[anyio.CancelScope, float] = {}
        self._clock: Job[None] | None = None
        self._running = 0.0  # seconds for which the loop was running, up to the last look at the clock
        self._looked = 0.0
        self._nap = TICK
        self._changed = anyio.Event()

    def within(self, seconds: float) -> "_Within":
        """Do what is inside for at most `seconds`; then it is left quietly."""
        return _Within(self, seconds)

    def add(self, scope: anyio.CancelScope, seconds: float) -> None:
        """Cancel a scope after `seconds`."""
        if self._clock is None or self._clock.ended.is_set():
            self._looked, self._nap = self._loop_clock.now(), TICK
            self._clock = self._start(self._keep_clock)
        ends = self._ends[scope] = self._now() + seconds
        if ends < self._running + self._nap:
            self._changed.set()

    def remove(self, scope: anyio.CancelScope) -> None:
        """Cancel it no more."""
        del self._ends[scope]
        if not self._ends:
            self._changed.set()

    def _now(self) -> float:
        return self._running + min(self._loop_clock.now() - self._looked, self._nap + LATE)

    async def _keep_clock(self) -> None:
        while self._ends:
            self._running, self._looked = self._now(), self._loop_clock.now()
            for scope, ends in self._ends.items():
                if ends <= self._running:
                    scope.cancel()
            self._nap = min([TICK, *(ends - self._running for ends in self._ends.values() if ends > self._running)])
            self._changed = anyio.Event()
            with anyio.move_on_after(self._nap):
                await self._changed.wait()


class _Within:
    """A context manager."""

    __slots__ = ("_all", "_scope", "_seconds")

    def __init__(self, all_of_them: Deadlines, seconds: float) -> None:
        self._all = all_of_them
        self._seconds = seconds
        self._scope = anyio.CancelScope()

    def __enter__(self) -> None:
        self._all.add(self._scope, self._seconds)
        self._scope.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._all.remove(self._scope)
        return bool(self._scope.__exit__(kind, error, traceback))
