"""The file: made, opened, refused, locked, written and read."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apimodels_async.errors import LedgerError
from apimodels_async.ledger import SavedFile, SqliteLedger, Step, sql
from apimodels_async.ledger.entries import FOLLOWS, Plan, plan, steps_before
from apimodels_async.ledger.port import Change
from apimodels_async.ledger.resolve import resolve_all
from apimodels_async.models import Task, TaskState
from tests.support.changes import ANY_STEP, begun

HASH = "d" * 64


def put(ledger: SqliteLedger, key: str, step: Step, task: Task | None = None) -> None:
    """An entry at a step, whatever leads there."""
    ledger.apply([begun(key), Change(key, step, task=task, before=ANY_STEP)])


def execute(ledger: SqliteLedger, statement: str) -> list[Any]:
    """A statement of the test's own in the ledger's database."""
    with ledger._database.use() as database:
        return list(database.execute(statement))


def step_of(ledger: SqliteLedger, key: str = "k") -> Step:
    entry = ledger.find(key)
    assert entry is not None
    return entry.step


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    with SqliteLedger(tmp_path / "run.db") as opened:
        yield opened


# --- opening


def test_a_new_ledger_is_wal_full_marked_and_versioned(tmp_path: Path) -> None:
    with SqliteLedger(tmp_path / "deep/down/run.db") as ledger:
        asked = {
            pragma: execute(ledger, f"PRAGMA {pragma}")[0][0]
            for pragma in ("journal_mode", "synchronous", "application_id", "user_version")
        }

    assert asked == {
        "journal_mode": "wal",
        "synchronous": 2,
        "application_id": 0x41504D4C,
        "user_version": sql.SCHEMA_VERSION,
    }


def test_a_migration_happens_in_one_transaction_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.db"
    SqliteLedger(path).close()
    now, form = sql.SCHEMA_VERSION, sql.FORMAT
    spoiled = form._replace(migrations=(*form.migrations, ("CREATE TABLE more (x)", "a mistake")))
    monkeypatch.setattr(sql, "FORMAT", spoiled)

    with pytest.raises(LedgerError, match="cannot be used"):
        SqliteLedger(path)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (now,)
        assert database.execute("SELECT name FROM sqlite_master WHERE name = 'more'").fetchall() == []

    monkeypatch.setattr(sql, "FORMAT", form._replace(migrations=(*form.migrations, ("CREATE TABLE more (x)",))))
    SqliteLedger(path).close()
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (now + 1,)
        assert database.execute("SELECT * FROM more").fetchall() == []


@pytest.mark.parametrize("pragma", ["application_id = 77", "user_version = 0"])
def test_somebody_elses_database_is_refused_and_left_as_it_was(tmp_path: Path, pragma: str) -> None:
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE theirs (x)")
        database.execute(f"PRAGMA {pragma}")
        database.commit()
    before = path.read_bytes()

    with pytest.raises(LedgerError, match="is a database, but not a ledger"):
        SqliteLedger(path)
    assert path.read_bytes() == before


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    SqliteLedger(path).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")

    with pytest.raises(LedgerError, match=rf"newer version.*schema 99, here {sql.SCHEMA_VERSION}.*update"):
        SqliteLedger(path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    path.write_text("a shopping list\n" * 100)

    with pytest.raises(LedgerError, match=r"cannot be (opened|used)"):
        SqliteLedger(path)
    assert path.read_text() == "a shopping list\n" * 100


def test_a_damaged_ledger_is_refused_before_a_row_can_hide(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    with SqliteLedger(path) as ledger:
        ledger.apply([begun(f"k{number}", HASH, "m", {"prompt": "p" * 500}) for number in range(100)])
    data = bytearray(path.read_bytes())
    page = int.from_bytes(data[16:18], "big")
    for at in range(3, len(data) // page, 2):
        data[at * page : at * page + 64] = b"\xaa" * 64
    path.write_bytes(data)

    with pytest.raises(LedgerError):
        SqliteLedger(path)
    # The lock is not kept by an attempt that failed.
    with pytest.raises(LedgerError, match=r"^(?!.*in use)"):
        SqliteLedger(path)


def test_a_read_only_file_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    SqliteLedger(path).close()

    with pytest.raises(LedgerError, match="cannot be used"):
        SqliteLedger(path, connect=lambda name: sqlite3.connect(f"file:{name}?mode=ro", uri=True, isolation_level=None))
    SqliteLedger(path).close()


def test_a_path_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(LedgerError, match="cannot be locked"):
        SqliteLedger(tmp_path / "file" / "run.db")
    (tmp_path / "directory.db").mkdir()
    with pytest.raises(LedgerError, match="cannot be opened"):
        SqliteLedger(tmp_path / "directory.db")


# --- one process at a time


def test_a_second_opening_in_this_process_is_refused(tmp_path: Path) -> None:
    with SqliteLedger(tmp_path / "run.db"), pytest.raises(LedgerError, match=r"in use by another run"):
        SqliteLedger(tmp_path / "run.db")
    SqliteLedger(tmp_path / "run.db").close()


def test_a_link_to_a_ledger_is_that_ledger(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "run.db")

    with SqliteLedger(tmp_path / "run.db"), pytest.raises(LedgerError, match=r"in use by another run"):
        SqliteLedger(tmp_path / "link.db")


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    holding = (
        "import sys; from apimodels_async.ledger import SqliteLedger; ledger = SqliteLedger(sys.argv[1]);"
        "print('open', flush=True); sys.stdin.read()"
    )
    path = tmp_path / "run.db"
    with subprocess.Popen(
        [sys.executable, "-c", holding, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(LedgerError, match=r"in use by another run: wait for it to end"):
            SqliteLedger(path)
        other.kill()
        other.wait()
        SqliteLedger(path).close()


KILLED = """
import os, signal, sys
from apimodels_async.ledger import SqliteLedger, Step
from apimodels_async.ledger.port import Change

ledger = SqliteLedger(sys.argv[1])
ledger.apply([Change("k", Step.INTENT, "d", "m", {})])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_ledger_that_a_run_is_using_can_be_looked_at_and_stays_as_it_is(tmp_path: Path) -> None:
    with SqliteLedger(tmp_path / "run.db") as ledger:
        put(ledger, "k", Step.UNKNOWN)
        with SqliteLedger(tmp_path / "run.db", read_only=True) as copy:
            put(ledger, "later", Step.UNKNOWN)
            assert copy.steps() == {"k": Step.UNKNOWN}
            with pytest.raises(LedgerError, match=r"run\.db was opened to be read only"):
                copy.resolve("k", "abandon")
        assert ledger.steps() == {"k": Step.UNKNOWN, "later": Step.UNKNOWN}


@pytest.mark.skipif(os.name != "posix", reason="about a signal of POSIX")
def test_what_a_killed_run_left_can_be_looked_at_and_is_there_afterwards(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "run.db")], check=False, timeout=40)
    assert (tmp_path / "run.db-wal").stat().st_size

    for _ in range(2):
        with SqliteLedger(tmp_path / "run.db", read_only=True) as copy:
            assert copy.steps() == {"k": Step.INTENT}
    with SqliteLedger(tmp_path / "run.db") as ledger:
        assert ledger.steps() == {"k": Step.INTENT}


def test_an_older_schema_can_be_looked_at_and_is_not_migrated_by_that(tmp_path: Path) -> None:
    old = Path(__file__).parent / "golden" / "v1-every-step.db"
    (tmp_path / "run.db").write_bytes(old.read_bytes())

    with SqliteLedger(tmp_path / "run.db", read_only=True) as copy:
        assert set(copy.steps().values()) == set(Step)

    assert [path.read_bytes() for path in tmp_path.iterdir()] == [old.read_bytes()]


def test_a_file_that_somebody_keeps_locked_is_a_ledger_error_soon(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    SqliteLedger(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        other.execute("CREATE TABLE theirs (x)")
        with pytest.raises(LedgerError, match="cannot be opened: database is locked"):
            SqliteLedger(path, read_only=True)


def test_whoever_may_not_write_beside_a_ledger_leaves_nothing_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SqliteLedger(tmp_path / "run.db").close()
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr(os, "access", lambda *_: False)  # to root everything is allowed

    with pytest.raises(LedgerError, match="cannot be opened: SQLite has to write beside it"):
        SqliteLedger(tmp_path / "run.db", read_only=True)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("content", [None, b"a shopping list\n" * 100], ids=["no file", "no database"])
def test_what_is_no_ledger_cannot_be_looked_at(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "run.db").write_bytes(content)

    with pytest.raises(LedgerError, match=r"run\.db cannot be (opened|used)"):
        SqliteLedger(tmp_path / "run.db", read_only=True)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == ([] if content is None else [content])


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")

# In processes of their own: nobody forks a process that has the threads of a test run.
FORKED = """
import os, sys
from apimodels_async.ledger.port import Change
from apimodels_async.errors import LedgerError
from apimodels_async.ledger import SqliteLedger, Step

def refused(use, words):
    try:
        use()
    except LedgerError as error:
        return words in str(error)
    return False

ledger = SqliteLedger(sys.argv[1])
ledger.apply([Change("k", Step.INTENT, "d", "m", {})])
pid = os.fork()
if pid == 0:
    uses = (ledger.steps, lambda: ledger.apply([]), lambda: ledger.resolve("k", "abandon"))
    right = all(refused(use, "opened before a fork") for use in uses)
    ledger.close()
    os._exit(0 if right else 1)
assert os.waitpid(pid, 0)[1] == 0
ledger.apply([Change("k", Step.SENDING)])
assert ledger.steps() == {"k": Step.SENDING}
assert refused(lambda: SqliteLedger(sys.argv[1]), "in use by another run")
"""
LIVING_ON = """
import os, signal, sys
from apimodels_async.ledger import SqliteLedger

ledger = SqliteLedger(sys.argv[1])
pid = os.fork()
if pid == 0:
    signal.alarm(30)
    signal.pause()
    os._exit(0)
try:
    ledger.close()
    SqliteLedger(sys.argv[1]).close()
finally:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
"""


@needs_fork
@pytest.mark.parametrize("script", [FORKED, LIVING_ON], ids=["refuses the child", "does not stay locked by the child"])
def test_a_ledger_that_was_opened_before_a_fork(tmp_path: Path, script: str) -> None:
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "run.db")], check=True, timeout=40)


def test_a_closed_ledger_says_so(ledger: SqliteLedger) -> None:
    ledger.close()
    ledger.close()

    for use in (ledger.steps, lambda: ledger.find("k"), lambda: ledger.apply([]), lambda: list(ledger.entries())):
        with pytest.raises(LedgerError, match="is closed"):
            use()


# --- writing and reading


def test_what_was_written_is_read_again(ledger: SqliteLedger) -> None:
    task = Task(id="t", state=TaskState.COMPLETED, result_urls=("https://a/b.png", "data:image/png;base64,AAAA"))
    put(ledger, "k", Step.CREATED)
    ledger.apply([Change("k", Step.DONE, task=task), Change("k", Step.SAVED, files=[SavedFile("/a/b.png", "00")])])

    [entry] = ledger.entries()

    assert entry == ledger.find("k")
    assert (entry.key, entry.digest, entry.model, entry.step) == ("k", HASH, "m", Step.SAVED)
    assert entry.request == {"prompt": "k"}
    assert entry.files == (SavedFile("/a/b.png", "00"),)
    assert entry.task is not None
    assert entry.task.id == "t"
    assert entry.task.result_urls == ("https://a/b.png",)
    assert ledger.steps() == {"k": Step.SAVED}
    assert ledger.find("another") is None


def test_a_transaction_that_fails_leaves_nothing(ledger: SqliteLedger) -> None:
    with pytest.raises(LedgerError, match="cannot be written"):
        ledger.apply([begun("k", HASH, "m", {}), begun(None)])  # type: ignore[arg-type]

    assert ledger.steps() == {}
    assert ledger.apply([begun("k", HASH, "m", {}), begun("k", HASH, "m", {}), Change("k", Step.CREATED)]) == [1, 0, 0]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(
        st.one_of(
            st.builds(begun, st.sampled_from("ab"), st.just(HASH), st.just("m"), st.fixed_dictionaries({})),
            st.builds(
                lambda key, step, error: Change(key, step, error=error),
                st.sampled_from("ab"),
                st.sampled_from(Step),
                st.sampled_from([None, "why"]),
            ),
        ),
        max_size=120,
    )
)
def test_many_changes_at_once_are_the_same_changes_one_by_one(ledger: SqliteLedger, changes: list[Change]) -> None:
    execute(ledger, "DELETE FROM entries")
    told = [changed for change in changes for changed in ledger.apply([change])]
    after = [entry._replace(changed=0.0) for entry in ledger.entries()]

    execute(ledger, "DELETE FROM entries")

    assert ledger.apply(changes) == told
    assert [entry._replace(changed=0.0) for entry in ledger.entries()] == after


def test_words_that_are_no_text_do_not_take_other_writes_with_them(ledger: SqliteLedger) -> None:
    put(ledger, "k", Step.SENDING)

    ledger.apply([Change("k", Step.UNKNOWN, error="bad \ud800 words"), begun("other", HASH, "m", {"prompt": "\ud800"})])
    ledger.apply([Change("k", Step.CREATED, task=Task(id="t\ud800", state=""))])

    entry = ledger.find("k")
    assert entry is not None
    assert entry.task is not None
    assert entry.task.id == "t\ud800"


def test_an_entry_that_makes_no_sense_is_a_ledger_error(ledger: SqliteLedger) -> None:
    put(ledger, "k", Step.CREATED)
    execute(ledger, "UPDATE entries SET task = '[1]'")
    with pytest.raises(LedgerError, match="makes no sense"):
        ledger.find("k")
    execute(ledger, "UPDATE entries SET step = 'dancing'")
    with pytest.raises(LedgerError, match="makes no sense"):
        ledger.steps()


def test_a_full_disk_is_a_ledger_error_and_the_ledger_goes_on_when_there_is_room(ledger: SqliteLedger) -> None:
    [(pages,)] = execute(ledger, "PRAGMA page_count")
    execute(ledger, f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(LedgerError, match="full"):
        ledger.apply([begun(f"k{number}", HASH, "m", {"prompt": "p" * 9000}) for number in range(20)])
    assert ledger.steps() == {}

    execute(ledger, "PRAGMA max_page_count = 100000")
    ledger.apply([begun("k", HASH, "m", {})])
    assert ledger.steps() == {"k": Step.INTENT}


# --- steps


def test_every_step_can_be_reached_and_every_step_has_its_following() -> None:
    reached = {Step.INTENT}
    for _ in Step:
        reached |= {after for step in reached for after in FOLLOWS[step]}
    assert reached == set(Step) == set(FOLLOWS)


def test_nothing_that_may_be_paid_for_is_sent_by_itself() -> None:
    assert {step for step in Step if plan(step) is Plan.SUBMIT} == {Step.INTENT, Step.REJECTED}
    assert {step for step in Step if plan(step) is Plan.REPORT_UNKNOWN} == {Step.SENDING, Step.UNKNOWN}
    assert plan(Step.CREATED) is Plan.WATCH
    assert Step.SENDING not in steps_before(Step.SENDING)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(Step), max_size=12), start=st.sampled_from(Step))
def test_a_change_moves_an_entry_only_to_where_it_may_go(ledger: SqliteLedger, steps: list[Step], start: Step) -> None:
    execute(ledger, "DELETE FROM entries")
    put(ledger, "k", start)
    now = start

    for step in steps:
        [changed] = ledger.apply([Change("k", step)])
        allowed = step in FOLLOWS[now] or (step is now and step is not Step.SENDING)
        assert changed == allowed
        now = step if allowed else now
        assert step_of(ledger) is now


# --- resolving


@pytest.mark.parametrize("step", [Step.SENDING, Step.UNKNOWN])
@pytest.mark.parametrize(
    ("how", "after"), [("resubmit", Step.INTENT), ("abandon", Step.ABANDONED), (" task-7 ", Step.CREATED)]
)
def test_an_unknown_entry_is_resolved(ledger: SqliteLedger, step: Step, how: str, after: Step) -> None:
    put(ledger, "k", step)

    entry = ledger.resolve("k", how)

    assert entry.step is after
    assert (entry.task and entry.task.id) == ("task-7" if after is Step.CREATED else None)


def test_an_abandoned_entry_can_be_sent_after_all(ledger: SqliteLedger) -> None:
    put(ledger, "k", Step.ABANDONED)
    assert ledger.resolve("k", "resubmit").step is Step.INTENT


@pytest.mark.parametrize("step", sorted(set(Step) - {Step.SENDING, Step.UNKNOWN, Step.ABANDONED}))
@pytest.mark.parametrize("how", ["resubmit", "abandon", "task-7"])
def test_what_is_certain_cannot_be_resolved(ledger: SqliteLedger, step: Step, how: str) -> None:
    put(ledger, "k", step)
    with pytest.raises(LedgerError, match="nothing to resolve"):
        ledger.resolve("k", how)
    assert step_of(ledger) is step


def test_resolving_needs_an_entry_and_a_decision(ledger: SqliteLedger) -> None:
    put(ledger, "k", Step.UNKNOWN)
    with pytest.raises(LedgerError, match="has no entry 'q'"):
        ledger.resolve("q", "abandon")
    with pytest.raises(LedgerError, match='give "resubmit"'):
        ledger.resolve("k", " ")


def test_an_entry_that_changes_under_the_hands_of_whoever_resolves_it_is_left_alone(
    ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(ledger, "k", Step.UNKNOWN)
    apply = ledger.apply

    def late(changes: Any) -> list[int]:
        with contextlib.suppress(LedgerError):
            apply([Change("k", Step.CREATED, task=Task(id="t", state="")), Change("k", Step.DONE)])
        return apply(changes)

    monkeypatch.setattr(ledger, "apply", late)
    with pytest.raises(LedgerError, match="changed meanwhile"):
        ledger.resolve("k", "resubmit")
    assert step_of(ledger) is Step.DONE


def test_an_id_that_was_given_by_hand_can_be_corrected_until_the_server_has_confirmed_it(ledger: SqliteLedger) -> None:
    ledger.apply([begun("k", "d", "m", {}), Change("k", Step.SENDING), Change("k", Step.UNKNOWN)])
    assert ledger.resolve("k", "cl-a-slip").step is Step.CREATED
    entry = ledger.resolve("k", "cl-right")
    assert entry.task is not None
    assert entry.task.id == "cl-right"
    assert ledger.resolve("k", "abandon").step is Step.ABANDONED

    ledger.apply([begun("q", "d", "m", {}), Change("q", Step.SENDING)])
    ledger.apply([Change("q", Step.CREATED, task=Task(id="cl1", state="pending"))])
    with pytest.raises(LedgerError, match="nothing to resolve"):
        ledger.resolve("q", "resubmit")


def decided(ledger: SqliteLedger, key: str, *decisions: str) -> Step:
    """The step of an entry after these decisions."""
    for how in decisions:
        ledger.resolve(key, how)
    return step_of(ledger, key)


@pytest.mark.parametrize("first", ["resubmit", "abandon", "cl-a-slip"])
@pytest.mark.parametrize(
    ("second", "after"),
    [("abandon", Step.ABANDONED), ("cl-right", Step.CREATED), ("resubmit", Step.INTENT), ("undo", Step.UNKNOWN)],
)
def test_a_decision_can_be_changed_until_a_run_has_acted_on_it(
    ledger: SqliteLedger, first: str, second: str, after: Step
) -> None:
    put(ledger, "k", Step.UNKNOWN)

    assert decided(ledger, "k", first, second) is after
    if after is Step.CREATED:
        entry = ledger.find("k")
        assert entry is not None
        assert entry.task is not None
        assert entry.task.id == "cl-right"


def test_a_decision_that_a_run_has_acted_on_stays(ledger: SqliteLedger) -> None:
    put(ledger, "k", Step.UNKNOWN)
    ledger.resolve("k", "resubmit")
    ledger.apply([Change("k", Step.SENDING), Change("k", Step.INTENT)])  # a run began to send it, and took it back

    with pytest.raises(LedgerError, match="nothing to resolve"):
        ledger.resolve("k", "abandon")
    with pytest.raises(LedgerError, match="nothing to undo"):
        ledger.resolve("k", "undo")


def test_there_must_be_a_decision_to_undo(ledger: SqliteLedger) -> None:
    put(ledger, "k", Step.UNKNOWN)
    put(ledger, "gone", Step.CREATED, Task(id="t", state="pending"))
    ledger.apply([Change("gone", Step.CREATED, error="the server does not know it")])

    for key in ("k", "gone"):
        with pytest.raises(LedgerError, match="nothing to undo"):
            ledger.resolve(key, "undo")


def test_decisions_about_many_are_all_carried_out_or_none(ledger: SqliteLedger) -> None:
    for key in "abc":
        put(ledger, key, Step.UNKNOWN)
    put(ledger, "done", Step.DONE)

    for wrong, words in (
        (("done", "abandon"), "nothing to resolve"),
        (("none", "abandon"), "no entry 'none'"),
        (("a", "resubmit"), "two decisions about entry 'a'"),
    ):
        with pytest.raises(LedgerError, match=words):
            resolve_all(ledger, [("a", "abandon"), ("b", "task-9"), wrong])
        assert {step_of(ledger, key) for key in "abc"} == {Step.UNKNOWN}

    entries = resolve_all(ledger, [("a", "abandon"), ("b", "task-9"), ("c", "resubmit")])
    assert [entry.step for entry in entries] == [Step.ABANDONED, Step.CREATED, Step.INTENT]
