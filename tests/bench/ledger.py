"""What a ledger costs: a batch of two thousand tasks with one, beside the same batch without.

The vendor is a cheap server in another process, and every run is a fresh interpreter, which first makes a few pictures.
The runs alternate, and each pair is compared, so that what else the machine does falls on both.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

if __name__ == "__main__":  # the vendor is found from there
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.rows import Row, at_most, show
from tests.bench.servers.vendor import vendor

NUMBER = 2_000
SECONDS = (2.0, 4.0)
"""That a task takes."""
PAIRS = 5
GOAL_CPU, GOAL_TIME = 1.15, 1.1

CODE = """
import asyncio, json, resource, sys, time
from apimodels_async import AsyncImagesClient

base_url, number, path = sys.argv[1], int(sys.argv[2]), sys.argv[3] or None

def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime

async def main():
    async with AsyncImagesClient("sk_x", base_url=base_url + "/v1", model="bench", wait_timeout=None) as client:
        async def work(words, many):
            done = 0
            requests = (f"{words} {at}" for at in range(many))
            async with client.batch(requests, max_in_flight=many, ledger=path) as batch:
                async for outcome in batch:
                    done += outcome.ok
            return done

        await work("warming up", 20)
        used, began = cpu(), time.perf_counter()
        done = await work("kite", number)
        print(json.dumps({"done": done, "seconds": time.perf_counter() - began, "cpu": cpu() - used}))

asyncio.run(main())
"""


def measure(ledger: str) -> tuple[float, float]:
    """CPU and wall seconds of one batch."""
    with vendor(*SECONDS) as base_url:
        command = [sys.executable, "-c", CODE, base_url, str(NUMBER), ledger]
        seen = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=240).stdout)
    assert seen["done"] == NUMBER
    return seen["cpu"], seen["seconds"]


def rows() -> Iterator[Row]:
    pairs: list[tuple[tuple[float, float], tuple[float, float]]] = []
    with tempfile.TemporaryDirectory() as folder:
        for pair in range(PAIRS):
            without = measure("")
            pairs.append((without, measure(str(Path(folder) / f"{pair}.db"))))
    for words, at, goal in (("CPU", 0, GOAL_CPU), ("time", 1, GOAL_TIME)):
        bare, kept = (statistics.median(run[at] for run in runs) for runs in zip(*pairs, strict=True))
        ratio = statistics.median(with_one[at] / without[at] for without, with_one in pairs)
        told = f"{kept:.2f} s : {bare:.2f} s"
        yield at_most(f"{NUMBER:,} tasks with a ledger, {words}", "without one", ratio, goal, told=told)


if __name__ == "__main__":
    show(rows())
