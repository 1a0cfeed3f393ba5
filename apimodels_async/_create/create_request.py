"""The state of one create request."""

import logging
import weakref
from collections.abc import Callable

from apimodels_async._create.draft import Draft
from apimodels_async._create.journal import Journal, NoJournal
from apimodels_async._create.retries import Retries
from apimodels_async._create.uploads import OnUpload
from apimodels_async._http.trace import SendTrace
from apimodels_async._secret import Secret
from apimodels_async.callbacks.expected import ExpectedCallback
from apimodels_async.errors import ConnectionFailedError
from apimodels_async.models import Task

logger = logging.getLogger("apimodels_async")


class _CallerLeftError(Exception):
    """Raised before the first byte is sent, because the caller of the create request was cancelled."""


class Caller:
    """What waits for the outcome of one or several create requests.

    Attributes:
        left: whether it does so no more: then nothing more is sent, and what was sent is kept.
    """

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left: bool = False


class CreateRequest:
    """One create request and what is known about it.

    Args:
        body: the JSON, or what it is made of; released when the request has ended.
        model: the model id.
        keep: called with the task if the caller is cancelled but the server still accepts the request.
        journal: notified of each step before it is taken.
        call: the callback that the request asks for; it is awaited if the response is lost.
        patience: maximum seconds to wait for that callback.
        retries: decides when it is sent again; by default as for a single call.
        on_upload: called with the progress of large pictures.
        caller: what waits for it, if that waits for others as well.

    Attributes:
        task: the task, once the server has accepted.
        trace: of the attempt under way.
    """

    def __init__(
        self,
        body: Secret[bytes] | Secret[Draft],
        model: str,
        *,
        keep: Callable[[Task], object],
        journal: Journal | None = None,
        call: ExpectedCallback | None = None,
        patience: float = 0.0,
        retries: Retries | None = None,
        on_upload: OnUpload | None = None,
        caller: Caller | None = None,
    ) -> None:
        self.body = body
        self.model = model
        self.keep = keep
        self.journal: Journal = journal or NoJournal()
        self.call = call
        self.patience = patience
        self.retries = retries
        self.on_upload = on_upload
        self.task: Task | None = None
        self.trace: SendTrace = SendTrace()
        self.caller: Caller = caller or Caller()

    def forget_body(self) -> None:
        """Release the body and its pictures."""
        content = self.body.reveal()
        self.body.forget()
        if isinstance(content, Draft):
            content.forget()

    def may_be_cut(self) -> bool:
        """Whether it can be cut short because nothing of it has been sent."""
        return not self.trace.may_have_left

    def new_trace(self) -> SendTrace:
        """Start and return the trace of the next attempt."""
        own = weakref.ref(self)  # in a cycle, the task and the pictures in it would stay in memory

        async def before_first_byte() -> None:
            request = own()
            if request is None:  # it is held for as long as it is sent: without it, nothing may be sent
                raise _CallerLeftError
            await request.announce()

        self.trace = SendTrace(before_first_byte)
        return self.trace

    def keep_outcome(self, task: Task | None, error: BaseException | None) -> None:
        """Record how the request ended, because its caller is no longer there to receive the result."""
        if isinstance(error, ConnectionFailedError):
            logger.debug("a create request was given up with its caller; nothing reached the server")
        elif error is not None:
            logger.error("a create request whose caller was cancelled: %s", error, extra={"model": self.model})
        if task is not None:
            self.keep(task)

    async def announce(self) -> None:
        """Have the journal record that the request is being sent. Awaited before its first byte.

        Raises:
            _CallerLeftError: its caller was cancelled.
        """
        if not self.caller.left:
            await self.journal.sending()
        if self.caller.left:  # it may have left while the journal was written
            raise _CallerLeftError
