"""Time limits in time in which the event loop was running, in virtual time."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest
import trio
import trio.testing

from apimodels_async._create.background import BackgroundJobs
from apimodels_async._create.deadlines import LATE, TICK, Deadlines
from tests.support.virtual import virtually


def deadlines() -> tuple[Deadlines, BackgroundJobs]:
    jobs = BackgroundJobs()
    jobs.bind()
    return Deadlines(jobs.start_beside, jobs.clock), jobs


async def ended_after(limits: Deadlines, seconds: float, work: float = 1000.0) -> float:
    """How long work of `work` seconds may go on within `seconds`."""
    began = anyio.current_time()
    with limits.within(seconds):
        await anyio.sleep(work)
    return anyio.current_time() - began


def block(backend: str, seconds: float) -> None:
    """Let time pass in which nothing else can run."""
    if backend == "trio":
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, trio.testing.MockClock)
        clock.jump(seconds)
    else:
        asyncio.get_running_loop()._jumping.now += seconds  # type: ignore[attr-defined]


@pytest.mark.parametrize("seconds", [0.2, 1.0, 7.3, 300.0])
@virtually
async def test_what_takes_too_long_is_left_when_its_time_is_up(anyio_backend: str, seconds: float) -> None:
    limits, _ = deadlines()
    assert await ended_after(limits, seconds) == pytest.approx(seconds, abs=1e-6)


@virtually
async def test_each_has_a_limit_of_its_own_whenever_it_began(anyio_backend: str) -> None:
    limits, _ = deadlines()
    took: dict[float, float] = {}

    async def one(seconds: float) -> None:
        took[seconds] = await ended_after(limits, seconds)

    async with anyio.create_task_group() as group:
        for seconds in (20.0, 3.1, 0.4, 0.01, 8.0):
            group.start_soon(one, seconds)
            await anyio.sleep(0.3)
    assert took == {seconds: pytest.approx(seconds, abs=1e-6) for seconds in took}
    assert len(took) == 5


@virtually
async def test_what_is_quick_is_not_cut_short_and_leaves_no_task_behind(anyio_backend: str) -> None:
    limits, jobs = deadlines()
    for _ in range(3):
        assert await ended_after(limits, 5.0, work=1.5) == pytest.approx(1.5, abs=1e-6)
        clock = limits._clock
        assert clock is not None
        with anyio.fail_after(TICK):
            await clock.ended.wait()
    assert jobs.abandon() == 0


@virtually
async def test_time_in_which_the_loop_was_blocked_does_not_count(anyio_backend: str) -> None:
    limits, _ = deadlines()
    took: list[float] = []

    async def one() -> None:
        took.append(await ended_after(limits, 10.0))

    async with anyio.create_task_group() as group:
        group.start_soon(one)
        await anyio.sleep(2.5)
        block(anyio_backend, 60.0)
    assert 10.0 + 60.0 - TICK - LATE <= took[0] <= 10.0 + 60.0


@asynccontextmanager
async def one_under_way(limits: Deadlines) -> AsyncGenerator[None]:
    async with anyio.create_task_group() as group:
        group.start_soon(ended_after, limits, 500.0)
        await anyio.sleep(1.5)
        yield
        group.cancel_scope.cancel()


@virtually
async def test_one_that_begins_after_the_loop_was_blocked_has_all_its_time(anyio_backend: str) -> None:
    limits, _ = deadlines()
    async with one_under_way(limits):
        block(anyio_backend, 60.0)
        assert await ended_after(limits, 3.0) == pytest.approx(3.0, abs=TICK + LATE)


@virtually
async def test_the_clock_goes_on_after_its_task_was_cancelled(anyio_backend: str) -> None:
    limits, _ = deadlines()
    async with one_under_way(limits):
        clock = limits._clock
        assert clock is not None
        clock.scope.cancel()
        await clock.ended.wait()
        assert await ended_after(limits, 2.0) == pytest.approx(2.0, abs=1e-6)


@virtually
async def test_a_cancelled_one_is_forgotten(anyio_backend: str) -> None:
    limits, _ = deadlines()
    async with one_under_way(limits):
        assert len(limits._ends) == 1
    assert limits._ends == {}
