"""Closing a client ends every exchange, also those that begin while it closes."""

import anyio
import pytest

from apimodels_async._http.in_flight import InFlight

pytestmark = pytest.mark.anyio


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
