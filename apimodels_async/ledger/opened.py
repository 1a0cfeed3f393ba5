"""The ledgers that one client has open."""

import os
import threading
from functools import partial

import anyio

from apimodels_async._create.background import BackgroundJobs
from apimodels_async._threads import WorkerThreads
from apimodels_async.errors import LedgerError, TaskNotFoundError
from apimodels_async.ledger.opening import database_url, open_ledger
from apimodels_async.ledger.port import Ledger
from apimodels_async.ledger.recorder import LedgerWriter
from apimodels_async.ledger.run import LedgerRun
from apimodels_async.models import Task

_OPENING = WorkerThreads("ledgers", 4)
_TASKS = 1000
"""The tasks of single create requests of which it is known to which entry they belong."""


class OpenLedgers:
    """Opens the ledgers that are given as paths or URLs, once each, and closes them with the client.

    A ledger that is given as an object belongs to the caller and stays open.

    A ledger is opened in a job of the client's own, not in the caller's task. ``asyncio.Task.cancel`` goes through a
    shielded scope, and would leave a ledger behind that is open, locked and owned by no one: the next call would find
    it in use by its own process.

    Args:
        jobs: the client's.
    """

    def __init__(self, jobs: BackgroundJobs) -> None:
        self._jobs = jobs
        self._turn = anyio.Lock()
        self._guard = threading.Lock()
        self._closed = False
        self._opened: dict[str, Ledger] = {}
        self._writers: dict[int, LedgerWriter] = {}
        self._entries: dict[str, tuple[LedgerRun, str]] = {}

    async def records(self, ledger: Ledger | str | os.PathLike[str], *, identity: str, match: bool) -> LedgerRun:
        """A run's records in `ledger`.

        Args:
            ledger: a ledger, or the path or URL of one.
            identity: the server to which the client sends, as `server_identity` names it.
            match: whether the steps of earlier runs are read for it.

        Raises:
            ConfigurationError: it is a URL that cannot be used, or what it needs is not installed.
            LedgerError: it cannot be used, or belongs to another server.
        """
        self._jobs.bind()
        job = self._jobs.start(partial(self._records, ledger, identity, match=match))
        await job.ended.wait()
        if job.error is not None:
            raise job.error
        if job.result is None:
            raise LedgerError("the client was closed while the ledger was being opened; nothing was sent")
        return job.result

    async def _records(self, ledger: Ledger | str | os.PathLike[str], identity: str, *, match: bool) -> LedgerRun:
        async with self._turn:
            if isinstance(ledger, str | os.PathLike):
                ledger = await _OPENING.run(partial(self._open, ledger))
            await _OPENING.run(partial(ledger.bind, identity))
            if id(ledger) not in self._writers:
                self._writers[id(ledger)] = LedgerWriter(ledger)
            steps = await _OPENING.run(ledger.steps) if match else {}
            return LedgerRun(self._writers[id(ledger)], steps)

    def _open(self, given: str | os.PathLike[str]) -> Ledger:
        """In a thread: the ledger at a path or a URL. Noted here: a thread cannot be cancelled, and its caller can."""
        name = database_url(given) or os.path.realpath(given)
        if name not in self._opened:
            opened = open_ledger(name)
            with self._guard:
                if self._closed:
                    opened.close()
                self._opened[name] = opened
        return self._opened[name]

    def note_entry(self, task: Task, records: LedgerRun, key: str) -> None:
        """Note to which entry the task of a single create request belongs."""
        if task.id is None:
            return
        if len(self._entries) >= _TASKS:
            del self._entries[next(iter(self._entries))]
        self._entries[task.id] = records, key

    def note_not_found(self, task_id: str, error: TaskNotFoundError) -> None:
        """Record that the server does not know a task, so that a person can decide about its entry."""
        if task_id in self._entries:
            records, key = self._entries[task_id]
            records.not_found(key, error)

    async def aclose(self) -> None:
        """Write what is left to be written, and close what was opened here."""
        with self._guard:
            self._closed = True
        errors: list[LedgerError] = []
        for writer in self._writers.values():
            try:
                await writer.aclose()
            except LedgerError as error:
                errors.append(error)
        for opened in self._opened.values():
            await _OPENING.run(opened.close)
        if errors:
            raise errors[0]
