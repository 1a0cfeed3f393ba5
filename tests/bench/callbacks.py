"""Forty `generate` at once against the embedded gateway: called back, and asking, in one run.

The gateway is a process of its own; the receiver runs in the client's own event loop, as in a web app. The delay is
from the task's `completeTime` to the moment when `generate` returns it. A client of each kind makes forty tasks before
it is measured, because what is learned of the model's latency is what asking lives on.
"""

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from apimodels_async import AsyncImagesClient
from apimodels_async.callbacks import CallbackReceiver
from tests.bench.rows import Row, at_most, show

TASKS = 40
ROUNDS = 3
GATEWAY = """
from apimodels_async.gateway import serve
serve(port=0, latency="2/4", balance=1e6, on_ready=lambda url: print(url, flush=True))
"""


class Round(NamedTuple):
    """Forty tasks.

    Attributes:
        queries: a task.
        delay: seconds, the median.
    """

    queries: float
    delay: float


async def forty(client: AsyncImagesClient) -> Round:
    """Make forty pictures at once."""
    asked = 0
    query = client._engine.http.query

    async def counted(path: str, **params: str) -> Any:
        nonlocal asked
        asked += 1
        return await query(path, **params)

    client._engine.http.query = counted  # type: ignore[method-assign]

    async def one(number: int) -> float:
        task = await client.generate(f"bell {number}", model="grok-image/grok-4.2-image")
        assert task.complete_time is not None
        return time.time() - task.complete_time.timestamp()

    delays = await asyncio.gather(*map(one, range(TASKS)))
    client._engine.http.query = query  # type: ignore[method-assign]
    return Round(asked / TASKS, statistics.median(delays))


async def measured(base_url: str) -> tuple[list[Round], list[Round]]:
    """Rounds with callbacks, and without."""
    config = uvicorn.Config("", port=0, log_config=None, access_log=False)
    listener = config.bind_socket()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/calls"
    receiver = CallbackReceiver(url, {"k1": b"sixteen bytes or more"})
    server = uvicorn.Server(uvicorn.Config(receiver, log_config=None, access_log=False, lifespan="off", ws="none"))
    serving = asyncio.create_task(server.serve([listener]))
    while not server.started:  # noqa: ASYNC110  (uvicorn has no event for it)
        await asyncio.sleep(0.01)
    called, asking = [], []
    async with (
        AsyncImagesClient("sk_localdevelopment", base_url=base_url, callbacks=receiver) as with_callbacks,
        AsyncImagesClient("sk_localdevelopment", base_url=base_url) as without,
    ):
        for _ in range(ROUNDS + 1):
            called.append(await forty(with_callbacks))
            asking.append(await forty(without))
    server.should_exit = True
    await serving
    return called[1:], asking[1:]


def rows() -> Iterator[Row]:
    command = [sys.executable, "-c", GATEWAY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as gateway:
        try:
            assert gateway.stdout is not None
            called, asking = asyncio.run(measured(gateway.stdout.readline().strip()))
        finally:
            gateway.terminate()
    queries, delay = (statistics.median(column) for column in zip(*called, strict=True))
    their_queries, their_delay = (statistics.median(column) for column in zip(*asking, strict=True))
    what = f"{TASKS} `generate` at once, called back"
    told = f"{queries:.2f} : {their_queries:.2f}"
    yield at_most(f"{what}: queries a task", "the same, asking", queries, 2.0, "", told=told)
    told = f"{delay * 1e3:.0f} ms : {their_delay * 1e3:.0f} ms"
    yield at_most(f"{what}: median delay after completion", "the same, asking", delay, 0.15, "s", told=told)


if __name__ == "__main__":
    show(rows())
