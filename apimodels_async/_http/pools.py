"""Several small pools of connections in place of a large one. Pure: making and closing them comes in as arguments."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

logger = logging.getLogger("apimodels_async")

T = TypeVar("T")

WIDTH = 8
"""Requests at once on one lane."""


class PoolSet(Generic[T]):
    """As many lanes as it takes, each with a few requests at once.

    For every request httpcore looks at each connection of its pool, and for every idle one at all of them once more:
    with fifty, that costs more than the rest of the create. The first lane with room is taken, so that few requests
    at once share few connections.

    Args:
        make: makes a lane.
        close: closes one.
        idle: seconds after which a lane that nobody needed is closed, when the next request comes.
        clock: seconds.
    """

    def __init__(
        self,
        make: Callable[[], T],
        close: Callable[[T], Awaitable[None]],
        *,
        idle: float,
        clock: Callable[[], float],
    ) -> None:
        self._make = make
        self._close = close
        self._idle = idle
        self._clock = clock
        self._lanes: list[_Lane[T]] = []

    @asynccontextmanager
    async def acquire(self) -> AsyncGenerator[T]:
        """A lane for one request."""
        await self._close_one()
        lane = next((each for each in self._lanes if each.busy < WIDTH), None)
        if lane is None:
            lane = _Lane(self._make())
            self._lanes.append(lane)
        lane.busy += 1
        try:
            yield lane.lane
        finally:
            lane.busy -= 1
            lane.since = self._clock()

    async def _close_one(self) -> None:
        """Close the last lane, but for the first, if nobody has needed it for a while."""
        if len(self._lanes) < 2:
            return
        last = self._lanes[-1]
        if not last.busy and self._clock() - last.since > self._idle:
            self._lanes.pop()
            try:
                await self._close(last.lane)
            except Exception:  # its connections are gone, one way or the other; the request must not suffer
                logger.debug("a connection could not be closed", exc_info=True)


class _Lane(Generic[T]):
    """A lane; `busy` requests are on it, and the last one ended at `since`."""

    def __init__(self, lane: T) -> None:
        self.lane = lane
        self.busy = 0
        self.since = 0.0
