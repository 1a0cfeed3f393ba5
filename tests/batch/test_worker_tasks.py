"""Tasks that do one short work after another."""

import gc
import weakref
from contextvars import ContextVar
from functools import partial

import anyio
import anyio.lowlevel
import pytest

from apimodels_async._batch.worker_tasks import IDLE, WorkerTasks

pytestmark = pytest.mark.anyio

_PLACE: ContextVar[str] = ContextVar("place")


async def settled() -> None:
    """Until all that can go on has gone on."""
    for _ in range(10):
        await anyio.lowlevel.checkpoint()


class Tasks:
    """Which task did which work."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    async def note(self) -> None:
        self.seen.append(anyio.get_current_task().id)

    async def hold(self, until: anyio.Event) -> None:
        await until.wait()
        await self.note()


async def test_one_work_after_another_is_done_by_one_task() -> None:
    tasks = Tasks()
    async with anyio.create_task_group() as group:
        workers = WorkerTasks(group)
        for _ in range(5):
            workers.start(tasks.note)
            await settled()
        group.cancel_scope.cancel()
    assert len(tasks.seen) == 5
    assert len(set(tasks.seen)) == 1


async def test_works_at_once_do_not_wait_for_one_another_and_only_a_few_of_their_tasks_are_kept() -> None:
    async with anyio.create_task_group() as group:
        before = len(anyio.get_running_tasks())
        workers = WorkerTasks(group)
        for _ in range(2):
            tasks, until = Tasks(), anyio.Event()
            for _ in range(2 * IDLE):
                workers.start(partial(tasks.hold, until))
            await settled()
            assert len(anyio.get_running_tasks()) == before + 2 * IDLE
            until.set()
            await settled()
            assert len(set(tasks.seen)) == 2 * IDLE
            assert len(anyio.get_running_tasks()) == before + IDLE
        group.cancel_scope.cancel()


async def test_what_a_work_held_is_let_go_when_it_is_done() -> None:
    class Large:
        async def do(self) -> None:
            pass

    async with anyio.create_task_group() as group:
        workers = WorkerTasks(group)
        for _ in range(2):
            large = Large()
            held = weakref.ref(large)
            workers.start(large.do)
            del large
            await settled()
            gc.collect()
            assert held() is None
        group.cancel_scope.cancel()


async def test_a_work_has_the_context_variables_of_where_the_workers_were_made() -> None:
    seen = list[str]()

    async def look() -> None:
        seen.append(_PLACE.get())

    _PLACE.set("where they were made")
    async with anyio.create_task_group() as group:
        workers = WorkerTasks(group)
        _PLACE.set("where the work came from")
        workers.start(look)
        await settled()
        workers.start(look)
        await settled()
        group.cancel_scope.cancel()
    assert seen == ["where they were made"] * 2


async def test_where_no_task_is_kept_no_work_sees_what_another_has_set() -> None:
    seen = list[str]()

    async def look() -> None:
        seen.append(_PLACE.get())
        _PLACE.set("where the work was done")

    _PLACE.set("where they were made")
    async with anyio.create_task_group() as group:
        workers = WorkerTasks(group, keep=0)
        for _ in range(2):
            workers.start(look)
            await settled()
    assert seen == ["where they were made"] * 2


async def test_what_a_work_raises_ends_the_group() -> None:
    async def fail() -> None:
        raise LookupError("gone")

    async def work() -> None:
        async with anyio.create_task_group() as group:
            workers = WorkerTasks(group)
            workers.start(Tasks().note)
            await settled()
            workers.start(fail)
            await anyio.sleep_forever()

    with pytest.raises(ExceptionGroup) as raised:
        await work()
    assert raised.group_contains(LookupError)
