"""Writing into a ledger from async code: off the event loop, and many writes in one flush of the disk."""

import logging
import threading
import weakref

import anyio
import anyio.to_thread

from apimodels_async._create.journal import Journal
from apimodels_async.errors import LedgerError
from apimodels_async.ledger import SqliteLedger
from apimodels_async.ledger.entries import Entry, Step
from apimodels_async.ledger.statements import Statement, moved
from apimodels_async.models import Task

logger = logging.getLogger("apimodels_async")

GATHER = 0.008
"""Seconds for which writes gather where several come at a time. It makes half as many transactions, and a batch faster:
the thread that writes and the event loop share one interpreter."""


class _Group:
    """Writes that share one transaction.

    Attributes:
        writers: how many wait for it.
        changed: how many entries each statement changed.
        done: set when it is on the disk, or, with `error`, is not.
    """

    def __init__(self) -> None:
        self.statements: list[Statement] = []
        self.writers = 0
        self.changed: list[int] = []
        self.done = False
        self.error: LedgerError | None = None


class GroupCommitWriter:
    """One client's way into one ledger.

    While one transaction is on its way to the disk, and a moment longer, the writes of all other tasks gather for the
    next, so that a batch of thousands is not held up by the disk. Whoever writes alone waits for nobody.

    Nobody can call a worker thread back, and ``asyncio.Task.cancel`` leaves it alone at its work. So it is the thread
    that takes what has gathered and says when it is written: a writer that is cut off takes no other's writes with
    it, and none is written twice or out of turn.
    """

    def __init__(self, ledger: SqliteLedger) -> None:
        self._ledger = ledger
        self._gathering = _Group()
        self._crowded = False  # the last group had several writers
        self._led = False  # by the one writer that waits for the thread
        self._waiting: dict[anyio.Event, _Group] = {}  # the others
        self._adding = threading.Lock()  # held for no longer than a list takes to grow
        self._writing = threading.Lock()
        # Threads of its own: those of the program may all be waiting for what is written here.
        self._threads = anyio.CapacityLimiter(4)
        self._alone: weakref.WeakValueDictionary[str, anyio.Lock] = weakref.WeakValueDictionary()

    def alone(self, key: str) -> anyio.Lock:
        """To be held by whoever creates by this key."""
        return self._alone.setdefault(key, anyio.Lock())

    async def find(self, key: str) -> Entry | None:
        """The entry with this key.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        return await anyio.to_thread.run_sync(self._ledger.find, key, limiter=self._threads)

    def post(self, *statements: Statement) -> None:
        """Write with the next transaction, without waiting for it."""
        with self._adding:
            self._gathering.statements.extend(statements)

    async def write(self, *statements: Statement) -> list[int]:
        """Write, and return when it is on the disk: how many entries each statement changed.

        Raises:
            LedgerError: it is not.
        """
        with self._adding:
            group = self._gathering
            first = len(group.statements)
            group.statements.extend(statements)
            group.writers += 1
        while not group.done:
            await (self._wait(group) if self._led else self._lead())
        if group.error is not None:
            raise LedgerError(str(group.error)) from group.error
        return group.changed[first : first + len(statements)]

    async def _lead(self) -> None:
        """Let a thread write what has gathered, and tell whom it concerns."""
        self._led = True
        try:
            if self._crowded:
                await anyio.sleep(GATHER)
            await anyio.to_thread.run_sync(self._write_gathered, limiter=self._threads)
        finally:
            self._led = False
            self._wake()

    async def _wait(self, group: _Group) -> None:
        """Return when the group is written, or when it is this writer's turn to lead."""
        told = anyio.Event()
        self._waiting[told] = group
        try:
            await told.wait()
        except BaseException:
            self._waiting.pop(told, None)
            if not self._led:  # it may have been this writer's turn
                self._wake()
            raise

    def _wake(self) -> None:
        """Tell every writer whose group is written, all at once, and one of the others that it is its turn."""
        turn: anyio.Event | None = None
        for told, group in list(self._waiting.items()):
            if group.done or turn is None:
                turn = turn if group.done else told
                del self._waiting[told]
                told.set()

    def _write_gathered(self) -> None:
        """In a thread: write what has gathered, after what a thread that was left alone may still be writing."""
        with self._writing:
            with self._adding:
                group, self._gathering = self._gathering, _Group()
            self._crowded = group.writers > 1
            try:
                group.changed = self._ledger.apply(group.statements) if group.statements else []
            except LedgerError as error:
                group.error = error
            finally:
                group.done = True

    async def flush(self) -> None:
        """Return when everything posted is on the disk.

        Raises:
            LedgerError: it is not.
        """
        if self._gathering.statements or self._writing.locked():
            await self.write()


class LedgerJournal(Journal):
    """Writes down the create of one entry, each step before it matters."""

    def __init__(self, recorder: GroupCommitWriter, key: str, intent_id: str | None = None) -> None:
        self._recorder = recorder
        self._key = key
        self._intent_id = intent_id
        self._sending = False

    async def sending(self) -> None:
        """The first byte is about to leave.

        Raises:
            LedgerError: it could not be written down, or somebody else is sending it: nothing may be sent.
        """
        if self._sending:
            return
        # Shielded, so that it is known whose mark it is: only then can it be taken back.
        changed: list[int] = []
        with anyio.CancelScope(shield=True):
            changed = await self._recorder.write(moved(self._key, Step.SENDING, intent_id=self._intent_id))
        if changed != [1]:
            raise LedgerError(f"entry {self._key} is being sent, or has ended, in another run on the same ledger")
        self._sending = True

    async def accepted(self, task: Task) -> None:
        """The server accepted.

        Raises:
            LedgerError: it could not be written down; carries the task id, which stands in the log as well.
        """
        try:
            if await self._recorder.write(moved(self._key, Step.CREATED, task=task)) != [1]:
                raise LedgerError(f"entry {self._key} was changed while it was being sent")  # noqa: TRY301
        except LedgerError as error:
            logger.exception("task %s was created, and could not be written down", task.id, extra={"task_id": task.id})
            raise LedgerError(
                f"task {task.id} was created, and could not be written down: {error}", task_id=task.id
            ) from error

    async def not_taken(self) -> None:
        """It is certain that the server took nothing."""
        if self._sending:
            self._sending = False
            await self._try(moved(self._key, Step.INTENT))

    async def rejected(self, error: Exception) -> None:
        """The server refused."""
        await self._try(moved(self._key, Step.REJECTED, error=str(error)))

    async def unknown(self, error: Exception) -> None:
        """Nobody knows."""
        await self._try(moved(self._key, Step.UNKNOWN, error=str(error)))

    async def _try(self, *statements: Statement) -> None:
        # What stands in the ledger already is on the safe side of these, so a failure must not hide the news.
        try:
            await self._recorder.write(*statements)
        except LedgerError:
            logger.exception("the ledger could not be brought up to date")
