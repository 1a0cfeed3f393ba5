"""The requests of a batch that have no outcome yet, and what is known of their tasks when the batch is left."""

import logging
import time
from collections.abc import Iterator
from typing import Any

from attrs import define, field

from apimodels_async.cli.batch.request_lines import Line
from apimodels_async.cli.batch.results import row
from apimodels_async.errors import NotSubmittedError, SubmissionUnknownError
from apimodels_async.models import BatchEvent, Task

__all__ = ["Unfinished"]

_AMBIGUOUS = (
    "its create request was under way when the batch was left: one of the tasks without an index may be its own"
)


class _LostCreates(logging.Handler):
    """Counts the create requests that ended after their caller had been cancelled."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.number = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.number += 1


@define
class _Request:
    """A request that was read and has no outcome yet."""

    line: Line
    task: Task | None = None
    submitted: float | None = None
    begun: bool = False

    @property
    def seconds(self) -> float | None:
        """Return the seconds since it was submitted."""
        return None if self.submitted is None else time.monotonic() - self.submitted


@define(eq=False)
class Unfinished:
    """Follows each request from the moment it is read to its outcome."""

    _requests: dict[int, _Request] = field(factory=dict[int, _Request])
    _lost: _LostCreates = field(factory=_LostCreates)

    def __bool__(self) -> bool:
        return bool(self._requests)

    def watch_log(self, *, on: bool) -> None:
        """Count, or no longer count, the create requests that ended unseen."""
        log = logging.getLogger("apimodels_async")
        (log.addHandler if on else log.removeHandler)(self._lost)

    def add(self, index: int, line: Line) -> None:
        """Record that a request was read."""
        self._requests[index] = _Request(line)

    async def hear(self, event: BatchEvent) -> None:
        """Record an event of a request."""
        request = self._requests.get(event.index)
        if request is None:
            return
        request.begun = True
        if event.kind == "submitted":
            request.task = event.task
            request.submitted = request.submitted or time.monotonic()

    def line(self, index: int) -> Line:
        """The line of a request that has no outcome yet."""
        return self._requests[index].line

    def take(self, index: int) -> tuple[Line, float | None, bool]:
        """Remove a request that has its outcome.

        Returns:
            Its line, the seconds since it was submitted, and whether this run did anything about it: what an earlier
            run has finished is returned from its ledger.
        """
        request = self._requests.pop(index)
        return request.line, request.seconds, request.begun

    @property
    def without_task(self) -> int:
        """Return the number of requests that were read and have no task."""
        return sum(request.task is None for request in self._requests.values())

    def rows(self, detached: list[Task], *, in_ledger: bool, closed: bool) -> Iterator[dict[str, Any]]:
        """The lines for requests without an outcome, and for tasks that belong to one of several requests.

        Args:
            detached: tasks that the server goes on with.
            in_ledger: whether a ledger knows how far each request is.
            closed: whether the client is closed, so that no create request can be answered any more.
        """
        known = {request.task.id for request in self._requests.values() if request.task is not None}
        late = [task for task in detached if task.id not in known]
        unanswered = {index: request for index, request in self._requests.items() if request.task is None}
        if closed and len(late) == len(unanswered) == 1:
            next(iter(unanswered.values())).task = late.pop()  # there is one request that it can belong to
        # While create requests may be answered, and where only some were, it is not known which task is whose.
        ambiguous = not closed or late or self._lost.number
        for index, request in self._requests.items():
            if request.task is not None:
                yield row(index, request.line, "detached", task=request.task, seconds=request.seconds)
            elif in_ledger:
                yield row(index, request.line, "in_ledger")
            elif ambiguous:
                yield row(index, request.line, "unknown", error=SubmissionUnknownError(_AMBIGUOUS))
            else:
                yield row(index, request.line, "not_submitted", error=NotSubmittedError("the batch was left before"))
        for task in late:
            yield row(None, None, "detached", task=task)
