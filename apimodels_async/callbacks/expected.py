"""The callbacks that one client's create requests have asked for."""

import logging
from collections.abc import Callable
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

from apimodels_async._secret import Secret
from apimodels_async._wire.tasks import is_over
from apimodels_async.callbacks.source import CallbackSource
from apimodels_async.models import Task

logger: logging.Logger = logging.getLogger("apimodels_async")

MISSES = 3
"""Tasks that ended without their callback, and none before them with it, after which that is logged."""
_REMEMBERED = 50_000


class ExpectedCallback:
    """The callback of one create request. It is only a hint to query the task now; its content is not trusted.

    Attributes:
        intent_id: identifies it.
        task_id: from the first callback; ``None`` before. The only way to find a task if the create response was lost.
        received: how many callbacks have arrived.
        listeners: called for each callback.
    """

    __slots__ = ("intent_id", "listeners", "received", "task_id")

    def __init__(self, intent_id: str) -> None:
        self.intent_id: str = intent_id
        self.task_id: str | None = None
        self.received: int = 0
        self.listeners: set[Callable[[], object]] = set()

    def notify(self, task_id: str) -> None:
        """Record that a callback has arrived, and call the listeners."""
        self.received += 1
        if self.task_id is None:
            self.task_id = task_id
        for wake in list(self.listeners):
            wake()


class CallbackUrl(NamedTuple):
    """The callback URL of one create request.

    Attributes:
        intent_id: identifies it; not secret.
        url: where the server must post; contains a token.
    """

    intent_id: str
    url: Secret[str]


class ExpectedCallbacks:
    """Issues callback URLs and tracks the callbacks that have not arrived yet.

    Args:
        source: issues the URLs and reports the callbacks.
        call_soon: runs a function in the client's event loop; may be called in any thread.
    """

    def __init__(self, source: CallbackSource, call_soon: Callable[[Callable[[], object]], object]) -> None:
        self._source = source
        self._call_soon = call_soon
        self._by_task: dict[str, ExpectedCallback] = {}
        self._place = ""
        self._missed = 0
        self._any_received = False

    def order(self) -> CallbackUrl:
        """Issue the callback URL for one create request."""
        intent_id, url = self._source.issue()
        parts = urlsplit(url)
        # Without the key id, the intent and the token that end its path.
        self._place = f"{parts.scheme}://{parts.netloc}{parts.path.rsplit('/', 3)[0]}"
        return CallbackUrl(intent_id, Secret(url))

    def open(self, intent_id: str) -> ExpectedCallback:
        """Subscribe to the callback of an intent. The task id need not be known yet."""
        call = ExpectedCallback(intent_id)

        def told(task_id: str) -> None:
            self._call_soon(partial(call.notify, task_id))

        self._source.subscribe(intent_id, told)
        return call

    def settle(self, call: ExpectedCallback, task: Task | None) -> None:
        """Assign the callback of a finished create request to its task, or unsubscribe if no callback is needed."""
        if task is None or task.id is None or is_over(task):
            self._source.unsubscribe(call.intent_id)
            return
        if len(self._by_task) >= _REMEMBERED:
            self._drop(next(iter(self._by_task)))
        self._by_task[task.id] = call

    def of(self, task_id: str | None) -> ExpectedCallback | None:
        """Return the expected callback of a task, or ``None`` if none was requested here."""
        return self._by_task.get(task_id or "")

    def close(self, task_id: str | None) -> None:
        """Unsubscribe from the callback of a task that has ended, and log once if no task has ever had its callback."""
        call = self._drop(task_id)
        if call is None or self._any_received:
            return
        self._any_received = call.received > 0
        self._missed += not self._any_received
        if self._missed == MISSES:
            logger.warning(
                "no callback has been received: %d tasks have ended, each was to be reported to %s, and polling had to "
                "find their ends. Can the server reach that address, and is the receiver mounted at its path?",
                MISSES,
                self._place,
            )

    def _drop(self, task_id: str | None) -> ExpectedCallback | None:
        call = self._by_task.pop(task_id or "", None)
        if call is not None:
            self._source.unsubscribe(call.intent_id)
        return call
