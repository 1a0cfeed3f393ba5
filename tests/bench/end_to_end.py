"""A thousand pictures from the prompt to the file: create, polls, download of a picture of 20 kB, all at once.

These programs, each in a fresh interpreter that first makes twenty quick pictures, each against a cheap server in
another process; a task takes between 5 and 15 seconds, the same ones for all. They take turns, and each is compared
with ours within its round: three rounds of ours and those by hand, and one of the others, which are far off.

- *ours*: `client.batch(…, download_to=…)`, with `max_in_flight` at a thousand, with the extra `fast` and without it.
  Its files are checked, flushed to the disk and renamed; nobody else's are.
- *by hand*: `asyncio.gather` over one stock `httpx.AsyncClient` without a pool timeout (with one it fails), a query
  every 3 s.
- *aiohttp by hand*: `asyncio.gather` over one `aiohttp.ClientSession` with 64 connections, a query every 3 s, and
  `write_bytes`.
- *fal-client*: `AsyncClient().subscribe(…)` with nothing changed, which asks every 0.1 s, and stock httpx for the
  download. Its server speaks fal's queue protocol.
- *replicate*: `Client().async_run(…, wait=False)`, which asks every 0.5 s, and `FileOutput.aread` for the download. Its
  server speaks Replicate's. Its default `wait=True` holds a connection for each picture, of which it has a hundred, and
  gives up when none is free for 5 s; so does `wait=False` after 10 s, and so its pool timeout is switched off here.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.rows import Row, just, show
from tests.bench.servers.cheap import server

NUMBER = 1_000
SECONDS = (5.0, 15.0)
ROUNDS = 3
"""Of ours and those by hand: the others are too slow, and too far behind, for more than one."""

COMMON = """
import asyncio, json, os, resource, sys, time
from pathlib import Path
import httpx

base_url, number, out = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])

def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime

async def reset(low, high):
    async with httpx.AsyncClient() as http:
        await http.post(f"{base_url}/reset?{low}&{high}")

async def measure(work, low, high):
    await reset(0.0, 0.2)
    await work(20, "warming-up")
    await reset(low, high)
    used, began = cpu(), time.perf_counter()
    await work(number, "measured")
    seconds, used = time.perf_counter() - began, cpu() - used
    print(json.dumps({"seconds": seconds, "cpu": used}))
"""

PROGRAMS = {
    "ours": """
from apimodels_async import AsyncImagesClient, GenerationRequest

async def main(low, high):
    async with AsyncImagesClient("sk_x", base_url=base_url + "/v1") as client:
        async def work(number, model):
            requests = (GenerationRequest(str(at), model=model) for at in range(number))
            async with client.batch(requests, max_in_flight=number, download_to=out) as batch:
                async for outcome in batch:
                    assert outcome.ok, outcome.error

        await measure(work, low, high)
""",
    "by hand": """
async def main(low, high):
    # Short of CPU, it takes longer than 30 s to connect a thousand times.
    async with httpx.AsyncClient(timeout=httpx.Timeout(30.0, connect=None, pool=None)) as http:
        async def one(at, model):
            body = {"prompt": str(at), "model": model}
            task = (await http.post(base_url + "/v1/images/generations", json=body)).json()["data"]
            while task["state"] not in ("completed", "failed"):
                await asyncio.sleep(3.0)
                query = await http.get(base_url + "/v1/images/generations", params={"task_id": task["taskId"]})
                task = query.json()["data"]
            picture = await http.get(task["resultUrls"][0])
            (out / f"{task['taskId']}.png").write_bytes(picture.content)

        await measure(lambda number, model: asyncio.gather(*(one(at, model) for at in range(number))), low, high)
""",
    "aiohttp by hand": """
import aiohttp

async def main(low, high):
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as http:
        async def answer_to(request):
            async with request as answer:
                return (await answer.json())["data"]

        async def one(at, model):
            body = {"prompt": str(at), "model": model}
            task = await answer_to(http.post(base_url + "/v1/images/generations", json=body))
            while task["state"] not in ("completed", "failed"):
                await asyncio.sleep(3.0)
                task = await answer_to(http.get(base_url + "/v1/images/generations?task_id=" + task["taskId"]))
            async with http.get(task["resultUrls"][0]) as picture:
                (out / f"{task['taskId']}.png").write_bytes(await picture.read())

        await measure(lambda number, model: asyncio.gather(*(one(at, model) for at in range(number))), low, high)
""",
    "fal-client": """
import fal_client.client
fal_client.client.QUEUE_URL_FORMAT = base_url + "/"  # it knows https alone

async def main(low, high):
    fal = fal_client.AsyncClient(key="x")
    async with httpx.AsyncClient(timeout=httpx.Timeout(30.0, pool=None)) as http:
        async def one(at, model):
            result = await fal.subscribe("fal-ai/bench", arguments={"prompt": str(at), "model": model})
            picture = await http.get(result["images"][0]["url"])
            (out / f"{model}-{at}.png").write_bytes(picture.content)

        await measure(lambda number, model: asyncio.gather(*(one(at, model) for at in range(number))), low, high)
""",
    "replicate": """
from replicate.client import Client
from replicate.helpers import FileOutput

async def main(low, high):
    replicate = Client("x", base_url=base_url, timeout=httpx.Timeout(30.0, pool=None))
    async def one(at, model):
        output = await replicate.async_run("bench/bench", input={"prompt": str(at), "model": model}, wait=False)
        picture = await FileOutput(str(output[0]), replicate).aread()  # what an https link comes wrapped in
        (out / f"{model}-{at}.png").write_bytes(picture)

    await measure(lambda number, model: asyncio.gather(*(one(at, model) for at in range(number))), low, high)
""",
}
WITHOUT = "ours, without `fast`"
PROGRAMS[WITHOUT] = "sys.modules['httpx_aiohttp'] = None  # as if it were not installed\n" + PROGRAMS["ours"]
BOUNDS = {"aiohttp by hand": (1.03, 2.0), WITHOUT: (None, None)}
"""The most time and CPU beside a program, where that is not 1."""
BY_HAND = ("by hand", "aiohttp by hand")
A_PICTURE = f"{NUMBER:,} pictures: CPU a picture"
SERVERS = {"fal-client": "fal_queue", "replicate": "replicate_api"}


class Run(NamedTuple):
    """What one program needed.

    Attributes:
        seconds: from the first create to the last file.
        cpu: seconds.
        queries: of one picture.
    """

    seconds: float
    cpu: float
    queries: float


def run(name: str, code: str | None = None) -> Run:
    """One program, beginning to end."""
    low, high = SECONDS
    with server(SERVERS.get(name, "vendor"), low, high) as base_url, tempfile.TemporaryDirectory() as out:
        ending = f"\nasyncio.run(main({low}, {high}))\n"
        command = [sys.executable, "-c", COMMON + (code or PROGRAMS[name]) + ending, base_url, str(NUMBER), out]
        seen = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=300).stdout)
        with urllib.request.urlopen(f"{base_url}/report") as answer:
            report = json.load(answer)
        saved = sum(path.suffix == ".png" for path in Path(out).iterdir())
    assert report["tasks"] == NUMBER, report
    assert report["pictures"] == NUMBER <= saved, (report, saved)
    return Run(seen["seconds"], seen["cpu"], report["queries"] / NUMBER)


def rows() -> Iterator[Row]:
    rounds = [{name: run(name) for name in PROGRAMS}]
    rounds += [{name: run(name) for name in ("ours", *BY_HAND)} for _ in range(ROUNDS - 1)]
    each = [one["ours"].cpu / NUMBER for one in rounds]
    yield just(A_PICTURE, "", 1000 * statistics.median(each), "ms")
    for other in list(PROGRAMS)[1:]:
        pairs = [(each["ours"], each[other]) for each in rounds if other in each]
        for words, at in (("time", 0), ("CPU", 1)):
            ratio = statistics.median(ours[at] / theirs[at] for ours, theirs in pairs)
            seconds = [statistics.median(each[at] for each in column) for column in zip(*pairs, strict=True)]
            queries = [statistics.median(each.queries for each in column) for column in zip(*pairs, strict=True)]
            told = f"{seconds[0]:.1f} s : {seconds[1]:.1f} s; {queries[0]:.1f} : {queries[1]:.1f} queries each"
            bound = BOUNDS.get(other, (1.0, 1.0))[at]
            yield Row(f"{NUMBER:,} pictures, {words}", other, ratio, bound=bound, told=told)


if __name__ == "__main__":
    show(rows())
