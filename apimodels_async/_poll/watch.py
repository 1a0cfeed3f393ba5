"""The state of one watched task, and when to query it again. No I/O; the time is passed in as `now`."""

import logging
import math
from collections.abc import Callable

from apimodels_async._limits import RetryQuota, full_jitter
from apimodels_async._wire.tasks import lacks_links
from apimodels_async.callbacks.expected import ExpectedCallback
from apimodels_async.errors import WaitTimeoutError
from apimodels_async.instrumentation import port
from apimodels_async.instrumentation.details import RetryDetails
from apimodels_async.models import Task, TaskState
from apimodels_async.pacing.protocol import Pacing, learns, typical

logger = logging.getLogger("apimodels_async")

LINKS_LATE = 3
"""How many more times a completed task without links is queried."""
CALLED_EARLY = 4
"""How many more times a task is queried soon if a callback has arrived but a query still finds it running."""
MOST_RINGS = 8
"""Maximum callbacks of one task that cause a query: a caller that has seen the URL can repeat them."""
RING_EVERY = 1.0
"""Minimum seconds between two queries caused by callbacks."""
UNCALLED = 30.0
"""Seconds without a callback after which a task is queried if nothing is known about its model."""
WORTH_A_QUERY = 0.1
"""Expected seconds for which a task has been finished but unseen that are worth a query in any case."""
REPLANNED = 0.02
"""Minimum seconds by which a query is postponed: a rounding error is not worth it."""


class TaskWatch:
    """The watch over one task.

    Attributes:
        task: as last seen.
        born: when our own create request was answered; for a task of another client, when the watch started.
        ours: whether this client created the task. A task of another client may have ended long ago.
        due: when to query next.
        planned: when the pacing would do so.
        last: whether that query is the last one before the timeout.
        queried: when it was last queried.
        queries: number of queries so far.
        trouble: the error of the last query, if it failed.
        answered: when a query was last answered, if one was.
        accepted: when the server accepted the task, if known: soon after that, a 404 may be temporary.
        call: the expected callback.
        ticket: used by a scheduler to order its watches.
        probe: whether it keeps its plan: it finds out how quick an unknown model is, or is the only one.
        operation: the observed one that the watch belongs to, if there is one.
    """

    __slots__ = (
        "_called_early",
        "_failures",
        "_heard",
        "_last_look",
        "_odd_states",
        "_timeout",
        "_wake",
        "_without_links",
        "accepted",
        "answered",
        "born",
        "call",
        "due",
        "last",
        "operation",
        "ours",
        "planned",
        "probe",
        "queried",
        "queries",
        "task",
        "ticket",
        "trouble",
    )

    def __init__(
        self,
        task: Task,
        *,
        now: float,
        born: float | None,
        timeout: float | None,
        call: ExpectedCallback | None = None,
        age: float | None = None,
    ) -> None:
        self.accepted: float | None = born if age is None or born is not None else now - max(0.0, age)
        self.answered: float | None = None
        self.task: Task = task
        self.born: float = now if born is None else born
        self.ours: bool = born is not None
        self._timeout = timeout
        # The last query starts early enough for its response to arrive before the deadline.
        self._last_look = math.inf if timeout is None else now + timeout - min(1.0, timeout / 4)
        self.due: float = now
        self.planned: float = now
        self.last: bool = False
        self.queried: float = self.born
        self.queries: int = 0
        self.trouble: Exception | None = None
        self._failures = 0
        self._without_links = int(lacks_links(task))  # the response it comes from counts
        self._odd_states: tuple[str, ...] = (task.state,)
        self.call: ExpectedCallback | None = call
        self.ticket: int | None = None
        self.probe: bool = True
        self._wake: Callable[[], object] | None = None
        self._heard = 0
        self._called_early = 0
        self.operation: port.Operation | None = port.current()

    @property
    def key(self) -> str:
        """What shares a latency with this task."""
        return self.task.model or ""

    @property
    def ended(self) -> bool:
        """Whether further queries cannot change anything."""
        if lacks_links(self.task):
            return self._without_links > LINKS_LATE
        return self.task.is_terminal

    @property
    def plain(self) -> bool:
        """Whether only the pacing says when to query: no callback, failure or missing link does."""
        return self.ours and self.call is None and self.trouble is None and not self._without_links

    # --- callbacks

    def listen(self, wake: Callable[[], object]) -> None:
        """Call `wake` for each callback."""
        if self.call is not None:
            self._wake = wake
            self.call.listeners.add(wake)

    def unsubscribe(self) -> None:
        """Stop listening for callbacks."""
        if self.call is not None and self._wake is not None:
            self.call.listeners.discard(self._wake)

    @property
    def has_callback(self) -> bool:
        """Whether a callback has arrived since the last query."""
        return self.call is not None and self._heard < self.call.received <= MOST_RINGS

    def advance_on_callback(self, now: float) -> bool:
        """Move the next query forward if a callback has arrived; return whether it was moved."""
        if not self.has_callback:
            return False
        sooner = max(now, self.queried + RING_EVERY) if self._heard else now
        if sooner >= self.due:
            return False
        self.postpone(sooner)
        return True

    def defer(self, pacing: Pacing, now: float) -> bool:
        """Postpone a due query that, by what the pacing has learned meanwhile, is too early; return whether it did.

        What is known of a model when a query is planned may be little. The first tasks to end are the quick ones, so
        the time in which a callback arrives is underestimated at first; and of many tasks that start together, the
        first ones show how long it is in vain to ask about the others.
        """
        if not self.ours or self.has_callback or self.last:
            return False
        if self.call is None:
            later, least = self._worth_it(pacing, now), REPLANNED
        else:
            later, least = None if self.queries else self.born + self._long_enough(pacing), 1.0
        if later is None or later <= now + least:
            return False
        self.postpone(later)
        return True

    def _worth_it(self, pacing: Pacing, now: float) -> float | None:
        """Return when to query by what is known now; ``None`` if now, or where something else has set the time."""
        if self.probe or not self.plain or not learns(pacing):
            return None
        looked_at = self.queried - self.born
        later = self.born + pacing.revised(self.key, looked_at)
        return None if pacing.urgency(self.key, looked_at, now - self.born) > WORTH_A_QUERY else later

    # --- queries

    def begin(self, pacing: Pacing, now: float) -> None:
        """Plan the first query: by the pacing for a task of our own, at once for one that may have ended long ago."""
        self.planned = now + self._delay(pacing, now) if self.ours else now
        self.postpone(self.planned)
        self.advance_on_callback(now)

    def _delay(self, pacing: Pacing, now: float) -> float:
        if self.call is None or not self.ours:
            return pacing.next_delay(self.key, now - self.born)
        # A callback is expected. Without one, query after a long while, and then at 1.5 times the age each time.
        first, elapsed = self._long_enough(pacing), now - self.born
        return first - elapsed if elapsed < first else max(1.0, elapsed / 2.0)

    def _long_enough(self, pacing: Pacing) -> float:
        """Return the seconds since the create request after which a callback should have arrived."""
        usual = typical(pacing, self.key)
        return UNCALLED if usual is None else 3.0 * usual + 5.0

    def plan(self, pacing: Pacing, quota: RetryQuota, uniform: Callable[[float, float], float], now: float) -> None:
        """Plan the next query: by the pacing, or sooner after a failure, as long as the shared quota lasts."""
        delay = self._delay(pacing, now)
        self.planned = now + delay
        if self.trouble is not None:
            if quota.take():
                delay = min(delay, full_jitter(self._failures, uniform))
            if port.active is not None:
                again = RetryDetails("query", self._failures, delay, self.trouble, self.task.model, self.task.id)
                port.note(again, self.operation)
        elif self._without_links:
            delay = min(delay, 0.25 * 2.0**self._without_links)
        elif 0 < self._called_early <= CALLED_EARLY:
            delay = min(delay, 0.125 * 2.0**self._called_early)
        self.postpone(now + delay)
        self.advance_on_callback(now)

    def postpone(self, until: float) -> None:
        """Set the next query to `until`, or to the time of the last query if that is earlier."""
        self.last = until >= self._last_look
        self.due = min(until, self._last_look)

    def is_last(self, now: float) -> bool:
        """Whether a query that is sent now is the last one before the timeout."""
        self.last = self.last or now >= self._last_look
        return self.last

    def note_query(self, now: float) -> None:
        """Record that a query is about to be sent."""
        self.queries += 1
        self.queried = now
        self._heard = 0 if self.call is None else self.call.received

    def advance(self, now: float, due: float) -> None:
        """Move the next query forward, unless the watch waits for a callback or backs off after a failure."""
        if self.call is None and self.trouble is None and due < self.due:
            self.postpone(max(now, due))

    def record_result(self, task: Task, now: float) -> None:
        """Record the task that a query returned."""
        self.answered = now
        if not isinstance(task.state, TaskState) and task.state not in self._odd_states:
            self._odd_states += (task.state,)
            logger.warning(
                "task %s is in the unknown state %r; it is waited for as if it were running",
                task.id,
                task.state,
                extra={"task_id": task.id, "model": task.model},
            )
        self.task = task
        self.trouble = None
        self._failures = 0
        if lacks_links(task):
            self._without_links += 1
        elif self._heard:
            self._called_early += 1

    def note_failure(self, error: Exception) -> None:
        """Record that a query got no response, or an unusable one."""
        self.trouble = error
        self._failures += 1
        logger.debug(
            "task %s: look %d failed: %s",
            self.task.id,
            self.queries,
            error,
            extra={"task_id": self.task.id, "model": self.task.model, "attempt": self.queries},
        )

    def report_end(self, now: float) -> None:
        """Tell instruments how the wait went, because the task has ended."""
        if self.operation is not None:
            lag, made = None, self.task.complete_time
            if self.ours and made is not None and self.task.create_time is not None:
                lag = max(0.0, now - self.born - (made - self.task.create_time).total_seconds())
            called_back = self.call is not None and self.call.received > 0
            self.operation.update(queries=self.queries, lag=lag, called_back=called_back)

    def timed_out(self, now: float) -> WaitTimeoutError:
        """Return the error for a task that has not ended in time. Its cause is the error of the last query, if any."""
        within = f"{self._timeout or 0.0:g} s"
        if self.trouble is None:
            seen = f"is still {self.task.state or 'running'} after {within}; it goes on and is not lost"
        elif self.answered is None:
            number = "the only query" if self.queries == 1 else f"none of {self.queries} queries"
            failed = "failed" if self.queries == 1 else "was answered, and the last one failed"
            seen = f"is in an unknown state: within {within} {number} {failed} ({self.trouble}); it is not lost"
        else:
            seen = (
                f"was {self.task.state or 'running'} when it was last seen, {now - self.answered:.0f} s before the end "
                f"of the {within}; the last query failed ({self.trouble}); it is not lost"
            )
        error = WaitTimeoutError(f"task {self.task.id} {seen}: wait for it again", task=self.task)
        error.__cause__ = self.trouble
        return error
