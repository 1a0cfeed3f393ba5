"""Writing from async code: grouped, in order, and whole whoever is cut off."""

import asyncio
import logging
import threading
from collections.abc import Iterable, Iterator

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from apimodels_async.errors import LedgerError, SubmissionUnknownError
from apimodels_async.ledger import Step
from apimodels_async.ledger.memory import MemoryLedger
from apimodels_async.ledger.port import Change
from apimodels_async.ledger.recorder import LedgerJournal, LedgerWriter
from apimodels_async.ledger.resolve import resolve
from apimodels_async.models import Task

pytestmark = pytest.mark.anyio


class Counting(MemoryLedger):
    """Counts transactions, and can be held up or spoiled."""

    def __init__(self) -> None:
        super().__init__()
        self.transactions = 0
        self.spoiled = False
        self.may_go = threading.Event()
        self.may_go.set()
        self.begun = threading.Event()

    def apply(self, changes: Iterable[Change]) -> list[int]:
        self.begun.set()
        assert self.may_go.wait(20)
        self.transactions += 1
        if self.spoiled:
            raise LedgerError("the ledger cannot be written")
        return super().apply(changes)


@pytest.fixture
def ledger() -> Iterator[Counting]:
    opened = Counting()
    yield opened
    opened.may_go.set()


def intent(key: str) -> Change:
    return Change(key, Step.INTENT, "d", "m", {"prompt": key})


async def test_what_thousands_write_during_a_transaction_is_one_transaction(ledger: Counting) -> None:
    recorder = LedgerWriter(ledger)
    ledger.may_go.clear()
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.write, intent("first"))
        assert await anyio.to_thread.run_sync(ledger.begun.wait, 60)
        for number in range(3000):
            group.start_soon(recorder.write, intent(f"k{number}"))
        await anyio.wait_all_tasks_blocked()
        ledger.may_go.set()

    assert len(ledger.steps()) == 3001
    assert ledger.transactions == 2


async def test_where_several_write_what_comes_a_moment_later_joins_them(
    ledger: Counting,
) -> None:
    recorder = LedgerWriter(ledger, gather=0.5)
    ledger.may_go.clear()
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.write, intent("alone"))
        assert await anyio.to_thread.run_sync(ledger.begun.wait, 60)
        for key in ("a", "b", "c"):  # while that one is being written
            group.start_soon(recorder.write, intent(key))
        await anyio.wait_all_tasks_blocked()
        ledger.may_go.set()
    assert ledger.transactions == 2

    async with anyio.create_task_group() as group:
        for key in ("d", "e", "f", "g"):
            group.start_soon(recorder.write, intent(key))
            await anyio.lowlevel.checkpoint()

    assert ledger.transactions == 3
    assert len(ledger.steps()) == 8


async def test_a_single_writer_waits_for_no_other(ledger: Counting) -> None:
    recorder = LedgerWriter(ledger, gather=3600.0)

    with anyio.fail_after(20):
        for key in ("a", "b", "c"):
            await recorder.write(intent(key))

    assert ledger.transactions == 3


async def test_each_writer_is_told_what_its_own_statements_changed(ledger: Counting) -> None:
    recorder = LedgerWriter(ledger)
    told: dict[int, list[int]] = {}

    async def write(number: int) -> None:
        told[number] = list(await recorder.write(intent(f"k{number % 5}"), Change(f"k{number % 5}", Step.SENDING)))

    async with anyio.create_task_group() as group:
        for number in range(50):
            group.start_soon(write, number)

    assert sorted(told.values(), reverse=True) == [[1, 1]] * 5 + [[0, 0]] * 45


async def test_an_error_reaches_every_writer_of_its_transaction_and_no_other(ledger: Counting) -> None:
    recorder = LedgerWriter(ledger)
    ledger.spoiled = True
    failed = 0

    async def write(number: int) -> None:
        nonlocal failed
        with pytest.raises(LedgerError, match="cannot be written"):
            await recorder.write(intent(f"k{number}"))
        failed += 1

    async with anyio.create_task_group() as group:
        for number in range(100):
            group.start_soon(write, number)
    ledger.spoiled = False

    assert failed == 100
    assert list(await recorder.write(intent("k"))) == [1]
    assert ledger.steps() == {"k": Step.INTENT}


async def test_what_is_posted_comes_with_the_next_write_or_with_a_flush(ledger: Counting) -> None:
    recorder = LedgerWriter(ledger)
    recorder.post(intent("a"))
    await recorder.write(Change("a", Step.SENDING))
    recorder.post(intent("b"))
    await recorder.flush()
    await recorder.flush()

    assert ledger.steps() == {"a": Step.SENDING, "b": Step.INTENT}
    assert ledger.transactions == 2


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_native_cancellation_loses_no_others_writes_and_writes_nothing_twice(ledger: Counting) -> None:
    recorder = LedgerWriter(ledger)
    ledger.may_go.clear()
    cut_off = asyncio.create_task(recorder.write(intent("first")))
    assert await asyncio.to_thread(ledger.begun.wait, 60)
    waiting = asyncio.create_task(recorder.write(intent("second")))
    await asyncio.sleep(0)
    recorder.post(intent("posted"))
    cut_off.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cut_off
    third = asyncio.create_task(recorder.write(intent("third")))
    await asyncio.sleep(0.05)
    ledger.may_go.set()
    await asyncio.gather(waiting, third)

    assert set(ledger.steps()) == {"first", "second", "posted", "third"}
    assert ledger.transactions == 2


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_write_that_was_left_alone_never_comes_after_a_later_one(ledger: Counting) -> None:
    recorder = LedgerWriter(ledger)
    await recorder.write(intent("k"), Change("k", Step.SENDING))
    ledger.begun.clear()
    ledger.may_go.clear()
    taken_back = asyncio.create_task(recorder.write(Change("k", Step.INTENT)))
    assert await asyncio.to_thread(ledger.begun.wait, 60)
    taken_back.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taken_back
    again = asyncio.create_task(recorder.write(Change("k", Step.SENDING)))
    await asyncio.sleep(0.05)
    ledger.may_go.set()

    assert list(await again) == [1]
    assert ledger.steps() == {"k": Step.SENDING}


async def test_a_create_request_without_a_shared_rate_waits_for_no_turn(ledger: Counting) -> None:
    turn = LedgerJournal(LedgerWriter(ledger), "k").turn()
    with pytest.raises(StopIteration):  # it ends without giving the loop to anybody
        turn.send(None)


async def test_only_one_can_mark_an_entry(ledger: Counting) -> None:
    recorder = LedgerWriter(ledger)
    await recorder.write(intent("k"))
    first, second = LedgerJournal(recorder, "k"), LedgerJournal(recorder, "k")
    await first.sending()
    await first.sending()

    with pytest.raises(LedgerError, match="another run"):
        await second.sending()
    await second.not_taken()  # which it never marked
    assert ledger.steps() == {"k": Step.SENDING}
    await first.not_taken()
    await second.sending()


async def test_an_entry_that_was_never_begun_cannot_be_marked(ledger: Counting) -> None:
    with pytest.raises(LedgerError):
        await LedgerJournal(LedgerWriter(ledger), "k").sending()


async def test_a_task_id_that_cannot_be_written_is_in_the_error_and_in_the_log(
    ledger: Counting, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = LedgerWriter(ledger)
    journal = LedgerJournal(recorder, "k")
    await recorder.write(intent("k"))
    await journal.sending()
    ledger.spoiled = True

    with caplog.at_level(logging.ERROR), pytest.raises(LedgerError, match="task-7") as error:
        await journal.accepted(Task(id="task-7", state=""))
    assert error.value.task_id == "task-7"
    assert "task-7" in caplog.text

    ledger.spoiled = False
    resolve(ledger, "k", "resubmit")  # somebody decides while it is on its way
    with pytest.raises(LedgerError, match="task-8") as error:
        await journal.accepted(Task(id="task-8", state=""))
    assert error.value.task_id == "task-8"


async def test_news_is_not_hidden_by_a_ledger_that_cannot_be_written(
    ledger: Counting, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = LedgerWriter(ledger)
    journal = LedgerJournal(recorder, "k")
    await recorder.write(intent("k"))
    await journal.sending()
    ledger.spoiled = True

    await journal.unknown(SubmissionUnknownError("nobody knows"))
    await journal.rejected(ValueError("no"))

    assert caplog.text.count("could not be brought up to date") >= 2
    assert ledger.steps() == {"k": Step.SENDING}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_cancelled_caller_does_not_take_the_mark_of_what_is_not_sent_into_the_next_run(
    ledger: Counting,
) -> None:
    recorder = LedgerWriter(ledger)
    journal = LedgerJournal(recorder, "k")
    recorder.post(intent("k"))
    with anyio.CancelScope() as scope:
        scope.cancel()
        await journal.sending()  # shielded: it is known afterwards whose mark it is
        await journal.not_taken()
    await recorder.flush()

    assert ledger.steps() == {"k": Step.INTENT}
