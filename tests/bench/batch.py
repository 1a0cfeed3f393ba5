"""Ten thousand tasks in flight in one process, beside what one writes by hand: a gather over stock httpx.

The vendor is a cheap server in another process; a task takes between two figures of seconds. Each measurement is a
fresh interpreter, which first makes a few pictures, so that what is counted is the batch and not the import. The ideal
makespan is that of the slowest task: everything created at once, and its end seen at once.
"""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

if __name__ == "__main__":  # the vendor is found from there
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.rows import Row, at_most, just, show
from tests.bench.servers.vendor import vendor

MANY, FEW = 10_000, 1_000
SHORT = (20.0, 30.0)
LONG = (60.0, 75.0)
"""Seconds that a task takes; of many, so long that the last is created before the first has ended."""
GOAL = 12.0
"""Kilobytes a task."""

COMMON = """
import asyncio, json, resource, sys, time
base_url, number = sys.argv[1], int(sys.argv[2])

def memory(line):
    with open("/proc/self/status") as status:
        return next(int(each.split()[1]) for each in status if each.startswith(line + ":"))

def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime

async def measure(work, reset):
    await work(20, True)
    await reset()
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak begins anew
    before, used, began = memory("VmRSS"), cpu(), time.perf_counter()
    done = await work(number, False)
    seconds, used = time.perf_counter() - began, cpu() - used
    print(json.dumps({"done": done, "seconds": seconds, "cpu": used, "kilobytes": memory("VmHWM") - before}))
"""

OURS = """
from apimodels_async import AsyncImagesClient
import httpx

async def main():
    async with AsyncImagesClient("sk_x", base_url=base_url + "/v1", model="bench", wait_timeout=None) as client:
        async def work(number, warming):
            done = 0
            # The warming up only creates: what it would learn of the latency, a newcomer does not know.
            async with client.batch(map(str, range(number)), max_in_flight=number) as batch:
                if warming:
                    while batch.stats.submitted < number:
                        await asyncio.sleep(0.01)
                    await asyncio.sleep(2.0)
                    return 0
                async for outcome in batch:
                    done += outcome.ok
            return done

        async def reset():
            async with httpx.AsyncClient() as http:
                await http.post(base_url + "/reset")

        await measure(work, reset)

asyncio.run(main())
"""

BY_HAND = """
import httpx

async def main():
    async with httpx.AsyncClient(timeout=httpx.Timeout(30.0, pool=None)) as http:  # else its pool times out
        async def one(prompt, warming):
            answer = await http.post(base_url + "/v1/images/generations", json={"prompt": prompt, "model": "bench"})
            task = answer.json()["data"]
            while task["state"] not in ("completed", "failed") and not warming:
                await asyncio.sleep(3.0)
                query = await http.get(base_url + "/v1/images/generations", params={"task_id": task["taskId"]})
                task = query.json()["data"]
            return task["state"] == "completed"

        async def work(number, warming):
            return sum(await asyncio.gather(*(one(str(at), warming) for at in range(number))))

        async def reset():
            await http.post(base_url + "/reset")

        await measure(work, reset)

asyncio.run(main())
"""


class Measured:
    """What a run has shown."""

    def __init__(self, code: str, number: int, seconds: tuple[float, float]) -> None:
        with vendor(*seconds) as base_url:
            command = [sys.executable, "-c", COMMON + code, base_url, str(number)]
            seen = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=240).stdout)
            with urllib.request.urlopen(f"{base_url}/report") as answer:
                report = json.load(answer)
        assert seen["done"] == report["tasks"] == number
        self.alive = int(report["most_alive"])
        self.makespan = float(seen["seconds"])
        self.ideal = float(report["slowest"])
        self.creating = float(report["creating"])
        self.lag = float(report["mean_lag"])
        self.cpu = 1000 * float(seen["cpu"]) / number
        self.queries = float(report["queries"]) / number
        self.memory = 1.024 * float(seen["kilobytes"]) / number
        self.connections = int(report["most_open"])


def rows() -> Iterator[Row]:
    many = Measured(OURS, MANY, LONG)
    alive = f"{many.alive:,} tasks in flight"
    yield at_most(f"{alive}: peak memory a task", "", many.memory, GOAL, "kB")
    yield just(f"{alive}: CPU a task", "", many.cpu, "ms", told=f"{many.queries:.1f} queries a task")
    told = f"{many.makespan:.1f} s : {many.ideal:.1f} s; {many.creating:.1f} s of it creating"
    yield just(f"{alive}: time", "the slowest task", many.makespan / many.ideal, told=told)
    yield just(f"{alive}: connections at once", "", many.connections, "")
    few, by_hand = Measured(OURS, FEW, SHORT), Measured(BY_HAND, FEW, SHORT)
    for words, name, form in (
        ("CPU a task", "cpu", "{:.1f} ms"),
        ("peak memory a task", "memory", "{:.1f} kB"),
        ("mean lag", "lag", "{:.2f} s"),
    ):
        ours, theirs = getattr(few, name), getattr(by_hand, name)
        told = f"{form.format(ours)} : {form.format(theirs)}"
        yield just(f"{FEW:,} tasks: {words}", "by hand", ours / theirs, told=told)


if __name__ == "__main__":
    show(rows())
