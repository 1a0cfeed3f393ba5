"""What is remembered, and for how long; in one process and in several."""

import gc
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

import apimodels_async
from apimodels_async import ConfigurationError
from apimodels_async.callbacks import (
    Arrival,
    CallbackReceiver,
    CallbackStore,
    MemoryCallbackStore,
    SqliteCallbackStore,
    StoreFullError,
    subscriptions,
)
from tests.callbacks.conftest import PUBLIC_URL, SECRETS, body_of, post

HOUR = 3600.0
DAY = 24 * HOUR
A, B = Arrival("i1", "task-a", settled=False), Arrival("i2", "task-b", settled=True)


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[CallbackStore]:
    made: CallbackStore
    match request.param:
        case "memory":
            made = MemoryCallbackStore(clock=clock)
        case "sqlite":
            made = SqliteCallbackStore(tmp_path / "s", clock=clock)
        case _:
            from apimodels_async.callbacks import PostgresStore

            made = PostgresStore(request.getfixturevalue("postgres"), clock=clock)
    yield made
    made.close()


def test_the_first_arrival_under_a_key_stays(store: CallbackStore) -> None:
    assert store.find("k") is None
    assert store.add("k", A) == A
    assert store.add("k", B) == A
    assert store.find("k") == A


def test_an_arrival_is_settled_once_and_for_all(store: CallbackStore) -> None:
    store.add("k", A)
    store.settle("k")
    store.settle("k")
    store.settle("another")

    assert store.find("k") == A._replace(settled=True)
    assert store.find("another") is None


def test_all_that_came_for_an_intent_is_found(store: CallbackStore) -> None:
    more = Arrival("i1", "task-c", settled=True)
    for key, arrival in (("i1/task-a", A), ("i1/task-c", more), ("i2", B)):
        store.add(key, arrival)

    assert store.arrivals(["i1"]) == [A, more]
    assert store.arrivals([*(f"none-{number}" for number in range(1200)), "i2"]) == [B]
    assert store.arrivals([]) == []


def test_what_is_a_week_old_is_forgotten(store: CallbackStore, clock: Clock) -> None:
    store.add("old", A)
    clock.now += 6 * DAY
    store.add("young", B)
    clock.now += DAY + HOUR

    store.add("new", Arrival("i3", "task-c", settled=True))
    assert store.find("old") is None
    assert store.arrivals(["i1", "i2"]) == [B]


def test_a_full_memory_forgets_nothing_that_may_still_be_tried(clock: Clock) -> None:
    store = MemoryCallbackStore(max_size=2, clock=clock)
    store.add("a", A)
    clock.now += HOUR - 1
    store.add("b", B)

    with pytest.raises(StoreFullError):
        store.add("c", A)
    assert store.add("b", A) == B
    clock.now += 1
    store.add("c", A)
    assert (store.find("a"), store.find("b"), len(store)) == (None, B, 2)


def test_a_memory_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="max_size"):
        MemoryCallbackStore(max_size=0)


# --- the file


def test_a_store_that_is_opened_again_has_everything(tmp_path: Path) -> None:
    with SqliteCallbackStore(tmp_path / "below" / "callbacks.db") as store:
        store.add("k", A)
    with SqliteCallbackStore(tmp_path / "below" / "callbacks.db") as store:
        assert store.find("k") == A


def test_news_of_others_are_seen_once(tmp_path: Path) -> None:
    with SqliteCallbackStore(tmp_path / "s") as one, SqliteCallbackStore(tmp_path / "s") as two:
        one.add("before", A)
        mark, news = two.since(None)
        assert news == []
        one.add("k1", A)
        one.add("k2", B)
        mark, news = two.since(mark)
        assert news == [A, B]
        assert two.since(mark) == (mark, [])
        two.add("k3", A)
        _, news = two.since(mark)
        assert news == [A]
        assert two.since(mark)[1] == [A]  # two who look at one store


def test_many_news_come_one_after_the_other(tmp_path: Path) -> None:
    with SqliteCallbackStore(tmp_path / "s") as store:
        mark, _ = store.since(None)
        with sqlite3.connect(tmp_path / "s") as other:
            rows = ((f"k{number}", "i", f"t{number}", 1, time.time()) for number in range(2500))
            other.executemany("INSERT INTO arrivals (key, intent, task, settled, added) VALUES (?, ?, ?, ?, ?)", rows)
        other.close()
        seen: list[str] = []
        for _ in range(4):
            mark, news = store.since(mark)
            seen += [each.task_id for each in news]
        assert seen == [f"t{number}" for number in range(2500)]


def test_a_store_that_somebody_else_is_writing_is_busy(tmp_path: Path) -> None:
    with SqliteCallbackStore(tmp_path / "s", busy_timeout=0.05) as store:
        other = sqlite3.connect(tmp_path / "s", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            store.add("k", A)
        assert store.find("k") is None
        other.execute("ROLLBACK")
        other.close()
        assert store.add("k", A) == A


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database, but long enough to be looked at" * 100)
    other = sqlite3.connect(tmp_path / "other")
    other.execute("CREATE TABLE mine (x)")
    other.commit()
    other.close()
    for name in ("text", "other", "."):
        with pytest.raises(ConfigurationError, match="callbacks"):
            SqliteCallbackStore(tmp_path / name)


def test_a_closed_store_takes_nothing(tmp_path: Path) -> None:
    store = SqliteCallbackStore(tmp_path / "s")
    store.close()
    store.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        store.add("k", A)


@pytest.mark.anyio
async def test_a_receiver_with_a_path_opens_its_store_and_closes_it(tmp_path: Path) -> None:
    async with CallbackReceiver(PUBLIC_URL, SECRETS, store=tmp_path / "s") as receiver:
        _, url = receiver.issue()
        assert await post(receiver, url, body_of()) == 200
    async with CallbackReceiver(PUBLIC_URL, SECRETS, store=str(tmp_path / "s")) as again:
        assert await post(again, url, b"a duplicate, read or not") == 200
    gc.collect()  # an unclosed connection would be a warning


@pytest.mark.anyio
async def test_a_receiver_whose_store_is_locked_asks_for_another_try(tmp_path: Path) -> None:
    with SqliteCallbackStore(tmp_path / "s", busy_timeout=0.05) as store:
        async with CallbackReceiver(PUBLIC_URL, SECRETS, store=store) as receiver:
            _, url = receiver.issue()
            other = sqlite3.connect(tmp_path / "s", isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            assert await post(receiver, url, body_of()) == 503
            other.execute("ROLLBACK")
            other.close()
            assert await post(receiver, url, body_of()) == 200


# --- the thread that looks around


def until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


def watchers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "apimodels-callbacks"]


@pytest.mark.anyio
async def test_a_thread_looks_around_only_while_somebody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "LOOK_EVERY", 0.01)
    before = set(watchers())
    async with CallbackReceiver(PUBLIC_URL, SECRETS, store=tmp_path / "s") as receiver:
        assert set(watchers()) == before
        for _ in range(2):
            intent, _ = receiver.issue()
            receiver.subscribe(intent, print)
            assert len(set(watchers()) - before) == 1
            receiver.unsubscribe(intent)
            await anyio.to_thread.run_sync(until, lambda: set(watchers()) <= before)


@pytest.mark.anyio
async def test_following_never_waits_for_a_locked_store_and_is_told_when_it_can_be_read(tmp_path: Path) -> None:
    heard = threading.Event()
    with SqliteCallbackStore(tmp_path / "s", busy_timeout=0.05) as store:
        other = sqlite3.connect(tmp_path / "s", isolation_level=None)
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        async with CallbackReceiver(PUBLIC_URL, SECRETS, store=store) as receiver:
            intent, url = receiver.issue()
            receiver.subscribe(intent, lambda _: heard.set())
            assert not heard.is_set()
            other.execute("ROLLBACK")
            other.close()
            assert await post(receiver, url, body_of()) == 200
            assert heard.is_set()


class Shared(MemoryCallbackStore):
    """A store that others write to as well, and that is out of order now and then."""

    shared = True

    def __init__(self) -> None:
        super().__init__()
        self.broken = True
        self.queried = threading.Event()

    def arrivals(self, intent_ids: Sequence[str]) -> list[Arrival]:
        self.queried.set()
        if self.broken:
            raise OSError("away")
        return super().arrivals(intent_ids)


@pytest.mark.anyio
async def test_a_store_that_cannot_be_read_is_tried_until_it_can(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(subscriptions, "LOOK_EVERY", 0.01)
    store = Shared()
    async with CallbackReceiver(PUBLIC_URL, SECRETS, store=store) as receiver:
        intent, url = receiver.issue()
        assert await post(receiver, url, body_of("a")) == 200
        heard: list[str] = []
        receiver.subscribe(intent, heard.append)
        for _ in range(3):
            store.queried.clear()
            assert await anyio.to_thread.run_sync(store.queried.wait, 60)
        assert heard == []
        store.broken = False
        await anyio.to_thread.run_sync(until, lambda: heard == ["a"])
    assert caplog.text.count("cannot be read") == 1


class Overtaken(MemoryCallbackStore):
    """Another process is a moment quicker with everything."""

    def add(self, key: str, arrival: Arrival) -> Arrival:
        return super().add(key, arrival._replace(settled=True))


@pytest.mark.anyio
async def test_what_another_process_has_handled_a_moment_ago_is_a_duplicate() -> None:
    seen: list[object] = []
    receiver = CallbackReceiver(PUBLIC_URL, SECRETS, store=Overtaken(), on_callback=seen.append)

    assert await post(receiver, receiver.issue()[1], body_of()) == 200
    assert seen == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_store_that_was_opened_before_a_fork_serves_parent_and_child(tmp_path: Path) -> None:
    with SqliteCallbackStore(tmp_path / "s") as store:
        store.add("parent", A)
        pid = os.fork()
        if pid == 0:
            try:
                store.add("child", B)
                os._exit(0 if store.find("parent") == A else 2)
            finally:
                os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0
        assert store.find("child") == B


# --- several processes


MEMBER = Path(__file__).parents[1] / "proofs" / "callback_member.py"


class Member:
    """A process with a receiver."""

    def __init__(self, path: Path | str) -> None:
        place = Path(__file__).parents[2]
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-W",
                "error",
                str(Path(__file__).parents[1] / "proofs" / "callback_member.py"),
                str(path),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(Path(apimodels_async.__file__).parents[1]), str(place)]),
            },
        )

    def __call__(self, *words: str) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self) -> None:
        with self.process:
            assert self.process.stdin is not None
            self.process.stdin.close()
            assert self.process.wait(20) == 0


def test_a_callback_that_reaches_the_wrong_process_wakes_the_right_one(tmp_path: Path) -> None:
    right, wrong = Member(tmp_path / "s"), Member(tmp_path / "s")
    url = right("issue")

    assert wrong("post", url, "task-1") == 200
    assert right("heard") == ["task-1"]
    assert right("post", url, "task-1") == 200
    right.end()
    wrong.end()


def test_what_came_before_a_kill_is_there_after_a_restart(tmp_path: Path) -> None:
    first = Member(tmp_path / "s")
    url = first("issue")
    assert first("post", url, "task-1") == 200
    first.process.send_signal(signal.SIGKILL)
    with first.process:
        assert first.process.wait(60) == -signal.SIGKILL

    second = Member(tmp_path / "s")
    second("subscribe", url.split("/")[-2])
    assert second("heard") == ["task-1"]
    assert second("post", url, "task-of-a-forger") == 200
    second.end()


def test_several_processes_may_start_at_once(tmp_path: Path) -> None:
    members = [Member(tmp_path / "s") for _ in range(4)]
    urls = [member("issue") for member in members]

    assert [members[at - 1]("post", url, f"task-{at}") for at, url in enumerate(urls)] == [200] * 4
    assert [member("heard") for member in members] == [[f"task-{at}"] for at in range(4)]
    for member in members:
        member.end()
