"""Writing into a ledger from async code: off the event loop, and many changes in one transaction."""

import logging
import os
import secrets
import weakref
from collections.abc import Mapping, Sequence
from functools import partial

import anyio

from apimodels_async._create.journal import BudgetUsedUpError, Journal, NotLoadedError, TakenElsewhereError
from apimodels_async._group_commit import GATHER, GroupCommit
from apimodels_async._threads import WorkerThreads
from apimodels_async.errors import LedgerError
from apimodels_async.instrumentation import port
from apimodels_async.instrumentation.details import LedgerWriteDetails
from apimodels_async.ledger.entries import Entry, Step
from apimodels_async.ledger.port import Change, Ledger, Result
from apimodels_async.ledger.slots import SlotQueue, is_late
from apimodels_async.models import Task

logger: logging.Logger = logging.getLogger("apimodels_async")

_READS = WorkerThreads("ledger", 4)


def _step(change: Change) -> str:
    return str(change.step)


def _write_details(_: "LedgerWriter", *changes: Change) -> LedgerWriteDetails:
    return LedgerWriteDetails(tuple(map(_step, changes)), waited=True)


def _written(*_: object) -> dict[str, object]:
    return {}


class LedgerWriter:
    """One client's way into one ledger.

    All writes of a client go through one group commit, because each transaction costs a flush of the disk and a batch
    has thousands of changes. There are three kinds of them, and each waits for what its safety needs and no more:

    - *The mark before the first byte* and *the task id* are awaited (`write`). A create request must not leave before
      its mark is durable, and the caller must not hear of a task before its id is.
    - *What can be learned again* is posted (`post`): that a request was begun, which the mark takes along, or how a
      task ended, which one query would bring back. It is written with the next transaction, or within half a second.
    - *News that nothing depends on any more*, such as a refusal, is written at once but its failure is only logged,
      because what the ledger says until then is on the safe side.

    A writer that is cancelled stops waiting. Its change is written all the same, and in its turn: were it dropped, an
    entry that was taken back would stay marked, and be reported as unknown by the next run.

    Attributes:
        ledger: where it writes.
        slots: its turns at the ledger's own rate.
    """

    def __init__(self, ledger: Ledger, *, gather: float = GATHER) -> None:
        self.ledger: Ledger = ledger
        self.slots: SlotQueue = SlotQueue(ledger)
        self._commit: GroupCommit[Change, int] = GroupCommit(ledger.apply, gather=gather)
        self._alone: weakref.WeakValueDictionary[str, anyio.Lock] = weakref.WeakValueDictionary()
        self._sending: dict[str, anyio.Event | None] = {}  # an event where another call waits for it

    def alone(self, key: str) -> anyio.Lock:
        """The lock that a call which creates by this key holds."""
        return self._alone.setdefault(key, anyio.Lock())

    def note_sending(self, key: str) -> bool:
        """Note that a create request of this entry is under way; False if one was noted already."""
        if key in self._sending:
            return False
        self._sending[key] = None
        _being_sent[id(self.ledger), key] = self
        return True

    def note_sent(self, key: str) -> None:
        """Note that the create request of this entry is over."""
        over = self._sending.pop(key)
        _being_sent.pop((id(self.ledger), key), None)
        if over is not None:
            over.set()

    async def wait_until_sent(self, key: str) -> None:
        """Return when no create request of this entry is under way in this client."""
        while key in self._sending:
            over = self._sending[key] = self._sending[key] or anyio.Event()
            await over.wait()

    async def find(self, key: str) -> Entry | None:
        """The entry with this key.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        return await _READS.run(partial(self.ledger.find, key))

    async def is_being_sent(self, key: str) -> bool:
        """Whether another client of this process, or another process that is alive, is sending this entry's request.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        if _being_sent.get((id(self.ledger), key), self) is not self:
            return True
        return self.ledger.shared and await _READS.run(partial(self.ledger.is_being_sent, key))

    async def entries(self) -> list[Entry]:
        """Every entry, with everything that was posted.

        Raises:
            LedgerError: the ledger cannot be read or written.
        """
        await self.flush()
        return await _READS.run(lambda: list(self.ledger.entries()))

    def post(self, *changes: Change) -> None:
        """Write with the next transaction, or within half a second, without waiting for it."""
        self._commit.post(*changes)
        if port.active is not None:
            port.note(LedgerWriteDetails(tuple(map(_step, changes)), waited=False))

    @port.observes(_write_details, _written)
    async def write(self, *changes: Change) -> Sequence[int]:
        """Write now, and return when it is durable: how many entries each change changed.

        Raises:
            LedgerError: it was not written.
        """
        written = self._commit.submit(*changes)
        try:
            return await written.wait()
        except LedgerError as error:
            raise LedgerError(str(error)) from error  # one error cannot be raised to several callers

    async def flush(self) -> None:
        """Return when everything posted is durable.

        Raises:
            LedgerError: it, or something posted before, could not be written.
        """
        try:
            await self._commit.flush().wait()
        except LedgerError as error:
            raise LedgerError(str(error)) from error

    async def aclose(self) -> None:
        """Write what was posted, and let the thread end.

        Raises:
            LedgerError: it could not be written.
        """
        try:
            await self.flush()
        finally:
            self._commit.stop()


_REFUSALS: Mapping[int, str] = {
    Result.UNCHANGED: "is being sent, or has ended, in another run on the same ledger",
    Result.FENCED: "is not sent: another worker has taken over its shard",
    Result.ENDED: "is not sent: this run gave no sign of life for so long that others took it for dead",
    Result.MOVED: (
        "is not sent: the database is a copy of the ledger's, or a standby that was promoted, and may lack what was "
        "acknowledged; see `apimodels ledger accept-failover`"
    ),
    Result.NO_BUDGET: "is not sent: the budget of the ledger is used up",
    Result.NO_PRICE: "is not sent: the ledger has a budget, and no price is known for the model",
    Result.NOT_LOADED: (
        "is not sent: it is not what was loaded. The file of a picture has changed since: put it back, or load the "
        "requests again"
    ),
}

_KINDS: Mapping[int, type[LedgerError]] = {
    Result.UNCHANGED: TakenElsewhereError,
    Result.NO_BUDGET: BudgetUsedUpError,
    Result.NO_PRICE: BudgetUsedUpError,
    Result.NOT_LOADED: NotLoadedError,
}


class LedgerJournal(Journal):
    """Records the create request of one entry, each step before it matters.

    An entry is marked as ``sending`` at most once at a time: the change that marks it shows by its result whether this
    journal made the mark. Only then may the request be sent, and only then may this journal take the mark back. Each
    mark has a random number, so that its news is never taken for that of another attempt, here or elsewhere.

    Args:
        writer: into the ledger.
        key: of the entry.
        intent_id: of the callback that the request orders.
        attempt: of the mark that news is about, where an earlier run made it.
    """

    def __init__(
        self, writer: LedgerWriter, key: str, intent_id: str | None = None, attempt: int | None = None
    ) -> None:
        self._writer = writer
        self._key = key
        self._intent_id = intent_id
        self._attempt = attempt
        self._sending = False
        self._noted = False
        self._slot_until: float | None = None

    async def turn(self) -> None:
        """Wait for a slot at the ledger's rate.

        Raises:
            LedgerError: it cannot be read.
        """
        self._slot_until = await self._writer.slots.take()

    async def sending(self) -> None:
        """The first byte is about to leave.

        Raises:
            LedgerError: it could not be recorded, or another run is sending it: nothing may be sent.
        """
        # Making a connection may have taken longer than a slot lasts, and so may the mark; after that nothing does.
        if is_late(self._slot_until):
            await self.turn()
        if not self._sending:
            await self._mark()
        if is_late(self._slot_until):
            await self.turn()

    async def _mark(self) -> None:
        self._noted = self._noted or self._writer.note_sending(self._key)
        self._attempt = secrets.randbits(63)
        # Shielded, so that it is known whose mark it is: only then can it be taken back.
        results: Sequence[int] = []
        with anyio.CancelScope(shield=True):
            results = await self._writer.write(self._change(Step.SENDING, intent_id=self._intent_id))
        if list(results) != [Result.CHANGED]:
            refusal = results[0] if results else Result.UNCHANGED
            kind = _KINDS.get(refusal, LedgerError)
            raise kind(f"entry {self._key} {_REFUSALS[refusal]}")
        self._sending = True

    async def accepted(self, task: Task) -> None:
        """The server accepted.

        Raises:
            LedgerError: it could not be recorded; carries the task id, which stands in the log as well.
        """
        try:
            if list(await self._writer.write(self._change(Step.CREATED, task=task))) != [Result.CHANGED]:
                raise LedgerError(f"entry {self._key} was changed while it was being sent")  # noqa: TRY301
        except LedgerError as error:
            logger.exception("task %s was created, and could not be recorded", task.id, extra={"task_id": task.id})
            raise LedgerError(
                f"task {task.id} was created, and could not be recorded: {error}", task_id=task.id
            ) from error

    async def not_taken(self) -> None:
        """It is certain that the server took nothing."""
        if self._sending:
            self._sending = False
            await self._try(self._change(Step.INTENT))

    async def rejected(self, error: Exception) -> None:
        """The server refused."""
        await self._try(self._change(Step.REJECTED, error=str(error)))

    async def unknown(self, error: Exception) -> None:
        """It is not known whether the server accepted."""
        await self._try(self._change(Step.UNKNOWN, error=str(error)))

    def ended(self) -> None:
        """The create request is over, whether its caller is still there or not."""
        if self._noted:
            self._noted = False
            self._writer.note_sent(self._key)

    def _change(
        self, step: Step, *, task: Task | None = None, error: str | None = None, intent_id: str | None = None
    ) -> Change:
        return Change(self._key, step, task=task, error=error, intent_id=intent_id, attempt=self._attempt)

    async def _try(self, change: Change) -> None:
        try:
            await self._writer.write(change)
        except LedgerError:
            logger.exception("the ledger could not be brought up to date")


_being_sent: "weakref.WeakValueDictionary[tuple[int, str], LedgerWriter]" = weakref.WeakValueDictionary()
"""Who is sending which entry of which ledger, as an object, in this process: clients may share one."""


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_being_sent.clear)
