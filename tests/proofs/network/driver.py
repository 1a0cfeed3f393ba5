"""What a user of the SDK does, in a process and a namespace of its own, by the SDK's public names only.

    python driver.py JOB RESULT

JOB is a file of JSON, and so is RESULT, which is written when all is done. "started" is printed first.
"""

import json
import os
import random
import ssl
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from pathlib import Path
from typing import Any

import anyio

Job = dict[str, Any]
Line = dict[str, Any]

LANES = {"fast": "asyncio", "plain": "asyncio", "trio": "trio", "naive": "asyncio"}
"""Each way to run the SDK, and its event loop. `fast` and `plain` differ by the extra `fast`;
`naive` does without the SDK, and runs batches only."""


def choose_lane(lane: str) -> None:
    """Make the extra `fast` absent, or check that it is there. Before anything of the SDK is imported."""
    if lane == "plain":
        sys.modules["httpx_aiohttp"] = None  # type: ignore[assignment]  # Python's own way to say: cannot be imported
    else:
        import httpx_aiohttp

        del httpx_aiohttp


def picture(size: int) -> bytes:
    """A PNG of about `size` bytes that cannot be compressed."""
    width = 1000
    height = size // (3 * width)
    rows = b"".join(b"\0" + random.Random(row).randbytes(3 * width) for row in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(rows, level=0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def line_of(prompt: str, task: Any, error: BaseException | None, began: float) -> Line:
    """One request's outcome as JSON."""
    return {
        "prompt": prompt,
        "task_id": getattr(task, "id", None) or getattr(error, "task_id", None),
        "error": None if error is None else type(error).__name__,
        "status": getattr(error, "status", None),
        "message": "" if error is None else str(error),
        "seconds": time.monotonic() - began,
    }


async def run_batch(client: Any, job: Job) -> list[Line]:
    """One batch; outcomes as they come. Cut off after ``job["bound"]`` seconds: the rest has no outcome."""
    lines: list[Line] = []
    prompts: list[str] = [f"{job['name']} {number}" for number in range(job["n"])]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, anyio.move_on_after(job["bound"]):
        options: dict[str, Any] = dict(job.get("batch", {}))
        if job.get("download"):
            options["download_to"] = folder
        async with client.batch(prompts, **options) as batch:
            async for outcome in batch:
                index: int = outcome.index
                line = line_of(prompts[index], outcome.task, outcome.error, began)
                missing = job.get("download") and outcome.ok and not outcome.files
                lines.append({**line, "error": "no file"} if missing else line)
    return lines


async def run_creates(client: Any, job: Job) -> list[Line]:
    """Create requests with a large picture, all at once."""
    lines: list[Line] = []
    image = picture(job["picture"])

    async def create(prompt: str) -> None:
        began = time.monotonic()
        task, error = None, None
        with anyio.move_on_after(job["bound"]) as scope:
            try:
                task = await client.create(prompt, image=image)
            except Exception as failure:  # noqa: BLE001  (told to the one who judges)
                error = failure
        lines.append(line_of(prompt, task, TimeoutError("cut off") if scope.cancelled_caught else error, began))

    async with anyio.create_task_group() as group:
        for number in range(job["n"]):
            group.start_soon(create, f"{job['name']} {number}")
    return lines


async def run_calls(client: Any, job: Job) -> list[Line]:
    """One call of each kind, for the messages: balance, create, wait, a batch of 3."""

    async def wait() -> object:
        return await client.wait("task-1", timeout=5.0)

    async def create() -> object:
        return await client.create(f"{job['name']} create")

    async def one_batch() -> object:
        outcomes = await client.generate_many([f"{job['name']} batch {number}" for number in range(3)], **options)
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
        return None

    options: dict[str, Any] = dict(job.get("batch", {}))
    lines: list[Line] = []
    for name, call in {"balance": client.balance, "create": create, "wait": wait, "batch": one_batch}.items():
        began = time.monotonic()
        error: BaseException | None = None
        with anyio.move_on_after(job["bound"]) as scope:
            try:
                await call()
            except Exception as failure:  # noqa: BLE001  (told to the one who judges)
                error = failure
        lines.append(line_of(name, None, TimeoutError("cut off") if scope.cancelled_caught else error, began))
    return lines


KINDS = {"batch": run_batch, "creates": run_creates, "calls": run_calls}


async def run_control(job: Job) -> dict[str, Any]:
    """A batch without the SDK."""
    from tests.proofs.network import naive

    print("started", flush=True)
    began = time.monotonic()
    lines = await naive.run_batch(job)
    return {"lines": lines, "seconds": time.monotonic() - began, "detached": []}


async def run(job: Job) -> dict[str, Any]:
    from apimodels_async import AsyncImagesClient

    options: dict[str, Any] = dict(job.get("client", {}))
    if job.get("http2"):
        import httpx

        context = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE"))
        options["http_client"] = httpx.AsyncClient(http2=True, verify=context, timeout=30.0)
    async with AsyncImagesClient("sk_lab", base_url=job["base_url"], model="grok-4.2-image", **options) as client:
        print("started", flush=True)
        began = time.monotonic()
        lines = await KINDS[job["kind"]](client, job)
        seconds = time.monotonic() - began
        detached = [task.id for task in client.detached]
    if job.get("http2"):
        await options["http_client"].aclose()
    return {"lines": lines, "seconds": seconds, "detached": detached}


def main() -> int:
    sys.path.append(str(Path(__file__).parents[3]))  # last, so that the SDK comes from where it is installed
    job: Job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    choose_lane(job["lane"])
    warnings.filterwarnings("ignore", message=".* is plain http to .*", category=UserWarning)
    try:
        result = anyio.run(run_control if job["lane"] == "naive" else run, job, backend=LANES[job["lane"]])
    except Exception:  # noqa: BLE001  (told to the one who judges)
        traceback.print_exc()
        return 1
    Path(sys.argv[2]).write_text(json.dumps(result), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
