"""What a ledger costs: a batch of two thousand tasks with one, beside the same batch without.

The vendor is a cheap server in another process, and every run is a fresh interpreter, which first makes a few pictures.
The runs alternate, and the medians are compared, so that what else the machine does falls on both.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":  # the vendor is found from there
    sys.path.insert(0, str(Path(__file__).parents[2]))

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


def main() -> None:
    without: list[tuple[float, float]] = []
    with_one: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for pair in range(PAIRS):
            without.append(measure(""))
            with_one.append(measure(str(Path(folder) / f"{pair}.db")))
    print(f"{NUMBER:,} tasks, medians of {PAIRS}       without      with     ratio   at most")
    for words, at, goal in (("CPU, s", 0, GOAL_CPU), ("time, s", 1, GOAL_TIME)):
        bare, kept = (statistics.median(run[at] for run in runs) for runs in (without, with_one))
        print(f"{words:28}{bare:>14.2f}{kept:>10.2f}{kept / bare:>10.2f}{goal:>10.2f}")


if __name__ == "__main__":
    main()
