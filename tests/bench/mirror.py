"""What a blocking `get` costs beside the awaited one, and what ten thousand of them leave behind.

Both ask the same server, in turn within one run, over the stock transport. The server is a process of its own, so
that the CPU counted here (user and system time of all threads of this process) is the client's.
"""

import asyncio
import gc
import os
import resource
import statistics
import subprocess
import sys
import threading
import time
import tracemalloc

from apimodels_async.client import AsyncImagesClient
from apimodels_async.sync import ImagesClient

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


def compare(base_url: str) -> None:
    """Print both costs and their ratio."""
    runner = asyncio.Runner()
    awaiting = AsyncImagesClient("sk_bench", base_url=base_url)
    with runner, ImagesClient("sk_bench", base_url=base_url) as client:
        runner.run(awaited(awaiting))
        blocking(client)
        rounds = [(runner.run(awaited(awaiting)), blocking(client)) for _ in range(ROUNDS)]
        runner.run(awaiting.aclose())
    theirs, ours = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(mirrored / plain for plain, mirrored in rounds)
    print(f"await client.get()   {theirs * 1e6:6.0f} µs CPU (median of {ROUNDS} rounds of {CALLS} calls)")
    print(f"client.get()         {ours * 1e6:6.0f} µs CPU")
    print(f"ratio                {ratio:6.2f} (at most 2)")


def held() -> tuple[int, int, int, int]:
    """Threads, open files, KiB of Python's memory, MiB resident at most."""
    gc.collect()
    files = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0  # noqa: PTH112, PTH208
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return threading.active_count(), files, tracemalloc.get_traced_memory()[0] // 1024, peak


def leaks(base_url: str) -> None:
    """Print what is held before and after many calls, and after closing."""
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
    for name, *numbers in zip(("threads", "files", "KiB traced", "MiB at most"), before, after, strict=True):
        print(f"{name:12} {numbers[0]:6} before, {numbers[1]:6} after {MANY} calls")
    print(f"threads      {threading.active_count():6} after close()")


def main() -> None:
    """Start the server and measure."""
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            base_url = f"http://127.0.0.1:{server.stdout.readline().strip()}/api/v1"
            compare(base_url)
            leaks(base_url)
        finally:
            server.kill()


if __name__ == "__main__":
    main()
