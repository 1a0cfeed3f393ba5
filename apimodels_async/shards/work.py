"""The work on one shard: begun, made, and finished or let go, in one event loop."""

import logging
import os
import socket
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import anyio

from apimodels_async._clock import loop_time
from apimodels_async._create.journal import BudgetUsedUpError, NotLoadedError, TakenElsewhereError
from apimodels_async._threads import WorkerThreads
from apimodels_async.client import AsyncImagesClient
from apimodels_async.errors import AuthenticationError, InsufficientCreditsError, LedgerError, NotSubmittedError
from apimodels_async.ledger.postgres.shards import ShardHeldError, ShardLedger
from apimodels_async.ledger.postgres.store import PostgresLedger
from apimodels_async.models import GenerationRequest, Outcome
from apimodels_async.shards.report import ShardEnd, ShardReport, is_finished, open_steps

logger: logging.Logger = logging.getLogger("apimodels_async")

ANSWERS = 300.0
"""Seconds for which the answers to create requests under way are waited for when a shard is let go: some models answer
only when the picture is done."""
LOOK = 1.0
"""Seconds between two looks at what other processes are sending, or hold of the budget."""
ALLOWANCES = 60.0
"""Seconds for which the rest of a budget is waited for where other processes hold it: those that have died give it back
when their lease has run out."""
BEGINNINGS = 5
"""How often a shard is begun by one process: anew where its run was taken for dead, or the database broke."""
_ERRORS = 5
_NO_MORE = (NotSubmittedError, InsufficientCreditsError, AuthenticationError, BudgetUsedUpError)
"""After these, other shards would fare no better."""
_NO_REFUSALS = (BudgetUsedUpError, NotLoadedError, TakenElsewhereError)
_THREADS = WorkerThreads("shards", 32)


class ShardWork:
    """The work of one process on one shard.

    The order of it keeps two rules. What a run that is alive is still sending is left to it, and waited for at the end
    only, because its answer is that run's news. And what is saved already is not even read: a shard that is run again
    after all was done costs a few queries.

    Args:
        client: makes the requests.
        ledger: the whole one.
        number: of the shard.
        options: for ``client.batch``.
        stop: set when the process is to end: nothing more is sent, and the shard is let go.
        on_outcome: called with each outcome.
    """

    def __init__(
        self,
        client: AsyncImagesClient,
        ledger: PostgresLedger,
        number: int,
        *,
        options: Mapping[str, Any],
        stop: anyio.Event,
        on_outcome: Callable[[Outcome], object] | None = None,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._number = number
        self._options = dict(options)
        self._stop = stop
        self._on_outcome = on_outcome
        self._steps = open_steps(
            download=options.get("download_to") is not None, retry_failed=options.get("retry_failed", 0) > 0
        )
        self._errors: list[str] = []
        self._not_sent = self._pictures = self._bytes = 0
        self._over_budget: list[Outcome] = []  # reported at the end: another pass may make them

    async def run(self, *, take_over: bool = False) -> ShardReport:
        """Make what is left of the shard.

        Args:
            take_over: whether to take it from another process that is alive.

        Raises:
            LedgerError: the ledger cannot be used, or refuses for another reason than that the shard is held.
            ApimodelsError: as ``client.batch`` raises when it is entered.
        """
        began = loop_time()
        try:
            shard = await _in_thread(partial(self._ledger.shard, self._number, take_over=take_over))
        except ShardHeldError:
            return ShardReport(self._number, ShardEnd.HELD, {})
        try:
            shard, end = await self._make(shard)
            if self._on_outcome is not None:
                for outcome in self._over_budget:
                    self._on_outcome(outcome)
            if end is ShardEnd.STOPPED:
                await self._answered(shard)
            counts = await _in_thread(shard.counts)
            is_over = end is ShardEnd.OPEN and not self._not_sent and is_finished(counts, self._steps)
            if is_over and await _in_thread(shard.finish):
                end = ShardEnd.FINISHED
        finally:
            with anyio.CancelScope(shield=True):
                await self._let_go(shard)
        return ShardReport(
            self._number,
            end,
            {step.value: count for step, count in counts.items()},
            not_sent=self._not_sent,
            errors=tuple(self._errors),
            pictures=self._pictures,
            bytes=self._bytes,
            seconds=round(loop_time() - began, 3),
            host=socket.gethostname(),
            pid=os.getpid(),
        )

    async def _make(self, shard: ShardLedger) -> tuple[ShardLedger, ShardEnd]:
        """Make it, again and again while others' answers come in; the shard as it is held at the end."""
        beginnings = 1
        while True:
            # Before the requests are read: what is being sent then may be answered while they are made.
            sending = await _in_thread(shard.settle)
            error = await self._pass(shard)
            if self._stop.is_set():
                return shard, ShardEnd.STOPPED
            if error is None:
                if not await self._others_answered(shard, sending) and not await self._budget_returned(shard):
                    return shard, ShardEnd.STOPPED if self._stop.is_set() else ShardEnd.OPEN
                continue
            if not await _in_thread(shard.is_current):
                return shard, ShardEnd.LOST
            if beginnings == BEGINNINGS:
                raise LedgerError(f"shard {self._number} was begun {beginnings} times: {error}") from error
            logger.warning("shard %d is begun again: %s", self._number, error)
            beginnings += 1
            with anyio.move_on_after(LOOK):
                await self._stop.wait()
            try:
                shard = await _in_thread(partial(self._ledger.shard, self._number, take_over=False))
            except ShardHeldError:
                return shard, ShardEnd.LOST

    async def _pass(self, shard: ShardLedger) -> LedgerError | None:
        """Make what can be made now, and return what the ledger refused, if it did."""
        requests = await _in_thread(lambda: list(shard.requests(self._steps)))
        refusal: LedgerError | None = None
        self._over_budget.clear()
        if not requests or self._stop.is_set():
            return None
        self._errors.clear()
        self._not_sent = 0
        trouble: Exception | None = None
        async with anyio.create_task_group() as group:
            # Leaving the batch early leaves the create requests under way to the client, which ends them.
            group.start_soon(self._cancel_on_stop, group.cancel_scope)
            try:
                refusal = await self._batch(requests, shard)
            except Exception as error:  # noqa: BLE001  (raised below, outside the group, which would wrap it)
                trouble = error
            group.cancel_scope.cancel()
        if trouble is not None:
            raise trouble
        return refusal

    async def _batch(self, requests: list[GenerationRequest], shard: ShardLedger) -> LedgerError | None:
        refusal: LedgerError | None = None
        async with self._client.batch(requests, ledger=shard, **self._options) as batch:
            async for outcome in batch:
                self._count(outcome)
                if isinstance(outcome.error, LedgerError) and not isinstance(outcome.error, _NO_REFUSALS):
                    refusal = refusal or outcome.error
            self._bytes += batch.stats.bytes
        return refusal

    async def _cancel_on_stop(self, scope: anyio.CancelScope) -> None:
        await self._stop.wait()
        scope.cancel()

    def _count(self, outcome: Outcome) -> None:
        self._pictures += len(outcome.files)
        self._not_sent += isinstance(outcome.error, _NO_MORE)
        if outcome.error is not None and len(self._errors) < _ERRORS:
            self._errors.append(f"{type(outcome.error).__name__}: {outcome.error}")
        if isinstance(outcome.error, BudgetUsedUpError):
            self._over_budget.append(outcome)
        elif self._on_outcome is not None:
            self._on_outcome(outcome)

    async def _others_answered(self, shard: ShardLedger, before: list[str]) -> bool:
        """Wait for what other runs are still sending; whether there was anything, so that there is more to do now.

        Args:
            shard: which.
            before: what they were sending when the requests were read.
        """
        sending = await _in_thread(shard.settle)
        if not before and not sending:
            return False
        while sending and not self._stop.is_set():
            with anyio.move_on_after(LOOK):
                await self._stop.wait()
            sending = await _in_thread(shard.settle)
        return not self._stop.is_set()

    async def _budget_returned(self, shard: ShardLedger) -> bool:
        """Wait for the rest of the budget where others hold it; whether there is some now."""
        if not self._over_budget or len(self._over_budget) < self._not_sent:
            return False
        with anyio.move_on_after(ALLOWANCES):
            while not self._stop.is_set():
                can_afford = await _in_thread(shard.can_afford)
                if can_afford is not False:
                    return can_afford is True
                with anyio.move_on_after(LOOK):
                    await self._stop.wait()
        return False

    async def _answered(self, shard: ShardLedger) -> None:
        """Wait for the answers to create requests under way; they are recorded by the client."""
        with anyio.move_on_after(ANSWERS):
            while await _in_thread(shard.settle):  # noqa: ASYNC110  (the database tells, and sends no events)
                await anyio.sleep(LOOK / 4)

    async def _let_go(self, shard: ShardLedger) -> None:
        try:
            await _in_thread(shard.close)
        except LedgerError as error:  # others have it when the lease of this process has run out
            logger.warning("shard %d could not be let go: %s", self._number, error)


_in_thread = _THREADS.run
