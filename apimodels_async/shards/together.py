"""Several plain runs on one ledger, without an engine: each takes whole shards that no other holds."""

import logging
import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import anyio
import anyio.abc

from apimodels_async._threads import FILES
from apimodels_async.client import AsyncImagesClient
from apimodels_async.ledger.postgres.shards import ShardState
from apimodels_async.ledger.postgres.store import PostgresLedger
from apimodels_async.models import Outcome
from apimodels_async.shards.dividing import divide, report_of
from apimodels_async.shards.report import ShardEnd, ShardReport, open_steps
from apimodels_async.shards.work import LOOK, ShardWork

logger: logging.Logger = logging.getLogger("apimodels_async")

AT_ONCE = 2
"""Shards that a plain run works on at once, so that the last tasks of one do not leave it idle."""
LEFT_BEHIND = 2
"""Shards of runs that have ended, which it takes beside these: tasks in them are paid."""


class PlainRun:
    """One of several plain runs on a ledger, each in a process of its own and none of them in charge.

    A shard is taken only if no process that is alive holds it: its run has ended, or its lease has run out. Those that
    were begun come first. Else the order is by chance, so that runs that begin together seldom reach for the same one.

    Args:
        client: makes the requests.
        ledger: that of all runs.
        options: for ``client.batch``.
        stop: set when this run is to end.
        on_report: called with the report on each shard, also of those that others have finished.
        on_outcome: called with each outcome of this run.
        shuffle: puts shards into the order in which they are tried.
    """

    def __init__(
        self,
        client: AsyncImagesClient,
        ledger: PostgresLedger,
        options: Mapping[str, Any],
        *,
        stop: anyio.Event,
        on_report: Callable[[ShardReport], object],
        on_outcome: Callable[[Outcome], object] | None = None,
        shuffle: Callable[[list[ShardState]], object] = random.shuffle,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._options = options
        self._asked = stop
        self._stop = anyio.Event()
        self._on_report = on_report
        self._on_outcome = on_outcome
        self._shuffle = shuffle
        self._steps = open_steps(
            download=options.get("download_to") is not None, retry_failed=options.get("retry_failed", 0) > 0
        )
        self._mine: set[int] = set()
        self._reported: set[int] = set()
        self._given_up: set[int] = set()
        self._no_more = False
        self._error: Exception | None = None
        self._changed = anyio.Event()

    async def run(self, workers: int = 1) -> None:
        """Work until every shard is finished, or no run can do more; or until it is stopped.

        Args:
            workers: runs that are going to work on it, as far as is known.

        Raises:
            LedgerError: the ledger cannot be used.
            ApimodelsError: as ``client.batch`` raises when it is entered.
        """
        states = await FILES.run(partial(divide, self._ledger, workers, self._steps))
        async with anyio.create_task_group() as group:
            group.start_soon(self._stop_when_asked)
            while await self._take(states, group):
                self._changed = anyio.Event()
                with anyio.move_on_after(LOOK):
                    await self._changed.wait()
                states = await FILES.run(self._ledger.shards)
            while self._mine:  # they let go
                self._changed = anyio.Event()
                await self._changed.wait()
            group.cancel_scope.cancel()
        if self._error is not None:
            raise self._error

    async def _take(self, states: list[ShardState], group: anyio.abc.TaskGroup) -> bool:
        """Report what is finished, begin what is free, and return whether there is anything to wait for."""
        for state in states:
            if state.finished and state.number not in self._reported | self._mine:
                self._report(await FILES.run(partial(report_of, self._ledger, state)), len(states))
        if self._stop.is_set():
            return False
        left = [each for each in states if not each.finished and each.number not in self._given_up]
        free = [each for each in left if not each.held and each.number not in self._mine]
        self._shuffle(free)
        free.sort(key=lambda state: not state.begun)
        for state in [] if self._no_more else free:
            if len(self._mine) < AT_ONCE + (LEFT_BEHIND if state.begun else 0):
                self._mine.add(state.number)
                group.start_soon(self._work, state.number, len(states))
        return bool(self._mine or (left and not self._no_more))

    async def _work(self, number: int, shards: int) -> None:
        work = ShardWork(
            self._client,
            self._ledger,
            number,
            options=self._options,
            stop=self._stop,
            on_outcome=self._on_outcome,
        )
        try:
            report = await work.run()
        except Exception as error:  # noqa: BLE001  (raised when the other shard is let go, and not in a group)
            self._error = self._error or error
            self._stop.set()
        else:
            if report.end is ShardEnd.OPEN:
                self._given_up.add(number)
                self._no_more = self._no_more or report.not_sent > 0
            if report.end not in (ShardEnd.HELD, ShardEnd.LOST):
                self._report(report, shards)
        finally:
            self._mine.discard(number)
            self._changed.set()

    def _report(self, report: ShardReport, shards: int) -> None:
        if report.end is ShardEnd.FINISHED:
            self._reported.add(report.number)
        self._on_report(report._replace(finished=len(self._reported), shards=shards))

    async def _stop_when_asked(self) -> None:
        await self._asked.wait()
        self._stop.set()
        self._changed.set()
