"""What observes the items of a batch: the instruments of the process, and the batch's own listener."""

from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

import anyio
import anyio.abc

from apimodels_async._batch.listener import Listener
from apimodels_async._batch.options import Item
from apimodels_async._create.uploads import UploadProgress
from apimodels_async._prices import price
from apimodels_async.catalogue import PriceTable
from apimodels_async.instrumentation import port
from apimodels_async.instrumentation.details import TaskDetails
from apimodels_async.models import BatchEvent

Change: TypeAlias = Literal["submitted", "state", "completed", "downloaded"]

_BEHIND = 1.0
"""Seconds that a listener is given at the end to receive what has happened."""


class Observers:
    """Says what happens to the items of one batch. Items have an operation only if there is something to say it to.

    Args:
        on_event: the batch's listener.
        model: of requests that name none.
        prices: what pictures cost.
    """

    def __init__(self, on_event: Callable[[BatchEvent], object] | None, model: str | None, prices: PriceTable) -> None:
        self._listener = None if on_event is None else Listener(on_event)
        self._model = model
        self._prices = prices

    def start(self, group: anyio.abc.TaskGroup) -> None:
        """Deliver what the listener is to be called with, in `group`."""
        if self._listener is not None:
            group.start_soon(self._listener.run)

    async def finish(self) -> None:
        """Let a listener that is a little behind receive what has happened."""
        if self._listener is not None:
            with anyio.move_on_after(_BEHIND):
                await self._listener.finish()

    def begin(self, item: Item) -> None:
        """An item was read."""
        if port.active is not None or self._listener is not None:
            details = TaskDetails("generate", item.request.model or self._model or "", item.request, item.index)
            item.operation = port.begin(details, also=() if self._listener is None else (self._listener,))

    def uploading(self, item: Item, progress: UploadProgress) -> None:
        """A large picture of an item is on its way to the server. Only the batch's own listener is told."""
        if self._listener is not None:
            event = BatchEvent("uploading", item.index, item.task, sent=progress.sent, size=progress.size)
            self._listener.add(event)

    def notify(self, item: Item, change: Change) -> None:
        """An item's task has changed."""
        if item.task is not None:
            item.state = item.task.state
        if item.operation is None:
            return
        if change == "completed" and item.task is not None:
            model = item.request.model or self._model or item.task.model or ""
            item.operation.update(cost=price(item.request, model, self._prices))
        item.operation.note(change=change, task=item.task)

    @staticmethod
    def end(item: Item, error: Exception | None) -> None:
        """An item has its outcome."""
        if item.operation is not None:
            if error is not None:
                item.operation.note(change="failed", task=item.task, error=error)
            item.operation.end()

    @staticmethod
    def leave(items: Iterable[Item]) -> None:
        """The batch was left before these items had an outcome."""
        for item in items:
            if item.operation is not None:
                item.operation.end()
