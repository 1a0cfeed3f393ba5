"""How a create is sent: at most once, as far as anybody can prove, and with its task id never lost."""

import logging
import random
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NoReturn

import anyio

from apimodels_async._create.background import BackgroundJobs
from apimodels_async._create.journal import Journal, NoJournal
from apimodels_async._create.recovery import recover_by_callback
from apimodels_async._create.verdict import Verdict, judge_refusal
from apimodels_async._http.trace import RequestFailed, SendTrace
from apimodels_async._http.transport import Http
from apimodels_async._limits import RetryQuota, full_jitter
from apimodels_async._poll.poller import Poller
from apimodels_async._secret import Secret
from apimodels_async._wire.tasks import read_task
from apimodels_async.callbacks.expected import ExpectedCallback
from apimodels_async.errors import (
    APIError,
    ApimodelsError,
    ConnectionFailedError,
    LedgerError,
    ProtocolError,
    SubmissionUnknownError,
)
from apimodels_async.models import Task

logger = logging.getLogger("apimodels_async")

RETRY_WITHIN = 30.0
"""Seconds from the first attempt in which a create may be sent again."""

_LOOK = "look it up at https://apimodels.app/console/records before you send it again"


class _CallerLeftError(Exception):
    """Raised before the first byte: whoever asked for the create is gone, and nothing is sent."""


class _Attempt:
    """What is known about the create of one caller."""

    def __init__(
        self,
        model: str,
        keep: Callable[[Task], object],
        journal: Journal,
        call: ExpectedCallback | None,
        patience: float,
    ) -> None:
        self.model = model
        self.journal = journal
        self.call = call
        self.patience = patience
        self._keep = keep
        self.task: Task | None = None
        self.watch = SendTrace()
        self.caller_left = False

    def new_watch(self) -> SendTrace:
        """Follow the next attempt."""
        self.watch = SendTrace(self._before_first_byte)
        return self.watch

    def keep_outcome(self, task: Task | None, error: Exception | None) -> None:
        """Note how the create ended: its caller is no longer there to be told."""
        if isinstance(error, ConnectionFailedError):
            logger.debug("a create was given up with its caller; nothing reached the server")
        elif error is not None:
            logger.error("a create whose caller was cancelled: %s", error, extra={"model": self.model})
        if task is not None:
            self._keep(task)

    async def _before_first_byte(self) -> None:
        if not self.caller_left:
            await self.journal.sending()
        if self.caller_left:  # perhaps while it was being written down
            raise _CallerLeftError


class Submitter:
    """Sends the creates of one client. `poller` hears of every task, whether its caller is still there or not.

    Attributes:
        detached: tasks whose caller was cancelled: paid for, and waiting to be taken up with ``wait``. The last
            thousand are kept.
    """

    def __init__(
        self,
        http: Http,
        owner: BackgroundJobs,
        quota: RetryQuota,
        *,
        max_retries: int,
        poller: Poller,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._http = http
        self._owner = owner
        self._quota = quota
        self._max_retries = max_retries
        self._poller = poller
        self._uniform = uniform
        self.detached: deque[Task] = deque(maxlen=1000)

    async def submit(
        self,
        body: Secret[bytes],
        model: str,
        keep: Callable[[Task], object] | None = None,
        journal: Journal | None = None,
        *,
        call: ExpectedCallback | None = None,
        patience: float = 0.0,
    ) -> Task:
        """Send a create and give its task.

        `keep` is called with the task if the caller is cancelled and the server accepts all the same. `journal` is
        told of each step before it is taken. `call` is the callback that the create orders: when the answer is lost,
        it is waited for, for `patience` seconds.

        Raises:
            APIError: the server refused.
            ConnectionFailedError: nothing was sent, as is proved, and retrying did not help.
            SubmissionUnknownError: the server may have started the job.
            LedgerError: it could not be written down: before it was sent, or, with the task id, afterwards.
        """
        attempt = _Attempt(model, keep or self.detach, journal or NoJournal(), call, patience)
        job = self._owner.start(partial(self._submit, body, attempt))
        try:
            await job.ended.wait()
        except BaseException:
            attempt.caller_left = True
            if job.ended.is_set():
                # Both at once: the answer came in the same turn of the loop as the cancellation.
                attempt.keep_outcome(job.result, job.error)
            elif not attempt.watch.header_sent:
                job.scope.cancel()
            raise
        if job.error is not None:
            raise job.error
        if job.result is None:
            self._raise_cut_off(attempt)
        return job.result

    async def _submit(self, body: Secret[bytes], attempt: _Attempt) -> Task:
        try:
            return await self._send_and_record(body, attempt)
        finally:
            attempt.journal.ended()
            if attempt.call is not None:
                self._poller.settle(attempt.call, attempt.task)

    async def _send_and_record(self, body: Secret[bytes], attempt: _Attempt) -> Task:
        try:
            task = attempt.task = await self._task_of(body, attempt)
            self._poller.born(task)
            await attempt.journal.accepted(task)
        except ApimodelsError as error:
            await _write_down(attempt.journal, error)
            if attempt.caller_left:
                attempt.keep_outcome(attempt.task, error)
            raise
        except BaseException:
            if attempt.task is not None:
                attempt.keep_outcome(attempt.task, None)
            elif attempt.watch.header_sent:
                logger.error("a create was cut off: it may be accepted and billed; %s", _LOOK)  # noqa: TRY400
            raise
        finally:
            body.forget()
        if attempt.caller_left:
            attempt.keep_outcome(task, None)
        return task

    async def _task_of(self, body: Secret[bytes], attempt: _Attempt) -> Task:
        """The task as its create was answered, or, where that answer was lost, as its callback names it."""
        try:
            return await self._send_until_settled(body, attempt)
        except SubmissionUnknownError:
            if attempt.call is None:
                raise
            task = await recover_by_callback(attempt.call, attempt.model, attempt.patience, self._poller.query)
            if task is None:
                raise
            return task

    def detach(self, task: Task) -> None:
        """Keep a task whose caller was cancelled and may never have learned its id."""
        self.detached.append(task)
        logger.warning(
            "task %s goes on although its caller was cancelled; wait for it by its id",
            task.id,
            extra={"task_id": task.id, "model": task.model},
        )

    async def _send_until_settled(self, body: Secret[bytes], attempt: _Attempt) -> Task:
        started = anyio.current_time()
        number = 0
        while True:
            try:
                task = await self._send_once(body, attempt)
            except _TryAgainError as again:
                attempt.watch = SendTrace()  # that attempt is over, and was not taken
                await attempt.journal.not_taken()
                pause = again.at_least + full_jitter(number, self._uniform)
                late = anyio.current_time() + pause > started + RETRY_WITHIN
                if attempt.caller_left or late or number >= self._max_retries or not self._quota.take():
                    raise again.error from again.error.__cause__
                number += 1
                logger.info(
                    "create not taken (%s); retry %d in %.2f s",
                    again.error,
                    number,
                    pause,
                    extra={"model": attempt.model, "attempt": number},
                )
                await anyio.sleep(pause)
            else:
                self._quota.give_back()
                elapsed = anyio.current_time() - started
                logger.info(
                    "task %s created",
                    task.id,
                    extra={"task_id": task.id, "model": task.model, "attempt": number + 1, "elapsed": elapsed},
                )
                return task

    async def _send_once(self, body: Secret[bytes], attempt: _Attempt) -> Task:
        watch = attempt.new_watch()
        try:
            answer = await self._http.submit(body, watch)
        except RequestFailed as failure:
            if not failure.trace.provably_unsent:
                raise SubmissionUnknownError(
                    f"the create was sent, but its answer never came ({failure}): the server may have accepted and "
                    f"may bill it, so it was not sent again; {_LOOK}"
                ) from failure.__cause__
            if isinstance(failure.__cause__, LedgerError):
                raise failure.__cause__ from None
            error = ConnectionFailedError(f"the create could not be sent ({failure}); nothing reached the server")
            error.__cause__ = failure.__cause__
            raise _TryAgainError(error) from None
        try:
            return read_task(answer, model=attempt.model)
        except ProtocolError as odd:
            raise SubmissionUnknownError(
                f"the create was answered, but the answer names no task: {odd}; it may be accepted and billed, so it "
                f"was not sent again; {_LOOK}"
            ) from odd
        except APIError as refusal:
            match judge_refusal(refusal):
                case Verdict.REJECTED:
                    raise
                case Verdict.NOT_YET:
                    raise _TryAgainError(refusal, refusal.retry_after or 0.0) from None
                case Verdict.UNKNOWN:
                    raise SubmissionUnknownError(
                        f"the server failed over the create: {refusal}; it may be accepted and billed all the same, "
                        f"so it was not sent again; {_LOOK}"
                    ) from refusal

    def _raise_cut_off(self, attempt: _Attempt) -> NoReturn:
        if attempt.watch.header_sent:
            raise SubmissionUnknownError(
                f"the client was closed while a create was under way: it may be accepted and billed; {_LOOK}"
            )
        raise ConnectionFailedError("the client was closed before the create was sent; nothing reached the server")


async def _write_down(journal: Journal, error: ApimodelsError) -> None:
    match error:
        case SubmissionUnknownError():
            await journal.unknown(error)
        case APIError():
            await journal.rejected(error)
        case _:  # nothing was sent, or what was sent could not be written down
            pass


class _TryAgainError(Exception):
    """The server took nothing. `error` is what to raise if there is no next time."""

    def __init__(self, error: ApimodelsError, at_least: float = 0.0) -> None:
        super().__init__(str(error))
        self.error = error
        self.at_least = at_least
