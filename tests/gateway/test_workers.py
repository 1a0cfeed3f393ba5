"""Worker threads run jobs, and never hold up the end."""

import asyncio
import subprocess
import sys
import threading
import time

import pytest

from apimodels_async.gateway.workers import PictureWorkers, Workers


def test_results_and_exceptions_come_back() -> None:
    def fail() -> None:
        raise KeyError("x")

    async def main() -> None:
        async with Workers(2, "test-workers") as workers:
            assert await workers.run(lambda: 5) == 5
            with pytest.raises(KeyError):
                await workers.run(fail)
            with pytest.raises(RuntimeError, match="SystemExit"):
                await workers.run(sys.exit)
            assert await workers.run(lambda: threading.current_thread().daemon)

    before = set(threading.enumerate())
    asyncio.run(main())
    assert set(threading.enumerate()) == before


def test_no_more_threads_than_jobs_and_no_more_jobs_than_allowed() -> None:
    busy, most = [0], [0]
    lock = threading.Lock()

    def job() -> None:
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        time.sleep(0.01)
        with lock:
            busy[0] -= 1

    async def main() -> None:
        async with Workers(3, "test-workers") as workers:
            await workers.run(job)
            assert sum(thread.name == "test-workers" for thread in threading.enumerate()) == 1
            await asyncio.gather(*(workers.run(job) for _ in range(20)))
            assert sum(thread.name == "test-workers" for thread in threading.enumerate()) == 3

    asyncio.run(main())
    assert most[0] == 3


def test_a_small_picture_does_not_wait_behind_large_ones() -> None:
    go = threading.Event()

    async def main() -> None:
        async with PictureWorkers(100) as workers:
            large = [asyncio.create_task(workers.run(101, lambda: go.wait(20))) for _ in range(5)]
            assert await asyncio.wait_for(workers.run(100, lambda: "small"), 10) == "small"
            assert not any(each.done() for each in large)
            go.set()
            assert await asyncio.gather(*large) == [True] * 5

    asyncio.run(main())


def test_jobs_that_wait_are_dropped_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    begun, go = threading.Event(), threading.Event()
    ran: list[int] = []

    def first() -> None:
        begun.set()
        assert go.wait(60)

    async def main() -> list[BaseException | None]:
        async with Workers(1, "test-workers") as workers:
            jobs = [asyncio.create_task(workers.run(first))]
            jobs += [asyncio.create_task(workers.run(lambda: ran.append(1))) for _ in range(3)]
            assert await asyncio.to_thread(begun.wait, 60)
            asyncio.get_running_loop().call_later(0.05, go.set)
        return list(await asyncio.gather(*jobs, return_exceptions=True))

    assert all(isinstance(each, asyncio.CancelledError) for each in asyncio.run(main()))
    assert ran == []
    assert caplog.text == ""


HANGS = """
import asyncio, logging, threading
logging.basicConfig(format="%(message)s")
from apimodels_async.gateway import workers
workers.CLOSE_TIME = 0.1
async def main():
    begun = threading.Event()
    def hang():
        begun.set()
        threading.Event().wait()
    async with workers.Workers(1, "test-workers") as pool:
        job = asyncio.create_task(pool.run(hang))
        while not begun.is_set():
            await asyncio.sleep(0.01)
    await asyncio.gather(job, return_exceptions=True)
asyncio.run(main())
print("over")
"""


def test_a_job_that_never_ends_does_not_keep_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=50, check=True)
    assert done.stdout == "over\n"
    assert done.stderr == "a job of test-workers takes too long to end, and is abandoned\n"
