"""The callbacks that one client's creates have ordered."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from apimodels_async._secret import Secret
from apimodels_async._wire.tasks import is_over
from apimodels_async.callbacks.source import CallbackSource
from apimodels_async.models import Task

_REMEMBERED = 50_000


class ExpectedCallback:
    """One create's callback. It is a hint, which tells that asking is worth it; what it says is not believed.

    Attributes:
        intent_id: names it.
        task_id: as the first callback said; ``None`` before. The only way to find a task whose create lost its answer.
        rings: how many callbacks have come.
        wakes: called at each of them.
    """

    __slots__ = ("intent_id", "listeners", "received", "task_id")

    def __init__(self, intent_id: str) -> None:
        self.intent_id: str = intent_id
        self.task_id: str | None = None
        self.received: int = 0
        self.listeners: set[Callable[[], object]] = set()

    def notify(self, task_id: str) -> None:
        """A callback has come."""
        self.received += 1
        if self.task_id is None:
            self.task_id = task_id
        for wake in list(self.listeners):
            wake()


class CallbackUrl(NamedTuple):
    """A callback that a create asks for.

    Attributes:
        intent_id: names it; no secret.
        url: where the server is to call; holds a token.
    """

    intent_id: str
    url: Secret[str]


class ExpectedCallbacks:
    """Orders callbacks, and keeps those that are still to come.

    Args:
        source: where they arrive.
        call_soon: runs a function in the client's event loop; may be called in any thread.
    """

    def __init__(self, source: CallbackSource, call_soon: Callable[[Callable[[], object]], object]) -> None:
        self._source = source
        self._call_soon = call_soon
        self._by_task: dict[str, ExpectedCallback] = {}

    def order(self) -> CallbackUrl:
        """A fresh callback, for one create."""
        intent_id, url = self._source.issue()
        return CallbackUrl(intent_id, Secret(url))

    def open(self, intent_id: str) -> ExpectedCallback:
        """Wait for a callback from now on, whether it is known whose it is or not."""
        call = ExpectedCallback(intent_id)

        def told(task_id: str) -> None:
            self._call_soon(partial(call.notify, task_id))

        self._source.subscribe(intent_id, told)
        return call

    def settle(self, call: ExpectedCallback, task: Task | None) -> None:
        """A create has ended: its callback is its task's, or is no longer waited for."""
        if task is None or task.id is None or is_over(task):
            self._source.unsubscribe(call.intent_id)
            return
        if len(self._by_task) >= _REMEMBERED:
            self.close(next(iter(self._by_task)))
        self._by_task[task.id] = call

    def of(self, task_id: str | None) -> ExpectedCallback | None:
        """The callback that will come for a task, if one was ordered here."""
        return self._by_task.get(task_id or "")

    def close(self, task_id: str | None) -> None:
        """A task has ended: its callback is no longer waited for."""
        call = self._by_task.pop(task_id or "", None)
        if call is not None:
            self._source.unsubscribe(call.intent_id)
