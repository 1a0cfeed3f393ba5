"""Several small pools in place of a large one."""

from contextlib import AsyncExitStack

import pytest

from apimodels_async._http.pools import WIDTH, PoolSet

pytestmark = pytest.mark.anyio

IDLE = 2.0


class Yard:
    """Makes lanes and closes them.

    Attributes:
        made: how many.
        closed: which.
        now: the time.
        broken: whether closing fails.
    """

    def __init__(self) -> None:
        self.made = 0
        self.closed: list[int] = []
        self.now = 100.0
        self.broken = False
        self.lanes = PoolSet(self.make, self.close, idle=IDLE, clock=lambda: self.now)

    def make(self) -> int:
        self.made += 1
        return self.made

    async def close(self, lane: int) -> None:
        self.closed.append(lane)
        if self.broken:
            raise OSError("gone")

    async def at_once(self, number: int) -> list[int]:
        """The lanes that so many requests at once are given."""
        async with AsyncExitStack() as stack:
            return [(await stack.enter_async_context(self.lanes.acquire())).pool for _ in range(number)]


async def test_one_request_after_the_other_shares_one_lane() -> None:
    yard = Yard()
    assert [await yard.at_once(1) for _ in range(5)] == [[1]] * 5


async def test_many_at_once_are_spread_over_as_many_lanes_as_it_takes() -> None:
    yard = Yard()
    assert await yard.at_once(2 * WIDTH + 1) == [1] * WIDTH + [2] * WIDTH + [3]
    assert await yard.at_once(WIDTH + 1) == [1] * WIDTH + [2]


async def test_a_place_that_becomes_free_is_taken_before_a_new_lane_is_made() -> None:
    yard = Yard()
    async with AsyncExitStack() as others:
        async with yard.lanes.acquire():
            for _ in range(WIDTH):
                await others.enter_async_context(yard.lanes.acquire())
        async with yard.lanes.acquire() as used:
            assert used.pool == 1


async def test_lanes_that_nobody_needed_for_a_while_are_closed_one_by_one_but_for_the_first() -> None:
    yard = Yard()
    await yard.at_once(2 * WIDTH + 1)
    yard.now += IDLE + 0.1
    for _ in range(5):
        await yard.at_once(1)
    assert yard.closed == [3, 2]


async def test_a_lane_that_was_needed_just_now_or_that_is_in_use_stays() -> None:
    yard = Yard()
    await yard.at_once(WIDTH + 1)
    yard.now += IDLE
    await yard.at_once(1)
    async with AsyncExitStack() as long_ones:
        for _ in range(WIDTH + 1):
            await long_ones.enter_async_context(yard.lanes.acquire())
        yard.now += 60.0
        await yard.at_once(1)
    assert yard.closed == []


async def test_a_request_does_not_suffer_from_a_lane_that_cannot_be_closed() -> None:
    yard = Yard()
    await yard.at_once(WIDTH + 1)
    yard.now += IDLE + 0.1
    yard.broken = True
    assert await yard.at_once(1) == [1]
    assert yard.closed == [2]
