"""What is left to do for a request that an earlier run began: decided from its ledger entry. Pure."""

from typing import NamedTuple, TypeAlias

from apimodels_async._wire import tasks
from apimodels_async.errors import NotSubmittedError
from apimodels_async.ledger.entries import Entry, Plan, Step, plan
from apimodels_async.models import Task, TaskState

_TRANSIENT = frozenset({"UPSTREAM_BUSY", "TIMEOUT"})
"""Fail codes that speak of a passing fault (from the vendor's public clients)."""


class Submit(NamedTuple):
    """Send it; `retries` counts the earlier tasks that failed."""

    retries: int = 0


class Watch(NamedTuple):
    """The server has it: only ask."""

    task: Task


class Recover(NamedTuple):
    """It is not known whether the server accepted it, but its callback may name its task."""


class ReportUnknown(NamedTuple):
    """It is not known whether the server accepted it, and only a person can find out."""


class Report(NamedTuple):
    """It has ended, without a picture."""

    error: Exception


class Return(NamedTuple):
    """It has completed: return its files, and download again what is missing."""

    task: Task


Action: TypeAlias = Submit | Watch | Recover | ReportUnknown | Report | Return


def resume(entry: Entry | None, *, index: int, retry_failed: bool) -> Action:
    """What to do about a request.

    Args:
        entry: its entry in the ledger, if it is further than an intent.
        index: the request's position in the input, for error messages.
        retry_failed: whether a task that failed may be submitted again.
    """
    if entry is None:
        return Submit()
    match plan(entry.step):
        case Plan.SUBMIT:
            return Submit()
        case Plan.WATCH if entry.task is not None:
            return Watch(entry.task)
        case Plan.REPORT_UNKNOWN if entry.intent_id is not None:
            return Recover()
        case Plan.REPORT_UNKNOWN:
            return ReportUnknown()
        case _:
            return _ended(entry, entry.task, index=index, retry_failed=retry_failed)


def _ended(entry: Entry, task: Task | None, *, index: int, retry_failed: bool) -> Action:
    if entry.step is Step.ABANDONED or task is None:
        return Report(not_submitted(index, "it was abandoned", None))
    if task.state != TaskState.FAILED:
        return Return(task)
    if retry_failed and may_succeed_again(task):
        return Submit(retries=1)
    return Report(tasks.failure(task))


def may_succeed_again(task: Task) -> bool:
    """Whether a failed task is worth another try: as the vendor says; else by a code known to be transient."""
    return task.fail_code in _TRANSIENT if task.retryable is None else task.retryable


def not_submitted(index: int, why: str, cause: Exception | None) -> NotSubmittedError:
    """The error of a request that is not sent."""
    error = NotSubmittedError(f"request {index} was not sent: {why}")
    error.__cause__ = cause
    return error
