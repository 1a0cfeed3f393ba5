"""A thousand to a hundred thousand tasks in flight in one process, beside what one writes by hand.

The vendor is a cheap server in another process; a task takes between two figures of seconds, the same for all numbers.
Each measurement is a fresh interpreter, which first makes a few pictures, so that what is counted is the batch and not
the import. Nothing is known of the latency when it begins.

The ideal time is that in which a program that uses aiohttp directly has created as many tasks, by a `gather` over one
session with 64 connections, and that of the longest task after it: its end seen at once. The thousand tasks by hand are
a `gather` over stock httpx, with a query every 3 s.
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

SIZES = (1_000, 10_000, 40_000, 100_000)
FEW = 1_000
SHORT = (20.0, 30.0)
LONG = (120.0, 150.0)
"""Seconds that a task takes; of many, so long that the last is created before the first has ended."""
GOAL_MEMORY, GOAL_CPU, GOAL_TIME = 3.0, 1.15, 1.1
"""Kilobytes a task of the most; CPU a task beside that of a thousand; time beside the ideal."""

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

CREATING = """
import aiohttp

async def main():
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as http:
        async def one(prompt):
            body = {"prompt": prompt, "model": "bench"}
            async with http.post(base_url + "/v1/images/generations", json=body) as answer:
                return bool((await answer.json())["data"]["taskId"])

        async def work(number, warming):
            return sum(await asyncio.gather(*(one(str(at)) for at in range(number))))

        async def reset():
            async with http.post(base_url + "/reset"):
                pass

        await measure(work, reset)

asyncio.run(main())
"""


class Measured:
    """What a run has shown."""

    def __init__(self, code: str, number: int, seconds: tuple[float, float]) -> None:
        with vendor(*seconds) as base_url:
            command = [sys.executable, "-c", COMMON + code, base_url, str(number)]
            seen = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=900).stdout)
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
    least: Measured | None = None
    for number in SIZES:
        ours, by_hand = Measured(OURS, number, LONG), Measured(CREATING, number, LONG)
        least = least or ours
        name = f"{number:,} tasks in flight"
        told = f"{ours.cpu:.2f} ms : {least.cpu:.2f} ms; {ours.queries:.1f} : {least.queries:.1f} queries a task"
        if ours is least:
            yield just(f"{name}: CPU a task", "", ours.cpu, "ms", told=f"{ours.queries:.1f} queries a task")
        else:
            yield at_most(f"{name}: CPU a task", f"{SIZES[0]:,}", ours.cpu / least.cpu, GOAL_CPU, told=told)
        bound = GOAL_MEMORY if number == SIZES[-1] else None
        yield Row(f"{name}: peak memory a task", "", ours.memory, "kB", bound)
        ideal = by_hand.makespan + ours.ideal
        told = (
            f"{ours.makespan:.1f} s : {ideal:.1f} s; created {number / ours.creating:,.0f} : "
            f"{number / by_hand.makespan:,.0f} a second; at most {ours.alive:,} at once"
        )
        yield at_most(f"{name}: time", "the ideal", ours.makespan / ideal, GOAL_TIME, told=told)
        yield just(f"{name}: connections at once", "", ours.connections, "")
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
