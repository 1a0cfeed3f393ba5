"""The life of each request of a batch: read, created, watched, saved, and handed over as an outcome.

Requests are read lazily by one feeder; each create is a short task; the tasks at the vendor are watched by one
scheduler; downloads are short tasks again.
"""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from itertools import count
from pathlib import Path
from typing import Literal, TypeAlias

import anyio
import anyio.abc
import anyio.to_thread
from attrs import evolve

from apimodels_async._batch.budget import Budget, BudgetExceededError, UnpricedModelError
from apimodels_async._batch.byte_limit import ByteLimit
from apimodels_async._batch.feed import read
from apimodels_async._batch.listener import Listener
from apimodels_async._batch.options import Item, Options, Requests, Slot
from apimodels_async._batch.scheduler import Scheduler
from apimodels_async._batch.sidecar import write_sidecar
from apimodels_async._create.engine import Engine
from apimodels_async._download.downloader import Downloader
from apimodels_async._poll.watch import TaskWatch
from apimodels_async._wire import tasks
from apimodels_async._wire.tasks import is_over
from apimodels_async.errors import (
    AuthenticationError,
    InsufficientCreditsError,
    LedgerError,
    NotSubmittedError,
    SubmissionUnknownError,
    TaskNotFoundError,
)
from apimodels_async.ledger.entries import Entry, Plan, Step, plan
from apimodels_async.ledger.run import LedgerRun
from apimodels_async.models import BatchEvent, BatchStats, GenerationRequest, Outcome, Task, TaskState

logger = logging.getLogger("apimodels_async")

SLACK = 64
"""How many more requests than `max_in_flight` may be read beyond the outcomes that the consumer has taken."""
QUICK = 2.0
"""Seconds. A create holds one of the `CREATES` places for so long at most: those of a synchronous model take a minute,
and must not hold the others up."""
CREATES = 32
"""So many quick creates at once."""
BODIES = 64 << 20
"""Bytes that the bodies of creates may take at once, however many are under way: pictures go in them."""
DOWNLOADS = 8
WRITE_WITHIN = 0.5
"""Seconds after which a task's end is in the ledger at the latest: what is lost has to be asked for again."""
_Kind: TypeAlias = Literal["submitted", "state", "completed", "failed", "downloaded"]
_TRANSIENT = frozenset({"UPSTREAM_BUSY", "TIMEOUT"})
"""Fail codes that speak of a passing trouble (from the vendor's public clients)."""


class Pipeline:
    """Turns requests into outcomes.

    Args:
        tools: what it uses of the client.
        options: what was asked for.
        requests: what to make.
        hand_over: called with each outcome, and with ``None`` when the input has ended.
        keep: called with a task that the server accepted after the batch was left.
        records: the ledger's, if there is one.

    Attributes:
        alive: by index, what has been read and has no outcome yet.
        done: whether every request has been read and has its outcome.
        input_error: what reading the requests raised, if it did.
    """

    def __init__(
        self,
        engine: Engine,
        downloader: Downloader,
        options: Options,
        requests: Requests,
        *,
        hand_over: Callable[[Outcome | None], None],
        keep: Callable[[Task], None],
        records: LedgerRun | None,
    ) -> None:
        self._engine = engine
        self._downloader = downloader
        self._options = options
        self._requests = requests
        self._hand_over = hand_over
        self._keep = keep
        self._records = records
        self._budget = Budget(options.budget)
        self._listener = None if options.on_event is None else Listener(options.on_event)
        self._scheduler: Scheduler[Item] = Scheduler(engine.poller, engine.pacing, engine.poller.rate, self)
        self._window = anyio.Semaphore(options.max_in_flight + SLACK)
        self._flight = anyio.Semaphore(options.max_in_flight)
        self._creates = anyio.Semaphore(CREATES)
        self._bodies = ByteLimit(BODIES)
        self._downloads = anyio.Semaphore(DOWNLOADS)
        self._group: anyio.abc.TaskGroup
        self._stopped: tuple[str, Exception] | None = None
        self._read_all = False
        self._read = self._submitted = self._completed = self._failed = 0
        self._unknown = self._polls = self._bytes = self._in_flight = 0
        self.alive: dict[int, Item] = {}
        self.input_error: Exception | None = None

    @property
    def done(self) -> bool:
        return self._read_all and not self.alive

    @property
    def stats(self) -> BatchStats:
        """How far it is."""
        return BatchStats(
            read=self._read,
            submitted=self._submitted,
            in_flight=self._in_flight,
            completed=self._completed,
            failed=self._failed,
            unknown=self._unknown,
            polls=self._polls,
            bytes=self._bytes,
            spent=self._budget.spent,
            matched=0 if self._records is None else self._records.matched,
        )

    def start(self, group: anyio.abc.TaskGroup) -> None:
        """Begin, in `group`."""
        self._group = group
        group.start_soon(self._feed)
        group.start_soon(self._scheduler.run, group)
        if self._listener is not None:
            group.start_soon(self._listener.run)
        if self._records is not None:
            group.start_soon(self._write_soon, self._records)

    async def _write_soon(self, records: LedgerRun) -> None:
        """Write what nobody waits for, such as the ends of the last tasks, while no create writes."""
        while self._stopped is None or not isinstance(self._stopped[1], LedgerError):
            await anyio.sleep(WRITE_WITHIN)
            try:
                await records.flush()
            except LedgerError as error:
                self._stop("the ledger cannot be written", error)

    def taken(self) -> None:
        """The consumer took an outcome, so that one more request may be read."""
        self._window.release()

    async def tell_the_rest(self) -> None:
        """Let a listener that is a little behind hear what has happened."""
        if self._listener is not None:
            with anyio.move_on_after(1.0):
                await self._listener.end()

    # --- reading and creating

    async def _feed(self) -> None:
        """Read the requests, each when there is room for it, and send it when there is room for that."""
        async with aclosing(read(self._requests, self._window)) as requests:
            await self._read_each(requests)
        self._read_all = True
        self._hand_over(None)

    async def _read_each(self, requests: AsyncIterator[GenerationRequest | str]) -> None:
        for index in count():
            try:
                given = await anext(requests)
            except StopAsyncIteration:
                return
            except Exception as error:  # noqa: BLE001  (raised to the consumer, after the tasks under way)
                self.input_error = error
                return
            self._read += 1
            try:
                item = Item(index, given if isinstance(given, GenerationRequest) else GenerationRequest(given))
            except (TypeError, ValueError) as error:
                self._out(Outcome(index=index, request=GenerationRequest("(not a request)"), error=error))
            else:
                self.alive[index] = item
                await (self._send(item) if self._records is None else self._look_up(item, self._records))

    # --- what an earlier run has done

    async def _look_up(self, item: Item, records: LedgerRun) -> None:
        """Find out from the ledger what is left to be done, and do it."""
        try:
            item.prepared = await self._engine.prepare(item.request, for_ledger=self._records is not None)
            item.key = records.next_key(item.prepared)
            entry = await records.claim(item.key, item.prepared)
        except Exception as error:  # noqa: BLE001  (whatever happens to a request becomes its outcome)
            if isinstance(error, LedgerError):
                self._stop("the ledger cannot be read", error)
            self._out(Outcome(index=item.index, request=item.request, error=error))
            return
        if entry is None:
            await self._send(item)
            return
        item.prepared = None
        item.task = entry.task
        match plan(entry.step):
            case Plan.WATCH if entry.task is not None:
                await self._take_up(item, entry.task)
            case Plan.REPORT_UNKNOWN if entry.intent_id is None:
                self._report_unknown(item, entry, records)
            case Plan.REPORT_UNKNOWN:
                self._group.start_soon(self._seek, item, entry, records)
            case _:
                await self._tell_again(item, entry, records)

    def _report_unknown(self, item: Item, entry: Entry, records: LedgerRun) -> None:
        self._budget.spend(item.request, entry.model)
        self._out(Outcome(index=item.index, request=item.request, error=records.unknown(entry)))

    async def _seek(self, item: Item, entry: Entry, records: LedgerRun) -> None:
        """Nobody knows what came of it, but it ordered a callback, which may name its task."""
        task: Task | None = None
        try:
            task = await self._engine.recover(entry.intent_id, entry.model, entry.changed)
        except Exception:  # a receiver that fails must not end the batch
            logger.exception("the callback of entry %s could not be waited for", entry.key)
        if task is None:
            self._report_unknown(item, entry, records)
            return
        item.task = task
        try:
            await records.found(entry, task)
        except LedgerError as error:
            self._stop("the ledger cannot be written", error)
            self._out(Outcome(index=item.index, request=item.request, task=task, error=error))
            return
        await self._take_up(item, task)

    async def _take_up(self, item: Item, task: Task) -> None:
        """Only ask: the server has it."""
        await self._flight.acquire()
        self._in_flight += 1
        item.cost = self._budget.take_up(item.request, task.model or "")
        self._submitted += 1
        self._tell("submitted", item)
        if task.id is None:
            # It came back completed at once, and the run was cut off before that was written down.
            self._finish(item, evolve(task, state=TaskState.COMPLETED))
        else:
            self._scheduler.add(item, self._engine.poller.watch(task, self._options.wait_timeout))

    async def _tell_again(self, item: Item, entry: Entry, records: LedgerRun) -> None:
        """It has ended: the ledger knows how."""
        if entry.step is Step.ABANDONED or entry.task is None:
            self._out(Outcome(index=item.index, request=item.request, error=_not_sent(item, "it was abandoned", None)))
            return
        if entry.task.state == TaskState.FAILED and self._options.retry_failed and _may_work_next_time(entry.task):
            item.retries = 1
            await self._send(item)
            return
        if entry.task.state == TaskState.FAILED:
            error = tasks.failure(entry.task)
            self._out(Outcome(index=item.index, request=item.request, task=entry.task, error=error))
            return
        self._completed += 1
        self._budget.spend(item.request, entry.model)
        files = await records.whole_files(entry)
        if files is None and self._options.download_to is not None:
            records.ended(item.key, entry.task)
            self._group.start_soon(self._download, item, self._options.download_to)
        else:
            self._out(Outcome(index=item.index, request=item.request, task=entry.task, files=tuple(files or ())))

    async def _send(self, item: Item) -> None:
        if self._stopped is None:
            await self._flight.acquire()
            self._in_flight += 1
            if not self._is_stopped() and self._afford(item):
                await self._make_room(item)
                self._group.start_soon(self._create, item)
                return
            self._in_flight -= 1
            self._flight.release()
        if self._stopped is not None and item.index in self.alive:
            self._not_submitted(item)

    def _is_stopped(self) -> bool:
        """Asked anew after each wait: it may have changed meanwhile."""
        return self._stopped is not None

    def _afford(self, item: Item) -> bool:
        """Whether the budget allows the item; if not, it has its outcome now."""
        try:
            item.cost = self._budget.commit(item.request, self._engine.model_of(item.request))
        except BudgetExceededError as error:
            self._stop("the budget is used up", error)
        except UnpricedModelError as error:
            self._out(Outcome(index=item.index, request=item.request, error=_not_sent(item, str(error), error)))
        except ValueError as error:  # no model anywhere
            self._out(Outcome(index=item.index, request=item.request, error=error))
        else:
            return True
        return False

    def _not_submitted(self, item: Item) -> None:
        why, cause = self._stopped or ("", None)
        self._out(Outcome(index=item.index, request=item.request, error=_not_sent(item, why, cause)))

    async def _create(self, item: Item) -> None:
        place = Slot(self._creates)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(place.give_up_after, QUICK)
                await self._create_now(item)
                group.cancel_scope.cancel()
        finally:
            place.give_up()
            item.weight = self._bodies.change(item.weight, 0)

    async def _make_room(self, item: Item) -> None:
        """Wait until one more create may be begun, and its body made. What is made already weighs what it is."""
        await self._creates.acquire()
        weight = await self._engine.weigh(item.request)
        item.weight = weight if item.prepared is None else min(weight, item.prepared.size)
        await self._bodies.enter(item.weight)

    async def _create_now(self, item: Item) -> None:
        if self._stopped is not None:
            self._settle(item, _not_sent(item, *self._stopped))
            return
        try:
            prepared = item.prepared or await self._engine.prepare(item.request, for_ledger=self._records is not None)
            item.prepared = None
            if item.weight:
                item.weight = self._bodies.change(item.weight, prepared.size)
            journal = None if self._records is None else self._records.journal(item.key, prepared)
            task = await self._engine.send(prepared, self._keep, journal, within=self._options.wait_timeout)
        except Exception as error:  # noqa: BLE001  (whatever happens to a request becomes its outcome)
            self._settle(item, error)
            if isinstance(error, LedgerError):
                self._stop("the ledger cannot be written", error)
            elif isinstance(error, InsufficientCreditsError):
                self._stop("the account's credits are used up", error)
            elif isinstance(error, AuthenticationError):
                self._end_watches(error)
            return
        item.task = task
        self._submitted += 1
        self._tell("submitted", item)
        if task.id is None or is_over(task):
            self._finish(item, task)
        else:
            self._scheduler.add(item, self._engine.poller.watch(task, self._options.wait_timeout))

    # --- watching (called by the scheduler)

    def queried(self, item: Item, watched: TaskWatch) -> None:
        """A look was taken, and the watch goes on."""
        self._polls += 1
        if watched.task.state != item.state:
            item.task = watched.task
            item.state = watched.task.state
            self._tell("state", item)

    def ended(self, item: Item, watched: TaskWatch, error: Exception | None) -> None:
        """A watch has ended."""
        self._polls += 1
        item.task = watched.task
        if error is None:
            try:
                task = self._engine.poller.learn(watched, self._engine.pacing)
            except Exception as odd:  # noqa: BLE001
                self._settle(item, odd)
            else:
                self._finish(item, task)
            return
        self._settle(item, error)
        if isinstance(error, AuthenticationError):
            self._end_watches(error)

    def _end_watches(self, error: AuthenticationError) -> None:
        """The key is refused: nothing can be learned any more, and every task keeps its id for later."""
        self._stop("the API key is refused", error)
        for item, watched in self._scheduler.drain():
            item.task = watched.task
            own = AuthenticationError(
                f"task {watched.task.id} can no longer be asked about: {error}",
                status=error.status,
                code=error.code,
                msg=error.msg,
                request_id=error.request_id,
                task_id=watched.task.id,
                body=error.body,
            )
            own.__cause__ = error
            self._settle(item, own)

    # --- ends

    def _finish(self, item: Item, task: Task) -> None:
        """The vendor is done with the item's task."""
        item.task = task
        if task.state == TaskState.FAILED:
            if item.retries < self._options.retry_failed and self._stopped is None and _may_work_next_time(task):
                item.retries += 1
                self._record_end(item, task)
                self._group.start_soon(self._create_again, item)
                return
            self._record_end(item, task)
            self._settle(item, tasks.failure(task))
            return
        self._completed += 1
        # A picture that came inside the answer is done only when it is on the disk.
        if task.id is not None or self._options.download_to is None:
            self._record_end(item, task)
        self._tell("completed", item)
        if self._options.download_to is None:
            self._settle(item, None)
        else:
            self._land(item, billed=True)
            self._group.start_soon(self._download, item, self._options.download_to)

    async def _create_again(self, item: Item) -> None:
        await self._make_room(item)
        await self._create(item)

    async def _download(self, item: Item, directory: Path) -> None:
        task = item.task
        if task is None:
            return
        files: list[Path] = []
        error: Exception | None = None
        async with self._downloads:
            try:
                files = await self._downloader.download(task, directory)
                if self._options.sidecar and files:
                    await anyio.to_thread.run_sync(write_sidecar, item.request, task, files)
                if self._records is not None:
                    self._record_end(item, task)
                    await self._records.saved(item.key, files)
            except Exception as trouble:  # noqa: BLE001  (whatever happens becomes the outcome)
                error = trouble
        if error is None:
            self._bytes += sum(file.stat().st_size for file in files)
            self._tell("downloaded", item)
        self._out(Outcome(index=item.index, request=item.request, task=task, error=error, files=tuple(files)))

    def _record_end(self, item: Item, task: Task) -> None:
        if self._records is not None:
            self._records.ended(item.key, task)

    def _settle(self, item: Item, error: Exception | None) -> None:
        """The item is done, with no download to come."""
        if isinstance(error, TaskNotFoundError) and self._records is not None:
            self._records.not_found(item.key, error)
        # A task whose wait was given up goes on, and will be billed.
        accepted = item.task is not None and item.task.state != TaskState.FAILED
        unwritten = isinstance(error, LedgerError) and error.task_id is not None
        self._land(item, billed=accepted or unwritten or isinstance(error, SubmissionUnknownError))
        self._out(Outcome(index=item.index, request=item.request, task=item.task, error=error))

    def _land(self, item: Item, *, billed: bool) -> None:
        """The item no longer counts as a paid task alive."""
        self._in_flight -= 1
        self._flight.release()
        self._budget.settle(item.cost, billed=billed)

    def _out(self, outcome: Outcome) -> None:
        """Hand an outcome to the consumer."""
        self.alive.pop(outcome.index, None)
        if outcome.error is not None:
            self._failed += 1
            self._unknown += isinstance(outcome.error, SubmissionUnknownError)
            if self._listener is not None:
                self._listener.tell(BatchEvent("failed", outcome.index, outcome.task, outcome.error))
        self._hand_over(outcome)

    def _stop(self, why: str, error: Exception) -> None:
        """Create nothing more."""
        if self._stopped is None:
            logger.warning("the batch sends nothing more: %s (%s)", why, error)
            self._stopped = why, error

    def _tell(self, kind: _Kind, item: Item) -> None:
        if item.task is not None:
            item.state = item.task.state
        if self._listener is not None:
            self._listener.tell(BatchEvent(kind, item.index, item.task))


def _not_sent(item: Item, why: str, cause: Exception | None) -> NotSubmittedError:
    error = NotSubmittedError(f"request {item.index} was not sent: {why}")
    error.__cause__ = cause
    return error


def _may_work_next_time(task: Task) -> bool:
    """Whether a failed task is worth another try: as the vendor says; else by a code known to be transient."""
    return task.fail_code in _TRANSIENT if task.retryable is None else task.retryable
