"""Delivery of webhooks: each is posted when it is due, and again until it succeeds or is given up.

One sleeper waits for the earliest due time, from a heap, so ten thousand webhooks to come are ten thousand entries and
nothing else. Those that are due queue by receiver, and the receivers take turns: a receiver that hangs occupies
`MAX_PER_RECEIVER` connections at most and delays no other.

Every change is stored before it takes effect here. A 2xx is recorded after it was received, so a gateway that is killed
in between posts once more: delivery is at least once, not exactly once.
"""

import asyncio
import heapq
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from random import Random
from types import TracebackType
from typing import Self

from attrs import evolve

from apimodels_async._logs import escaped_logger
from apimodels_async.gateway.activity import CallbackRecord, RecentActivity
from apimodels_async.gateway.store_thread import StoreThread, StoreUnavailableError
from apimodels_async.gateway.tasks import TaskRecord
from apimodels_async.gateway.timeouts import Sleep, within
from apimodels_async.gateway.urls import HttpUrl, parse_url
from apimodels_async.gateway.webhook_records import save_progress, unfinished, webhook_of
from apimodels_async.gateway.webhooks import RETRIES, DeliveryProgress, next_progress, webhook_body

__all__ = ["MAX_ATTEMPTS", "MAX_PER_RECEIVER", "WebhookDelivery"]

MAX_ATTEMPTS, MAX_PER_RECEIVER = 64, 16
"""The maximum of attempts at the same time: in all, and to one receiver (scheme, host and port)."""

_LONGEST_SLEEP = 1.0
"""Seconds: the clock may jump, when a laptop wakes up or a test sets it."""

_logger = escaped_logger(__name__)


class WebhookDelivery:
    """Delivers webhooks.

    Args:
        store: where they are kept.
        post: posts a body and returns the status of the answer.
        settle: returns a task that has ended with its result.
        now: the clock, epoch milliseconds.
        sleep: waits some seconds.
        rng: spreads the attempts of the background job.
        activity: records every attempt.
    """

    def __init__(
        self,
        *,
        store: StoreThread,
        post: Callable[[HttpUrl, bytes], Awaitable[int]],
        settle: Callable[[TaskRecord], Awaitable[TaskRecord]],
        now: Callable[[], int],
        sleep: Sleep,
        rng: Random,
        activity: RecentActivity | None = None,
    ) -> None:
        self._activity = activity
        self._store = store
        self._post = post
        self._settle = settle
        self._now = now
        self._sleep = sleep
        self._rng = rng
        self._scheduled: list[tuple[int, str, str]] = []
        self._queues: dict[str, deque[str]] = {}
        self._busy: Counter[str] = Counter()
        self._attempts: set[asyncio.Task[None]] = set()
        self._saving: set[asyncio.Task[None] | None] = set()
        self._awaited: dict[str, asyncio.Future[None]] = {}
        self._earlier = asyncio.Event()
        self._sleeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Continue what an earlier run has left unfinished."""
        for task_id, due, url in await self._store.ask(unfinished):
            self._scheduled.append((due, task_id, parse_url("callback_url", url).origin))
        heapq.heapify(self._scheduled)
        self._sleeper = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Cancel the attempts that have no answer yet, and record those that have."""
        if self._sleeper is not None:
            self._sleeper.cancel()
            await asyncio.gather(self._sleeper, return_exceptions=True)
            self._sleeper = None
        for attempt in self._attempts - self._saving:
            attempt.cancel()
        await asyncio.gather(*self._attempts, return_exceptions=True)
        self._scheduled.clear()
        self._queues.clear()

    def schedule(self, task_id: str, due: int, receiver: str) -> None:
        """Deliver the webhook of a task when it is due. It is stored already; `receiver` is its URL's origin."""
        heapq.heappush(self._scheduled, (due, task_id, receiver))
        if self._scheduled[0][1] == task_id:
            self._earlier.set()

    async def first_attempt(self, task_id: str) -> None:
        """Wait until a scheduled webhook has been tried once, with or without success."""
        await self._awaited.setdefault(task_id, asyncio.get_running_loop().create_future())

    async def _run(self) -> None:
        while True:
            self._earlier.clear()
            now = self._now()
            while self._scheduled and self._scheduled[0][0] <= now:
                _, task_id, receiver = heapq.heappop(self._scheduled)
                self._queues.setdefault(receiver, deque()).append(task_id)
            self._start_attempts()
            if self._scheduled:
                pause = min((self._scheduled[0][0] - now) / 1000, _LONGEST_SLEEP)
                with suppress(TimeoutError):
                    await within(self._sleep, pause, self._earlier.wait())
            else:
                await self._earlier.wait()

    def _start_attempts(self) -> None:
        while len(self._attempts) < MAX_ATTEMPTS and self._sleeper is not None:
            receiver = next((each for each in self._queues if self._busy[each] < MAX_PER_RECEIVER), None)
            if receiver is None:
                return
            queue = self._queues.pop(receiver)
            attempt = asyncio.create_task(self._attempt(queue.popleft(), receiver))
            if queue:
                self._queues[receiver] = queue  # behind the others
            self._busy[receiver] += 1
            self._attempts.add(attempt)
            attempt.add_done_callback(partial(self._end, receiver))

    def _end(self, receiver: str, attempt: "asyncio.Task[None]") -> None:
        self._attempts.discard(attempt)
        self._busy[receiver] -= 1
        if not self._busy[receiver]:
            del self._busy[receiver]
        if not attempt.cancelled() and (error := attempt.exception()) is not None:
            known = isinstance(error, StoreUnavailableError)  # which has been logged
            _logger.error(
                "a webhook to %s is left for the gateway's next start", receiver, exc_info=None if known else error
            )
        self._start_attempts()

    async def _attempt(self, task_id: str, receiver: str) -> None:
        try:
            progress = await self._post_once(task_id, receiver)
        finally:
            awaited = self._awaited.pop(task_id, None)
            if awaited is not None and not awaited.done():
                awaited.set_result(None)
        if progress.due is not None:
            self.schedule(task_id, progress.due, receiver)

    async def _post_once(self, task_id: str, receiver: str) -> DeliveryProgress:
        webhook = await self._store.ask(webhook_of, task_id, self._now())
        webhook = evolve(webhook, task=await self._settle(webhook.task))
        body = webhook_body(webhook)
        status: int | None = None
        try:
            status = await self._post(parse_url("callback_url", webhook.url), body)
            succeeded, outcome = 200 <= status < 300, f"the answer is {status}"
        except OSError as error:
            succeeded, outcome = False, f"{type(error).__name__}: {error}"
        progress = next_progress(webhook.progress, succeeded=succeeded, now=self._now(), rng=self._rng)
        if self._activity is not None:
            self._activity.add_callback(
                CallbackRecord(
                    at=self._now(),
                    task_id=task_id,
                    url=webhook.url,
                    body=body,
                    status=status,
                    outcome=outcome,
                    next_at=progress.due,
                )
            )
        this = asyncio.current_task()
        self._saving.add(this)
        try:
            await self._store.ask(save_progress, task_id, progress)
        finally:
            self._saving.discard(this)
        if not succeeded:
            _log_failure(task_id, receiver, progress, outcome)
        return progress


def _log_failure(task_id: str, receiver: str, progress: DeliveryProgress, outcome: str) -> None:
    # Never the whole URL: it may hold a token.
    if progress.due is None:
        _logger.warning("task %s: the webhook to %s is given up (%s)", task_id, receiver, outcome)
    elif progress.failures == len(RETRIES) + 1:
        _logger.warning(
            "task %s: the webhook to %s failed %d times, and is retried in the background (%s)",
            task_id, receiver, progress.failures, outcome,
        )  # fmt: skip
    else:
        _logger.info("task %s: the webhook to %s failed (%s)", task_id, receiver, outcome)
