"""Slots for create requests, in virtual time."""

import anyio
import pytest

from apimodels_async._create.quick_slots import QuickSlots
from tests.support.virtual import virtually


async def taken_at(slots: QuickSlots, times: list[float]) -> None:
    began = anyio.current_time()
    await slots.acquire()
    times.append(round(anyio.current_time() - began, 6))


@virtually
async def test_free_slots_are_taken_at_once(anyio_backend: str) -> None:
    slots, times = QuickSlots(3, 2.0), list[float]()
    for _ in range(3):
        await taken_at(slots, times)
    assert times == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("number", "times"),
    [
        pytest.param(2, [0.0] * 2 + [2.0] * 2 + [4.0] * 2, id="a held slot is taken away"),
        pytest.param(20, [0.0] * 4 + [0.5] * 4 + [1.0] * 8 + [1.5] * 4 + [2.0] * 4, id="few are open at first"),
    ],
)
@virtually
async def test_slow_work_gets_a_slot_in_time(anyio_backend: str, number: int, times: list[float]) -> None:
    slots, taken = QuickSlots(number, 2.0), list[float]()
    async with anyio.create_task_group() as group:
        for _ in times:  # none is given back
            group.start_soon(taken_at, slots, taken)
    assert taken == times


@virtually
async def test_each_that_is_given_back_makes_room_for_one_more(anyio_backend: str) -> None:
    slots, under_way, most = QuickSlots(20, 2.0), 0, list[int]()

    async def work() -> None:
        nonlocal under_way
        slot = await slots.acquire()
        under_way += 1
        most.append(under_way)
        await anyio.sleep(0.01)
        under_way -= 1
        slots.release(slot)

    began = anyio.current_time()
    async with anyio.create_task_group() as group:
        for _ in range(4 + 8 + 16 + 20):
            group.start_soon(work)
    assert round(anyio.current_time() - began, 6) == 0.04
    assert max(most[:4]) == 4
    assert max(most[:12]) <= 8
    assert max(most) == 20


@virtually
async def test_quick_work_does_not_wait_for_more_slots(anyio_backend: str) -> None:
    slots, began = QuickSlots(20, 2.0), anyio.current_time()
    for _ in range(100):
        slots.release(await slots.acquire())
    assert anyio.current_time() == began


@virtually
async def test_one_that_is_given_back_goes_to_who_waits_first(anyio_backend: str) -> None:
    slots, order = QuickSlots(1, 100.0), list[str]()

    async def wait(name: str) -> None:
        slot = await slots.acquire()
        order.append(name)
        slots.release(slot)

    first = await slots.acquire()
    async with anyio.create_task_group() as group:
        for name in "abc":
            group.start_soon(wait, name)
            await anyio.wait_all_tasks_blocked()
        slots.release(first)
    assert order == ["a", "b", "c"]


@virtually
async def test_a_slot_that_was_taken_away_is_not_given_back_a_second_time(anyio_backend: str) -> None:
    slots, times = QuickSlots(1, 2.0), list[float]()
    slow = await slots.acquire()
    await taken_at(slots, times)
    slots.release(slow)
    slots.release(slow)
    await taken_at(slots, times)
    assert times == [2.0, 2.0]


@virtually
async def test_who_stops_waiting_takes_no_slot(anyio_backend: str) -> None:
    slots, times = QuickSlots(1, 100.0), list[float]()
    held = await slots.acquire()
    with anyio.move_on_after(1.0) as scope:
        await slots.acquire()
    assert scope.cancelled_caught
    slots.release(held)
    await taken_at(slots, times)
    with pytest.raises(TimeoutError), anyio.fail_after(1.0):
        await slots.acquire()
    assert times == [0.0]
