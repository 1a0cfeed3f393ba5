"""Delivery of an accepted callback: confirm it by a query, then call the user's function."""

import inspect
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

import anyio
import anyio.lowlevel

from apimodels_async._limits import Rate
from apimodels_async._threads import WorkerThreads
from apimodels_async.callbacks.parsing import Callback, as_confirmed
from apimodels_async.models import Task

__all__ = ["Confirm", "Confirming", "Handler", "Together", "UnconfirmedCallbackError", "call"]

logger: logging.Logger = logging.getLogger("apimodels_async")

Handler: TypeAlias = Callable[[Callback], object]
Confirm: TypeAlias = Callable[[str], Awaitable[Task] | Task]

T = TypeVar("T")

LONGEST_PAUSE = 2.0
"""Maximum seconds that a callback waits for its turn to be confirmed. After that, the server has to retry."""
_handlers = WorkerThreads("handlers", 16, foreign=True)


class UnconfirmedCallbackError(Exception):
    """The query contradicts the callback, or the rate limit allowed no query."""


class Confirming:
    """Confirms callbacks by querying their tasks, at a limited rate.

    Args:
        confirm: queries the server for a task.
        per_second: maximum queries a second.
    """

    def __init__(self, confirm: Confirm, per_second: float) -> None:
        self._confirm = confirm
        self._turn = threading.Lock()
        self._rate = Rate()
        self._rate.add(per_second)

    async def __call__(self, callback: Callback) -> Callback:
        """Return the callback with the fields of the queried task.

        Raises:
            UnconfirmedCallbackError: the task has not ended, or the rate limit is exceeded.
            Exception: any error of the query.
        """
        with self._turn:
            now = time.monotonic()
            pause = self._rate.pause(now)
            if pause > LONGEST_PAUSE:
                raise UnconfirmedCallbackError("too many callbacks to ask about all of their tasks")
            self._rate.take(now)
        await anyio.sleep(pause)
        task: Task = await call(self._confirm, callback.task_id)
        if not task.is_terminal:
            raise UnconfirmedCallbackError(f"the server says that it is {task.state or 'somewhere else'}")
        return as_confirmed(callback, task)


async def call(function: Callable[[T], object], argument: T) -> Any:
    """Call a user's function: a plain one in a worker thread, one that returns an awaitable in this task."""
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004
        given: object = function(argument)
    else:
        # In a tuple, because trio raises an error if a function in a worker thread returns an awaitable.
        (given,) = await _handlers.run(lambda: (function(argument),), abandon=True)
    return await given if inspect.isawaitable(given) else given


class _PendingDelivery:
    def __init__(self) -> None:
        self.ended = anyio.Event()
        self.result: Any = None


class Together:
    """Runs work once at a time for each key; concurrent callers share the result."""

    def __init__(self) -> None:
        self._flights: dict[tuple[str, object], _PendingDelivery] = {}

    async def run(self, key: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """Return the result of `work`, or ``None`` if another caller was running it and was cancelled."""
        place = key, anyio.lowlevel.current_token()  # events cannot be shared between loops
        flight = self._flights.get(place)
        if flight is not None:
            await flight.ended.wait()
            return flight.result
        flight = self._flights[place] = _PendingDelivery()
        try:
            flight.result = await work()
            return flight.result
        finally:
            del self._flights[place]
            flight.ended.set()
