"""Running the same again: what is done is not done twice, and what nobody knows is not sent."""

import asyncio
import base64
import contextlib
import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest

from apimodels_async import (
    AsyncImagesClient,
    GenerationRequest,
    NotSubmittedError,
    Outcome,
    SubmissionUnknownError,
    Task,
    TaskState,
    _sqlite,
)
from apimodels_async.errors import LedgerError
from apimodels_async.ledger import SqliteLedger, Step
from apimodels_async.ledger.memory import MemoryLedger
from apimodels_async.ledger.port import Change
from apimodels_async.pacing import FixedPacing
from tests.ledger.machine import Life, Vendor
from tests.support.changes import ANY_STEP
from tests.support.envelopes import envelope
from tests.support.pictures import PNG
from tests.support.server import FaultServer, accept, reply, say

pytestmark = pytest.mark.anyio


class Desk:
    """One vendor and one ledger; a new client for each run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.vendor = Vendor()

    def client(self, key: str = "sk_test") -> AsyncImagesClient:
        http = httpx.AsyncClient(transport=self.vendor.transport(Life(None)))
        return AsyncImagesClient(
            key, base_url="https://api.example/v1", model="m", http_client=http, pacing=FixedPacing(0.001)
        )

    async def run(self, requests: list[Any], **options: Any) -> tuple[list[Outcome], int, int]:
        """The outcomes by index, how many were matched, and how many creates came."""
        before = self.vendor.posts.total()
        async with self.client() as client, client.batch(requests, ledger=self.path, **options) as batch:
            outcomes = [outcome async for outcome in batch]
            matched = batch.stats.matched
        return sorted(outcomes, key=lambda each: each.index), matched, self.vendor.posts.total() - before

    def steps(self) -> list[Step]:
        with SqliteLedger(self.path) as ledger:
            return [entry.step for entry in ledger.entries()]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "run.db")


# --- batches


async def test_the_same_again_costs_nothing(desk: Desk, tmp_path: Path) -> None:
    first, matched, posts = await desk.run(["a", "b", "a"], download_to=tmp_path / "out")
    assert (matched, posts) == (0, 3)

    second, matched, posts = await desk.run(["a", "b", "a"], download_to=tmp_path / "out")

    assert (matched, posts) == (3, 0)
    assert [outcome.task for outcome in second] == [outcome.task for outcome in first]
    assert [outcome.files for outcome in second] == [outcome.files for outcome in first]
    assert desk.steps() == [Step.SAVED] * 3


@pytest.mark.parametrize("absolute", [False, True])
async def test_what_an_earlier_run_saved_is_named_as_this_run_names_it(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, absolute: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    await desk.run(["a"], download_to=Path("out"))

    here = tmp_path if absolute else Path()
    [outcome], *_ = await desk.run(["a"], download_to=here / "out")

    assert outcome.files == (here / "out" / outcome.files[0].name,)
    assert outcome.files[0].is_file()


@pytest.mark.parametrize(
    ("lines", "matched", "posts"),
    [
        (["c", "b", "a"], 3, 0),
        (["a", "c"], 2, 0),
        (["x", "a", "b", "c"], 3, 1),
        (["a", "b", "changed"], 2, 1),
        (["a", "a", "b", "c"], 3, 1),
    ],
    ids=["moved", "removed", "added", "changed", "repeated"],
)
async def test_lines_are_matched_by_their_content(desk: Desk, lines: list[str], matched: int, posts: int) -> None:
    await desk.run(["a", "b", "c"])

    outcomes, *found = await desk.run(lines)

    assert found == [matched, posts]
    assert [outcome.task.id for outcome in outcomes if outcome.task][: len(lines)] == [
        f"{line}-{lines[:at].count(line)}" for at, line in enumerate(lines)
    ]


async def test_what_was_never_sent_or_refused_had_not_been_begun(desk: Desk) -> None:
    desk.vendor.faults = ["400", "402"]
    first, *_ = await desk.run(["a", "b", "c"], max_in_flight=1)
    assert [outcome.ok for outcome in first] == [False] * 3

    second, matched, posts = await desk.run(["a", "b", "c"])

    assert [outcome.ok for outcome in second] == [True] * 3
    assert (matched, posts) == (0, 3)


async def test_any_other_parameter_is_another_request(desk: Desk) -> None:
    requests = [GenerationRequest("a", **given) for given in ({}, {"seed": 1}, {"image": PNG + b"1"})]
    changed = [GenerationRequest("a", **given) for given in ({"seed": 2}, {"image": PNG + b"2"}, {"model": "n"})]
    await desk.run(requests)

    _, matched, posts = await desk.run([*requests, *changed])

    assert (matched, posts) == (3, 3)


async def test_what_nobody_knows_is_reported_and_not_sent_until_somebody_decides(desk: Desk) -> None:
    desk.vendor.faults = ["lost", "503, taken", "lost"]
    first, _, _ = await desk.run(["a", "b", "c"], max_in_flight=1)
    assert [type(outcome.error) for outcome in first] == [SubmissionUnknownError] * 3

    second, matched, posts = await desk.run(["a", "b", "c"])
    assert [type(outcome.error) for outcome in second] == [SubmissionUnknownError] * 3
    assert [str(outcome.error).count("console/records") for outcome in second] == [1] * 3
    assert (matched, posts) == (3, 0)

    with SqliteLedger(desk.path) as ledger:
        a, b, c = (entry.key for entry in ledger.entries())
        ledger.resolve(a, "a-0")
        ledger.resolve(b, "abandon")
        ledger.resolve(c, "resubmit")
    third, _, posts = await desk.run(["a", "b", "c"])
    assert third[0].ok
    assert third[0].task is not None
    assert third[0].task.id == "a-0"
    assert isinstance(third[1].error, NotSubmittedError)
    assert third[2].ok
    assert posts == 1


async def test_what_was_refused_is_sent_again(desk: Desk) -> None:
    desk.vendor.faults = ["400", "402"]
    await desk.run(["a", "b", "c"], max_in_flight=1)
    assert desk.steps()[:2] == [Step.REJECTED, Step.REJECTED]

    outcomes, _, _ = await desk.run(["a", "b", "c"])
    assert all(outcome.ok for outcome in outcomes)


async def test_two_runs_at_once_on_one_ledger_send_each_request_once(desk: Desk) -> None:
    async with desk.client() as client:
        outcomes: list[Outcome] = []

        async def run() -> None:
            outcomes.extend(await client.generate_many(["a"] * 20, ledger=desk.path))

        async with anyio.create_task_group() as group:
            group.start_soon(run)
            group.start_soon(run)

    assert desk.vendor.posts["a"] == 20
    assert sum(outcome.ok for outcome in outcomes) >= 20
    assert {type(outcome.error) for outcome in outcomes if not outcome.ok} <= {
        LedgerError, NotSubmittedError, SubmissionUnknownError
    }  # fmt: skip


async def test_the_end_of_a_task_is_written_down_before_the_batch_ends(desk: Desk) -> None:
    async with desk.client() as client, client.batch(["a"], ledger=desk.path) as batch:
        async for outcome in batch:
            assert outcome.ok
            await anyio.sleep(0.8)
            with sqlite3.connect(desk.path) as database:
                assert database.execute("SELECT step FROM entries").fetchall() == [("done",)]
            database.close()


class LeavingError(Exception):
    """An error of the user's own."""


@pytest.mark.parametrize("how", ["an error", "a cancellation"])
async def test_however_a_batch_is_left_what_it_knows_is_written_down(desk: Desk, how: str) -> None:
    async with desk.client() as client:
        with anyio.CancelScope() as scope, contextlib.suppress(LeavingError):
            async with client.batch(["a"], ledger=desk.path) as batch:
                assert (await anext(batch)).ok
                if how == "an error":
                    raise LeavingError
                scope.cancel()
                await anyio.sleep_forever()
        with contextlib.closing(sqlite3.connect(desk.path)) as database:
            assert database.execute("SELECT step FROM entries").fetchall() == [("done",)]


@pytest.mark.parametrize("how", ["an error", "a cancellation"])
async def test_a_ledger_that_cannot_be_written_hides_nothing_of_why_a_batch_was_left(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Full()
    client = Desk(Path()).client()
    caplog.set_level(logging.ERROR, logger="apimodels_async")
    with anyio.CancelScope() as scope, pytest.raises(LeavingError) if how == "an error" else contextlib.nullcontext():
        async with client.batch(["a"], ledger=ledger) as batch:
            assert (await anext(batch)).ok
            ledger.full = True
            if how == "an error":
                raise LeavingError
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught is (how == "a cancellation")
    assert "the ledger could not be brought up to date when the batch was left" in caplog.text
    ledger.full = False
    await client.aclose()


class Full(MemoryLedger):
    """A ledger on a disk that may be full."""

    full = False

    def apply(self, changes: Iterable[Change]) -> list[int]:
        if self.full:
            raise LedgerError("the disk is full")
        return super().apply(changes)


async def test_abandoning_counts_even_where_an_earlier_try_has_failed(desk: Desk) -> None:
    await desk.run(["a"])
    failed = Task(id="old", state=TaskState.FAILED, fail_msg="bad luck")
    with SqliteLedger(desk.path) as ledger:
        [entry] = ledger.entries()
        assert ledger.apply([Change(entry.key, Step.ABANDONED, task=failed, before=ANY_STEP)]) == [1]

    [outcome], _, posts = await desk.run(["a"])
    assert isinstance(outcome.error, NotSubmittedError)
    assert posts == 0


# --- single creates


async def test_a_key_creates_once(desk: Desk) -> None:
    for _ in range(2):
        async with desk.client() as client:
            task = await client.create("a", ledger=desk.path, key="k")
            assert task.id == "a-0"
            assert (await client.create("a", ledger=desk.path, key="k")).id == "a-0"
            assert (await client.create("a", ledger=desk.path, key=f"other {_}")).id != "a-0"
    assert desk.vendor.posts["a"] == 3


@pytest.mark.parametrize("natively", [False, True], ids=["by its scope", "natively"])
async def test_a_key_whose_first_call_was_cancelled_on_the_way_waits_for_it(
    tmp_path: Path, natively: bool, anyio_backend_name: str
) -> None:
    if natively and anyio_backend_name != "asyncio":
        pytest.skip("about asyncio.Task.cancel")
    taken, may_answer = threading.Event(), threading.Event()

    def late(task_id: str) -> bytes:
        taken.set()
        assert may_answer.wait(20)
        return reply(200, envelope(taskId=task_id, state="pending"))

    tasks: list[Task] = []
    with FaultServer(post=[accept(late)]) as server:
        async with AsyncImagesClient("sk_test", base_url=server.base_url, model="m") as client:

            async def create() -> None:
                tasks.append(await client.create("a", ledger=tmp_path / "run.db", key="k"))

            if natively:
                first = asyncio.create_task(create())
                assert await anyio.to_thread.run_sync(taken.wait, 20)
                first.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await first
            else:
                async with anyio.create_task_group() as group:
                    group.start_soon(create)
                    assert await anyio.to_thread.run_sync(taken.wait, 20)
                    group.cancel_scope.cancel()
            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(create)
                await anyio.wait_all_tasks_blocked()
                may_answer.set()
            assert [each.id for each in tasks] == ["task-1"] * 3
            assert [each.id for each in client.detached] == ["task-1"]
        assert server.counts.taken == 1


@pytest.mark.parametrize("at", [0.0, 0.002, 0.005, 0.01, 0.02, 0.05])
async def test_a_key_whose_call_was_cancelled_at_any_moment_can_be_used_at_once(tmp_path: Path, at: float) -> None:
    with FaultServer(post=[accept()]) as server:
        async with AsyncImagesClient("sk_test", base_url=server.base_url, model="m") as client:
            for number in range(8):
                with anyio.move_on_after(at + number * 0.0007):
                    await client.create("a", ledger=tmp_path / "run.db", key=f"k{number}")
                task = await client.create("a", ledger=tmp_path / "run.db", key=f"k{number}")
                assert task.id is not None
        assert server.counts.taken == 8


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_an_opening_that_is_cancelled_locks_no_call_out(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, anyio_backend: str
) -> None:
    may_open, begun = threading.Event(), threading.Event()
    prepare = _sqlite.prepare

    def slow(*given: Any, **named: Any) -> None:
        begun.set()
        assert may_open.wait(20)
        prepare(*given, **named)

    monkeypatch.setattr(_sqlite, "prepare", slow)
    async with desk.client() as client:
        first = asyncio.create_task(client.create("a", ledger=desk.path, key="k"))
        assert await asyncio.to_thread(begun.wait, 60)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        second = asyncio.create_task(client.create("a", ledger=desk.path, key="k"))
        await asyncio.sleep(0)
        may_open.set()
        assert (await second).id == "a-0"
    SqliteLedger(desk.path).close()


async def test_without_a_key_every_create_is_new(desk: Desk) -> None:
    async with desk.client() as client:
        assert len({(await client.create("a", ledger=desk.path)).id for _ in range(3)}) == 3


async def test_a_key_is_for_one_request_only_even_if_that_was_never_sent(desk: Desk) -> None:
    async with desk.client() as client:
        desk.vendor.faults = ["400"]
        with pytest.raises(Exception, match="400"):
            await client.create("a", ledger=desk.path, key="k")
        with pytest.raises(ValueError, match="used for another request"):
            await client.create("b", ledger=desk.path, key="k")
        assert (await client.create("a", ledger=desk.path, key="k")).id == "a-0"
        with pytest.raises(ValueError, match="used for another request"):
            await client.create("b", ledger=desk.path, key="k")
        with pytest.raises(ValueError, match="ledger"):
            await client.create("b", key="k")
    assert desk.vendor.posts["b"] == 0


async def test_the_same_key_at_the_same_time_creates_once(desk: Desk) -> None:
    ids: list[str | None] = []
    async with desk.client() as client:

        async def create() -> None:
            ids.append((await client.create("a", ledger=desk.path, key="k")).id)

        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(create)
    assert ids == ["a-0"] * 10
    assert desk.vendor.posts["a"] == 1


async def test_a_key_whose_outcome_is_unknown_or_abandoned_sends_nothing(desk: Desk) -> None:
    desk.vendor.faults = ["lost"]
    async with desk.client() as client:
        for _ in range(2):
            with pytest.raises(SubmissionUnknownError):
                await client.create("a", ledger=desk.path, key="k")
    with SqliteLedger(desk.path) as ledger:
        ledger.resolve("k", "abandon")
    async with desk.client() as client:
        with pytest.raises(NotSubmittedError, match="abandoned"):
            await client.create("a", ledger=desk.path, key="k")
    assert desk.vendor.posts["a"] == 1


# --- what cannot be written


def full(pages: int) -> Callable[[str], Any]:
    """Connects to a disk that has room for so many pages."""

    def connect(path: str) -> Any:
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        database.execute(f"PRAGMA max_page_count = {pages}")
        return database

    return connect


async def test_on_a_full_disk_nothing_is_sent(tmp_path: Path) -> None:
    with FaultServer(post=[accept()], get=[say(reply(200, envelope()))]) as server:
        with SqliteLedger(tmp_path / "run.db", connect=full(4)) as ledger:
            async with AsyncImagesClient("sk_test", base_url=server.base_url, model="m") as client:
                requests = [f"{number}{'x' * 9000}" for number in range(5)]
                outcomes = await client.generate_many(requests, ledger=ledger)
                with pytest.raises(LedgerError, match="full"):
                    await client.create("y" * 9000, ledger=ledger)
            assert ledger.steps() == {}
        assert server.counts.posts == 0
    assert {type(outcome.error) for outcome in outcomes} <= {LedgerError, NotSubmittedError}
    assert any(isinstance(outcome.error, LedgerError) for outcome in outcomes)


async def test_a_task_that_cannot_be_written_down_is_in_the_error_and_stops_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with FaultServer(post=[accept()]) as server, SqliteLedger(tmp_path / "run.db") as ledger:
        apply = ledger.apply

        def spoiled(changes: list[Change]) -> list[int]:
            if any(change.step is Step.CREATED for change in changes):
                raise LedgerError("no room")
            return apply(changes)

        monkeypatch.setattr(ledger, "apply", spoiled)
        async with AsyncImagesClient("sk_test", base_url=server.base_url, model="m") as client:
            outcomes = await client.generate_many(["a", "b", "c"], ledger=ledger, max_in_flight=1)
        counts = server.counts
        steps = ledger.steps()

    assert counts.taken == 1
    first, *others = outcomes
    assert isinstance(first.error, LedgerError)
    assert first.error.task_id == "task-1"
    assert "task-1" in caplog.text
    assert [type(outcome.error) for outcome in others] == [NotSubmittedError] * 2
    assert sorted(steps.values()) == [Step.INTENT, Step.INTENT, Step.SENDING]


async def test_no_key_no_token_and_no_picture_is_in_the_file(desk: Desk, tmp_path: Path) -> None:
    key, token = "sk_canary_0123456789", "token-canary-0123456789"
    picture = PNG + b"canary in a picture " * 20
    request = GenerationRequest("a prompt to keep", image=picture, callback_url=f"https://example.org/cb/{token}")
    quoting = envelope(
        taskId="task-1", state="completed", resultUrls=["data:image/png;base64," + base64.b64encode(picture).decode()],
        param=json.dumps({"callBackUrl": f"https://example.org/cb/{token}", "key": key}),
    )  # fmt: skip
    refusing = reply(400, {"code": 400, "msg": f"bad key {key}"})
    with FaultServer(post=[say(reply(200, quoting)), say(refusing)]) as server:
        async with AsyncImagesClient(key, base_url=server.base_url, model="m") as client:
            await client.generate_many([request, "refused"], ledger=desk.path, max_in_flight=1)
            files = bytes_of(tmp_path)  # with what is in the write-ahead log still
    files += bytes_of(tmp_path)

    assert b"a prompt to keep" in files
    assert b"task-1" in files
    for canary in (key.encode(), token.encode(), b"canary in a picture", base64.b64encode(picture)[:60]):
        assert canary not in files


def bytes_of(directory: Path) -> bytes:
    """The ledger and all that SQLite keeps beside it."""
    return b"".join(file.read_bytes() for file in directory.glob("run.db*"))
