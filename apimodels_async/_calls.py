"""The callbacks that one client's creates have ordered."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from apimodels_async._call import Call
from apimodels_async._callback_source import CallbackSource
from apimodels_async._secret import Secret
from apimodels_async._watching import is_over
from apimodels_async.models import Task

_REMEMBERED = 50_000


class Order(NamedTuple):
    """A callback that a create asks for.

    Attributes:
        intent_id: names it; no secret.
        url: where the server is to call; holds a token.
    """

    intent_id: str
    url: Secret[str]


class Calls:
    """Orders callbacks, and keeps those that are still to come.

    Args:
        source: where they arrive.
        call_soon: runs a function in the client's event loop; may be called in any thread.
    """

    def __init__(self, source: CallbackSource, call_soon: Callable[[Callable[[], object]], object]) -> None:
        self._source = source
        self._call_soon = call_soon
        self._by_task: dict[str, Call] = {}

    def order(self) -> Order:
        """A fresh callback, for one create."""
        intent_id, url = self._source.issue()
        return Order(intent_id, Secret(url))

    def open(self, intent_id: str) -> Call:
        """Wait for a callback from now on, whether it is known whose it is or not."""
        call = Call(intent_id)

        def told(task_id: str) -> None:
            self._call_soon(partial(call.ring, task_id))

        self._source.follow(intent_id, told)
        return call

    def settle(self, call: Call, task: Task | None) -> None:
        """A create has ended: its callback is its task's, or is no longer waited for."""
        if task is None or task.id is None or is_over(task):
            self._source.unfollow(call.intent_id)
            return
        if len(self._by_task) >= _REMEMBERED:
            self.close(next(iter(self._by_task)))
        self._by_task[task.id] = call

    def of(self, task_id: str | None) -> Call | None:
        """The callback that will come for a task, if one was ordered here."""
        return self._by_task.get(task_id or "")

    def close(self, task_id: str | None) -> None:
        """A task has ended: its callback is no longer waited for."""
        call = self._by_task.pop(task_id or "", None)
        if call is not None:
            self._source.unfollow(call.intent_id)
