"""One create request on its way to the server, and what is known about it."""

import logging
from collections.abc import Callable

from apimodels_async._create.journal import Journal, NoJournal
from apimodels_async._create.retries import Retries
from apimodels_async._http.trace import SendTrace
from apimodels_async._secret import Secret
from apimodels_async.callbacks.expected import ExpectedCallback
from apimodels_async.errors import ConnectionFailedError
from apimodels_async.models import Task

logger = logging.getLogger("apimodels_async")


class _CallerLeftError(Exception):
    """Raised before the first byte: the caller of the create is gone, and nothing is sent."""


class CreateRequest:
    """One create request on its way, and what is known about it.

    Args:
        body: the JSON; it is dropped when the request has ended.
        model: the model id.
        keep: called with the task if the caller is cancelled and the server accepts all the same.
        journal: notified of each step before it is taken.
        call: the callback that the request orders: when the answer is lost, it is waited for.
        patience: seconds for that.
        retries: when it is sent again; without it, as a single call.

    Attributes:
        task: the task, once the server has accepted.
        trace: of the attempt under way.
        caller_left: whether the caller was cancelled.
    """

    def __init__(
        self,
        body: Secret[bytes],
        model: str,
        *,
        keep: Callable[[Task], object],
        journal: Journal | None = None,
        call: ExpectedCallback | None = None,
        patience: float = 0.0,
        retries: Retries | None = None,
    ) -> None:
        self.body = body
        self.model = model
        self.keep = keep
        self.journal: Journal = journal or NoJournal()
        self.call = call
        self.patience = patience
        self.retries = retries
        self.task: Task | None = None
        self.trace = SendTrace()
        self.caller_left = False

    def new_trace(self) -> SendTrace:
        """Follow the next attempt."""
        self.trace = SendTrace(self._before_first_byte)
        return self.trace

    def keep_outcome(self, task: Task | None, error: BaseException | None) -> None:
        """Note how the request ended: its caller is no longer there to receive it."""
        if isinstance(error, ConnectionFailedError):
            logger.debug("a create was given up with its caller; nothing reached the server")
        elif error is not None:
            logger.error("a create whose caller was cancelled: %s", error, extra={"model": self.model})
        if task is not None:
            self.keep(task)

    async def _before_first_byte(self) -> None:
        if not self.caller_left:
            await self.journal.sending()
        if self.caller_left:  # perhaps while it was being written down
            raise _CallerLeftError
