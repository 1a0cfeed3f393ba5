"""Writing into a ledger from async code: off the event loop, and many writes in one flush of the disk."""

import logging

import anyio
import anyio.to_thread

from apimodels_async._journal import Journal
from apimodels_async._ledger_records import Entry, Step
from apimodels_async.errors import LedgerError
from apimodels_async.ledger import SqliteLedger, Statement, moved
from apimodels_async.models import Task

logger = logging.getLogger("apimodels_async")


class _Group:
    """Writes that share one transaction."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []
        self.done = False
        self.error: LedgerError | None = None


class Recorder:
    """One client's way into one ledger.

    While one transaction is on its way to the disk, the writes of all other tasks gather for the next, so that a batch
    of thousands is not held up by the disk.
    """

    def __init__(self, ledger: SqliteLedger) -> None:
        self._ledger = ledger
        self._gathering = _Group()
        self._turn = anyio.Lock()

    async def find(self, key: str) -> Entry | None:
        """The entry with this key.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        return await anyio.to_thread.run_sync(self._ledger.find, key)

    def post(self, *statements: Statement) -> None:
        """Write with the next transaction, without waiting for it."""
        self._gathering.statements.extend(statements)

    async def write(self, *statements: Statement) -> None:
        """Write, and return when it is on the disk.

        Raises:
            LedgerError: it is not.
        """
        group = self._gathering
        group.statements.extend(statements)
        async with self._turn:
            if not group.done:
                self._gathering = _Group()
                try:
                    await anyio.to_thread.run_sync(self._ledger.apply, group.statements)
                except LedgerError as error:
                    group.error = error
                group.done = True
        if group.error is not None:
            raise LedgerError(str(group.error)) from group.error

    async def flush(self) -> None:
        """Return when everything posted is on the disk.

        Raises:
            LedgerError: it is not.
        """
        if self._gathering.statements:
            await self.write()


class LedgerJournal(Journal):
    """Writes down the create of one entry, each step before it matters."""

    def __init__(self, recorder: Recorder, key: str) -> None:
        self._recorder = recorder
        self._key = key
        self._sending = False

    async def sending(self) -> None:
        """The first byte is about to leave.

        Raises:
            LedgerError: it could not be written down, so nothing may be sent.
        """
        await self._recorder.write(moved(self._key, Step.SENDING))
        self._sending = True

    async def accepted(self, task: Task) -> None:
        """The server accepted.

        Raises:
            LedgerError: it could not be written down; carries the task id, which stands in the log as well.
        """
        try:
            await self._recorder.write(moved(self._key, Step.CREATED, task=task))
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
