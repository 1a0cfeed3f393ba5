import asyncio
import sys
from types import ModuleType
from typing import Any

import anyio
import pytest
import trio

from apimodels_async._clock import loop_time


@pytest.mark.anyio
async def test_the_loops_time_is_what_anyio_says() -> None:
    before = anyio.current_time()
    now = loop_time()
    assert before <= now <= anyio.current_time()


def test_where_trio_is_the_guest_of_asyncio_each_has_its_own_time() -> None:
    seen: list[tuple[float, float, float]] = []

    async def host() -> None:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Any] = loop.create_future()

        async def guest() -> None:
            seen.append((trio.current_time(), loop_time(), trio.current_time()))

        trio.lowlevel.start_guest_run(
            guest, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=ended.set_result
        )
        while not ended.done():
            seen.append((loop.time(), loop_time(), loop.time()))
            await asyncio.sleep(0)
        ended.result().unwrap()

    asyncio.run(host())
    assert len(seen) > 1
    assert all(before <= now <= after for before, now, after in seen)


def test_a_trio_that_another_thread_is_about_to_import_is_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trio.lowlevel", ModuleType("trio.lowlevel"))

    async def work() -> None:
        before = asyncio.get_running_loop().time()
        assert before <= loop_time() <= asyncio.get_running_loop().time()

    asyncio.run(work())


def test_outside_of_a_loop_there_is_no_time() -> None:
    with pytest.raises(anyio.NoEventLoopError):
        loop_time()
