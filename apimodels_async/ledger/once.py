"""A single create request with a ledger: sent at most once for each key, however often it is called."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

from apimodels_async._create.journal import Journal
from apimodels_async._create.prepare import PreparedRequest
from apimodels_async.errors import NotSubmittedError
from apimodels_async.ledger.entries import Entry, Plan, Step, plan
from apimodels_async.ledger.run import LedgerRun
from apimodels_async.models import Task


class Send(Protocol):
    """Sends a prepared create request."""

    def __call__(
        self, prepared: PreparedRequest, keep: Callable[[Task], object] | None, journal: Journal | None
    ) -> Awaitable[Task]:
        """Send it."""
        ...


Recover: TypeAlias = Callable[[str | None, str, float], Awaitable[Task | None]]
"""Finds the task of a create request that lost its answer, by intent id, model and time, if it can."""


async def create_once(
    records: LedgerRun, prepared: PreparedRequest, key: str | None, send: Send, recover: Recover
) -> tuple[Task, Entry | None]:
    """The task of the request with this key, new or of an earlier call; and its entry, if an earlier call recorded it.

    The caller of a create request may be cancelled while the request goes on. A second call with its key then waits
    for that request, and returns its task.

    Raises:
        ValueError: the key was used for another request.
        SubmissionUnknownError: the outcome of an earlier call is not known.
        NotSubmittedError: the entry was abandoned.
        LedgerError: the ledger cannot be used.
    """
    named = uuid.uuid4().hex if key is None else key
    async with records.alone(named):
        entry = await records.find(named)
        if entry is not None and entry.digest != prepared.digest:
            raise ValueError(f"key={key!r} was used for another request: give each request a key of its own")
        if entry is None or plan(entry.step) is Plan.SUBMIT:
            records.begin(named, prepared)
            return await send(prepared, None, records.journal(named, prepared)), None
        if plan(entry.step) is Plan.REPORT_UNKNOWN:
            task = await recover(entry.intent_id, entry.model, entry.changed)
            if task is None:
                raise records.unknown(entry)
            await records.found(entry, task)
            return task, entry
        if entry.step is Step.ABANDONED or entry.task is None:
            raise NotSubmittedError(f"entry {named!r} was abandoned")
        return entry.task, entry
