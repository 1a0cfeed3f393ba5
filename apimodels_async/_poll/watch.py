"""What is known about one task that is being watched, and when to look again. No I/O; the clock comes in as `now`."""

import logging
import math
from collections.abc import Callable

from apimodels_async._limits import RetryQuota, full_jitter
from apimodels_async._wire.tasks import lacks_links
from apimodels_async.callbacks.expected import ExpectedCallback
from apimodels_async.errors import WaitTimeoutError
from apimodels_async.models import Task, TaskState
from apimodels_async.pacing.protocol import Pacing, typical

logger = logging.getLogger("apimodels_async")

LINKS_LATE = 3
"""How many more times a completed task without links is asked."""
CALLED_EARLY = 4
"""How many more times a task is asked soon, when the vendor has called and a query yet finds it running."""
MOST_RINGS = 8
"""Callbacks of one task that cause a query: a party that has seen its URL can repeat them."""
RING_EVERY = 1.0
"""Seconds between two looks that callbacks caused."""
UNCALLED = 30.0
"""Seconds without a callback after which a task is asked about, when nothing is known about its model."""


class TaskWatch:
    """One watch over one task.

    Attributes:
        task: as last seen.
        born: when our own create was answered, if it was ours; else when the watch began.
        ours: whether it was: another one may long be done.
        due: when to look next.
        last: whether that look is the last one before the time is up.
        looked: when it was last looked at.
        looks: queries so far.
        trouble: why the last look failed, if it did.
        answered: when a look was last answered, if one was.
        accepted: when the server accepted the task, where that is known: soon after it, a 404 may pass.
        call: the vendor's call that is to come.
        ticket: for who keeps many watches in order.
        probe: whether it is one of those that find out how quick an unknown model is.
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
        "ours",
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
        # The last look begins early enough for its answer to come before the deadline.
        self._last_look = math.inf if timeout is None else now + timeout - min(1.0, timeout / 4)
        self.due: float = now
        self.last: bool = False
        self.queried: float = self.born
        self.queries: int = 0
        self.trouble: Exception | None = None
        self._failures = 0
        self._without_links = int(lacks_links(task))  # the answer that it comes from counts
        self._odd_states: set[str] = {task.state}
        self.call: ExpectedCallback | None = call
        self.ticket: int | None = None
        self.probe: bool = True
        self._wake: Callable[[], object] | None = None
        self._heard = 0
        self._called_early = 0

    @property
    def key(self) -> str:
        """What shares a latency with this task."""
        return self.task.model or ""

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to be learned by asking."""
        if lacks_links(self.task):
            return self._without_links > LINKS_LATE
        return self.task.is_terminal

    # --- callbacks

    def listen(self, wake: Callable[[], object]) -> None:
        """Have `wake` called whenever the vendor calls."""
        if self.call is not None:
            self._wake = wake
            self.call.listeners.add(wake)

    def unsubscribe(self) -> None:
        """No longer."""
        if self.call is not None and self._wake is not None:
            self.call.listeners.discard(self._wake)

    @property
    def has_callback(self) -> bool:
        """Whether the vendor has called since the last look."""
        return self.call is not None and self._heard < self.call.received <= MOST_RINGS

    def advance_on_callback(self, now: float) -> bool:
        """Look at once when the vendor has called; whether that is sooner than was planned."""
        if not self.has_callback:
            return False
        sooner = max(now, self.queried + RING_EVERY) if self._heard else now
        if sooner >= self.due:
            return False
        self.postpone(sooner)
        return True

    def defer(self, pacing: Pacing, now: float) -> bool:
        """Whether a look that is due can wait after all: more may be known by now of how long to wait for a call.

        The first tasks to end are the quick ones, so what is usual seems too short at first.
        """
        if self.call is None or not self.ours or self.queries or self.has_callback or self.last:
            return False
        called_by = self.born + self._long_enough(pacing)
        if called_by <= now + 1.0:
            return False
        self.postpone(called_by)
        return True

    # --- looking

    def begin(self, pacing: Pacing, now: float) -> None:
        """Plan the first look: by the pacing for a task of our own, at once for one that may long be done."""
        self.postpone(now + self._delay(pacing, now) if self.ours else now)
        self.advance_on_callback(now)

    def _delay(self, pacing: Pacing, now: float) -> float:
        if self.call is None or not self.ours:
            return pacing.next_delay(self.key, now - self.born)
        # The vendor will call. Should it not: after a long while, and then each time after half as much again.
        first, elapsed = self._long_enough(pacing), now - self.born
        return first - elapsed if elapsed < first else max(1.0, elapsed / 2.0)

    def _long_enough(self, pacing: Pacing) -> float:
        """Seconds since the create after which a call should have come."""
        usual = typical(pacing, self.key)
        return UNCALLED if usual is None else 3.0 * usual + 5.0

    def plan(self, pacing: Pacing, quota: RetryQuota, uniform: Callable[[float, float], float], now: float) -> None:
        """Plan the next look: by the pacing; sooner after a failure, as long as the shared quota lasts."""
        delay = self._delay(pacing, now)
        if self.trouble is not None:
            if quota.take():
                delay = min(delay, full_jitter(self._failures, uniform))
        elif self._without_links:
            delay = min(delay, 0.25 * 2.0**self._without_links)
        elif 0 < self._called_early <= CALLED_EARLY:
            delay = min(delay, 0.125 * 2.0**self._called_early)
        self.postpone(now + delay)
        self.advance_on_callback(now)

    def postpone(self, until: float) -> None:
        """Look no sooner than `until`, but for the last look, which will not wait."""
        self.last = until >= self._last_look
        self.due = min(until, self._last_look)

    def note_query(self, now: float) -> None:
        """A query is about to be sent."""
        self.queries += 1
        self.queried = now
        self._heard = 0 if self.call is None else self.call.received

    def advance(self, now: float, due: float) -> None:
        """Look sooner than was planned, unless that waits for a call, or is owed to trouble."""
        if self.call is None and self.trouble is None and due < self.due:
            self.postpone(max(now, due))

    def record_result(self, task: Task, now: float) -> None:
        """A look brought the task."""
        self.answered = now
        if not isinstance(task.state, TaskState) and task.state not in self._odd_states:
            self._odd_states.add(task.state)
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
        """A query got no answer, or none that can be used."""
        self.trouble = error
        self._failures += 1
        logger.debug(
            "task %s: look %d failed: %s",
            self.task.id,
            self.queries,
            error,
            extra={"task_id": self.task.id, "model": self.task.model, "attempt": self.queries},
        )

    def timed_out(self, now: float) -> WaitTimeoutError:
        """The error for a task that has not ended in time; its cause is the last trouble, if the last look had any."""
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
