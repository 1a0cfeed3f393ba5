"""The calls on their way: each goes out when it is due, again and again until it is over.

One sleeper waits for the earliest of all that are due, in a heap, so ten thousand calls to come are ten thousand
entries and no more. What is due lines up behind its receiver, and the lines take turns: a receiver that hangs holds
`FOR_ONE` connections at most, and keeps nobody else waiting while there are others.

Everything is in the store before it happens here. A 2xx is noted after it came, so whoever kills the gateway in between
makes it call once more: a call is made at least once, not exactly once.
"""

import asyncio
import heapq
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from random import Random
from types import TracebackType
from typing import Self

from apimodels_async.gateway.store_thread import StoreThread
from apimodels_async.gateway.timeouts import Sleep, within
from apimodels_async.gateway.webhook_records import call_of, note, unfinished
from apimodels_async.gateway.webhook_url import Destination, destination_of
from apimodels_async.gateway.webhooks import RETRIES, Progress, after, body_of

__all__ = ["AT_ONCE", "FOR_ONE", "Deliveries"]

AT_ONCE, FOR_ONE = 64, 16
"""The most attempts at the same time: of all, and to one receiver (scheme, host and port)."""

_NAP = 1.0
"""The longest sleep, in seconds: a clock may jump, when a laptop wakes up or a test says so."""

_logger = logging.getLogger(__name__)


class Deliveries:
    """Makes the calls.

    Args:
        store: where they are kept.
        post: posts a body, and tells the status of the answer.
        now: the clock, epoch milliseconds.
        sleep: waits some seconds.
        rng: spreads the attempts of the background job.
    """

    def __init__(
        self,
        *,
        store: StoreThread,
        post: Callable[[Destination, bytes], Awaitable[int]],
        now: Callable[[], int],
        sleep: Sleep,
        rng: Random,
    ) -> None:
        self._store = store
        self._post = post
        self._now = now
        self._sleep = sleep
        self._rng = rng
        self._coming: list[tuple[int, str, str]] = []
        self._lines: dict[str, deque[str]] = {}
        self._busy: Counter[str] = Counter()
        self._attempts: set[asyncio.Task[None]] = set()
        self._noting: set[asyncio.Task[None] | None] = set()
        self._watched: dict[str, asyncio.Future[None]] = {}
        self._earlier = asyncio.Event()
        self._sleeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Take up what an earlier run has left."""
        for task_id, due, url in await self._store.ask(unfinished):
            self._coming.append((due, task_id, destination_of(url).origin))
        heapq.heapify(self._coming)
        self._sleeper = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Break off what is on the wire, and note what has been answered."""
        if self._sleeper is not None:
            self._sleeper.cancel()
            await asyncio.gather(self._sleeper, return_exceptions=True)
            self._sleeper = None
        for attempt in self._attempts - self._noting:
            attempt.cancel()
        await asyncio.gather(*self._attempts, return_exceptions=True)
        self._coming.clear()
        self._lines.clear()

    def expect(self, task_id: str, due: int, receiver: str) -> None:
        """Make the call of a task when it is due. It is in the store already; `receiver` is its URL's origin."""
        heapq.heappush(self._coming, (due, task_id, receiver))
        if self._coming[0][1] == task_id:
            self._earlier.set()

    async def attempted(self, task_id: str) -> None:
        """Wait until a call that is expected has been tried once, with or without success."""
        await self._watched.setdefault(task_id, asyncio.get_running_loop().create_future())

    async def _run(self) -> None:
        while True:
            self._earlier.clear()
            now = self._now()
            while self._coming and self._coming[0][0] <= now:
                _, task_id, receiver = heapq.heappop(self._coming)
                self._lines.setdefault(receiver, deque()).append(task_id)
            self._send_out()
            if self._coming:
                nap = min((self._coming[0][0] - now) / 1000, _NAP)
                with suppress(TimeoutError):
                    await within(self._sleep, nap, self._earlier.wait())
            else:
                await self._earlier.wait()

    def _send_out(self) -> None:
        while len(self._attempts) < AT_ONCE and self._sleeper is not None:
            receiver = next((each for each in self._lines if self._busy[each] < FOR_ONE), None)
            if receiver is None:
                return
            line = self._lines.pop(receiver)
            attempt = asyncio.create_task(self._attempt(line.popleft(), receiver))
            if line:
                self._lines[receiver] = line  # behind the others
            self._busy[receiver] += 1
            self._attempts.add(attempt)
            attempt.add_done_callback(partial(self._end, receiver))

    def _end(self, receiver: str, attempt: "asyncio.Task[None]") -> None:
        self._attempts.discard(attempt)
        self._busy[receiver] -= 1
        if not self._busy[receiver]:
            del self._busy[receiver]
        if not attempt.cancelled() and (error := attempt.exception()) is not None:
            _logger.error("a call to %s is left for the gateway's next start", receiver, exc_info=error)
        self._send_out()

    async def _attempt(self, task_id: str, receiver: str) -> None:
        try:
            progress = await self._progress_after_one_more(task_id, receiver)
        finally:
            watched = self._watched.pop(task_id, None)
            if watched is not None and not watched.done():
                watched.set_result(None)
        if progress.due is not None:
            self.expect(task_id, progress.due, receiver)

    async def _progress_after_one_more(self, task_id: str, receiver: str) -> Progress:
        call = await self._store.ask(call_of, task_id)
        try:
            status = await self._post(destination_of(call.url), body_of(call))
            succeeded, outcome = 200 <= status < 300, f"it answers {status}"
        except OSError as error:
            succeeded, outcome = False, f"{type(error).__name__}: {error}"
        progress = after(call.progress, succeeded=succeeded, now=self._now(), rng=self._rng)
        this = asyncio.current_task()
        self._noting.add(this)
        try:
            await self._store.ask(note, task_id, progress)
        finally:
            self._noting.discard(this)
        if not succeeded:
            _tell(task_id, receiver, progress, outcome)
        return progress


def _tell(task_id: str, receiver: str, progress: Progress, outcome: str) -> None:
    # Never the whole URL: it may hold a token.
    if progress.due is None:
        _logger.warning("task %s: the call to %s is given up (%s)", task_id, receiver, outcome)
    elif progress.failures == len(RETRIES) + 1:
        _logger.warning(
            "task %s: the call to %s failed %d times, and goes on in the background (%s)",
            task_id, receiver, progress.failures, outcome,
        )  # fmt: skip
    else:
        _logger.info("task %s: the call to %s failed (%s)", task_id, receiver, outcome)
