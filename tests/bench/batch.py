"""Ten thousand tasks in flight in one process, beside what one writes by hand: a gather over stock httpx.

The vendor is a cheap server in another process; a task takes between two figures of seconds. Each measurement is a
fresh interpreter, which first makes a few pictures, so that what is counted is the batch and not the import. The ideal
makespan is that of the slowest task: everything created at once, and its end seen at once.
"""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

if __name__ == "__main__":  # the vendor is found from there
    sys.path.insert(0, str(Path(__file__).parents[2]))

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


ROWS = [
    ("tasks alive at once", "alive", "{:,}"),
    ("slowest task: the ideal, s", "ideal", "{:.1f}"),
    ("makespan, s", "makespan", "{:.1f}"),
    ("of which creating, s", "creating", "{:.1f}"),
    ("mean lag, s", "lag", "{:.2f}"),
    ("queries a task", "queries", "{:.1f}"),
    ("CPU a task, ms", "cpu", "{:.1f}"),
    ("peak memory a task, kB", "memory", "{:.1f}"),
    ("connections at once", "connections", "{}"),
]


def main() -> None:
    many = Measured(OURS, MANY, LONG)
    few = Measured(OURS, FEW, SHORT)
    by_hand = Measured(BY_HAND, FEW, SHORT)
    columns = [f"batch, {MANY:,}", f"batch, {FEW:,}", f"by hand, {FEW:,}", "by hand / batch"]
    print(f"{'':28}" + "".join(f"{column:>18}" for column in columns))
    for words, name, form in ROWS:
        values = [getattr(each, name) for each in (many, few, by_hand)]
        ratio = f"{values[2] / values[1]:.2f}" if values[1] else ""
        print(f"{words:28}" + "".join(f"{form.format(value):>18}" for value in values) + f"{ratio:>18}")
    print(f"makespan / ideal, {MANY:,}: {many.makespan / many.ideal:.2f}")
    print(f"peak memory a task over the baseline, {MANY:,}: {many.memory:.1f} kB (at most {GOAL:g})")


if __name__ == "__main__":
    main()
