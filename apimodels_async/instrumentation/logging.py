"""Log records for machines: every record has an ``event`` with a stable name, and what is known as fields.

They come from the logger ``apimodels_async.events``. The logger ``apimodels_async`` itself speaks to people.
"""

import logging
from typing import Any

from apimodels_async._text import printable
from apimodels_async.instrumentation.details import (
    Details,
    DownloadDetails,
    LedgerWriteDetails,
    PollDetails,
    RequestDetails,
    RetryDetails,
    TaskDetails,
)
from apimodels_async.instrumentation.port import Instrument, add_instrument, get_instruments, remove_instrument

__all__ = ["LoggingInstrument", "instrument", "uninstrument"]


class LoggingInstrument(Instrument):
    """Logs what has happened: tasks, downloads and retries at INFO, requests, polls and ledger writes at DEBUG.

    The field ``event`` is ``task.submitted``, ``task.state``, ``task.completed``, ``task.failed``, ``task.downloaded``,
    ``request``, ``poll``, ``download``, ``retry`` or ``ledger.write``. The other fields are those of the details that
    are known: ``task_id``, ``model``, ``state``, ``seconds``, … Nothing of a prompt is in them; of an error there is
    only its type, because its message may quote one.

    Args:
        logger: where to; by default ``apimodels_async.events``.
    """

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logging.getLogger("apimodels_async.events") if logger is None else logger

    def note(self, details: Details, within: Any) -> None:
        """Log a change of a task, a retry, or a change that was posted to a ledger."""
        self._log(details)

    def end(self, details: Details, begun: Any) -> None:
        """Log an operation that has ended; a task has said so before."""
        if not isinstance(details, TaskDetails):
            self._log(details)

    def _log(self, details: Details) -> None:
        quiet = isinstance(details, RequestDetails | PollDetails | LedgerWriteDetails)
        level = logging.DEBUG if quiet else logging.INFO
        if self._logger.isEnabledFor(level):
            event, fields = _event_of(details), _fields_of(details)
            words = " ".join(f"{name}={value}" for name, value in fields.items())
            self._logger.log(level, "%s %s", event, words, extra={"event": event, **fields})


def instrument(logger: logging.Logger | None = None) -> LoggingInstrument:
    """Log what all clients of this process do, and return the instrument.

    Args:
        logger: where to; by default ``apimodels_async.events``.
    """
    made = LoggingInstrument(logger)
    add_instrument(made)
    return made


def uninstrument() -> None:
    """Undo every `instrument`."""
    for each in get_instruments():
        if isinstance(each, LoggingInstrument):
            remove_instrument(each)


def _event_of(details: Details) -> str:
    match details:
        case TaskDetails():
            return f"task.{details.change}"
        case RequestDetails():
            return "request"
        case PollDetails():
            return "poll"
        case DownloadDetails():
            return "download"
        case RetryDetails():
            return "retry"
        case LedgerWriteDetails():
            return "ledger.write"


def _fields_of(details: Details) -> dict[str, Any]:
    """What is known, as fields. Text is without what a terminal or a log file would obey: much of it is a server's."""
    known = {name: value for name, value in details._asdict().items() if value is not None}
    if isinstance(details, TaskDetails):
        for name in ("request", "change", "task"):
            known.pop(name, None)
        task = details.task
        if task is not None:
            known |= {"task_id": task.id, "state": str(task.state), "model": details.model or task.model}
        if details.change == "completed" and details.cost is not None:
            known["cost"] = details.cost
    error = known.get("error")
    if isinstance(error, BaseException):
        known["error"] = type(error).__name__
    return {name: printable(value) if isinstance(value, str) else value for name, value in known.items()}
