"""The life of each request of a batch: read, created, watched, saved, and returned as an outcome.

One task reads the requests, each when there is room for it; each create request is a short task; all tasks at the
vendor are watched by one scheduler; queries and downloads share a few tasks. Every one of these is guarded: whatever
a picture object, a file system, a transport or a receiver raises becomes the outcome of one item, and the rest go on.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import partial

import anyio
import anyio.abc
from attrs import evolve

from apimodels_async._batch.accounts import Accounts, is_billed
from apimodels_async._batch.creator import Creator
from apimodels_async._batch.feed import read
from apimodels_async._batch.observers import Observers
from apimodels_async._batch.options import BatchOptions, Item, Phase, Requests
from apimodels_async._batch.resume import may_succeed_again
from apimodels_async._batch.resumer import Resumer
from apimodels_async._batch.saver import Saver
from apimodels_async._batch.scheduler import Scheduler
from apimodels_async._batch.stops import Stop, key_refused, stop_after_create, stop_after_download
from apimodels_async._batch.worker_tasks import IDLE, WorkerTasks
from apimodels_async._cancellation import as_error
from apimodels_async._create.engine import Engine
from apimodels_async._create.journal import TakenElsewhereError
from apimodels_async._download.downloader import Downloader
from apimodels_async._poll.watch import TaskWatch
from apimodels_async._wire import tasks
from apimodels_async.errors import AuthenticationError, TaskNotFoundError
from apimodels_async.instrumentation import port
from apimodels_async.ledger.entries import Entry
from apimodels_async.ledger.run import LedgerRun
from apimodels_async.models import BatchStats, GenerationRequest, Outcome, Task, TaskState

logger = logging.getLogger("apimodels_async")

SLACK = 64
"""How many more requests than `max_in_flight` may be read beyond the outcomes that the consumer has taken."""


class Pipeline:
    """Turns requests into outcomes.

    Args:
        engine: prepares and sends create requests, and asks about tasks.
        downloader: fetches pictures.
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
        options: BatchOptions,
        requests: Requests,
        *,
        hand_over: Callable[[Outcome | None], None],
        keep: Callable[[Task], None],
        records: LedgerRun | None,
    ) -> None:
        self._engine = engine
        self._options = options
        self._requests = requests
        self._hand_over = hand_over
        self._records = records
        self._accounts = Accounts(options.budget, engine.prices, allow_unpriced=options.allow_unpriced)
        self._observers = Observers(options.on_event, engine.model, engine.prices)
        self._creator = Creator(engine, options, self._accounts, records, keep, on_upload=self._observers.uploading)
        self._scheduler: Scheduler[Item] = Scheduler(engine.poller, engine.pacing, engine.poller.rate, self)
        place = options.download_to
        self._saver = None if place is None else Saver(downloader, place, options, records)
        self._resumer: Resumer | None = None
        if records is not None:
            self._resumer = Resumer(
                records, engine, creator=self._creator, options=options, accounts=self._accounts, steps=self
            )
        self._window = anyio.Semaphore(options.max_in_flight + SLACK)
        self._slots = anyio.Semaphore(options.max_in_flight, fast_acquire=True)
        self._group: anyio.abc.TaskGroup
        self._workers: WorkerTasks
        self._read_all = False
        self.alive: dict[int, Item] = {}
        self.input_error: BaseException | None = None

    @property
    def done(self) -> bool:
        return self._read_all and not self.alive

    @property
    def stats(self) -> BatchStats:
        """How far it is. May be read in any thread."""
        return self._accounts.stats(
            matched=0 if self._records is None else self._records.matched,
            waiting=self._creator.waiting,
            outage=self._creator.outage(),
        )

    def start(self, group: anyio.abc.TaskGroup) -> None:
        """Begin, in `group`."""
        self._group = group
        self._workers = WorkerTasks(group, IDLE if self._engine.http.is_own else 0)  # a caller's client may have hooks
        group.start_soon(self._feed)
        group.start_soon(self._scheduler.run, self._workers)
        self._observers.start(group)
        if self._records is not None:
            group.start_soon(self._flush_often, self._records)

    async def _flush_often(self, records: LedgerRun) -> None:
        """Write what nothing waits for, such as the ends of the last tasks, while no create request writes."""
        try:
            await records.flush_often()
        except Exception as error:  # noqa: BLE001  (no more than what it stops)
            self.stop_creating(Stop("the ledger cannot be written", error))

    def taken(self) -> None:
        """The consumer took an outcome, so that one more request may be read."""
        self._window.release()

    async def notify_the_rest(self) -> None:
        """Let a listener that is a little behind receive what has happened."""
        await self._observers.finish()

    def leave(self) -> None:
        """The batch is left before every item has its outcome."""
        self._creator.leave()
        self._observers.leave(self.alive.values())

    def _start(self, work: Callable[[Item], Awaitable[None]], item: Item) -> None:
        self._group.start_soon(self._guarded, work, item)

    async def _guarded(self, work: Callable[[Item], Awaitable[None]], item: Item) -> None:
        """Do a part of an item's work; what it raises becomes the item's outcome."""
        try:
            with port.within(item.operation):
                await work(item)
        except BaseException as error:  # noqa: BLE001  (that is the purpose; a cancellation is raised again)
            self.settle(item, as_error(error, "what the request needs"))

    # --- reading

    async def _feed(self) -> None:
        """Read the requests, each when there is room for it, and send each when there is room for that."""
        try:
            if self._resumer is not None:
                await self._resumer.count_earlier_spending(self._requests)
            async with aclosing(read(self._requests, self._window)) as requests:
                await self._read_each(requests)
        except BaseException as error:  # noqa: BLE001  (raised to the consumer, after the tasks under way)
            self.input_error = error if isinstance(error, SystemExit) else as_error(error, "the requests")
        self._read_all = True
        self._hand_over(None)

    async def _read_each(self, requests: AsyncIterator[GenerationRequest | str]) -> None:
        async for given in requests:
            index = self._accounts.read
            self._accounts.read += 1
            try:
                item = Item(index, given if isinstance(given, GenerationRequest) else GenerationRequest(given))
            except Exception as error:  # noqa: BLE001  (what was given is no request)
                item = Item(index, GenerationRequest("(not a request)"))
                self._observers.begin(item)
                self._emit(item, error)
            else:
                self.alive[index] = item
                self._observers.begin(item)
                await self._guarded(self.submit if self._resumer is None else self._resumer.resume, item)

    # --- creating

    def recover(self, item: Item, entry: Entry) -> None:
        """Wait for the callback that names the task of an earlier run's create request, beside everything else."""
        if self._resumer is not None:
            self._start(partial(self._resumer.recover, entry=entry), item)

    async def watch(self, item: Item, task: Task) -> None:
        """Only ask about a task of an earlier run, when there is room for it: the server has it."""
        await self._take_slot(item)
        item.cost = self._accounts.budget.take_up(item.request, task.model or "")
        # Without an id it was answered completed, and the run ended before that was recorded.
        self._accept(item, task if task.id is not None else evolve(task, state=TaskState.COMPLETED))

    async def save_again(self, item: Item) -> None:
        """Download the pictures of an earlier run's task, when there is room for it."""
        await self._take_slot(item)
        self._accounts.move(item, Phase.SAVING)
        self._workers.start(partial(self._guarded, self._save, item))

    async def _take_slot(self, item: Item) -> None:
        await self._slots.acquire()
        self._accounts.move(item, Phase.IN_FLIGHT)

    def _release_slot(self, item: Item, *, billed: bool) -> None:
        if item.phase is not Phase.READ:
            self._accounts.move(item, Phase.READ, billed=billed)
            self._slots.release()

    async def submit(self, item: Item) -> None:
        """Start the create request of an item, when there is room for it."""
        if self._creator.may_begin:
            await self._take_slot(item)
        if (error := self._creator.refused(item) or self._creator.commit(item)) is not None:
            self.settle(item, error)
        else:
            await self._start_create(item)

    async def _start_create(self, item: Item) -> None:
        await self._creator.reserve(item)
        self._creator.start(item, partial(self._guarded, self._create, item), self._group)

    async def _create(self, item: Item) -> None:
        """Send an item's create request, for which there is a slot and a reservation."""
        if (stopped := self._creator.stopped(item)) is not None:
            self._creator.release(item)
            self.settle(item, stopped)
            return
        try:
            task = await self._creator.create(item)
        except Exception as error:  # noqa: BLE001  (it becomes the outcome)
            if self._creator.caller.left:
                return
            if self._resumer is not None and isinstance(error, TakenElsewhereError):
                self._release_slot(item, billed=False)
                self._start(self._resumer.look_again, item)
                return
            stop = stop_after_create(error)
            if isinstance(error, AuthenticationError):
                self._end_watches(error)
            elif stop is not None:
                self.stop_creating(stop)
            self.settle(item, error)
            return
        if not self._creator.caller.left:
            self._accept(item, task)

    def _accept(self, item: Item, task: Task) -> None:
        """The server has accepted the item's request: watch its task, unless that has ended already."""
        item.task = task
        self._accounts.submitted += 1
        self._observers.notify(item, "submitted")
        if task.id is None or tasks.is_over(task):
            self._finish(item, task)
        else:
            self._scheduler.add(item, self._engine.poller.watch(task, self._options.wait_timeout, age=item.age))

    # --- watching (called by the scheduler)

    def queried(self, item: Item, watched: TaskWatch) -> None:
        """A query was made, and the watch goes on."""
        self._accounts.polls += 1
        if watched.task.state != item.state:
            item.task = watched.task
            self._observers.notify(item, "state")

    def ended(self, item: Item, watched: TaskWatch, error: Exception | None) -> None:
        """A watch has ended."""
        self._accounts.polls += 1
        item.task = watched.task
        if error is None:
            try:
                self._finish(item, self._engine.poller.learn(watched, self._engine.pacing))
            except Exception as odd:  # noqa: BLE001  (it becomes the outcome)
                self.settle(item, odd)
            return
        self.settle(item, error)
        if isinstance(error, AuthenticationError):
            self._end_watches(error)

    def _end_watches(self, error: AuthenticationError) -> None:
        """The key is refused: nothing can be learned any more, and every task keeps its id for later."""
        self.stop_creating(Stop("the API key is refused", error))
        for item, watched in self._scheduler.drain():
            item.task = watched.task
            self.settle(item, key_refused(watched.task, error))

    # --- ends

    def _finish(self, item: Item, task: Task) -> None:
        """The vendor is done with the item's task."""
        item.task = task
        if task.state == TaskState.FAILED:
            self._record_end(item, task)
            if item.retries < self._options.retry_failed and self._creator.may_begin and may_succeed_again(task):
                item.retries += 1
                self._start(self._start_create, item)
            else:
                self.settle(item, tasks.failure(task))
            return
        self._accounts.completed += 1
        # A picture that came inside the answer is done only when it is on the disk.
        if task.id is not None or self._saver is None:
            self._record_end(item, task)
        self._observers.notify(item, "completed")
        if self._saver is None:
            self.settle(item, None)
        else:
            self._accounts.move(item, Phase.SAVING)
            self._workers.start(partial(self._guarded, self._save, item))

    async def _save(self, item: Item) -> None:
        if self._saver is None or item.task is None:
            return
        try:
            await self._saver.save(item, item.task)
        except Exception as error:
            if (stop := stop_after_download(error, self._options.download_to)) is not None:
                self.stop_creating(stop)
            raise
        self._accounts.bytes += item.saved_bytes
        self._observers.notify(item, "downloaded")
        self.settle(item, None)

    def _record_end(self, item: Item, task: Task) -> None:
        if self._records is not None:
            self._records.ended(item.key, task)

    def settle(self, item: Item, error: Exception | None) -> None:
        """The item is done: release its slot and return its outcome. Harmless a second time."""
        if item.index not in self.alive or self._creator.caller.left:
            return
        if isinstance(error, TaskNotFoundError) and self._records is not None:
            self._records.not_found(item.key, error)
        self._release_slot(item, billed=is_billed(item.task, error))
        self._emit(item, error)

    def _emit(self, item: Item, error: Exception | None) -> None:
        """Return an item's outcome to the consumer."""
        self.alive.pop(item.index, None)
        if error is not None:
            self._accounts.count_failure(error)
        self._observers.end(item, error)
        self._hand_over(Outcome(index=item.index, request=item.request, task=item.task, error=error, files=item.files))

    def stop_creating(self, stop: Stop) -> None:
        """Create nothing more."""
        self._creator.stop_creating(stop)
