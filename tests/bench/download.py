"""How much memory a download takes, and how fast it is beside plain httpx that streams to a file.

A server in a process of its own sends a PNG of 400 MB. Each measurement is a fresh interpreter, which first downloads
a small picture, so that what is counted is the download and not the import. The rate is a ratio within one run, taken
in turn, so that a noisy machine troubles both alike; both flush what they wrote to the disk.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":  # the server is the tests' own
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.faults.picture_server import PictureServer, bomb, endless, picture

SIZE = 400_000_000
ROUNDS = 3

OURS = """
import json, sys, time
import anyio
from apimodels_async import AsyncImagesClient, DownloadError, Task, TaskState, _downloading

_downloading.full_jitter = lambda *_: 0.0  # the pauses between attempts are not what is measured
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
            (path,) = await client.download(done(large), out)
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


def main() -> None:
    with PictureServer() as server, tempfile.TemporaryDirectory() as out:
        large = server.play("/large.png", endless(SIZE))
        packed = server.play("/bomb.png", bomb(64 << 20))
        for backend in ("asyncio", "trio"):
            rounds = [[measure(code, backend, server, large, out) for code in (OURS, PLAIN)] for _ in range(ROUNDS)]
            assert all(saved == SIZE for each in rounds for _, _, saved in each)
            ours, plain = (
                statistics.median(seconds for _, seconds, _ in column) for column in zip(*rounds, strict=True)
            )
            grown = max(each[0][0] for each in rounds)
            unpacked, _, saved = measure(OURS, backend, server, packed, out)
            assert not saved
            print(f"{backend}: {SIZE >> 20} MiB in {ours:.2f} s, plain httpx {plain:.2f} s (medians of {ROUNDS})")
            print(f"{backend}: ratio of the rates: {plain / ours:.2f}")
            print(f"{backend}: memory over the baseline: {grown / 2**20:.1f} MiB")
            print(f"{backend}: the same for a compressed bomb: {unpacked / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
