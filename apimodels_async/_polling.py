"""How a task is watched until it has ended: patient with everything but a clear no, and never a storm."""

import logging
import math
import random
from collections.abc import Callable

import anyio

from apimodels_async._http import Http, RequestFailed
from apimodels_async._retrying import RetryQuota, full_jitter
from apimodels_async._wire import Answer, missing_links, read_task
from apimodels_async.errors import (
    APIError,
    ConnectionFailedError,
    ProtocolError,
    RateLimitError,
    ServerError,
    TaskNotFoundError,
    WaitTimeoutError,
)
from apimodels_async.models import Task, TaskState
from apimodels_async.pacing import Pacing

logger = logging.getLogger("apimodels_async")

NOT_FOUND_YET = 60.0
"""Seconds after our own create in which a 404 is taken for a replica that lags (assumed, the vendor says nothing)."""
LINKS_LATE = 3
"""How many more times a completed task without links is asked."""
_REMEMBERED = 50_000


class Gate:
    """Shared by all queries of a client: when the server says 429 to one, all of them hold back.

    Attributes:
        opens: on the loop's clock, when the next query may go.
    """

    def __init__(self, uniform: Callable[[float, float], float]) -> None:
        self._uniform = uniform
        self._refusals = 0
        self.opens = -math.inf

    def pause(self, now: float) -> float:
        """Seconds this query must hold back: until the gate opens, and a little more so that not all go at once."""
        if self.opens <= now:
            return 0.0
        return self.opens - now + self._uniform(0.0, 1.0)

    def refused(self, now: float, retry_after: float | None) -> None:
        """A query was answered 429."""
        wait = full_jitter(self._refusals + 1, self._uniform) if retry_after is None else retry_after
        self._refusals += 1
        self.opens = max(self.opens, now + wait)

    def passed(self) -> None:
        """A query was answered otherwise."""
        self._refusals = 0


class Poller:
    """Asks about the tasks of one client."""

    def __init__(
        self, http: Http, quota: RetryQuota, uniform: Callable[[float, float], float] = random.uniform
    ) -> None:
        self._http = http
        self._quota = quota
        self._uniform = uniform
        self._gate = Gate(uniform)
        self._born: dict[str, float] = {}

    def born(self, task: Task) -> None:
        """Remember when a task of our own was created, on the loop's clock."""
        if task.id is not None and not task.is_terminal:
            if len(self._born) >= _REMEMBERED:
                del self._born[next(iter(self._born))]
            self._born[task.id] = anyio.current_time()

    async def query(self, task_id: str, model: str | None = None) -> Task:
        """Ask once.

        Raises:
            APIError, ProtocolError: the answer is a refusal, or none that can be understood.
            ConnectionFailedError: there is no answer.
        """
        try:
            answer: Answer = await self._http.query("/images/generations", task_id=task_id)
        except RequestFailed as failure:
            raise ConnectionFailedError(
                f"task {task_id}: the query got no answer ({failure})", task_id=task_id
            ) from failure.__cause__
        task = read_task(answer, task_id=task_id, model=model)
        logger.debug("task %s is %s", task_id, task.state, extra={"task_id": task_id, "model": task.model})
        return task

    async def wait(self, task: Task, pacing: Pacing, timeout: float | None) -> Task:
        """Ask until `task` has ended, for `timeout` seconds at most (``None``: for ever).

        Raises:
            APIError: a refusal that no waiting mends: 400, 401, 402, 404, a redirect.
            ProtocolError: completed, but without a single link, however often asked.
            WaitTimeoutError: still running.
        """
        if task.id is None or (task.is_terminal and not _lacks_links(task)):
            return task
        watched = _Watched(task, anyio.current_time(), self._born.get(task.id))
        deadline = math.inf if timeout is None else watched.started + timeout
        # The last look begins early enough for its answer to come before the deadline.
        last_look = deadline - min(1.0, (timeout or 0.0) / 4)
        pause = 0.0 if watched.born is None else pacing.next_delay(task.model or "", watched.elapsed)
        while True:
            late = await self._hold_back(pause, last_look)
            # When looks have been failing, even the last one must be paid for out of the shared quota.
            if not late or watched.trouble is None or self._quota.take():
                with anyio.move_on_after(max(1.0, deadline - anyio.current_time())):
                    await self._look(watched)
            if watched.ended:
                self._born.pop(task.id, None)
                return self._learned(watched, pacing)
            if late:
                raise WaitTimeoutError(
                    f"task {task.id} is still {watched.task.state or 'running'} after {timeout or 0.0:g} s; it goes "
                    f"on and is not lost: wait for it again",
                    task=watched.task,
                ) from watched.trouble
            pause = self._pause(watched, pacing)

    async def _hold_back(self, pause: float, last_look: float) -> bool:
        """Sleep for `pause` and for as long as the gate is shut. Whether this went on until the last look."""
        wake = anyio.current_time() + pause
        while True:
            now = anyio.current_time()
            wake = max(wake, now + self._gate.pause(now))
            if wake >= last_look:
                await anyio.sleep(max(0.0, last_look - now))
                return True
            await anyio.sleep(wake - now)
            if self._gate.opens <= anyio.current_time():
                return False

    async def _look(self, watched: "_Watched") -> None:
        """Ask once, and put up with all that may pass."""
        task_id = watched.task.id or ""
        watched.looks += 1
        try:
            task = await self.query(task_id, watched.task.model)
        except RateLimitError as refusal:
            self._gate.refused(anyio.current_time(), refusal.retry_after)
            watched.failed(refusal)
        except TaskNotFoundError as refusal:
            if watched.born is None or anyio.current_time() - watched.born > NOT_FOUND_YET:
                raise
            watched.failed(refusal)
        except (ConnectionFailedError, ProtocolError, ServerError) as error:
            watched.failed(error)
        except APIError:
            raise
        else:
            self._gate.passed()
            self._quota.give_back()
            watched.saw(task)
        if watched.trouble is not None:
            logger.debug(
                "task %s: look %d failed: %s",
                task_id,
                watched.looks,
                watched.trouble,
                extra={"task_id": task_id, "model": watched.task.model, "attempt": watched.looks},
            )

    def _pause(self, watched: "_Watched", pacing: Pacing) -> float:
        """Seconds until the next look: by the pacing; sooner after a failure, as long as the shared quota lasts."""
        planned = pacing.next_delay(watched.task.model or "", watched.elapsed)
        if watched.without_links:
            return min(planned, 0.25 * 2.0**watched.without_links)
        if watched.trouble is not None and self._quota.take():
            return min(planned, full_jitter(watched.failures, self._uniform))
        return planned

    def _learned(self, watched: "_Watched", pacing: Pacing) -> Task:
        task = watched.task
        if task.create_time is not None and task.complete_time is not None:
            pacing.observe(task.model or "", (task.complete_time - task.create_time).total_seconds())
        if _lacks_links(task):
            raise missing_links(task)
        logger.info(
            "task %s %s after %d looks",
            task.id,
            task.state,
            watched.looks,
            extra={
                "task_id": task.id,
                "model": task.model,
                "attempt": watched.looks,
                "elapsed": watched.elapsed,
            },
        )
        return task


class _Watched:
    """One wait's knowledge of its task.

    Attributes:
        task: as last seen.
        started: when the wait began, on the loop's clock.
        born: when our own create was answered, if it was ours.
        looks: queries so far.
        failures: failed queries in a row.
        trouble: why the last query failed, if it did.
        without_links: how many times it was seen completed but without a link.
    """

    def __init__(self, task: Task, started: float, born: float | None) -> None:
        self.task = task
        self.started = started
        self.born = born
        self.looks = 0
        self.failures = 0
        self.trouble: Exception | None = None
        self.without_links = 0

    @property
    def elapsed(self) -> float:
        """Seconds since the create, or since we first heard of the task."""
        return anyio.current_time() - (self.started if self.born is None else self.born)

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to be learned by asking."""
        if _lacks_links(self.task):
            return self.without_links > LINKS_LATE
        return self.task.is_terminal

    def failed(self, error: Exception) -> None:
        """A look brought nothing."""
        self.trouble = error
        self.failures += 1

    def saw(self, task: Task) -> None:
        """A look brought the task."""
        if task.state != self.task.state and not isinstance(task.state, TaskState):
            logger.warning(
                "task %s is in the unknown state %r; it is waited for as if it were running",
                task.id,
                task.state,
                extra={"task_id": task.id, "model": task.model},
            )
        self.task = task
        self.trouble = None
        self.failures = 0
        if _lacks_links(task):
            self.without_links += 1


def _lacks_links(task: Task) -> bool:
    """Whether a task is completed and yet brings nothing."""
    return task.state == TaskState.COMPLETED and not task.result_urls
