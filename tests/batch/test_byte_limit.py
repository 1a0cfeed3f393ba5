"""Room for so many bytes."""

import anyio
import pytest

from apimodels_async._batch.byte_limit import ByteLimit

pytestmark = pytest.mark.anyio


class Crowd:
    """Some who want in, one after another; notes who is in."""

    def __init__(self, room: ByteLimit) -> None:
        self.room = room
        self.inside: list[int] = []

    async def comes(self, weight: int) -> None:
        await self.room.enter(weight)
        self.inside.append(weight)

    def goes(self, weight: int) -> None:
        self.inside.remove(weight)
        self.room.resize(weight, 0)


async def test_who_fits_is_let_in_at_once() -> None:
    room = ByteLimit(10)
    for weight in (4, 6):
        with pytest.raises(StopIteration):  # it ends without giving the loop to anybody
            room.enter(weight).send(None)


async def test_who_does_not_fit_waits_until_enough_have_left() -> None:
    crowd = Crowd(ByteLimit(10))
    async with anyio.create_task_group() as group:
        for weight in (4, 5, 7):
            group.start_soon(crowd.comes, weight)
            await anyio.wait_all_tasks_blocked()
        assert crowd.inside == [4, 5]
        crowd.goes(4)
        await anyio.wait_all_tasks_blocked()
        assert crowd.inside == [5]
        crowd.goes(5)
        await anyio.wait_all_tasks_blocked()
        assert crowd.inside == [7]


async def test_who_is_larger_than_the_room_gets_it_alone() -> None:
    crowd = Crowd(ByteLimit(10))
    async with anyio.create_task_group() as group:
        for weight in (1, 11, 2):
            group.start_soon(crowd.comes, weight)
            await anyio.wait_all_tasks_blocked()
        assert crowd.inside == [1]
        crowd.goes(1)
        await anyio.wait_all_tasks_blocked()
        assert crowd.inside == [11]
        crowd.goes(11)
        await anyio.wait_all_tasks_blocked()
        assert crowd.inside == [2]


async def test_nobody_is_overtaken_by_who_would_fit_already() -> None:
    crowd = Crowd(ByteLimit(10))
    async with anyio.create_task_group() as group:
        for weight in (8, 9, 1):
            group.start_soon(crowd.comes, weight)
            await anyio.wait_all_tasks_blocked()
        assert crowd.inside == [8]
        crowd.goes(8)


async def test_who_weighs_nothing_never_waits() -> None:
    room = ByteLimit(10)
    await room.enter(11)
    with anyio.fail_after(1.0):
        await room.enter(0)


async def test_who_becomes_lighter_makes_room() -> None:
    crowd = Crowd(ByteLimit(10))
    async with anyio.create_task_group() as group:
        for weight in (9, 4):
            group.start_soon(crowd.comes, weight)
            await anyio.wait_all_tasks_blocked()
        assert crowd.inside == [9]
        assert crowd.room.resize(9, 6) == 6


async def test_who_gives_up_waiting_is_in_nobodys_way() -> None:
    crowd = Crowd(ByteLimit(10))
    await crowd.comes(10)
    with anyio.move_on_after(0.01):
        await crowd.comes(5)
    crowd.goes(10)
    with anyio.fail_after(1.0):
        await crowd.comes(10)
    assert crowd.inside == [10]
