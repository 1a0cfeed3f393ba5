"""What `client.get` costs, 100 at a time, beside what it is made of.

The server is a process of its own, and each figure comes from a fresh interpreter: the CPU (user and system time) that
it takes for one status query. All contenders are measured in turn, and compared within one turn.
"""

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.rows import Row, at_least, at_most, just, show
from tests.bench.servers.cheap import server

AT_ONCE = 100
WARM, CALLS = 10, 40
"""For each of those at once: queries before the clock is started, and while it runs."""
ROUNDS = 7

MEASURE = """
import asyncio, sys, time
import httpx

origin, warm, calls, at_once = sys.argv[1], *map(int, sys.argv[2:])
url = origin + "/api/v1/images/generations?task_id="

async def measure(ask):
    async with httpx.AsyncClient() as http:
        made = [(await http.post(origin + "/api/v1/images/generations")).json() for _ in range(at_once)]

    async def ask_again_and_again(task_id, times):
        for _ in range(times):
            await ask(task_id)

    async def all_of_them(times):
        await asyncio.gather(*(ask_again_and_again(each["data"]["taskId"], times) for each in made))

    await all_of_them(warm)
    before = time.process_time()
    await all_of_them(calls)
    print((time.process_time() - before) / calls / at_once)
"""

STOCK = """
async def main():
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=100, max_keepalive_connections=100)) as http:
        async def ask(task_id):
            return (await http.get(url + task_id, timeout=60.0)).json()
        await measure(ask)
"""
BARE = """
import aiohttp
async def main():
    async with aiohttp.ClientSession() as session:
        async def ask(task_id):
            async with session.get(url + task_id) as answer:
                return await answer.json()
        await measure(ask)
"""
OVER = """
import httpx_aiohttp
async def main():
    async with httpx.AsyncClient(transport=httpx_aiohttp.AiohttpTransport()) as http:
        async def ask(task_id):
            return (await http.get(url + task_id)).json()
        await measure(ask)
"""
OURS = """
from apimodels_async import AsyncImagesClient
async def main():
    async with AsyncImagesClient("sk_bench", base_url=origin + "/api/v1") as client:
        await measure(client.get)
"""
WITHOUT = "sys.modules['httpx_aiohttp'] = None  # as if it were not installed\n" + OURS
END = "\nasyncio.run(main())\n"

CONTENDERS: dict[str, tuple[str, int]] = {
    "stock httpx, 100 connections, `.json()`": (STOCK, 10),
    "bare aiohttp, `.json()`": (BARE, 1),
    "`httpx.AsyncClient` over httpx-aiohttp, `.json()`": (OVER, 1),
    "`client.get` with the extra `fast`": (OURS, 1),
    "`client.get` without it": (WITHOUT, 2),
}
"""The second figure: so many times fewer queries, of what takes so much longer."""
STOCK_100, AIOHTTP, OVER_AIOHTTP, FAST, PLAIN = CONTENDERS


def cpu(code: str, origin: str, share: int) -> float:
    """CPU seconds of one query, in a fresh interpreter."""
    figures = [str(WARM // share + 1), str(CALLS // share), str(AT_ONCE)]
    ended = subprocess.run(
        [sys.executable, "-c", MEASURE + code + END, origin, *figures],
        check=True,
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
        timeout=300,
    )
    return float(ended.stdout)


def rows() -> Iterator[Row]:
    with server("vendor", 3600.0, 7200.0) as origin:
        taken = [{name: cpu(code, origin, share) for name, (code, share) in CONTENDERS.items()} for _ in range(ROUNDS)]

    def compared(one: str, other: str) -> tuple[float, str]:
        ratio = statistics.median(each[one] / each[other] for each in taken)
        one_us, other_us = (statistics.median(each[name] for each in taken) * 1e6 for name in (one, other))
        return ratio, f"{one_us:,.0f} µs : {other_us:,.0f} µs"

    for ours, other, bound in ((FAST, STOCK_100, 8.0), (PLAIN, STOCK_100, 2.5)):
        ratio, _ = compared(other, ours)
        _, told = compared(ours, other)
        yield at_least(f"{ours}, CPU a query saved", other, ratio, bound, told=told)
    ratio, told = compared(FAST, AIOHTTP)
    yield at_most(f"{FAST}, CPU a query", AIOHTTP, ratio, 1.8, told=told)
    ratio, told = compared(OVER_AIOHTTP, AIOHTTP)
    yield just(f"{OVER_AIOHTTP}, CPU a query", AIOHTTP, ratio, told=told)


if __name__ == "__main__":
    show(rows())
