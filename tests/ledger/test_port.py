"""The contract of the ledger's port, for each adapter."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from apimodels_async.errors import LedgerError
from apimodels_async.ledger import SavedFile, SqliteLedger, Step
from apimodels_async.ledger.entries import FOLLOWS
from apimodels_async.ledger.memory import MemoryLedger
from apimodels_async.ledger.port import Change, Ledger
from apimodels_async.ledger.resolve import resolve
from apimodels_async.models import Task, TaskState
from tests.support.changes import ANY_STEP, begun, put


@pytest.fixture(params=["a file", "memory", pytest.param("postgres", marks=pytest.mark.postgres)])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    opened: Ledger
    match request.param:
        case "a file":
            opened = SqliteLedger(tmp_path / "run.db")
        case "memory":
            opened = MemoryLedger()
        case _:
            from apimodels_async.ledger import PostgresLedger

            opened = PostgresLedger(request.getfixturevalue("postgres"))
    yield opened
    opened.close()


def test_an_entry_is_begun_once(ledger: Ledger) -> None:
    assert ledger.apply([begun("k", request={"prompt": "a"}), begun("k", request={"prompt": "b"})]) == [1, 0]

    entry = ledger.find("k")

    assert entry is not None
    assert (entry.key, entry.digest, entry.model, entry.request, entry.step) == (
        "k", "d" * 64, "m", {"prompt": "a"}, Step.INTENT,
    )  # fmt: skip
    assert ledger.find("another") is None


def test_what_a_change_does_not_give_stays_but_the_error(ledger: Ledger) -> None:
    task = Task(id="t", state=TaskState.COMPLETED, result_urls=("https://a/b.png", "data:image/png;base64,AAAA"))
    ledger.apply([
        begun("k"),
        Change("k", Step.SENDING, intent_id="call"),
        Change("k", Step.UNKNOWN, error="it broke"),
    ])  # fmt: skip
    unknown = ledger.find("k")
    assert unknown is not None
    assert (unknown.error, unknown.intent_id) == ("it broke", "call")

    ledger.apply([
        Change("k", Step.CREATED, task=task),
        Change("k", Step.DONE),
        Change("k", Step.DONE, name="cat-{index}", before=frozenset({Step.DONE})),
        Change("k", Step.SAVED, files=[SavedFile("/a/b.png", "00")]),
    ])  # fmt: skip
    saved = ledger.find("k")

    assert saved is not None
    assert (saved.error, saved.intent_id, saved.step) == (None, "call", Step.SAVED)
    assert (saved.name, unknown.name) == ("cat-{index}", None)
    assert saved.files == (SavedFile("/a/b.png", "00"),)
    assert saved.task is not None
    assert (saved.task.id, saved.task.result_urls) == ("t", ("https://a/b.png",))


@pytest.mark.parametrize("start", Step)
def test_a_change_moves_an_entry_only_from_where_it_may_come(ledger: Ledger, start: Step) -> None:
    for step in Step:
        key = f"to {step.value}"
        assert ledger.apply(put(key, start)) == [1, 1]
        allowed = step in FOLLOWS[start] or (step is start and step is not Step.SENDING)

        assert ledger.apply([Change(key, step)]) == [int(allowed)]
        assert ledger.steps([key]) == {key: step if allowed else start}


def test_a_change_can_say_itself_from_where_it_may_come(ledger: Ledger) -> None:
    ledger.apply(put("k", Step.SAVED))

    assert ledger.apply([Change("k", Step.INTENT, before=frozenset({Step.DONE}))]) == [0]
    assert ledger.apply([Change("k", Step.INTENT, before=frozenset({Step.SAVED}))]) == [1]


def test_changes_are_carried_out_in_their_order_and_each_is_counted(ledger: Ledger) -> None:
    changes = [
        Change("k", Step.SENDING),
        begun("k"),
        Change("k", Step.SENDING),
        Change("k", Step.SENDING),
        Change("k", Step.INTENT),
        Change("k", Step.SENDING),
        Change("none", Step.SENDING),
    ]

    assert ledger.apply(changes) == [0, 1, 1, 0, 1, 1, 0]
    assert ledger.apply([]) == []


def test_hundreds_of_changes_are_one_call(ledger: Ledger) -> None:
    assert ledger.apply([begun(f"k{number}") for number in range(500)]) == [1] * 500
    assert [entry.key for entry in ledger.entries()] == [f"k{number}" for number in range(500)]


def test_none_of_the_changes_is_carried_out_where_one_cannot_be_written(ledger: Ledger) -> None:
    endless: dict[str, object] = {}
    endless["itself"] = endless

    with pytest.raises(LedgerError, match="cannot be written"):
        ledger.apply([begun("k"), begun("q", request=endless)])
    assert ledger.steps() == {}


def test_steps_are_those_of_all_entries_or_of_the_keys_that_are_asked_for(ledger: Ledger) -> None:
    ledger.apply([*put("a", Step.DONE), *put("b", Step.UNKNOWN), *put("c", Step.INTENT)])

    assert ledger.steps() == {"a": Step.DONE, "b": Step.UNKNOWN, "c": Step.INTENT}
    assert ledger.steps(["c", "a", "none"]) == {"a": Step.DONE, "c": Step.INTENT}
    assert ledger.steps([]) == {}
    assert ledger.steps([f"k{number}" for number in range(2000)] + ["b"]) == {"b": Step.UNKNOWN}


def test_a_change_says_when_it_happened(ledger: Ledger) -> None:
    ledger.apply([begun("k")._replace(at=1000.0), begun("now")])
    before, now = ledger.find("k"), ledger.find("now")

    assert before is not None
    assert now is not None
    assert before.changed == 1000.0
    assert now.changed > 1_700_000_000
    ledger.apply([Change("k", Step.SENDING, at=2000.0)])
    assert [entry.changed for entry in ledger.entries() if entry.key == "k"] == [2000.0]


def test_texts_that_are_no_unicode_can_be_written(ledger: Ledger) -> None:
    ledger.apply(put("k", Step.SENDING))

    ledger.apply([Change("k", Step.UNKNOWN, error="bad \ud800 words"), begun("q", request={"prompt": "\ud800"})])
    ledger.apply([Change("k", Step.CREATED, task=Task(id="t\ud800", state=""))])

    entry = ledger.find("k")
    assert entry is not None
    assert entry.task is not None
    assert entry.task.id == "t\ud800"
    assert set(ledger.steps()) == {"k", "q"}


@pytest.mark.parametrize(
    ("how", "after"), [("resubmit", Step.INTENT), ("abandon", Step.ABANDONED), (" task-7 ", Step.CREATED)]
)
def test_an_unknown_entry_is_resolved(ledger: Ledger, how: str, after: Step) -> None:
    ledger.apply(put("k", Step.UNKNOWN))

    assert resolve(ledger, "k", how).step is after
    assert ledger.steps() == {"k": after}


def test_a_closed_ledger_takes_no_calls(ledger: Ledger) -> None:
    ledger.apply([Change("k", Step.INTENT, before=ANY_STEP)])
    ledger.close()
    ledger.close()

    for use in (ledger.steps, lambda: ledger.find("k"), lambda: ledger.apply([]), lambda: list(ledger.entries())):
        with pytest.raises(LedgerError, match="is closed"):
            use()
