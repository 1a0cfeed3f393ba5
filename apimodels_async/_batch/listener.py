"""Notifying a listener of what happens in a batch, so that no listener can harm the batch.

The listener of a batch is an instrument that observes the items of this batch and nothing else.
"""

import inspect
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio

from apimodels_async._cancellation import must_pass
from apimodels_async._threads import WorkerThreads
from apimodels_async.instrumentation.details import Details, TaskDetails
from apimodels_async.instrumentation.port import Instrument
from apimodels_async.models import BatchEvent

logger = logging.getLogger("apimodels_async")

BACKLOG = 10_000
"""Events kept for a listener that is slower than the batch; older ones are dropped, and the log says how many."""
_THREADS = WorkerThreads("listeners", 8, foreign=True)


class Listener(Instrument):
    """Calls one listener with one event after another, apart from the batch.

    An async listener is awaited. A plain function is called in a worker thread, where it may be as slow as it likes.
    What it raises is logged, ``sys.exit`` included, and the batch goes on.
    """

    def __init__(self, call: Callable[[BatchEvent], Any]) -> None:
        self._call = call
        self._events: deque[BatchEvent] = deque(maxlen=BACKLOG)
        self._dropped = 0
        self._more = anyio.Event()
        self._ending = False
        self._ended = anyio.Event()

    def note(self, details: Details, within: Any) -> None:
        """Add an event to the queue; returns at once."""
        if isinstance(details, TaskDetails) and details.item is not None and details.change != "begun":
            error = details.error if isinstance(details.error, Exception) else None
            self.add(BatchEvent(details.change, details.item, details.task, error))

    def add(self, event: BatchEvent) -> None:
        """Add an event to the queue; returns at once."""
        self._dropped += len(self._events) == BACKLOG
        self._events.append(event)
        self._more.set()

    async def finish(self) -> None:
        """Wait until every queued event was delivered, and let `run` return."""
        self._ending = True
        self._more.set()
        await self._ended.wait()

    async def run(self) -> None:
        """Deliver events, until `finish`."""
        while self._events or not self._ending:
            if not self._events:
                self._more = anyio.Event()
                await self._more.wait()
                continue
            event = self._events.popleft()
            try:
                if inspect.iscoroutinefunction(self._call):
                    await self._call(event)
                else:
                    await _THREADS.run(partial(_called, self._call, event), abandon=True)
            except BaseException as error:
                if must_pass(error):
                    raise
                logger.exception("the batch's listener failed at %s of request %d", event.kind, event.index)
        if self._dropped:
            logger.warning("%d events were dropped: the batch's listener is slower than the batch", self._dropped)
        self._ended.set()


def _called(call: Callable[[BatchEvent], Any], event: BatchEvent) -> None:
    """In a thread: a KeyboardInterrupt here is never Ctrl-C, which reaches only the main thread."""
    try:
        call(event)
    except (KeyboardInterrupt, GeneratorExit) as error:
        raise RuntimeError(f"{type(error).__name__}, raised by the listener") from error
