"""Which entry of a ledger belongs to which request of a run, and what became of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import anyio

from apimodels_async._create.prepare import PreparedRequest
from apimodels_async._download.destination import Place, absolute, is_url, sum_of
from apimodels_async._download.downloader import SavedPicture
from apimodels_async._threads import FILES
from apimodels_async.catalogue import RECORDS_PAGE
from apimodels_async.errors import SubmissionUnknownError
from apimodels_async.ledger.entries import Entry, Plan, SavedFile, Step, key_of, plan
from apimodels_async.ledger.port import Change
from apimodels_async.ledger.recorder import LedgerJournal, LedgerWriter
from apimodels_async.models import Task, TaskState

WRITE_WITHIN = 0.5
"""Seconds after which a task's end is in the ledger at the latest: what is lost must be asked for again."""
LOOK_EVERY = 1.0
"""Seconds after which an entry that another process is sending is looked at again."""


_PAID = frozenset({Step.SENDING, Step.CREATED, Step.DONE, Step.SAVED, Step.UNKNOWN})
"""Steps at which an entry has cost something, or may have."""


class LedgerRun:
    """One run's use of a ledger.

    Requests are matched by a digest of their content and by how many times that content has come before: lines may be
    added, removed or moved, and a changed line is new work.

    Attributes:
        matched: how many requests had an entry already.
    """

    def __init__(self, writer: LedgerWriter, steps: Mapping[str, Step]) -> None:
        self._writer = writer
        self._steps = steps
        self._seen: Counter[str] = Counter()
        self.matched: int = 0

    def next_key(self, prepared: PreparedRequest, seen: "Counter[str] | None" = None) -> str:
        """The key of the next request with this content; `seen` counts where the list is read a second time."""
        seen = self._seen if seen is None else seen
        seen[prepared.digest] += 1
        return key_of(prepared.digest, seen[prepared.digest] - 1)

    def is_paid(self, key: str) -> bool:
        """Whether an earlier run has paid for this entry, or may have."""
        return self._steps.get(key) in _PAID

    async def claim(self, key: str, prepared: PreparedRequest) -> Entry | None:
        """The entry of a request if it is further than an intent; else its intent is recorded.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        if plan(self._steps.get(key)) is Plan.SUBMIT:
            self.begin(key, prepared)
            return None
        self.matched += 1
        return await self._writer.find(key)

    async def find(self, key: str) -> Entry | None:
        """The entry with this key, whatever its step, once no create request of it is under way in this client.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        await self._writer.wait_until_sent(key)
        await self._writer.flush()  # a call that was cancelled did not wait for its last change
        return await self._writer.find(key)

    async def settled(self, entry: Entry) -> Entry:
        """An entry once nobody is sending it: neither this client, nor another one, nor another process that is alive.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        while entry.step is Step.SENDING:
            is_being_sent = await self._writer.is_being_sent(entry.key)
            if is_being_sent:
                await anyio.sleep(LOOK_EVERY)
            # Also when it is over: the outcome may have come since the entry was read.
            entry = await self.find(entry.key) or entry
            if not is_being_sent:
                break
        return entry

    async def entries(self) -> list[Entry]:
        """Every entry, of this run and of earlier ones.

        Raises:
            LedgerError: the ledger cannot be read or written.
        """
        return await self._writer.entries()

    def begin(self, key: str, prepared: PreparedRequest) -> None:
        """Record an intent, with what is written next."""
        change = Change(key, Step.INTENT, prepared.digest, prepared.model, prepared.view)
        self._writer.post(change)

    def alone(self, key: str) -> anyio.Lock:
        """The lock that a call which creates by a key of the user's holds."""
        return self._writer.alone(key)

    def journal(self, key: str, prepared: PreparedRequest) -> LedgerJournal:
        """The journal for the create request of an entry."""
        return LedgerJournal(self._writer, key, prepared.intent_id)

    async def found(self, entry: Entry, task: Task) -> None:
        """The task of an entry whose outcome was unknown was named by its callback.

        Raises:
            LedgerError: it cannot be recorded, or the entry was decided otherwise meanwhile; carries the task id.
        """
        await LedgerJournal(self._writer, entry.key, attempt=entry.attempt).accepted(task)

    def unknown(self, entry: Entry) -> SubmissionUnknownError:
        """The error for an entry whose outcome only a person can find out."""
        if entry.step is Step.SENDING:
            why = "the run ended before the answer came"
            self._writer.post(Change(entry.key, Step.UNKNOWN, error=why, attempt=entry.attempt))
        why = entry.error or "it was cut off"
        look = "" if RECORDS_PAGE in why else f"; look it up at {RECORDS_PAGE}"
        return SubmissionUnknownError(
            f"an earlier run did not learn the outcome of this request: {why}{look}; it is not sent again before entry "
            f"{entry.key!r} of the ledger is resolved"
        )

    def not_found(self, key: str, error: Exception) -> None:
        """The server does not know the task of an entry: from now on a person can decide about it."""
        self._writer.post(Change(key, Step.CREATED, error=str(error), before=frozenset({Step.CREATED})))

    def ended(self, key: str, task: Task) -> None:
        """A task has ended. Written soon: were it lost, one query would bring it back."""
        step = Step.FAILED if task.state == TaskState.FAILED else Step.DONE
        self._writer.post(Change(key, step, task=task, error=task.fail_msg))

    def named(self, key: str, name: str) -> None:
        """A name was chosen for the pictures of a completed task, which are saved next: the next run takes the same."""
        self._writer.post(Change(key, Step.DONE, name=name, before=frozenset({Step.DONE})))

    def saved(self, key: str, pictures: Sequence[SavedPicture], name: str | None = None) -> None:
        """A task's pictures are saved."""
        kept = [SavedFile(absolute(picture.path), picture.sha256) for picture in pictures]
        self._writer.post(Change(key, Step.SAVED, files=kept, name=name))

    async def whole_files(self, entry: Entry) -> list[Place] | None:
        """The files of an entry, if all of them are there as they were saved."""
        files: list[Place] = [file.path if is_url(file.path) else Path(file.path) for file in entry.files]
        if entry.step is not Step.SAVED or not files:
            return None
        try:
            sums = await FILES.run(lambda: [sum_of(file) for file in files])
        except OSError:
            return None
        return files if sums == [file.sha256 for file in entry.files] else None

    async def flush_often(self) -> NoReturn:
        """Write what nothing waits for, until cancelled.

        Raises:
            LedgerError: it cannot be written.
        """
        while True:
            await anyio.sleep(WRITE_WITHIN)
            await self.flush()

    async def flush(self) -> None:
        """Return when everything is written.

        Raises:
            LedgerError: it cannot be.
        """
        await self._writer.flush()
