"""What is known about one task that is being watched, and when to look again. No I/O; the clock comes in as `now`."""

import logging
import math
from collections.abc import Callable

from apimodels_async._retrying import RetryQuota, full_jitter
from apimodels_async.errors import WaitTimeoutError
from apimodels_async.models import Task, TaskState
from apimodels_async.pacing import Pacing

logger = logging.getLogger("apimodels_async")

LINKS_LATE = 3
"""How many more times a completed task without links is asked."""


class Watched:
    """One watch over one task.

    Attributes:
        task: as last seen.
        born: when our own create was answered, if it was ours; else when the watch began.
        due: when to look next.
        last: whether that look is the last one before the time is up.
        looked: when it was last looked at.
        looks: queries so far.
        trouble: why the last look failed, if it did.
    """

    __slots__ = (
        "_failures",
        "_last_look",
        "_odd_states",
        "_ours",
        "_timeout",
        "_without_links",
        "born",
        "due",
        "last",
        "looked",
        "looks",
        "task",
        "trouble",
    )

    def __init__(self, task: Task, *, now: float, born: float | None, timeout: float | None) -> None:
        self.task: Task = task
        self.born: float = now if born is None else born
        self._ours = born is not None
        self._timeout = timeout
        # The last look begins early enough for its answer to come before the deadline.
        self._last_look = math.inf if timeout is None else now + timeout - min(1.0, timeout / 4)
        self.due: float = now
        self.last: bool = False
        self.looked: float = self.born
        self.looks: int = 0
        self.trouble: Exception | None = None
        self._failures = 0
        self._without_links = int(lacks_links(task))  # the answer that it comes from counts
        self._odd_states: set[str] = {task.state}

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

    def begin(self, pacing: Pacing, now: float) -> None:
        """Plan the first look: by the pacing for a task of our own, at once for one that may long be done."""
        self.postpone(now + pacing.next_delay(self.key, now - self.born) if self._ours else now)

    def plan(self, pacing: Pacing, quota: RetryQuota, uniform: Callable[[float, float], float], now: float) -> None:
        """Plan the next look: by the pacing; sooner after a failure, as long as the shared quota lasts."""
        delay = pacing.next_delay(self.key, now - self.born)
        if self.trouble is not None:
            if quota.take():
                delay = min(delay, full_jitter(self._failures, uniform))
        elif self._without_links:
            delay = min(delay, 0.25 * 2.0**self._without_links)
        self.postpone(now + delay)

    def postpone(self, until: float) -> None:
        """Look no sooner than `until`, but for the last look, which will not wait."""
        self.last = until >= self._last_look
        self.due = min(until, self._last_look)

    def saw(self, task: Task) -> None:
        """A look brought the task."""
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

    def failed(self, error: Exception) -> None:
        """A look brought nothing."""
        self.trouble = error
        self._failures += 1
        logger.debug(
            "task %s: look %d failed: %s",
            self.task.id,
            self.looks,
            error,
            extra={"task_id": self.task.id, "model": self.task.model, "attempt": self.looks},
        )

    def timed_out(self) -> WaitTimeoutError:
        """The error for a task that has not ended in time; its cause is the last trouble, if the last look had any."""
        error = WaitTimeoutError(
            f"task {self.task.id} is still {self.task.state or 'running'} after {self._timeout or 0.0:g} s; it goes on "
            f"and is not lost: wait for it again",
            task=self.task,
        )
        error.__cause__ = self.trouble
        return error


def lacks_links(task: Task) -> bool:
    """Whether a task is completed and yet brings nothing."""
    return task.state == TaskState.COMPLETED and not task.result_urls
