"""What is finished and not yet saved counts against `max_in_flight`, and is told."""

import hashlib
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from apimodels_async import BatchStats, Outcome, Task, TaskState
from apimodels_async._batch import saver, sidecar
from apimodels_async._download.downloader import Downloader, SavedPicture
from apimodels_async.ledger import SqliteLedger
from tests.batch.test_in_virtual_time import client_of
from tests.ledger.machine import PICTURE, World
from tests.support.virtual import virtually


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """A `World` silences the log."""
    logger = logging.getLogger("apimodels_async")
    level = logger.level
    yield
    logger.setLevel(level)


def slow_downloads(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Pictures take their time, on the loop's own clock: threads and disks know nothing of virtual time."""

    async def download(_: Downloader, task: Task, directory: Path, *__: Any) -> list[SavedPicture]:
        await anyio.sleep(seconds)
        return [SavedPicture(directory / f"{task.id}-0.png", 100, "sum")]

    async def prepare_folder(_: Downloader, directory: Path) -> Path:
        return directory

    monkeypatch.setattr(Downloader, "download", download)
    monkeypatch.setattr(Downloader, "prepare_folder", prepare_folder)


@pytest.mark.parametrize("max_in_flight", [1, 2, 12])
@virtually
async def test_no_more_is_paid_and_unsaved_than_may_be_in_flight(
    vendor_of: Any, monkeypatch: pytest.MonkeyPatch, anyio_backend: str, max_in_flight: int
) -> None:
    slow_downloads(monkeypatch, 60.0)
    vendor = vendor_of(duration=lambda _random, _prompt: 2.0)
    seen: list[BatchStats] = []
    outcomes: list[Outcome] = []
    async with (
        client_of(vendor, model="grok-image/grok-4.2-image") as client,
        client.batch([f"q{number}" for number in range(30)], download_to="out", max_in_flight=max_in_flight) as batch,
    ):

        async def watch() -> None:
            while True:
                seen.append(batch.stats)
                await anyio.sleep(0.5)

        async with anyio.create_task_group() as group:
            group.start_soon(watch)
            async for outcome in batch:
                outcomes.append(outcome)
                assert vendor.posts - len(outcomes) <= max_in_flight
            group.cancel_scope.cancel()
        stats = batch.stats

    assert all(outcome.ok for outcome in outcomes)
    assert max(each.in_flight + each.saving for each in seen) == max_in_flight
    assert max(each.saving for each in seen) > 0
    assert all(each.completed - each.saving <= len(outcomes) for each in seen)
    assert (stats.in_flight, stats.saving, stats.bytes) == (0, 0, 3000)
    assert stats.spent == pytest.approx(0.9)


@virtually
async def test_a_slow_host_of_pictures_does_not_slow_down_a_batch_that_saves_nothing(
    vendor_of: Any, anyio_backend: str
) -> None:
    vendor = vendor_of(duration=lambda _random, _prompt: 2.0)
    async with client_of(vendor) as client:
        began = anyio.current_time()
        outcomes = await client.generate_many([f"q{number}" for number in range(30)], max_in_flight=30)
        assert anyio.current_time() - began < 60
    assert all(outcome.ok for outcome in outcomes)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_ledger_holds_the_sum_of_what_came_not_of_what_lies_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:

    world = World(tmp_path)
    notes = sidecar.write_sidecar

    def tampering(request: Any, task: Task, files: Any, name: str | None) -> Any:
        files[0].write_bytes(b"another program's")
        return notes(request, task, files, name)

    monkeypatch.setattr(saver, "write_sidecar", tampering)

    async def work(client: Any, ledger: SqliteLedger) -> Any:
        return await client.generate_many(["a"], ledger=ledger, download_to=tmp_path / "out", sidecar=True)

    (outcome,) = world.in_a_process(backend, None, work)
    assert outcome.ok
    (entry,) = world.entries().values()
    assert entry.files[0].sha256 == hashlib.sha256(PICTURE).hexdigest()

    # So that the next run sees that the picture is not what was saved, and downloads it again.
    monkeypatch.setattr(saver, "write_sidecar", notes)
    (outcome,) = world.in_a_process(backend, None, work)
    assert outcome.files[0].read_bytes() == PICTURE
    assert world.vendor.posts.total() == 1
    sqlite3.connect(tmp_path / "run.db").close()
    assert outcome.task is not None
    assert outcome.task.state is TaskState.COMPLETED
