"""Worker threads: of our own on asyncio, trio's on trio; what they return, and what they do not hold up."""

import contextvars
import gc
import subprocess
import sys
import threading
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from apimodels_async import _threads
from apimodels_async._threads import WorkerThreads, imported
from apimodels_async.gateway import LocalGateway

pytestmark = pytest.mark.anyio

PATIENCE = 60.0
FEW = WorkerThreads("few", 2)
FOREIGN = WorkerThreads("foreign", 2, foreign=True)


@pytest.mark.parametrize("threads", [FEW, FOREIGN], ids=["ours", "for functions of a caller"])
async def test_work_is_done_in_another_thread_with_the_callers_context(threads: WorkerThreads) -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("of the caller")

    found, thread = await threads.run(lambda: (variable.get(), threading.current_thread()))

    assert found == "of the caller"
    assert thread is not threading.current_thread()


async def test_no_thread_keeps_the_interpreter_from_its_exit() -> None:
    assert (await FEW.run(threading.current_thread)).daemon


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_an_idle_thread_ends_and_another_does_the_next_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_threads, "IDLE", 0.01)
    first = await FEW.run(threading.current_thread)
    await to_thread.run_sync(first.join, PATIENCE)

    assert not first.is_alive()
    assert await FEW.run(threading.current_thread) is not first


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_no_call_is_left_behind_by_threads_that_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread may find that it is idle just when it is counted on for the next call."""
    monkeypatch.setattr(_threads, "IDLE", 0.0)
    done: list[int] = []

    async def call(number: int) -> None:
        done.append(await FEW.run(lambda: number))

    with anyio.fail_after(PATIENCE):
        for start in range(0, 600, 3):
            async with anyio.create_task_group() as group:
                for number in range(start, start + 3):
                    group.start_soon(call, number)
    assert sorted(done) == list(range(600))


@pytest.mark.parametrize("error", [KeyError("no"), SystemExit(3)], ids=repr)
async def test_what_the_work_raises_is_raised(error: BaseException) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        await FEW.run(fail)
    assert caught.value is error


async def test_a_stop_iteration_is_an_error_and_no_hang() -> None:
    with anyio.fail_after(PATIENCE), pytest.raises(RuntimeError, match="StopIteration"):
        await FEW.run(lambda: next(iter(())))


async def test_no_more_threads_than_said_work_at_once_and_all_work_is_done() -> None:
    lock, now, most = threading.Lock(), [0], [0]
    both = threading.Barrier(2)

    def work() -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        assert both.wait(PATIENCE) in (0, 1)
        with lock:
            now[0] -= 1

    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(FEW.run, work)

    assert most == [2]


async def test_forty_busy_threads_of_the_program_are_no_matter() -> None:
    free, busy = threading.Event(), threading.Semaphore(0)

    def hold() -> None:
        busy.release()
        assert free.wait(PATIENCE)

    async with anyio.create_task_group() as group:
        for _ in range(40):
            group.start_soon(to_thread.run_sync, hold)
        with anyio.fail_after(PATIENCE):
            for _ in range(40):
                while not busy.acquire(blocking=False):  # noqa: ASYNC110  (released in a thread)
                    await anyio.sleep(0.01)
        with anyio.fail_after(PATIENCE):
            assert await FEW.run(lambda: 5) == 5
        free.set()


async def test_abandoned_work_goes_on_and_its_caller_does_not_wait() -> None:
    begun, free, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert free.wait(PATIENCE)
        ended.set()

    async def leave(scope: anyio.CancelScope) -> None:
        while not begun.is_set():  # noqa: ASYNC110  (set in a thread)
            await anyio.sleep(0.001)
        scope.cancel()

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:
            group.start_soon(leave, group.cancel_scope)
            await FEW.run(work, abandon=True)
    assert not ended.is_set()
    free.set()
    assert await FEW.run(lambda: ended.wait(PATIENCE))


async def test_other_work_is_waited_for_by_a_cancelled_caller() -> None:
    begun, ended = threading.Event(), threading.Event()
    free = threading.Event()

    def work() -> None:
        begun.set()
        assert free.wait(PATIENCE)
        ended.set()

    async def leave(scope: anyio.CancelScope) -> None:
        while not begun.is_set():  # noqa: ASYNC110  (set in a thread)
            await anyio.sleep(0.001)
        scope.cancel()
        free.set()

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:
            group.start_soon(leave, group.cancel_scope)
            await FEW.run(work)
    assert ended.is_set()


def test_threads_end_with_their_loop() -> None:
    thread = anyio.run(FEW.run, threading.current_thread)
    gc.collect()
    thread.join(PATIENCE)
    assert not thread.is_alive()


async def test_a_module_that_is_missing_is_said_each_time() -> None:
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="no_such_module"):
            await imported("no_such_module")


def run_program(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=PATIENCE * 2, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


LEAVE_WHILE_WRITING = """
import sys, threading, time
import anyio
from apimodels_async._threads import WorkerThreads

begun = threading.Event()

def write():
    begun.set()
    time.sleep(0.3)
    open(sys.argv[1], "w").write("whole")

async def main():
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: WorkerThreads("w", 1).run(write, abandon=True))
        while not begun.is_set():
            await anyio.sleep(0.001)
        group.cancel_scope.cancel()

anyio.run(main)
"""


def test_an_exiting_interpreter_lets_a_thread_finish_what_it_writes(tmp_path: Path) -> None:
    run_program(LEAVE_WHILE_WRITING, str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "whole"


IMPORTS = """
import asyncio, sys, threading
from apimodels_async import AsyncImagesClient

here = threading.get_ident()
running = []

def hook(event, arguments):
    if event == "import" and running and threading.get_ident() == here:
        print(arguments[0])

async def main(base_url, key):
    running.append(True)
    async with AsyncImagesClient(key, base_url=base_url, model="grok-image/grok-4.2-image") as client:
        task = await client.generate("a", size="256x256")
        await client.download(task, sys.argv[1])
        await client.create("b", ledger=sys.argv[1] + "/ledger.db", key="k")
        await client.generate_many(["c"], download_to=sys.argv[1])
    running.clear()

base_url, key = sys.argv[2:]
sys.addaudithook(hook)
asyncio.run(main(base_url, key))
"""

HEAVY = {
    "anyio._backends._asyncio",
    "apimodels_async._batch.pipeline",
    "apimodels_async._download.downloader",
    "apimodels_async._http.network",
    "apimodels_async.ledger.run",
    "apimodels_async.ledger.sqlite",
    "apimodels_async.pacing.adaptive",
    "aiohttp",
    "cattrs",
    "httpcore",
    "sqlite3",
    "ssl",
}


def test_nothing_heavy_is_imported_on_the_event_loop(tmp_path: Path) -> None:
    with LocalGateway(latency="0/0") as gateway:
        on_the_loop = set(run_program(IMPORTS, str(tmp_path), gateway.base_url, gateway.api_key).split())
    assert on_the_loop & HEAVY == set()
