"""Large pictures going in: what they take of the memory, and for how long they hold the loop up.

Each measurement is a fresh interpreter, which first sends something small; what is counted is the peak of its memory
over what it had then. Beside the work runs a task that wakes every 5 ms and notes how late it was; other work on the
machine makes it late as well, so of several runs the least is told. The server is a cheap one in another process. The
pictures are files; given as bytes, they would be the caller's besides.

In the batch each of 64 requests brings a picture of 10 MB of its own, and all may be under way at once. `max_in_flight`
at 8 is measured beside it.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.rows import Row, at_most, just, show
from tests.bench.servers.cheap import PICTURE
from tests.bench.servers.vendor import ROOMY, vendor

LARGE, BATCHED, REQUESTS = 20_000_000, 10_000_000, 64
"""Bytes of a picture, bytes of one in the batch, and how many of those."""
LARGEST = 60_000_000
"""Bytes of another picture."""
FLAT = 16_000_000
"""Bytes that a picture may take on its way, whatever its size."""
RUNS = 5
LONGEST = 50.0
"""Milliseconds that the loop may be held up."""

COMMON = """
import asyncio, json, sys, time
from apimodels_async import AsyncImagesClient, GenerationRequest

base_url, small, large, folder, at_once = *sys.argv[1:5], int(sys.argv[5])

def memory(line):
    with open("/proc/self/status") as status:
        return next(int(each.split()[1]) for each in status if each.startswith(line + ":")) * 1024

async def watch(lags):
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.005)
        lags.append(time.perf_counter() - began - 0.005)

async def main():
    async with AsyncImagesClient("sk_x", base_url=base_url, model="bench") as client:
        await work(client, True)
        lags = []
        watching = asyncio.create_task(watch(lags))
        await asyncio.sleep(0.1)
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # the peak begins anew
        before = memory("VmRSS")
        began = time.perf_counter()
        await work(client, False)
        seconds = time.perf_counter() - began
        await asyncio.sleep(0.02)
        watching.cancel()
        print(json.dumps([memory("VmHWM") - before, 1000 * max(lags), seconds]))
"""
UPLOAD = """
async def work(client, warming):
    await client.upload(small if warming else large)
"""
CREATE = """
async def work(client, warming):
    await client.create("a kite", image=small if warming else large)
"""
BATCH = """
from pathlib import Path

async def work(client, warming):
    pictures = [small] * 4 if warming else sorted(Path(folder).iterdir())
    requests = (GenerationRequest("a kite", model="warm" if warming else "bench", image=each) for each in pictures)
    async with client.batch(requests, max_in_flight=at_once) as batch:
        async for outcome in batch:
            assert outcome.ok, outcome.error
"""


class Taken(NamedTuple):
    """What one run took: bytes over the baseline, milliseconds that the loop was held up at most, seconds."""

    memory: int
    lag: float
    seconds: float


def measure(work: str, folder: Path, at_once: int = REQUESTS, *, large: str = "large.png", path: str = "/v1") -> Taken:
    """In a fresh interpreter, with the pictures that `pictures` laid out; `path` is that of the server's API."""
    with vendor(0.05, 0.1) as base_url:
        code = COMMON + work + "\nasyncio.run(main())\n"
        paths = (folder / "small.png", folder / large, folder / "batch")
        command = [sys.executable, "-c", code, base_url + path, *map(str, paths), str(at_once)]
        return Taken(*json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=240).stdout))


def pictures(folder: Path) -> None:
    """Lay them out."""
    (folder / "batch").mkdir()
    sizes = {folder / "small.png": len(PICTURE), folder / "large.png": LARGE, folder / "largest.png": LARGEST}
    for path, size in [*sizes.items(), *((folder / "batch" / f"{at}.png", BATCHED) for at in range(REQUESTS))]:
        path.write_bytes(PICTURE)
        os.truncate(path, size)  # the rest takes no room on the disk


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as out:
        folder = Path(out)
        pictures(folder)
        for what, work, bound in (("upload", UPLOAD, 3.0), ("create", CREATE, 3.0)):
            taken = [measure(work, folder) for _ in range(RUNS)]
            memory = max(each.memory for each in taken)
            words = f"{what} of a picture of 20 MB"
            yield at_most(f"{words}: memory", "its size", memory / LARGE, bound, told=f"{memory / 1e6:.0f} MB")
            yield at_most(f"{words}: the loop is held up for", "", min(each.lag for each in taken), LONGEST, "ms")
        for what, work, path in (
            ("uploaded", UPLOAD, "/v1"),
            ("uploaded before its create request", CREATE, "/v1"),
            ("sent in its create request", CREATE, ROOMY),
        ):
            most = max(measure(work, folder, large="largest.png", path=path).memory for _ in range(RUNS))
            yield at_most(f"a file of 60 MB, {what}: memory", "", most / 1e6, FLAT / 1e6, "MB")
        many, few = measure(BATCH, folder), measure(BATCH, folder, 8)
        what = f"batch of {REQUESTS} with 10 MB each"
        told = f"{many.memory / 1e6:.0f} MB : {few.memory / 1e6:.0f} MB"
        yield at_most(f"{what}: memory", "max_in_flight=8", many.memory / few.memory, 1.25, told=told)
        yield just(f"{what}: the loop is held up for", "", many.lag, "ms")
        yield just(f"{what}: time", "", many.seconds, "s")


if __name__ == "__main__":
    show(rows())
