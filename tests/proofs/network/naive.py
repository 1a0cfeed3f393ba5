"""The control: a batch as a user might write it without the SDK. The lab must see what it pays twice and loses.

64 at a time; whatever fails is tried three times in all, after 1 s and 2 s; a task is asked about every 0.5 s.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx

AT_ONCE = 64
PAUSES = (1.0, 2.0)
BETWEEN_QUERIES = 0.5
TIMEOUT = 30.0


async def run_batch(job: dict[str, Any]) -> list[dict[str, Any]]:
    """One batch; a line for each request, as the SDK's driver writes it."""
    url = f"{job['base_url']}/images/generations"
    began = time.monotonic()
    lines: list[dict[str, Any]] = []
    limit = anyio.CapacityLimiter(AT_ONCE)

    async def generate(client: httpx.AsyncClient, prompt: str) -> None:
        line = {"prompt": prompt, "task_id": None, "error": None, "status": None, "message": "", "seconds": 0.0}
        body = {"model": "grok-4.2-image", "prompt": prompt}
        async with limit:
            try:
                created = await _three_times(lambda: client.post(url, json=body))
                line["task_id"] = created["taskId"]
                query = {"task_id": created["taskId"]}
                while True:
                    if (await _three_times(lambda: client.get(url, params=query)))["state"] == "completed":
                        break
                    await anyio.sleep(BETWEEN_QUERIES)
            except (httpx.HTTPError, ValueError) as error:
                line["error"], line["message"] = type(error).__name__, str(error)
        lines.append({**line, "seconds": time.monotonic() - began})

    limits = httpx.Limits(max_connections=AT_ONCE)
    with anyio.move_on_after(job["bound"]):
        async with httpx.AsyncClient(limits=limits, timeout=TIMEOUT) as client, anyio.create_task_group() as group:
            for number in range(job["n"]):
                group.start_soon(generate, client, f"{job['name']} {number}")
    return lines


async def _three_times(ask: Callable[[], Awaitable[httpx.Response]]) -> dict[str, Any]:
    for pause in PAUSES:
        try:
            return _data(await ask())
        except (httpx.HTTPError, ValueError):
            await anyio.sleep(pause)
    return _data(await ask())


def _data(response: httpx.Response) -> dict[str, Any]:
    data: dict[str, Any] = response.raise_for_status().json()["data"]
    return data
