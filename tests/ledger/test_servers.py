"""A ledger belongs to one server: what was made at one is never returned for, or asked of, another."""

import logging
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import httpx
import pytest

from apimodels_async import AsyncImagesClient
from apimodels_async._poll import poller
from apimodels_async._urls import server_identity
from apimodels_async.errors import LedgerError, TaskNotFoundError
from apimodels_async.ledger import SqliteLedger, Step
from apimodels_async.ledger.memory import MemoryLedger
from apimodels_async.ledger.port import Change, Ledger
from apimodels_async.models import Task, TaskState
from apimodels_async.pacing import FixedPacing
from tests.ledger.machine import Life, Vendor
from tests.support.changes import ANY_STEP, begun
from tests.support.envelopes import envelope
from tests.support.server import Exchange, FaultServer, accept, reply

HERE = "https://api.example/v1"
THERE = "https://another.example/v1"
GOLDEN = Path(__file__).parent / "golden"
KEY = "sk_canary_0123456789"
NOT_FOUND = reply(404, envelope(404, "no such task"))


def client_of(vendor: Vendor, base_url: str) -> AsyncImagesClient:
    http = httpx.AsyncClient(transport=vendor.transport(Life(None)))
    return AsyncImagesClient(KEY, base_url=base_url, model="m", http_client=http, pacing=FixedPacing(0.001))


# --- identities


@pytest.mark.parametrize(
    ("base_url", "identity"),
    [
        ("https://apimodels.app/api/v1", "https://apimodels.app/api/v1"),
        ("HTTPS://ApiModels.App:443/api/v1/", "https://apimodels.app/api/v1"),
        ("https://apimodels.app./api/v1", "https://apimodels.app/api/v1"),
        ("https://api.apimodels.app/v1", "https://apimodels.app/api/v1"),
        ("https://API.apimodels.app:443/v1//", "https://apimodels.app/api/v1"),
        ("http://api.apimodels.app/v1", "http://api.apimodels.app/v1"),
        ("https://apimodels.app:8443/api/v1", "https://apimodels.app:8443/api/v1"),
        ("https://apimodels.app/API/v1", "https://apimodels.app/API/v1"),
        ("http://127.0.0.1:80/api/v1", "http://127.0.0.1/api/v1"),
        ("http://[::1]:8787/api/v1", "http://[::1]:8787/api/v1"),
    ],
)
def test_one_service_has_one_identity(base_url: str, identity: str) -> None:
    assert server_identity(base_url) == identity


# --- the rule, for each adapter


@pytest.fixture(params=["a file", "memory"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Ledger:
    return SqliteLedger(tmp_path / "run.db") if request.param == "a file" else MemoryLedger()


def test_a_ledger_belongs_to_the_first_server_it_is_used_for(ledger: Ledger) -> None:
    ledger.bind(HERE)
    ledger.bind(HERE)
    ledger.apply([begun("k")])

    with pytest.raises(LedgerError, match=f"belongs to {HERE}, and this client uses {THERE}"):
        ledger.bind(THERE)
    assert [entry.server for entry in ledger.entries()] == [HERE]
    ledger.close()


# --- older schemas


def local_task(name: str) -> Task:
    return Task(id=name, state=TaskState.COMPLETED, result_urls=(f"http://127.0.0.1:8787/pictures/{name}.png",))


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_ledger_is_bound_at_its_first_opening_with_a_warning(
    tmp_path: Path, version: int, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copy(GOLDEN / f"v{version}-every-step.db", tmp_path / "run.db")
    with SqliteLedger(tmp_path / "run.db") as ledger, caplog.at_level(logging.WARNING):
        assert ledger.servers() == set()
        ledger.bind(HERE)
        ledger.bind(HERE)
        assert {entry.server for entry in ledger.entries()} == {HERE}
        with pytest.raises(LedgerError, match="belongs to"):
            ledger.bind(THERE)
    assert caplog.text.count(f"9 entries are taken to be of {HERE}") == 1


def test_an_empty_older_ledger_is_bound_without_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copy(GOLDEN / "v2-empty.db", tmp_path / "run.db")
    with SqliteLedger(tmp_path / "run.db") as ledger, caplog.at_level(logging.WARNING):
        ledger.bind(HERE)
    assert caplog.text == ""


def test_entries_with_links_to_this_machine_are_never_taken_for_a_remote_servers(tmp_path: Path) -> None:
    shutil.copy(GOLDEN / "v2-empty.db", tmp_path / "run.db")
    with SqliteLedger(tmp_path / "run.db") as ledger:
        ledger.apply([begun("local"), Change("local", Step.DONE, task=local_task("t"), before=ANY_STEP), begun("open")])

        for _ in range(2):
            with pytest.raises(LedgerError, match=rf"belongs to http://127\.0\.0\.1:8787.*this client uses {HERE}"):
                ledger.bind(HERE)
        assert {entry.key: entry.server for entry in ledger.entries()} == {
            "local": "http://127.0.0.1:8787", "open": HERE,
        }  # fmt: skip

        assert ledger.move_server("http://127.0.0.1:8787/", HERE) == 1
        ledger.bind(HERE)
        ledger.apply([begun("new")])
        assert {entry.server for entry in ledger.entries()} == {HERE}


@pytest.mark.parametrize("server", ["http://127.0.0.1:9000/api/v1", "gateway:5e1f"])
def test_entries_with_links_to_this_machine_can_be_a_local_servers(tmp_path: Path, server: str) -> None:
    with SqliteLedger(tmp_path / "run.db") as ledger:
        ledger.apply([begun("k"), Change("k", Step.DONE, task=local_task("t"), before=ANY_STEP)])
        ledger.bind(server)
        assert ledger.servers() == {server}


# --- moving


def test_a_ledger_is_moved_to_a_new_address_with_all_that_is_in_it(tmp_path: Path) -> None:
    with SqliteLedger(tmp_path / "run.db") as ledger:
        ledger.bind(HERE)
        ledger.apply([begun("a"), begun("b")])

        assert ledger.move_server("https://API.example:443/v1/", "https://another.example/v1/") == 2
        ledger.bind(THERE)
        with pytest.raises(LedgerError, match="belongs to"):
            ledger.bind(HERE)
        with pytest.raises(LedgerError, match=f"belongs to {THERE}, not to {HERE}"):
            ledger.move_server(HERE, THERE)
        for wrong in ("", "another.example", "ftp://another.example"):
            with pytest.raises(ValueError, match=r"give the base URL|not an absolute"):
                ledger.move_server(THERE, wrong)
        assert ledger.servers() == {THERE}


def test_a_ledger_that_no_run_has_used_cannot_be_moved(tmp_path: Path) -> None:
    with SqliteLedger(tmp_path / "run.db") as ledger, pytest.raises(LedgerError, match="belongs to no server yet"):
        ledger.move_server(HERE, THERE)


# --- in a client


@pytest.mark.anyio
async def test_at_another_server_nothing_is_sent_and_nothing_is_returned(tmp_path: Path) -> None:
    here, there = Vendor(), Vendor()
    async with client_of(here, HERE) as client:
        await client.generate_many(["a", "b"], ledger=tmp_path / "run.db")
        await client.create("c", ledger=tmp_path / "run.db", key="c")

    async with client_of(there, THERE) as client:
        with pytest.raises(LedgerError, match=f"belongs to {HERE}"):
            await client.generate_many(["a", "b", "new"], ledger=tmp_path / "run.db")
        with pytest.raises(LedgerError, match=f"belongs to {HERE}"):
            await client.create("c", ledger=tmp_path / "run.db", key="c")
    assert there.posts.total() == 0

    async with client_of(here, HERE + "/") as client:
        outcomes = await client.generate_many(["a", "b"], ledger=tmp_path / "run.db")
    assert all(outcome.ok for outcome in outcomes)
    assert here.posts.total() == 3
    async for path in anyio.Path(tmp_path).iterdir():
        assert KEY.encode() not in await path.read_bytes()


@pytest.mark.anyio
async def test_the_vendors_addresses_are_one_server(tmp_path: Path) -> None:
    vendor = Vendor()
    for base_url in ("https://apimodels.app/api/v1", "https://api.apimodels.app/v1"):
        async with client_of(vendor, base_url) as client:
            [outcome] = await client.generate_many(["a"], ledger=tmp_path / "run.db")
            assert outcome.ok
    assert vendor.posts.total() == 1


@pytest.mark.anyio
async def test_a_client_can_be_given_the_identity_of_its_server(tmp_path: Path) -> None:
    vendor = Vendor()
    for port in (4001, 4002):
        async with client_of(vendor, f"http://127.0.0.1:{port}/api/v1") as client:
            client._engine.server_identity = "gateway:5e1f"
            [outcome] = await client.generate_many(["a"], ledger=tmp_path / "run.db")
            assert outcome.ok
    assert vendor.posts.total() == 1


# --- a task that the server does not know


@pytest.mark.anyio
@pytest.mark.parametrize("how", ["resubmit", "abandon", "task-9"])
async def test_an_entry_whose_task_the_server_does_not_know_can_be_resolved(tmp_path: Path, how: str) -> None:
    answers = [reply(200, envelope(taskId="task-1", state="pending"))]

    def answer(exchange: Exchange) -> None:
        exchange.visit.send(answers[-1])

    with FaultServer(post=[accept()], get=[answer]) as server:
        error: Exception | None = None
        for timeout in (0.01, 20.0):  # an id that was created within a minute may be too new for the server
            async with AsyncImagesClient("sk_test", base_url=server.base_url, model="m") as client:
                await client.create("a", ledger=tmp_path / "run.db", key="other")
                [outcome] = await client.generate_many(["b"], ledger=tmp_path / "run.db", wait_timeout=timeout)
                error = outcome.error
            answers.append(reply(404, envelope(404, "no such task")))
            with closing(sqlite3.connect(tmp_path / "run.db")) as database, database:
                database.execute("UPDATE entries SET changed = changed - 120")
    assert isinstance(error, TaskNotFoundError)

    with SqliteLedger(tmp_path / "run.db") as ledger:
        keyed, entry = ledger.entries()
        assert entry.step is Step.CREATED
        assert entry.error is not None
        expected = {"resubmit": Step.INTENT, "abandon": Step.ABANDONED, "task-9": Step.CREATED}
        assert ledger.resolve(entry.key, how).step is expected[how]
        with pytest.raises(LedgerError, match="nothing to resolve"):  # no run has waited for its task
            ledger.resolve(keyed.key, how)


@pytest.mark.anyio
@pytest.mark.parametrize("how", ["resubmit", "abandon", "task-9"])
@pytest.mark.parametrize("later", [False, True], ids=["in the same client", "in a later client"])
async def test_a_keyed_entry_whose_task_the_server_does_not_know_can_be_resolved(
    tmp_path: Path, how: str, later: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poller, "NOT_FOUND_YET", 0.05)
    path = tmp_path / "run.db"
    with FaultServer(post=[accept()], get=[lambda exchange: exchange.visit.send(NOT_FOUND)]) as server:
        async with AsyncImagesClient("sk_test", base_url=server.base_url, model="m") as client:
            task = await client.create("a", ledger=path, key="k")
            if not later:
                with pytest.raises(TaskNotFoundError):
                    await client.wait(task, pacing=FixedPacing(0.01))
        if later:
            async with AsyncImagesClient("sk_test", base_url=server.base_url, model="m") as client:
                task = await client.create("a", ledger=path, key="k")
                with pytest.raises(TaskNotFoundError):
                    await client.wait(task, pacing=FixedPacing(0.01))

    with SqliteLedger(path) as ledger:
        expected = {"resubmit": Step.INTENT, "abandon": Step.ABANDONED, "task-9": Step.CREATED}
        assert ledger.resolve("k", how).step is expected[how]


@pytest.mark.anyio
async def test_the_task_of_an_earlier_calls_entry_may_be_too_new_for_the_server(tmp_path: Path) -> None:
    done = reply(200, envelope(taskId="task-1", state="completed", resultUrls=["https://pictures.example/a.png"]))
    answers = [done, NOT_FOUND]
    with FaultServer(post=[accept()], get=[lambda exchange: exchange.visit.send(answers.pop())]) as server:
        async with AsyncImagesClient("sk_test", base_url=server.base_url, model="m") as client:
            await client.create("a", ledger=tmp_path / "run.db", key="k")
        async with AsyncImagesClient("sk_test", base_url=server.base_url, model="m") as client:
            task = await client.create("a", ledger=tmp_path / "run.db", key="k")
            assert (await client.wait(task, pacing=FixedPacing(0.01))).state is TaskState.COMPLETED
