import asyncio
import sys
from types import ModuleType
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
import trio

from apimodels_async._clock import LoopClock, loop_time
from apimodels_async._threads import running_loop


@pytest.mark.anyio
async def test_the_loops_time_is_what_anyio_says() -> None:
    before = anyio.current_time()
    now = loop_time()
    assert before <= now <= anyio.current_time()


@pytest.mark.anyio
async def test_the_running_loop_is_what_anyio_says() -> None:
    assert running_loop() is anyio.lowlevel.current_token().native_token


@pytest.mark.anyio
async def test_a_clock_that_is_bound_is_the_one_of_its_loop_and_one_that_is_not_that_of_the_running_loop() -> None:
    clock = LoopClock()
    for _ in range(2):
        before = anyio.current_time()
        assert before <= clock.now() <= anyio.current_time()
        clock.bind()
    seen = await anyio.to_thread.run_sync(clock.now)  # no loop runs there
    assert seen <= anyio.current_time()


def test_where_trio_is_the_guest_of_asyncio_each_has_its_own_time() -> None:
    seen: list[tuple[float, float, float]] = []

    async def host() -> None:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Any] = loop.create_future()

        async def guest() -> None:
            assert running_loop() is trio.lowlevel.current_trio_token()
            seen.append((trio.current_time(), loop_time(), trio.current_time()))

        trio.lowlevel.start_guest_run(
            guest, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=ended.set_result
        )
        while not ended.done():
            assert running_loop() is loop
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
