"""Cancellations that land in a query, a download, a flush to the disk or the ledger: nothing is left behind."""

import asyncio
import os
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import anyio
import trio

from apimodels_async import AsyncImagesClient, Task, TaskState
from apimodels_async.pacing import FixedPacing
from tests.proofs.hostile.lanes import LANES, on_lane
from tests.proofs.hostile.row import Row, unless
from tests.support.picture_server import KEY, PictureServer, drip, enveloped, picture
from tests.support.pictures import PNG, chunk

BIG = PNG[:33] + chunk(b"IDAT", bytes(200_000)) + PNG[-12:]
SLOW_FLUSH = 0.02
MOST_WAIT = 5.0
"""Seconds in which a thread that was left alone at its work must have cleaned up."""

Call = Callable[[AsyncImagesClient, PictureServer, Path], Awaitable[object]]


async def _query(client: AsyncImagesClient, server: PictureServer, folder: Path) -> object:
    return await client.wait("task-1", pacing=FixedPacing(0.001))


async def _download(client: AsyncImagesClient, server: PictureServer, folder: Path) -> object:
    task = Task(id="task-1", state=TaskState.COMPLETED, result_urls=(f"{server.origin}/slow",))
    return await client.download(task, folder)


async def _flush(client: AsyncImagesClient, server: PictureServer, folder: Path) -> object:
    task = Task(id="task-1", state=TaskState.COMPLETED, result_urls=(f"{server.origin}/fast",))
    return await client.download(task, folder)


async def _ledger(client: AsyncImagesClient, server: PictureServer, folder: Path) -> object:
    return await client.create("a cat", ledger=folder / "run.db", key=str(random.random()))


PLACES: dict[str, Call] = {"query": _query, "download": _download, "flush": _flush, "ledger": _ledger}


def _slow_flush(flush: Callable[[int], None], number: int) -> None:
    time.sleep(SLOW_FLUSH)
    flush(number)


def cancellations(row: Row) -> None:
    """Cancel at a random moment, on both back ends and both transports, by a scope and by the task itself."""
    chance = random.Random(21)
    each = row.count(500 // (len(LANES) * len(PLACES)) + 1)
    for lane, backend in LANES:
        for name in PLACES:
            with (
                PictureServer() as server,
                on_lane(lane),
                tempfile.TemporaryDirectory() as folder,
                mock.patch("os.fsync", partial(_slow_flush, os.fsync)),
            ):
                server.create(server.accepted())
                server.query(enveloped({"taskId": "task-1", "state": "processing"}))
                server.play("/slow", drip(BIG, every=0.001, first=100_000))
                server.play("/fast", picture(BIG))
                before = _files()
                attack = Attack(row, f"{name}, {lane}, {backend}", name, server, Path(folder))
                anyio.run(attack.cancel, each, chance, backend=backend)
                attack.settle(before)


def _files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class Attack(NamedTuple):
    """One kind of call on one lane, to be cancelled again and again."""

    row: Row
    case: str
    name: str
    server: PictureServer
    folder: Path

    async def cancel(self, count: int, chance: random.Random) -> None:
        """Cancel so many calls of one client, each after a random time."""
        async with AsyncImagesClient(KEY, base_url=self.server.base_url, model="m", timeout=5.0) as client:
            with anyio.move_on_after(0.5):
                await PLACES[self.name](client, self.server, self.folder)  # what is made once is there
            await anyio.sleep(0.05)
            before = _alive()
            for number in range(count):
                seconds = chance.uniform(0.0, 0.06)
                wrong = await _cancelled(
                    partial(PLACES[self.name], client, self.server, self.folder), seconds, by_task=number % 2 == 1
                )
                self.row.judge(f"{self.case}, after {seconds:.3f} s", wrong)
            with anyio.move_on_after(MOST_WAIT):
                while _alive() > before:  # noqa: ASYNC110  (there is no event for it)
                    await anyio.sleep(0.01)
            self.row.judge(f"{self.case}: tasks", unless(_alive() <= before, f"{_alive() - before} are left"))
            paid = len(self.server.created)
            self.row.judge(f"{self.case}: paid", unless(self.name == "ledger" or not paid, f"{paid} create requests"))

    def settle(self, before: int) -> None:
        """Look at what is left, once the client is closed."""
        until = time.monotonic() + MOST_WAIT
        closed = self.server.all_closed()
        while time.monotonic() < until and (_files() > before or any(self.folder.glob("*.part"))):
            time.sleep(0.01)
        parts = [path.name for path in self.folder.iterdir() if path.suffix == ".part"]
        broken = [path.name for path in self.folder.glob("*.png") if path.read_bytes() != BIG]
        self.row.judge(
            f"after {self.case}",
            unless(closed, "connections are left"),
            unless(_files() <= before, f"{_files() - before} files are open"),
            unless(not parts, f"part files are left: {parts[:3]}"),
            unless(not broken, f"pictures are broken: {broken[:3]}"),
        )


async def _cancelled(work: Callable[[], Awaitable[object]], seconds: float, *, by_task: bool) -> str:
    try:
        if by_task and not _is_trio():
            await _by_task(work, seconds)
        else:
            with anyio.move_on_after(seconds):
                await work()
    except Exception as error:  # noqa: BLE001  (what should not come out)
        return f"{type(error).__name__}: {error}"
    return ""


async def _by_task(work: Callable[[], Awaitable[object]], seconds: float) -> None:
    async def run() -> None:
        await work()

    task = asyncio.get_running_loop().create_task(run())
    await asyncio.wait({task}, timeout=seconds)
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()


def _is_trio() -> bool:
    return anyio.get_cancelled_exc_class() is trio.Cancelled


def _alive() -> int:
    return trio.lowlevel.current_statistics().tasks_living if _is_trio() else len(asyncio.all_tasks())
