"""What a blocking `get` costs beside the awaited one, and what ten thousand of them leave behind.

Both ask the same server, in turn within one run, over the stock transport. The server is a process of its own, so
that the CPU counted here (user and system time of all threads of this process) is the client's.
"""

import asyncio
import gc
import os
import statistics
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from apimodels_async.client import AsyncImagesClient
from apimodels_async.sync import ImagesClient
from tests.bench.rows import Row, at_most, show

CALLS = 300
ROUNDS = 15
MANY = 10_000

SERVER = r"""
import asyncio

BODY = b'{"code": 200, "msg": "success", "data": {"taskId": "cl1", "state": "processing"}}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY


async def answer(reader, writer):
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(ANSWER)
    except asyncio.IncompleteReadError:
        writer.close()


async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
"""


async def awaited(client: AsyncImagesClient) -> float:
    """CPU seconds of one call."""
    before = time.process_time()
    for _ in range(CALLS):
        await client.get("cl1")
    return (time.process_time() - before) / CALLS


def blocking(client: ImagesClient) -> float:
    """CPU seconds of one call."""
    before = time.process_time()
    for _ in range(CALLS):
        client.get("cl1")
    return (time.process_time() - before) / CALLS


def compare(base_url: str) -> Iterator[Row]:
    """Both costs."""
    runner = asyncio.Runner()
    awaiting = AsyncImagesClient("sk_bench", base_url=base_url)
    with runner, ImagesClient("sk_bench", base_url=base_url) as client:
        runner.run(awaited(awaiting))
        blocking(client)
        rounds = [(runner.run(awaited(awaiting)), blocking(client)) for _ in range(ROUNDS)]
        runner.run(awaiting.aclose())
    theirs, ours = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(mirrored / plain for plain, mirrored in rounds)
    told = f"{ours * 1e6:.0f} µs : {theirs * 1e6:.0f} µs"
    yield at_most("`get` of the mirror, CPU a call", "`await client.get`", ratio, 2.0, told=told)


def held() -> tuple[int, int, int]:
    """Threads, open files, KiB of Python's memory."""
    gc.collect()
    files = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0  # noqa: PTH112, PTH208
    return threading.active_count(), files, tracemalloc.get_traced_memory()[0] // 1024


def leaks(base_url: str) -> Iterator[Row]:
    """What is held before and after many calls."""
    with ImagesClient("sk_bench", base_url=base_url) as client:
        for _ in range(500):
            client.get("cl1")
        tracemalloc.start()
        client.get("cl1")
        before = held()
        for _ in range(MANY):
            client.get("cl1")
        after = held()
        tracemalloc.stop()
    for name, unit, bound, at in (("threads", "", 0, 0), ("open files", "", 0, 1), ("memory", "KiB", 64, 2)):
        told = f"{before[at]:,} before, {after[at]:,} after"
        yield at_most(
            f"{MANY:,} `get`s of the mirror: more {name}", "before", after[at] - before[at], bound, unit, told=told
        )


def rows() -> Iterator[Row]:
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            base_url = f"http://127.0.0.1:{server.stdout.readline().strip()}/api/v1"
            with mock.patch.dict(sys.modules, {"httpx_aiohttp": None}):  # as if the extra `fast` were not installed
                yield from compare(base_url)
            yield from leaks(base_url)
        finally:
            server.kill()


if __name__ == "__main__":
    show(rows())
