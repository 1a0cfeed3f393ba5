"""Sending of create requests: never a second time unless the first provably started nothing; no task id is lost."""

import logging
import random
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NoReturn, cast

import anyio

from apimodels_async import catalogue
from apimodels_async._create.background import BackgroundJobs, Job
from apimodels_async._create.create_request import CreateRequest
from apimodels_async._create.deadlines import Deadlines
from apimodels_async._create.draft import Draft
from apimodels_async._create.journal import write_down
from apimodels_async._create.recovery import recover_by_callback
from apimodels_async._create.retries import QuickRetries
from apimodels_async._create.uploads import Uploads
from apimodels_async._create.verdict import Verdict, judge_refusal, may_pass
from apimodels_async._http.trace import RequestFailed, SendTrace, describe
from apimodels_async._http.transport import Http
from apimodels_async._limits import Rate, RetryQuota
from apimodels_async._poll.poller import Poller, pass_through
from apimodels_async._secret import Secret
from apimodels_async._wire.answer import RawResponse
from apimodels_async._wire.bodies import StreamedBody
from apimodels_async._wire.tasks import is_moderation, read_task
from apimodels_async.errors import (
    APIError,
    ApimodelsError,
    ConfigurationError,
    ConnectionFailedError,
    ContentPolicyError,
    LedgerError,
    ProtocolError,
    RateLimitError,
    ServerError,
    SubmissionUnknownError,
)
from apimodels_async.models import Task

logger = logging.getLogger("apimodels_async")

_LOOK = f"look it up at {catalogue.RECORDS_PAGE} before you send it again"


class _NotTakenError(Exception):
    """The server provably started nothing. `error` is raised if there is no further attempt."""

    def __init__(self, error: ApimodelsError, retry_after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after = retry_after


class Submitter:
    """Sends the create requests of one client. `poller` is notified of every task, with or without a caller.

    Attributes:
        detached: tasks whose caller was cancelled. They are paid for and can be awaited with ``wait``. The last
            thousand are kept.
    """

    def __init__(
        self,
        http: Http,
        jobs: BackgroundJobs,
        quota: RetryQuota,
        *,
        max_retries: int,
        poller: Poller,
        rate: Rate,
        uploads: Uploads | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._http = http
        self._jobs = jobs
        self._quota = quota
        self._max_retries = max_retries
        self._poller = poller
        self._rate = rate
        self._uploads = uploads or Uploads(http)
        self._uniform = uniform
        self._clock = jobs.clock
        self._deadlines = Deadlines(jobs.start_beside, jobs.clock)
        self.detached: deque[Task] = deque(maxlen=1000)

    def detach(self, task: Task) -> None:
        """Keep a task whose caller was cancelled and may not know its id."""
        self.detached.append(task)
        logger.warning(
            "task %s goes on although its caller was cancelled; wait for it by its id",
            task.id,
            extra={"task_id": task.id, "model": task.model},
        )

    async def submit(self, create: CreateRequest, job: Job[None] | None = None) -> Task:
        """Send a create request and return its task.

        The work is done in a background job. If the caller is cancelled before the first byte, so is the job; after
        that it goes on without the caller.

        Args:
            create: the request.
            job: the job that this is called in, if it is one. Where its caller leaves, that sets ``create.caller.left``
                and calls `Job.leave`.

        Raises:
            APIError, ContentPolicyError: the server refused, or its moderation.
            ConnectionFailedError: provably nothing was sent, and retries did not help.
            NotSubmittedError: nothing was sent, because the batch waited for too long or was stopped.
            SubmissionUnknownError: the server may have started the job.
            LedgerError: a step could not be recorded: before sending, or afterwards, then with the task id.
        """
        if job is not None:
            return await self._submit_within(job, create)
        own = self._jobs.start(partial(self._settle, create))
        own.may_be_cut = create.may_be_cut
        try:
            await own.ended.wait()
        except BaseException:
            create.caller.left = True
            if own.ended.is_set():
                # The response arrived in the same loop iteration as the cancellation.
                create.keep_outcome(own.result, own.error)
            else:
                own.leave()
            raise
        if own.error is not None:
            raise own.error
        if own.result is None:
            self._raise_cut_off(create)
        return own.result

    async def _submit_within(self, job: Job[None], create: CreateRequest) -> Task:
        job.may_be_cut = create.may_be_cut
        try:
            return await self._settle(create)
        except anyio.get_cancelled_exc_class():
            if create.caller.left:
                raise
            self._raise_cut_off(create)

    async def _settle(self, create: CreateRequest) -> Task:
        """Run a request to its end and then release its body, its callback and its journal."""
        try:
            return await self._record(create)
        finally:
            create.forget_body()
            try:
                if create.call is not None:
                    self._poller.settle(create.call, create.task)
            except Exception:
                logger.exception("the callback of a create request could not be settled")
            create.journal.ended()

    async def _record(self, create: CreateRequest) -> Task:
        """Record the outcome of a request, and keep it if the caller has left."""
        try:
            task = create.task = await self._recover(create)
            self._poller.note_reached()
            self._poller.note_created(task)
            await create.journal.accepted(task)
        except ApimodelsError as error:
            await write_down(create.journal, error)
            if create.caller.left:
                create.keep_outcome(create.task, error)
            raise
        except BaseException:
            if create.task is not None:
                create.keep_outcome(create.task, None)
            elif create.trace.may_have_left:
                logger.error("a create request was cut off: it may be accepted and billed; %s", _LOOK)  # noqa: TRY400
            else:
                await self._take_back(create)
            raise
        if create.caller.left:
            create.keep_outcome(task, None)
        return task

    async def _recover(self, create: CreateRequest) -> Task:
        """Return the task from the response or, if the response was lost, the task named by the callback."""
        try:
            return await self._retry(create)
        except SubmissionUnknownError as unknown:
            if create.call is None:
                raise
            try:
                task = await recover_by_callback(create.call, create.model, create.patience, self._poller.query)
            except Exception:
                logger.exception("the callback of a create request whose answer was lost could not be waited for")
                raise unknown from unknown.__cause__
            if task is None:
                raise
            return task

    async def _retry(self, create: CreateRequest) -> Task:
        """Send a request, and again as long as it was provably not accepted and attempts are left."""
        retries = create.retries or QuickRetries(self._quota, self._max_retries, self._uniform, create.model)
        began, attempts = self._clock.now(), 0
        while True:
            await retries.enter()
            attempts += 1
            try:
                task = await self._send(create)
            except _NotTakenError as refused:
                create.trace = SendTrace()  # that attempt is over and was not accepted
                await self._take_back(create)
                if create.caller.left:
                    retries.abandoned()
                    raise refused.error from refused.error.__cause__
                if isinstance(refused.error, ConnectionFailedError) and refused.error.certificate:
                    retries.hopeless(refused.error)
                await retries.not_taken(refused.error, refused.retry_after)
            except SubmissionUnknownError as error:
                retries.unknown(error)
                raise
            except (APIError, ContentPolicyError):
                retries.rejected()
                raise
            except ConfigurationError:
                retries.abandoned()
                await self._take_back(create)
                raise
            except BaseException:
                retries.abandoned()
                raise
            else:
                retries.accepted()
                elapsed = self._clock.now() - began
                logger.info(
                    "task %s created",
                    task.id,
                    extra={"task_id": task.id, "model": task.model, "attempt": attempts, "elapsed": elapsed},
                )
                return task

    @staticmethod
    async def _take_back(create: CreateRequest) -> None:
        """Record in the ledger that nothing was sent. Shielded, because the job may be cancelled with its caller."""
        with anyio.CancelScope(shield=True):
            await create.journal.not_taken()

    async def _send(self, create: CreateRequest) -> Task:
        """Make one attempt when the client's create rate, and that of its ledger, allow it."""
        body = await self._complete(create)
        await pass_through(self._rate, self._clock)
        await create.journal.turn()
        trace = create.new_trace()
        try:
            answer = await self._exchange(body, trace)
            return read_task(answer, model=create.model)
        except RequestFailed as failure:
            _raise_failure(failure)
        except ProtocolError as odd:
            raise SubmissionUnknownError(
                f"the create was answered, but the answer names no task: {odd}; it may be accepted and billed, so it "
                f"was not sent again; {_LOOK}"
            ) from odd
        except APIError as refusal:
            _hint_at_model(refusal, create.model)
            _raise_refusal(refusal, held=create.retries is not None)
        except ConfigurationError:  # the client was closed before the request reached a transport
            create.trace = SendTrace()
            raise
        except BaseException as error:
            if not trace.may_have_left or isinstance(error, (anyio.get_cancelled_exc_class(), KeyboardInterrupt)):
                raise
            raise SubmissionUnknownError(
                f"the create was sent, and then failed in an unexpected way ({describe(error)}): it may be accepted "
                f"and billed, so it was not sent again; {_LOOK}"
            ) from error
        finally:
            if body is not create.body:
                body.forget()

    async def _complete(self, create: CreateRequest) -> Secret[bytes] | Secret[StreamedBody]:
        """Return the body to send, after its pictures that are too large for it were uploaded."""
        if not isinstance(create.body.reveal(), Draft):
            return cast("Secret[bytes]", create.body)
        try:
            return Secret(await self._uploads.complete(cast("Draft", create.body.reveal()), create.on_upload))
        except (ConnectionFailedError, RateLimitError, ServerError) as error:
            raise _NotTakenError(error, getattr(error, "retry_after", None)) from None
        except (APIError, ConfigurationError, ProtocolError) as error:
            if create.retries is None or not may_pass(error):
                raise
            raise _NotTakenError(error) from None

    async def _exchange(self, body: Secret[bytes] | Secret[StreamedBody], trace: SendTrace) -> RawResponse:
        """Post the body, with a time limit for the whole exchange."""
        bound = self._http.create_bound(len(body.reveal()))
        if bound is None:
            return await self._http.submit(body, trace)
        with self._deadlines.within(bound):
            return await self._http.submit(body, trace)
        late = TimeoutError(f"no whole answer within {bound:g} s")
        raise RequestFailed(f"{describe(late)}; {self._http.where}", trace.facts(refused=False)) from late

    def _raise_cut_off(self, create: CreateRequest) -> NoReturn:
        if create.trace.may_have_left:
            raise SubmissionUnknownError(
                f"the client was closed while a create request was under way: it may be accepted and billed; {_LOOK}"
            )
        raise ConnectionFailedError("the client was closed before the create was sent; nothing reached the server")


def _raise_failure(failure: RequestFailed) -> NoReturn:
    """Raise the error for a request without a response."""
    if not failure.trace.provably_unsent:
        raise SubmissionUnknownError(
            f"the create was sent, but its answer never came ({failure}): the server may have accepted and may bill "
            f"it, so it was not sent again; {_LOOK}"
        ) from failure.__cause__
    if isinstance(failure.__cause__, LedgerError):
        raise failure.__cause__ from None
    error = ConnectionFailedError(
        f"the create could not be sent ({failure}); nothing reached the server", certificate=failure.certificate
    )
    error.__cause__ = failure.__cause__
    raise _NotTakenError(error) from None


def _hint_at_model(refusal: APIError, model: str) -> None:
    """Add the model that was meant, where the server refuses one that is not listed and looks like one that is."""
    if refusal.from_api and "model" in refusal.msg.lower() and (meant := catalogue.similar(model)) is not None:
        refusal.args = (f"{refusal}; did you mean model={meant!r}?",)


def _raise_refusal(refusal: APIError, *, held: bool) -> NoReturn:
    """Raise the error for a refusal; `held` if the request belongs to a batch, which can wait until it passes."""
    match judge_refusal(refusal):
        case Verdict.ON_THE_WAY if held:
            raise _NotTakenError(refusal, refusal.retry_after) from None
        case Verdict.REJECTED if is_moderation(refusal):
            raise ContentPolicyError(f"refused by moderation: {refusal}") from refusal
        case Verdict.REJECTED | Verdict.ON_THE_WAY:
            raise refusal
        case Verdict.NOT_YET:
            raise _NotTakenError(refusal, refusal.retry_after) from None
        case Verdict.UNKNOWN:
            raise SubmissionUnknownError(
                f"the server failed over the create: {refusal}; it may be accepted and billed all the same, so it was "
                f"not sent again; {_LOOK}"
            ) from refusal
