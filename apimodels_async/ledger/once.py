"""A single create request with a ledger: sent at most once for each key, however often it is called."""

import time
import uuid

from apimodels_async._create.engine import Engine
from apimodels_async._create.prepare import PreparedRequest
from apimodels_async.errors import NotSubmittedError
from apimodels_async.ledger.entries import Plan, Step, plan
from apimodels_async.ledger.run import LedgerRun
from apimodels_async.models import Task


async def create_once(records: LedgerRun, prepared: PreparedRequest, key: str | None, engine: Engine) -> Task:
    """The task of the request with this key: an earlier call's, or a new one.

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
        entry = None if entry is None else await records.settled(entry)
        if entry is not None and entry.digest != prepared.digest:
            raise ValueError(f"key={key!r} was used for another request: give each request a key of its own")
        if entry is None or plan(entry.step) is Plan.SUBMIT:
            records.begin(named, prepared)
            return await engine.send(prepared, None, records.journal(named, prepared))
        if plan(entry.step) is Plan.REPORT_UNKNOWN:
            task = await engine.recover(entry.intent_id, entry.model, entry.changed)
            if task is None:
                raise records.unknown(entry)
            await records.found(entry, task)
            return task
        if entry.step is Step.ABANDONED or entry.task is None:
            raise NotSubmittedError(f"entry {named!r} was abandoned")
        # The server may not know a new task yet.
        engine.poller.note_created(entry.task, age=time.time() - entry.changed)
        return entry.task
