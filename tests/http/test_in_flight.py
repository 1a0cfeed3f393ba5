"""Closing a client ends every exchange, also those that begin while it closes."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager

import anyio
import anyio.lowlevel
import pytest

from apimodels_async import ConfigurationError
from apimodels_async._http.in_flight import InFlight

pytestmark = pytest.mark.anyio
ON_ASYNCIO = pytest.mark.parametrize("anyio_backend", ["asyncio"])


async def test_an_exchange_that_begins_while_the_client_closes_ends_at_once() -> None:
    in_flight = InFlight()
    begun, closing = anyio.Event(), anyio.Event()
    ended: list[str] = []

    async def first() -> None:
        with in_flight.exchange(None):
            begun.set()
            await anyio.sleep_forever()
        ended.append("first")

    async def late() -> None:
        await closing.wait()
        with in_flight.exchange(None):
            await anyio.sleep_forever()
        ended.append("late")

    async with anyio.create_task_group() as group:
        group.start_soon(first)
        group.start_soon(late)
        await begun.wait()
        closing.set()
        with anyio.fail_after(60.0):
            await in_flight.aclose(3600.0)
    assert sorted(ended) == ["first", "late"]


@ON_ASYNCIO
async def test_closing_ends_the_exchanges_over_aiohttp_and_lets_none_begin() -> None:
    in_flight = InFlight()
    begun = anyio.Event()
    ended: list[str] = []

    async def first() -> None:
        with in_flight.fast_exchange(3600.0):
            begun.set()
            await anyio.sleep_forever()
        await anyio.lowlevel.checkpoint()
        ended.append("first")

    async with anyio.create_task_group() as group:
        group.start_soon(first)
        await begun.wait()
        with anyio.fail_after(60.0):
            await in_flight.aclose(3600.0)
    assert ended == ["first"]
    with pytest.raises(ConfigurationError, match="was closed while it was being used"), in_flight.fast_exchange(None):
        pytest.fail("it has begun")
    await anyio.lowlevel.checkpoint()


def _fast(in_flight: InFlight) -> AbstractContextManager[object]:
    return in_flight.fast_exchange(0.0)


def _in_a_scope(in_flight: InFlight) -> AbstractContextManager[object]:
    return in_flight.exchange(0.0)


@ON_ASYNCIO
@pytest.mark.parametrize("exchange", [_fast, _in_a_scope])
async def test_an_exchange_that_takes_too_long_is_left_quietly_and_its_task_goes_on(
    exchange: Callable[[InFlight], AbstractContextManager[object]],
) -> None:
    in_flight = InFlight()
    task = asyncio.current_task()
    assert task is not None
    went_on = []
    for _ in range(3):
        with exchange(in_flight):
            await anyio.sleep(3600.0)
            went_on.append("inside")
        assert task.cancelling() == 0
        await anyio.lowlevel.checkpoint()
    assert not went_on
    with anyio.fail_after(60.0):
        await in_flight.aclose(3600.0)


@ON_ASYNCIO
@pytest.mark.parametrize("first", ["the deadline", "the outer scope"])
async def test_a_cancellation_from_outside_is_not_taken_for_the_end_of_an_exchange(first: str) -> None:
    """Both in one turn of the loop, in either order."""
    in_flight = InFlight()
    went_on: list[str] = []

    async def one(scope: anyio.CancelScope, begun: anyio.Event) -> None:
        with scope:
            with in_flight.fast_exchange(3600.0) as _:
                begun.set()
                await anyio.sleep_forever()
            await anyio.lowlevel.checkpoint()
            went_on.append("inside the outer scope")
        went_on.append("outside")

    scope, begun = anyio.CancelScope(), anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(one, scope, begun)
        await begun.wait()
        (exchange,) = in_flight.under_way
        for cancel in (exchange.cancel, scope.cancel) if first == "the deadline" else (scope.cancel, exchange.cancel):
            cancel()
    assert went_on == ["outside"]


@ON_ASYNCIO
@pytest.mark.parametrize("first", ["the deadline", "the task"])
async def test_a_task_that_is_cancelled_by_asyncio_is_cancelled(first: str) -> None:
    in_flight = InFlight()
    begun = asyncio.Event()

    async def one() -> None:
        with in_flight.fast_exchange(3600.0):
            begun.set()
            await asyncio.sleep(3600.0)
        pytest.fail("it went on")

    task = asyncio.ensure_future(one())
    await begun.wait()
    (exchange,) = in_flight.under_way
    for cancel in (exchange.cancel, task.cancel) if first == "the deadline" else (task.cancel, exchange.cancel):
        cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@ON_ASYNCIO
async def test_an_error_that_comes_with_the_end_of_an_exchange_over_aiohttp_is_the_one_that_is_raised() -> None:
    in_flight = InFlight()

    async def fails_when_it_is_cancelled() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise ValueError("what went wrong")

    with pytest.raises(ValueError, match="what went wrong"), in_flight.fast_exchange(0.0):
        await fails_when_it_is_cancelled()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
