"""The driver of a Dask cluster, with workers in this process."""

import gc
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apimodels_async import ConfigurationError
from apimodels_async.gateway import LocalGateway
from apimodels_async.ledger import PostgresLedger, Step, run_shard
from apimodels_async.shards.process import Process
from tests.shards.conftest import MODEL, Purse, requests

distributed = pytest.importorskip("distributed")
pytestmark = [
    *(pytest.mark.postgres, pytest.mark.dask),
    # distributed looks for a free port with sockets that it leaves to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def purse(gateway: LocalGateway) -> Purse:
    return Purse(gateway)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0", protocol="inproc://"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(autouse=True)
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process of its own for each test, as far as what it keeps goes."""
    monkeypatch.setattr(Process, "_here", None)
    yield
    here = Process.here()
    if here._client is not None:
        here._client.close()  # first: it writes into the ledgers what it has left
    here.close()


@pytest.fixture
def ledger(postgres: str, gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresLedger]:
    """A loaded ledger, and the environment of the workers."""
    monkeypatch.setenv("APIMODELS_API_KEY", gateway.api_key)
    monkeypatch.setenv("APIMODELS_BASE_URL", gateway.base_url)
    monkeypatch.setenv("APIMODELS_LEDGER", postgres)
    with PostgresLedger(postgres) as opened:
        opened.load(requests(12), model=MODEL)
        yield opened


def make(client: Any, ledger: Any, **options: Any) -> list[Any]:
    from apimodels_async.dask import make_pictures

    return list(make_pictures(client, ledger, **options))


def test_every_shard_is_made_and_reported(
    client: Any, ledger: PostgresLedger, postgres: str, purse: Purse, tmp_path: Path
) -> None:
    reports = make(client, postgres, download_to=str(tmp_path))

    assert sorted(report.number for report in reports) == list(range(8))  # four for each worker
    assert {str(report.end) for report in reports} == {"finished"}
    assert [report.finished for report in reports] == list(range(1, 9))
    assert {(report.host, report.pid) for report in reports} == {(socket.gethostname(), os.getpid())}
    assert ledger.counts() == {Step.SAVED: 12}
    assert len(list(tmp_path.glob("*.png"))) == purse.pictures == 12

    again = make(client, ledger, download_to=str(tmp_path))
    assert sorted(report.number for report in again) == list(range(8))
    assert sum(report.pictures for report in again) == 0
    assert purse.pictures == 12


def test_names_are_those_that_were_given_and_a_line_is_no_field_of_them(
    client: Any, ledger: PostgresLedger, tmp_path: Path
) -> None:
    make(client, ledger, download_to=str(tmp_path), name="{model}-{key}")

    assert sorted(path.stem for path in tmp_path.glob("*.png")) == sorted(str(entry.name) for entry in ledger.entries())
    assert all(entry.name is not None and entry.name.startswith("grok") for entry in ledger.entries())
    with pytest.raises(ValueError, match=r"there is no \{line\}"):
        make(client, ledger, download_to=str(tmp_path), name="{line}")


def test_neither_key_nor_ledger_go_through_the_scheduler(
    client: Any, ledger: PostgresLedger, gateway: LocalGateway, postgres: str, tmp_path: Path
) -> None:
    seen: list[Any] = []

    def submit(*arguments: Any, **options: Any) -> Any:
        seen.append((arguments, options))
        return type(client).submit(client, *arguments, **options)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(client, "submit", submit)
        make(client, ledger, download_to=str(tmp_path))

    assert len(seen) == 8
    assert gateway.api_key not in repr(seen)
    assert postgres not in repr(seen)


def test_a_worker_without_a_ledger_or_with_another_is_an_error_that_says_so(
    client: Any, ledger: PostgresLedger, postgres_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("APIMODELS_LEDGER")
    with pytest.raises(ConfigurationError, match="set APIMODELS_LEDGER"):
        make(client, ledger)
    monkeypatch.setenv("APIMODELS_LEDGER", postgres_server.database())
    with pytest.raises(ConfigurationError, match="another ledger"):
        make(client, ledger)
    assert ledger.counts() == {Step.INTENT: 12}


def test_a_worker_without_a_key_is_an_error_that_says_so(
    client: Any, ledger: PostgresLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("APIMODELS_API_KEY")
    with pytest.raises(ConfigurationError, match="APIMODELS_API_KEY"):
        make(client, ledger)


def test_a_scheduler_without_workers_is_an_error_and_not_a_wait(
    ledger: PostgresLedger, caplog: pytest.LogCaptureFixture
) -> None:
    from apimodels_async.dask import NoWorkersError

    with (
        distributed.LocalCluster(
            n_workers=0, processes=False, dashboard_address="127.0.0.1:0", protocol="inproc://"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as empty,
        caplog.at_level(logging.WARNING, "apimodels_async"),
        pytest.raises(NoWorkersError, match=r"no workers at .*dask worker"),
    ):
        make(empty, ledger, worker_timeout=0.5)
    assert "no workers" in caplog.text


def test_reports_that_were_taken_are_not_wanted_any_more(client: Any, ledger: PostgresLedger, tmp_path: Path) -> None:
    """Dask would make a shard once more when the worker that keeps its report dies."""
    from apimodels_async.dask import make_pictures
    from tests.support.dask_cluster import wait_until

    gc.disable()  # what waits for futures leaves cycles that hold them
    try:
        reports = make_pictures(client, ledger, download_to=str(tmp_path))
        for report in reports:
            if report.finished == report.shards:
                wait_until(lambda: not client.has_what() or not any(client.has_what().values()), what="letting go")
    finally:
        gc.enable()
    assert ledger.counts() == {Step.SAVED: 12}


def test_a_shard_that_was_left_behind_goes_before_those_that_nobody_has_begun(
    client: Any, ledger: PostgresLedger, postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apimodels_async.dask import driver

    monkeypatch.setattr(driver, "LOOK", 0.2)
    ledger.divide(8)
    ledger.set_terms(create_rate=2.0)
    seen: list[tuple[int, int]] = []  # shard and priority, as they are submitted
    futures: list[Any] = []
    with PostgresLedger(postgres) as other:
        other.shard(0)

        def submit(work: Any, number: int, *arguments: Any, priority: int, **options: Any) -> Any:
            assert priority or sum(not future.done() for future in futures) < 2  # one for each of two workers
            seen.append((number, priority))
            if len(seen) == 3:  # the first was found to be held
                other.close()
            futures.append(type(client).submit(client, work, number, *arguments, priority=priority, **options))
            return futures[-1]

        with monkeypatch.context() as patched:
            patched.setattr(client, "submit", submit)
            make(client, ledger, download_to=str(tmp_path), shards_in_flight=1)

    assert seen[0] == (0, 0)
    again = seen.index((0, driver.LEFT_FIRST))
    assert {number for number, _ in seen[again + 1 :]}  # others were waiting for their turn
    assert ledger.counts() == {Step.SAVED: 12}


def test_leaving_early_lets_the_shards_go(client: Any, ledger: PostgresLedger, postgres: str, tmp_path: Path) -> None:
    from apimodels_async.dask import make_pictures
    from tests.support.dask_cluster import wait_until

    reports = make_pictures(client, ledger, download_to=str(tmp_path), max_in_flight=1)
    next(reports)
    reports.close()  # type: ignore[attr-defined]

    wait_until(lambda: not any(state.held for state in ledger.shards()), what="letting go")
    assert not {Step.SENDING, Step.UNKNOWN} & set(ledger.counts())
    make(client, ledger, download_to=str(tmp_path))
    assert ledger.counts() == {Step.SAVED: 12}


def test_workers_send_nothing_more_when_the_driver_has_left(
    client: Any, ledger: PostgresLedger, tmp_path: Path
) -> None:
    from apimodels_async.dask import make_pictures
    from tests.support.dask_cluster import wait_until

    ledger.load(requests(40), model=MODEL)
    ledger.set_terms(create_rate=5.0)
    reports = make_pictures(client, ledger, download_to=str(tmp_path), max_in_flight=1)
    next(reports)
    reports.close()  # type: ignore[attr-defined]

    wait_until(lambda: not any(state.held for state in ledger.shards()), what="letting go")
    not_sent = ledger.counts()[Step.INTENT]
    assert not_sent > 0
    assert not client.processing() or not any(client.processing().values())
    assert ledger.counts()[Step.INTENT] == not_sent  # what was sent may still be saved


def test_arguments_out_of_range_are_refused_at_once(client: Any, ledger: PostgresLedger) -> None:
    with pytest.raises(ValueError, match="shards_in_flight=0"):
        make(client, ledger, shards_in_flight=0)
    with pytest.raises(ValueError, match="wildcard"):
        make(client, ledger, download_to="s3://bucket/*")


def test_the_shard_function_needs_no_engine(ledger: PostgresLedger, purse: Purse, tmp_path: Path) -> None:
    shards = ledger.divide(4)
    reports = [run_shard(None, number, download_to=tmp_path) for number in range(shards)]

    assert {str(report.end) for report in reports} == {"finished"}
    assert ledger.counts() == {Step.SAVED: 12}
    assert purse.pictures == 12


def test_a_process_that_is_draining_begins_no_shard(ledger: PostgresLedger) -> None:
    ledger.divide(1)
    assert Process.here().drain(within=0.0)
    assert str(run_shard(None, 0).end) == "stopped"
    assert ledger.counts() == {Step.INTENT: 12}


def test_an_error_of_another_kind_reaches_the_driver(
    client: Any, ledger: PostgresLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APIMODELS_API_KEY", "sk_wrong_0123456789")
    reports = make(client, ledger)
    assert any(report.not_sent for report in reports)
    assert {str(report.end) for report in reports if report.counts} == {"open"}
    assert any("AuthenticationError" in error for report in reports for error in report.errors)
