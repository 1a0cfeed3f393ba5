"""One shard: made, taken over, let go and lost, and each of its requests sent once at most."""

import io
import os
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from apimodels_async import AsyncImagesClient, GenerationRequest, LedgerError, Outcome
from apimodels_async.gateway import LocalGateway
from apimodels_async.ledger import PostgresLedger, Step
from apimodels_async.ledger.port import Change
from apimodels_async.shards import ShardEnd, ShardReport
from apimodels_async.shards import work as works
from apimodels_async.shards.work import ShardWork
from tests.shards.conftest import MODEL, Purse, fullest, options, requests, sizes

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]


def client_of(gateway: LocalGateway) -> AsyncImagesClient:
    return AsyncImagesClient(gateway.api_key, base_url=gateway.base_url, model=MODEL)


async def work_on(
    gateway: LocalGateway,
    ledger: PostgresLedger,
    number: int,
    folder: Path,
    *,
    stop: anyio.Event | None = None,
    take_over: bool = False,
    on_outcome: Any = None,
    **more: Any,
) -> ShardReport:
    async with client_of(gateway) as client:
        work = ShardWork(
            client, ledger, number, options=options(folder, **more), stop=stop or anyio.Event(), on_outcome=on_outcome
        )
        with anyio.fail_after(120):
            return await work.run(take_over=take_over)


async def test_a_shard_is_made_and_finished(
    gateway: LocalGateway, ledger: PostgresLedger, purse: Purse, tmp_path: Path
) -> None:
    number = fullest(ledger)
    size = sizes(ledger)[number]

    report = await work_on(gateway, ledger, number, tmp_path)

    assert report.end is ShardEnd.FINISHED
    assert report.counts == {"saved": size}
    assert (report.pictures, report.not_sent, report.errors, report.pid) == (size, 0, (), os.getpid())
    assert report.bytes == sum(path.stat().st_size for path in await _files(tmp_path))
    assert [state.finished for state in ledger.shards()] == [state.number == number for state in ledger.shards()]
    assert await anyio.to_thread.run_sync(lambda: purse.pictures) == size


async def _files(folder: Path) -> list[Path]:
    return await anyio.to_thread.run_sync(lambda: sorted(folder.glob("*.png")))


async def test_a_shard_that_is_run_again_sends_and_reads_nothing(
    gateway: LocalGateway, ledger: PostgresLedger, other: PostgresLedger, purse: Purse, tmp_path: Path
) -> None:
    number = fullest(ledger)
    await work_on(gateway, ledger, number, tmp_path)
    paid = await anyio.to_thread.run_sync(lambda: purse.pictures)
    for path in await _files(tmp_path):
        path.unlink()  # the ledger's word is taken for it

    report = await work_on(gateway, other, number, tmp_path)

    assert (report.end, report.pictures) == (ShardEnd.FINISHED, 0)
    assert await anyio.to_thread.run_sync(lambda: purse.pictures) == paid


async def test_equal_requests_are_made_as_often_as_they_were_loaded(
    gateway: LocalGateway, postgres: str, purse: Purse, tmp_path: Path
) -> None:
    with PostgresLedger(postgres) as ledger:
        ledger.load(requests(1) * 3, model=MODEL)
        ledger.divide(1)
        report = await work_on(gateway, ledger, 0, tmp_path)
    assert report.counts == {"saved": 3}
    assert await anyio.to_thread.run_sync(lambda: purse.pictures) == 3


async def test_a_shard_that_another_process_holds_is_left_to_it(
    gateway: LocalGateway, ledger: PostgresLedger, other: PostgresLedger, tmp_path: Path
) -> None:
    number = fullest(ledger)
    other.shard(number)

    report = await work_on(gateway, ledger, number, tmp_path)

    assert (report.end, report.counts) == (ShardEnd.HELD, {})
    assert set(ledger.counts()) == {Step.INTENT}


async def test_what_a_dead_process_was_sending_is_unknown_and_the_rest_is_made(
    gateway: LocalGateway, ledger: PostgresLedger, postgres: str, purse: Purse, tmp_path: Path
) -> None:
    number = fullest(ledger)
    with PostgresLedger(postgres) as dead:
        shard = dead.shard(number)
        cut_off, *rest = shard.steps()
        assert shard.apply([Change(cut_off, Step.SENDING, attempt=7)]) == [1]

    report = await work_on(gateway, ledger, number, tmp_path)

    assert report.end is ShardEnd.FINISHED
    assert report.counts == {"saved": len(rest), "unknown": 1}
    assert report.errors[0].startswith("SubmissionUnknownError")
    assert await anyio.to_thread.run_sync(lambda: purse.pictures) == len(rest)


async def test_what_a_living_process_is_still_sending_is_waited_for_and_then_watched(
    gateway: LocalGateway, ledger: PostgresLedger, other: PostgresLedger, purse: Purse, tmp_path: Path
) -> None:
    number = fullest(ledger)
    size = sizes(ledger)[number]
    shard = other.shard(number)
    slow = next(iter(shard.steps()))
    assert shard.apply([Change(slow, Step.SENDING, attempt=7)]) == [1]
    made: list[object] = []
    reports: list[ShardReport] = []

    async def work() -> None:
        reports.append(await work_on(gateway, ledger, number, tmp_path, take_over=True, on_outcome=made.append))

    async with anyio.create_task_group() as group, client_of(gateway) as client:
        group.start_soon(work)
        with anyio.fail_after(60):
            while len(made) < size - 1:  # noqa: ASYNC110  (two more await the same)
                await anyio.sleep(0.05)
        assert not reports
        task = await client.create(requests(1)[0])
        assert shard.apply([Change(slow, Step.CREATED, task=task, attempt=7)]) == [1]

    assert reports[0].end is ShardEnd.FINISHED
    assert reports[0].counts == {"saved": size}
    assert await anyio.to_thread.run_sync(lambda: purse.pictures) == size


async def test_a_process_that_is_to_end_lets_its_shard_go_with_nothing_left_unanswered(
    gateway: LocalGateway, ledger: PostgresLedger, other: PostgresLedger, purse: Purse, tmp_path: Path
) -> None:
    number = fullest(ledger)
    size = sizes(ledger)[number]
    stop = anyio.Event()

    report = await work_on(
        gateway, ledger, number, tmp_path, stop=stop, on_outcome=lambda _: stop.set(), max_in_flight=1
    )

    assert report.end is ShardEnd.STOPPED
    assert not {"sending", "unknown"} & set(report.counts)
    assert not next(state for state in other.shards() if state.number == number).held
    again = await work_on(gateway, other, number, tmp_path)
    assert (again.end, again.counts) == (ShardEnd.FINISHED, {"saved": size})
    assert await anyio.to_thread.run_sync(lambda: purse.pictures) == size


async def test_a_shard_that_is_taken_away_is_lost_and_nothing_is_paid_twice(
    gateway: LocalGateway, ledger: PostgresLedger, other: PostgresLedger, purse: Purse, tmp_path: Path
) -> None:
    number = fullest(ledger)
    size = sizes(ledger)[number]
    thieves: list[Any] = []

    def steal(_: object) -> None:
        if not thieves:
            thieves.append(other.shard(number, take_over=True))

    report = await work_on(gateway, ledger, number, tmp_path, on_outcome=steal, max_in_flight=1)

    assert report.end is ShardEnd.LOST
    assert await anyio.to_thread.run_sync(lambda: purse.pictures) < size
    again = await work_on(gateway, other, number, tmp_path)
    assert (again.end, again.counts) == (ShardEnd.FINISHED, {"saved": size})
    assert await anyio.to_thread.run_sync(lambda: purse.pictures) == size


async def test_a_run_that_was_taken_for_dead_begins_its_shard_again(
    gateway: LocalGateway, ledger: PostgresLedger, other: PostgresLedger, purse: Purse, tmp_path: Path
) -> None:
    number = fullest(ledger)
    size = sizes(ledger)[number]

    def take_for_dead(_: object) -> None:
        other.database.execute("UPDATE apimodels.run SET ended = clock_timestamp() WHERE ended IS NULL AND id = 1")

    report = await work_on(gateway, ledger, number, tmp_path, on_outcome=take_for_dead, max_in_flight=1)

    assert (report.end, report.counts) == (ShardEnd.FINISHED, {"saved": size})
    assert await anyio.to_thread.run_sync(lambda: purse.pictures) == size


async def test_credits_that_do_not_suffice_leave_the_shard_open(ledger: PostgresLedger, tmp_path: Path) -> None:
    number = fullest(ledger)
    size = sizes(ledger)[number]
    with LocalGateway(latency="0/0", balance=0.03) as poor:
        report = await work_on(poor, ledger, number, tmp_path, max_in_flight=1)

    assert report.end is ShardEnd.OPEN
    assert report.counts["saved"] == 1
    assert report.not_sent == size - 1
    assert not any(state.finished or state.held for state in ledger.shards())


async def test_the_rest_of_a_budget_that_a_dead_process_holds_is_waited_for(
    gateway: LocalGateway, ledger: PostgresLedger, postgres: str, tmp_path: Path
) -> None:
    number = fullest(ledger)
    size = sizes(ledger)[number]
    ledger.set_terms(budget=0.03 * size)
    outcomes: list[Outcome] = []
    with PostgresLedger(postgres, ttl=3.0) as dead:
        dead.database.write(dead._lease.begin)
        dead._lease._stop.set()  # no sign of life from now on
        dead.database.execute("UPDATE apimodels.run SET granted = 30000")
        dead.database.execute("UPDATE apimodels.ledger SET granted = 30000")

        report = await work_on(gateway, ledger, number, tmp_path, on_outcome=outcomes.append)

    assert (report.end, report.counts, report.not_sent) == (ShardEnd.FINISHED, {"saved": size}, 0)
    assert len(outcomes) == size
    assert all(outcome.ok for outcome in outcomes)
    assert ledger.terms().used == pytest.approx(0.03 * size)


async def test_a_budget_that_is_used_up_is_not_waited_for(
    gateway: LocalGateway, ledger: PostgresLedger, tmp_path: Path
) -> None:
    number = fullest(ledger)
    size = sizes(ledger)[number]
    ledger.set_terms(budget=0.03 * (size - 1))
    outcomes: list[Outcome] = []

    report = await work_on(gateway, ledger, number, tmp_path, on_outcome=outcomes.append)

    assert (report.end, report.not_sent) == (ShardEnd.OPEN, 1)
    assert report.counts == {"saved": size - 1, "intent": 1}
    assert sum(outcome.ok for outcome in outcomes) == size - 1
    assert len(outcomes) == size
    assert report.seconds < works.ALLOWANCES


async def test_a_picture_that_has_changed_since_it_was_loaded_is_not_sent(
    gateway: LocalGateway, postgres: str, purse: Purse, tmp_path: Path
) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(drawn("red"))
    with PostgresLedger(postgres) as ledger:
        ledger.load([GenerationRequest("make it blue", image=picture), *requests(1)], model=MODEL)
        ledger.divide(1)
        picture.write_bytes(drawn("green"))
        report = await work_on(gateway, ledger, 0, tmp_path / "out")

        assert report.counts == {"saved": 1, "intent": 1}
        assert [error.partition(":")[0] for error in report.errors] == ["NotLoadedError"]
        assert "is not what was loaded" in report.errors[0]
        picture.write_bytes(drawn("red"))
        assert (await work_on(gateway, ledger, 0, tmp_path / "out")).counts == {"saved": 2}
    assert purse.pictures == 2


def drawn(colour: str) -> bytes:
    from PIL import Image

    data = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(data, "PNG")
    return data.getvalue()


async def test_a_ledger_of_another_server_is_an_error_in_words(
    gateway: LocalGateway, ledger: PostgresLedger, purse: Purse, tmp_path: Path
) -> None:
    ledger.bind("http://127.0.0.1:9/api/v1")
    with pytest.raises(LedgerError, match=r"belongs to http://127\.0\.0\.1:9/api/v1"):
        await work_on(gateway, ledger, fullest(ledger), tmp_path)
    assert purse.pictures == 0


async def test_a_ledger_that_is_no_longer_the_same_is_an_error(
    gateway: LocalGateway, ledger: PostgresLedger, tmp_path: Path
) -> None:
    with pytest.raises(LedgerError, match="no shard 99"):
        await work_on(gateway, ledger, 99, tmp_path)
