"""Polling of tasks until they have ended: temporary faults are retried, and the query rate is bounded."""

import logging
import math
import random
from collections.abc import Callable

import anyio

from apimodels_async._clock import LoopClock
from apimodels_async._http.trace import RequestFailed, describe
from apimodels_async._http.transport import Http
from apimodels_async._limits import Rate, RetryQuota
from apimodels_async._poll.gate import QueryGate
from apimodels_async._poll.ids import id_fault
from apimodels_async._poll.odd_states import OddStates
from apimodels_async._poll.watch import TaskWatch
from apimodels_async._wire.tasks import is_over, lacks_links, missing_links, read_task
from apimodels_async.callbacks.expected import ExpectedCallback, ExpectedCallbacks
from apimodels_async.errors import (
    APIError,
    ConfigurationError,
    ConnectionFailedError,
    ProtocolError,
    RateLimitError,
    ServerError,
    TaskNotFoundError,
)
from apimodels_async.instrumentation import port
from apimodels_async.instrumentation.details import PollDetails
from apimodels_async.models import Task
from apimodels_async.pacing.protocol import Pacing

logger = logging.getLogger("apimodels_async")

NOT_FOUND_YET = 60.0
"""Seconds after our own create request in which a 404 is blamed on a lagging replica (assumed; not documented)."""
_SECOND_LOOK = 5.0
"""Seconds for the repeated query after the event loop was blocked."""
_BLOCKED = 0.5
"""Seconds. If a timeout ends later than this, the event loop was blocked."""
_REMEMBERED = 50_000


def _notify(listener: Callable[[Task], object], task: Task) -> None:
    try:
        listener(task)
    except KeyboardInterrupt:
        raise
    except BaseException:  # SystemExit too: a listener must not lose a task that is paid for
        logger.exception("on_change failed at task %s", task.id, extra={"task_id": task.id, "model": task.model})


def _poll_details(_: "Poller", task_id: str, model: str | None = None) -> PollDetails:
    return PollDetails(task_id, model)


def _polled(task: Task, *_: object, **__: object) -> dict[str, str]:
    return {"state": str(task.state)}


async def pass_through(rate: Rate, clock: LoopClock) -> None:
    """Wait until a rate limit allows one more, and take that slot."""
    while pause := rate.pause(clock.now()):  # noqa: ASYNC110  (only time passes, there is no event)
        await anyio.sleep(pause)
    rate.take(clock.now())


class Poller:
    """Queries the tasks of one client.

    Attributes:
        gate: holds back all queries after a 429, and while the server cannot be reached.
        rate: limits the queries a second.
        held: functions of what waits at the gate, called when it changes.
    """

    def __init__(
        self,
        http: Http,
        quota: RetryQuota,
        calls: ExpectedCallbacks | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
        *,
        clock: LoopClock | None = None,
    ) -> None:
        self._http = http
        self._clock = clock or LoopClock()
        self._calls = calls
        self._quota = quota
        self._uniform = uniform
        self.gate: QueryGate = QueryGate(uniform)
        self.held: set[Callable[[], object]] = set()
        self.rate: Rate = Rate()
        self._created: dict[str, float] = {}
        self._odd = OddStates()

    @property
    def at_once(self) -> int:
        """The maximum number of concurrent queries."""
        return self._http.queries_at_once

    def note_created(self, task: Task, *, age: float = 0.0) -> None:
        """Remember when a task of our own was created, `age` seconds ago, on the loop's clock."""
        self._odd.note(task)
        if task.id is not None and not is_over(task):
            if len(self._created) >= _REMEMBERED:
                del self._created[next(iter(self._created))]
            self._created[task.id] = self._clock.now() - age

    def watch(self, task: Task, timeout: float | None, *, age: float | None = None) -> TaskWatch:
        """Start to watch a task.

        Args:
            task: as it is known.
            timeout: maximum seconds; ``None`` for no limit.
            age: seconds since an earlier run recorded that the server accepted the task, if one did: a 404 soon after
                that may be temporary.
        """
        call = None if self._calls is None else self._calls.of(task.id)
        created = self._created.get(task.id or "")
        return TaskWatch(task, now=self._clock.now(), born=created, timeout=timeout, call=call, age=age)

    def settle(self, call: ExpectedCallback, task: Task | None) -> None:
        """Assign the callback of a finished create request to its task, or unsubscribe if no callback is needed."""
        if self._calls is not None:
            self._calls.settle(call, task)

    @port.observes(_poll_details, _polled)
    async def query(self, task_id: str, model: str | None = None) -> Task:
        """Query a task once.

        Raises:
            APIError, ProtocolError: the response is a refusal or cannot be parsed, or the id cannot be sent.
            ConnectionFailedError: there is no response.
        """
        if (fault := id_fault(task_id)) is not None:
            raise ProtocolError(f"the task id {task_id[:40]!r}… {fault}: it cannot be asked about", task_id=task_id)
        sent = self._clock.now()
        try:
            answer = await self._http.query("/images/generations", task_id=task_id)
        except ConfigurationError as error:  # the client was closed meanwhile
            error.task_id = task_id
            raise
        except RequestFailed as failure:
            self._failed(failure, sent)
            raise ConnectionFailedError(
                f"task {task_id}: the query got no answer ({failure})",
                task_id=task_id,
                certificate=failure.certificate,
            ) from failure.__cause__
        except Exception as odd:  # of a caller's transport, or of a broken environment
            raise ConnectionFailedError(
                f"task {task_id}: the query could not be sent ({describe(odd)})", task_id=task_id
            ) from odd
        except BaseException:
            self.gate.abandoned(self._clock.now())
            self._gate_changed()
            raise
        self.note_reached()
        task = read_task(answer, task_id=task_id, model=model)
        self._odd.note(task)
        logger.debug("task %s is %s", task_id, task.state, extra={"task_id": task_id, "model": task.model})
        return task

    def _failed(self, failure: RequestFailed, sent: float) -> None:
        """Note in the gate that a query got no answer."""
        was_closed = self.gate.closed_since is not None
        self.gate.failed(self._clock.now(), sent, connected=not failure.unreachable)
        if not was_closed and self.gate.closed_since is not None:
            logger.warning("the server cannot be reached (%s): queries hold back", failure)
        self._gate_changed()

    def note_reached(self) -> None:
        """Note in the gate that the server can be reached."""
        since = self.gate.closed_since
        self.gate.reached()
        if since is not None:
            logger.info("the server can be reached again, after %.1f s", self._clock.now() - since)
            self._gate_changed()

    def _gate_changed(self) -> None:
        for wake in list(self.held):
            wake()

    async def wait(
        self, task: Task, pacing: Pacing, timeout: float | None, on_change: Callable[[Task], object] | None = None
    ) -> Task:
        """Query until `task` has ended, for at most `timeout` seconds (``None`` for no limit).

        `on_change` is called with the task whenever its state changes; its errors are logged.

        Raises:
            APIError: a refusal that waiting does not change: 400, 401, 402, 404, a redirect.
            ProtocolError: completed, but repeated queries returned no link.
            WaitTimeoutError: still running.
        """
        if task.id is None or is_over(task):
            return task
        watched = self.watch(task, timeout)
        try:
            return await self._wait(watched, pacing, timeout, on_change)
        finally:
            watched.unsubscribe()

    async def _wait(
        self, watched: TaskWatch, pacing: Pacing, timeout: float | None, on_change: Callable[[Task], object] | None
    ) -> Task:
        seen = watched.task.state
        deadline = math.inf if timeout is None else self._clock.now() + timeout
        watched.begin(pacing, self._clock.now())
        while True:
            await self._sleep_until_due(watched)
            if watched.defer(pacing, self._clock.now()):
                continue
            await pass_through(self.rate, self._clock)
            if not self.may_poll(watched, self._clock.now()):
                continue
            await self._poll_within(watched, max(1.0, deadline - self._clock.now()))
            if watched.task.state != seen:
                seen = watched.task.state
                if not watched.ended and watched.operation is not None:
                    watched.operation.note(change="state", task=watched.task)
                if on_change is not None:
                    _notify(on_change, watched.task)
            if watched.ended:
                return self.learn(watched, pacing)
            if watched.last or self._clock.now() >= deadline:  # or the look itself used up the time
                raise watched.timed_out(self._clock.now())
            self.plan(watched, pacing)

    async def _poll_within(self, watched: TaskWatch, seconds: float) -> None:
        """Query once, for at most `seconds`.

        If it takes longer nevertheless, the process was stopped or its event loop was blocked. The response may have
        arrived meanwhile, so the query is repeated once instead of giving up.
        """
        began = self._clock.now()
        with anyio.move_on_after(seconds):
            await self.poll(watched)
        unanswered = watched.answered is None or watched.answered < began
        if unanswered and self._clock.now() > began + seconds + _BLOCKED:
            with anyio.move_on_after(max(_SECOND_LOOK, seconds)):
                await self.poll(watched)

    async def _sleep_until_due(self, watched: TaskWatch) -> None:
        """Sleep until the query is due and the gate is open; the last query does not wait for the gate."""
        due, last = watched.due, watched.last
        while True:
            now = self._clock.now()
            if watched.advance_on_callback(now):
                due, last = watched.due, watched.last
            if not last:
                watched.postpone(max(due, now + self.gate.pause(now)))
            if watched.due <= now:
                return
            woken = anyio.Event()
            wake = woken.set
            watched.unsubscribe()
            watched.listen(wake)
            self.held.add(wake)
            try:
                await self._http.pause(woken.wait, watched.due - now)
            except ConfigurationError as error:  # the client was closed meanwhile
                error.task_id = watched.task.id
                raise
            finally:
                self.held.discard(wake)

    def may_poll(self, watched: TaskWatch, now: float) -> bool:
        """Whether a query that is due may be sent now, which is noted in the gate; the last one may always."""
        if not watched.is_last(now) and self.gate.pause(now) > 0.0:
            return False
        self.gate.enter(now)
        return True

    async def poll(self, watched: TaskWatch) -> None:
        """Query once. A temporary fault is recorded, not raised.

        If queries have been failing, the last one is skipped when the shared retry quota is used up.

        Raises:
            APIError: a refusal that waiting does not change.
            ProtocolError: the task's id cannot be sent.
            ConnectionFailedError: the server's certificate was not accepted, which waiting does not change either.
        """
        if id_fault(watched.task.id or "") is not None:
            await self.query(watched.task.id or "")
        if watched.last and watched.trouble is not None and not self._quota.take():
            return
        watched.note_query(self._clock.now())
        try:
            with port.within(watched.operation):
                task = await self.query(watched.task.id or "", watched.task.model)
        except (APIError, ConnectionFailedError, ProtocolError) as error:
            if self._ends_a_wait(watched, error):
                raise
            if isinstance(error, RateLimitError):
                self.gate.refused(self._clock.now(), error.retry_after, sent=watched.queried)
            watched.note_failure(error)
        else:
            self.gate.passed()
            self._quota.give_back()
            watched.record_result(task, self._clock.now())

    def _ends_a_wait(self, watched: TaskWatch, error: APIError | ConnectionFailedError | ProtocolError) -> bool:
        """Whether a failed query is permanent. The error page of a proxy may be temporary."""
        match error:
            case RateLimitError() | ServerError() | ProtocolError():
                return False
            case ConnectionFailedError():
                return error.certificate
            case TaskNotFoundError() if error.from_api:
                accepted = self._created.get(watched.task.id or "", watched.accepted)
                return accepted is None or self._clock.now() - accepted > NOT_FOUND_YET
            case APIError():  # a redirect: base_url is wrong
                return error.from_api or error.status // 100 == 3

    def plan(self, watched: TaskWatch, pacing: Pacing) -> None:
        """Plan the next query."""
        watched.plan(pacing, self._quota, self._uniform, self._clock.now())

    def learn(self, watched: TaskWatch, pacing: Pacing) -> Task:
        """Let the pacing learn how long an ended task took, and return the task.

        Raises:
            ProtocolError: completed, but without a single link.
        """
        task = watched.task
        self._created.pop(task.id or "", None)
        if self._calls is not None:
            self._calls.close(task.id)
        watched.report_end(self._clock.now())
        if task.create_time is not None and task.complete_time is not None:
            pacing.observe(task.model or "", max(0.0, (task.complete_time - task.create_time).total_seconds()))
        if lacks_links(task):
            raise missing_links(task)
        logger.info(
            "task %s %s after %d looks",
            task.id,
            task.state,
            watched.queries,
            extra={
                "task_id": task.id,
                "model": task.model,
                "attempt": watched.queries,
                "elapsed": self._clock.now() - watched.born,
            },
        )
        return task
