"""A download of 1 GB beside plain httpx that streams to a file, and beside curl.

A server in another thread sends a PNG of that size. Each measurement is a fresh process; ours and plain httpx first
download a small picture, so that what is counted is the download and not the import. They take turns, and a round is
compared within itself. Ours and plain httpx flush what they wrote to the disk; curl does not. Of a body that unpacks to
64 MB, although compression was declined, nothing may be unpacked.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

if __name__ == "__main__":  # the server is the tests' own
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.rows import Row, at_least, at_most, just, show
from tests.support.picture_server import PictureServer, bomb, endless, picture

SIZE = 400_000_000
"""Of the tests that watch the memory."""
LARGE = 1_000_000_000
ROUNDS = 3

OURS = """
import json, sys, time
import anyio
from apimodels_async import AsyncImagesClient, DownloadError, Task, TaskState
from apimodels_async._download import picture_fetch

picture_fetch.full_jitter = lambda *_: 0.0  # the pauses between attempts are not what is measured
backend, base_url, small, large, out = sys.argv[1:]

def peak():
    # Not ru_maxrss, which remembers the size of the process that started this one.
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024

def done(url):
    return Task(id="task-1", state=TaskState.COMPLETED, result_urls=(url,))

async def main():
    async with AsyncImagesClient("sk_x", base_url=base_url) as client:
        await client.download(done(small), out)
        before, started = peak(), time.perf_counter()
        try:
            (path,) = await client.download(done(large), out, max_bytes=1 << 30)
            saved = path.stat().st_size
        except DownloadError:
            saved = 0
        print(json.dumps([peak() - before, time.perf_counter() - started, saved]))

anyio.run(main, backend=backend)
"""

PLAIN = """
import json, os, sys, time
import anyio, httpx

backend, base_url, small, large, out = sys.argv[1:]

async def save(client, url):
    async with client.stream("GET", url) as response:
        with open(out + "/plain.png", "wb") as file:
            async for chunk in response.aiter_raw():
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())

async def main():
    async with httpx.AsyncClient() as client:
        await save(client, small)
        started = time.perf_counter()
        await save(client, large)
        print(json.dumps([0, time.perf_counter() - started, os.stat(out + "/plain.png").st_size]))

anyio.run(main, backend=backend)
"""


def measure(code: str, backend: str, server: PictureServer, large: str, out: str) -> tuple[int, float, int]:
    """Bytes over the baseline, seconds, and bytes saved, in a fresh interpreter."""
    small = server.play("/small.png", picture())
    command = [sys.executable, "-c", code, backend, server.base_url, small, large, out]
    grown, seconds, saved = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return grown, seconds, saved


def curl(url: str, out: str) -> float:
    """Seconds."""
    began = time.perf_counter()
    subprocess.run(["curl", "--silent", "--fail", "--output", f"{out}/curl.png", url], check=True)
    seconds = time.perf_counter() - began
    clear(Path(out))
    return seconds


def clear(out: Path) -> None:
    """Nobody shall have to flush what another wrote."""
    for path in out.iterdir():
        path.unlink()


def rows() -> Iterator[Row]:
    with PictureServer() as server, tempfile.TemporaryDirectory() as out:
        large = server.play("/large.png", endless(LARGE))
        packed = server.play("/bomb.png", bomb(64 << 20))
        for backend in ("asyncio", "trio"):
            taken: list[tuple[float, float, float]] = []
            memory = 0
            for _ in range(ROUNDS):
                grown, ours, saved = measure(OURS, backend, server, large, out)
                clear(Path(out))
                _, plain, plainly = measure(PLAIN, backend, server, large, out)
                clear(Path(out))
                assert saved == plainly == LARGE
                taken.append((ours, plain, curl(large, out)))
                memory = max(memory, grown)
            what = f"download of 1 GB on {backend}"
            for other, at, bound in (("plain httpx to a file", 1, 0.9), ("curl", 2, 0.4)):
                ratio = statistics.median(each[at] / each[0] for each in taken)
                rates = [LARGE / 1e6 / statistics.median(each[of] for each in taken) for of in (0, at)]
                yield at_least(f"{what}, rate", other, ratio, bound, told=f"{rates[0]:.0f} MB/s : {rates[1]:.0f} MB/s")
            yield at_most(f"{what}: memory over the baseline", "", memory / 1e6, 8.0, "MB")
            unpacked, _, saved = measure(OURS, backend, server, packed, out)
            assert not saved
            yield just(f"a compressed bomb on {backend}: memory over the baseline", "", unpacked / 1e6, "MB")


if __name__ == "__main__":
    show(rows())
