"""Several small pools of connections in place of a large one. Making and closing them comes in as arguments."""

import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Generic, TypeVar

import anyio

logger = logging.getLogger("apimodels_async")

T = TypeVar("T")

WIDTH = 8
"""Requests at once on one lane."""


class Lane(Generic[T]):
    """A pool of connections.

    Attributes:
        pool: what was made.
        busy: requests on it.
        served: whether it has brought an answer: its connections may be old.
        retired: whether it takes no more requests, and is closed after the last.
    """

    def __init__(self, pool: T) -> None:
        self.pool: T = pool
        self.busy: int = 0
        self.served: bool = False
        self.retired: bool = False
        self.since: float = 0.0


class PoolSet(Generic[T]):
    """As many lanes as it takes, each with a few requests at once.

    For every request httpcore looks at each connection of its pool, and for every idle one at all of them once more:
    with fifty, that costs more than the rest of the create. The first lane with room is taken, so that few requests
    at once share few connections.

    Args:
        make: makes a lane's pool.
        close: closes one.
        idle: seconds after which a lane that was not needed is closed, when the next request comes.
        clock: seconds.
        width: requests at once on one lane.
    """

    def __init__(
        self,
        make: Callable[[], T],
        close: Callable[[T], Awaitable[None]],
        *,
        idle: float,
        clock: Callable[[], float],
        width: int = WIDTH,
    ) -> None:
        self._make = make
        self._close = close
        self._idle = idle
        self._clock = clock
        self._width = width
        self._lanes: list[Lane[T]] = []

    def acquire(self) -> "_Use[T]":
        """A lane for one request."""
        return _Use(self)

    async def begin(self) -> Lane[T]:
        """One more request on a lane."""
        if len(self._lanes) > 1:
            await self._close_idle_one()
        for lane in self._lanes:
            if lane.busy < self._width:
                break
        else:
            lane = Lane(self._make())
            self._lanes.append(lane)
        lane.busy += 1
        return lane

    async def end(self, lane: Lane[T]) -> None:
        """One less."""
        lane.busy -= 1
        if len(self._lanes) > 1:  # the only one is not closed
            lane.since = self._clock()
        if lane.retired and not lane.busy:
            with anyio.CancelScope(shield=True):
                await self._shut(lane)

    def retire(self, lane: Lane[T]) -> None:
        """Send no more requests over a lane that is in use: its idle connections may be dead."""
        lane.retired = True
        if lane in self._lanes:
            self._lanes.remove(lane)

    async def _close_idle_one(self) -> None:
        """Close the last of several lanes if it has not been needed for a while."""
        last = self._lanes[-1]
        if not last.busy and self._clock() - last.since > self._idle:
            self._lanes.pop()
            await self._shut(last)

    async def _shut(self, lane: Lane[T]) -> None:
        try:
            await self._close(lane.pool)
        except Exception:  # its connections are gone, one way or the other; the request must not suffer
            logger.debug("a connection could not be closed", exc_info=True)


class _Use(Generic[T]):
    """A context manager; `contextlib`'s would cost twice as much, and this is done for every query."""

    __slots__ = ("_lane", "_pools")

    def __init__(self, pools: PoolSet[T]) -> None:
        self._pools = pools
        self._lane: Lane[T] | None = None

    async def __aenter__(self) -> Lane[T]:
        self._lane = await self._pools.begin()
        return self._lane

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._lane is not None:
            await self._pools.end(self._lane)
