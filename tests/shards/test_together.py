"""Several plain runs on one ledger: each takes whole shards, watches the others', and reports all of it."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from apimodels_async import AsyncImagesClient, Outcome
from apimodels_async.gateway import LocalGateway
from apimodels_async.ledger import PostgresLedger, Step
from apimodels_async.ledger.port import Change
from apimodels_async.ledger.postgres.shards import ShardState
from apimodels_async.shards import ShardEnd, ShardReport
from apimodels_async.shards.together import PlainRun
from tests.shards.conftest import MODEL, Purse, options, sizes

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]


async def run(
    gateway: LocalGateway,
    ledger: PostgresLedger,
    folder: Path,
    *,
    stop: anyio.Event | None = None,
    on_outcome: Callable[[Outcome], object] | None = None,
    shuffle: Callable[[list[ShardState]], object] = lambda _: None,
) -> list[ShardReport]:
    reports: list[ShardReport] = []
    async with AsyncImagesClient(gateway.api_key, base_url=gateway.base_url, model=MODEL) as client:
        plain = PlainRun(
            client,
            ledger,
            options(folder),
            stop=stop or anyio.Event(),
            on_report=reports.append,
            on_outcome=on_outcome,
            shuffle=shuffle,
        )
        with anyio.fail_after(120):
            await plain.run()
    return reports


async def test_a_single_run_makes_everything(
    gateway: LocalGateway, ledger: PostgresLedger, purse: Purse, tmp_path: Path
) -> None:
    reports = await run(gateway, ledger, tmp_path)

    assert sorted(report.number for report in reports) == [0, 1, 2, 3]
    assert {report.end for report in reports} == {ShardEnd.FINISHED}
    assert [report.finished for report in reports] == [1, 2, 3, 4]
    assert ledger.counts() == {Step.SAVED: 12}
    assert await anyio.to_thread.run_sync(lambda: purse.pictures) == 12


async def test_two_runs_share_the_work_and_each_reports_all_of_it(
    gateway: LocalGateway, ledger: PostgresLedger, other: PostgresLedger, purse: Purse, tmp_path: Path
) -> None:
    reports: dict[str, list[ShardReport]] = {}

    async def one(name: str, opened: PostgresLedger) -> None:
        reports[name] = await run(gateway, opened, tmp_path / name)

    async with anyio.create_task_group() as group:
        group.start_soon(one, "a", ledger)
        group.start_soon(one, "b", other)

    counts = {number: {"saved": size} for number, size in sizes(ledger).items() if size}
    for each in reports.values():
        assert {report.number: dict(report.counts) for report in each if report.counts} == counts
        assert each[-1].finished == each[-1].shards == 4
    assert sum(report.pictures for each in reports.values() for report in each) == 12
    assert await anyio.to_thread.run_sync(lambda: purse.pictures) == 12


async def test_a_shard_of_a_run_that_died_is_taken_when_its_lease_has_run_out(
    gateway: LocalGateway, ledger: PostgresLedger, other: PostgresLedger, purse: Purse, tmp_path: Path
) -> None:
    held = other.shard(1)
    reports: list[ShardReport] = []

    async def work() -> None:
        reports.extend(await run(gateway, ledger, tmp_path))

    async with anyio.create_task_group() as group:
        group.start_soon(work)
        with anyio.fail_after(300):
            while sum(state.finished for state in ledger.shards()) < 3:  # noqa: ASYNC110  (another process's)
                await anyio.sleep(0.05)
        assert not reports  # it watches
        await anyio.to_thread.run_sync(
            lambda: ledger.database.execute(  # as if it had been silent for that long
                "UPDATE apimodels.run SET seen = seen - interval '1 hour' WHERE id = %s", (held.held.run,)
            )
        )

    assert ledger.counts() == {Step.SAVED: 12}
    assert await anyio.to_thread.run_sync(lambda: purse.pictures) == 12


@pytest.fixture(params=["let go", "ended"])
def leave(request: pytest.FixtureRequest, postgres: str) -> Callable[[set[int]], None]:
    """Has another run begin some shards and leave them: it lets them go, or ends and has not."""

    def left(numbers: set[int]) -> None:
        with PostgresLedger(postgres) as other:
            shards = [other.shard(number) for number in numbers]
            for shard in shards if request.param == "let go" else ():
                shard.close()

    return left


@pytest.mark.parametrize(("left", "begun"), [("", "01"), ("3", "03"), ("123", "123")])
async def test_shards_that_another_run_left_come_first_and_beside_two_more(
    gateway: LocalGateway, ledger: PostgresLedger, tmp_path: Path, leave: Any, *, left: str, begun: str
) -> None:
    leave(set(map(int, left)))
    free: list[set[int]] = []

    await run(gateway, ledger, tmp_path, shuffle=lambda states: free.append({state.number for state in states}))

    assert free[0] == {0, 1, 2, 3}
    assert free[1] == {0, 1, 2, 3} - set(map(int, begun))
    assert ledger.counts() == {Step.SAVED: 12}


async def test_what_a_person_has_decided_to_send_again_opens_its_shard(
    gateway: LocalGateway, ledger: PostgresLedger, other: PostgresLedger, purse: Purse, tmp_path: Path
) -> None:
    key = next(iter(ledger.steps()))
    other.apply([Change(key, Step.SENDING, attempt=1)])
    other.apply([Change(key, Step.UNKNOWN, attempt=1, error="lost")])
    await run(gateway, ledger, tmp_path)
    assert ledger.counts() == {Step.SAVED: 11, Step.UNKNOWN: 1}

    other.resolve(key, "resubmit")
    reports = await run(gateway, ledger, tmp_path)

    assert ledger.counts() == {Step.SAVED: 12}
    assert sorted(report.number for report in reports) == [0, 1, 2, 3]
    assert await anyio.to_thread.run_sync(lambda: purse.pictures) == 12


async def test_a_run_that_is_stopped_lets_everything_go(
    gateway: LocalGateway, ledger: PostgresLedger, other: PostgresLedger, tmp_path: Path
) -> None:
    stop = anyio.Event()

    reports = await run(gateway, ledger, tmp_path, stop=stop, on_outcome=lambda _: stop.set())

    assert ShardEnd.STOPPED in {report.end for report in reports}
    assert not any(state.held for state in other.shards())
    assert not {Step.SENDING, Step.UNKNOWN} & set(other.counts())


async def test_credits_that_do_not_suffice_end_the_run(ledger: PostgresLedger, tmp_path: Path) -> None:
    with ExitStack() as stack:
        poor = stack.enter_context(LocalGateway(latency="0/0", balance=0.03))
        reports = await run(poor, ledger, tmp_path)
    assert any(report.not_sent for report in reports)
    assert ledger.counts()[Step.SAVED] == 1
