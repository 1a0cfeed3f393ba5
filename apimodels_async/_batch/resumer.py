"""Carrying out what is left to do for the requests that an earlier run began."""

import logging
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

import anyio.lowlevel

from apimodels_async._batch import resume
from apimodels_async._batch.accounts import Accounts
from apimodels_async._batch.creator import Creator
from apimodels_async._batch.options import BatchOptions, Item, Requests
from apimodels_async._batch.stops import Stop
from apimodels_async._create.engine import Engine
from apimodels_async._create.inputs import has_local
from apimodels_async._create.prepare import prepare
from apimodels_async._download.destination import as_paths, seen_from
from apimodels_async.errors import LedgerError
from apimodels_async.ledger.entries import Entry, Step
from apimodels_async.ledger.run import LedgerRun
from apimodels_async.models import GenerationRequest, Task

if TYPE_CHECKING:
    from collections.abc import Iterable

_AT_ONCE = 64
"""Requests of a list that are looked up at a time."""

logger = logging.getLogger("apimodels_async")


class Steps(Protocol):
    """The steps of an item's life; the pipeline's."""

    async def submit(self, item: Item) -> None:
        """Start the item's create request, when there is room for it."""
        ...

    async def watch(self, item: Item, task: Task) -> None:
        """Wait for a task that the server has already, when there is room for it."""
        ...

    async def save_again(self, item: Item) -> None:
        """Download the pictures of a completed task, when there is room for it."""
        ...

    def recover(self, item: Item, entry: Entry) -> None:
        """Have `Resumer.recover` done beside everything else."""
        ...

    def settle(self, item: Item, error: Exception | None) -> None:
        """The item is done."""
        ...

    def stop_creating(self, stop: Stop) -> None:
        """Create nothing more."""
        ...


def _read_ahead(requests: Any) -> "Iterable[GenerationRequest | str]":
    return requests.read_ahead() if hasattr(requests, "read_ahead") else ()


class Resumer:
    """Looks requests up in a ledger and goes on where an earlier run ended.

    Args:
        records: the ledger's.
        engine: finds tasks by their callbacks.
        creator: reads the pictures of requests.
        options: what was asked for.
        accounts: where earlier spending is counted.
        steps: the pipeline.
    """

    def __init__(
        self,
        records: LedgerRun,
        engine: Engine,
        *,
        creator: Creator,
        options: BatchOptions,
        accounts: Accounts,
        steps: Steps,
    ) -> None:
        self._records = records
        self._engine = engine
        self._creator = creator
        self._options = options
        self._accounts = accounts
        self._steps = steps

    async def count_earlier_spending(self, requests: Requests) -> None:
        """Set aside what earlier runs have spent on any of a list of requests, before the first new one is sent.

        Requests that are read one by one, and those with local pictures, are counted when it is their turn; what is
        read one by one may have a method `read_ahead`, which gives all of them.
        """
        if not self._accounts.budget.is_limited:
            return
        ahead = requests if isinstance(requests, list | tuple) else _read_ahead(requests)
        seen: Counter[str] = Counter()
        with suppress(Exception):  # what is wrong with the input is said when it is read
            for number, given in enumerate(ahead):
                if number % _AT_ONCE == 0:
                    await anyio.lowlevel.checkpoint()
                with suppress(Exception):  # and likewise of a request
                    self._count_if_paid(given, seen)

    def _count_if_paid(self, given: GenerationRequest | str, seen: "Counter[str]") -> None:
        request = given if isinstance(given, GenerationRequest) else GenerationRequest(given)
        if has_local(request):
            return
        model = self._engine.model_of(request)
        key = self._records.next_key(prepare(request, model, for_ledger=True), seen)
        if self._records.is_paid(key):
            self._accounts.budget.set_aside(key, request, model)

    async def resume(self, item: Item) -> None:
        """Find out from the ledger what is left to do for an item, and do it.

        Raises:
            Exception: whatever preparing the request or reading the ledger raises.
        """
        try:
            prepared = await self._creator.prepare(item)
            item.key = self._records.next_key(prepared)
            entry = await self._records.claim(item.key, prepared)
        except LedgerError as unreadable:
            self._steps.stop_creating(Stop("the ledger cannot be read", unreadable))
            raise
        if entry is None:
            await self._steps.submit(item)
        else:
            await self._go_on(item, entry)

    async def look_again(self, item: Item) -> None:
        """Go on with an item that another run has sent in the meantime.

        Raises:
            Exception: as `resume`.
        """
        entry = await self._records.find(item.key)
        if entry is None:
            raise LedgerError(f"entry {item.key} is no longer in the ledger")
        await self._go_on(item, await self._records.settled(entry))

    async def _go_on(self, item: Item, entry: Entry) -> None:
        self._accounts.budget.release(item.key)
        item.task = entry.task
        item.name, item.found = entry.name, True
        item.age = time.time() - entry.changed
        match resume.resume(entry, index=item.index, retry_failed=self._options.retry_failed > 0):
            case resume.Submit(retries):
                item.retries, item.age, item.name, item.found = retries, None, None, False
                await self._steps.submit(item)
            case resume.Watch(task):
                item.prepared = None
                await self._steps.watch(item, task)
            case resume.Return():
                item.prepared = None
                await self._return(item, entry)
            case resume.Recover():
                item.prepared = None
                self._steps.recover(item, entry)
            case resume.ReportUnknown() if entry.step is Step.SENDING:
                item.prepared = None
                self._steps.recover(item, entry)
            case resume.ReportUnknown():
                self._report_unknown(item, entry)
            case resume.Report(error):
                self._steps.settle(item, error)

    async def recover(self, item: Item, entry: Entry) -> None:
        """Wait until no other run is sending the request, and for the callback that it ordered, which names its task.

        Raises:
            LedgerError: the task was found, and cannot be written down; carries the task id.
        """
        settled = await self._records.settled(entry)
        if settled.step not in {Step.SENDING, Step.UNKNOWN}:
            await self._go_on(item, settled)
            return
        entry = settled
        task: Task | None = None
        try:
            task = await self._engine.recover(entry.intent_id, entry.model, entry.changed)
        except Exception:
            logger.exception("the callback of entry %s could not be waited for", entry.key)
        if task is None:
            self._report_unknown(item, entry)
            return
        item.task = task
        try:
            await self._records.found(entry, task)
        except LedgerError as error:
            self._steps.stop_creating(Stop("the ledger cannot be written", error))
            raise
        await self._steps.watch(item, task)

    def _report_unknown(self, item: Item, entry: Entry) -> None:
        self._accounts.budget.spend(item.request, entry.model)
        self._steps.settle(item, self._records.unknown(entry))

    async def _return(self, item: Item, entry: Entry) -> None:
        """It has completed: return its files, or download them again where one is missing or torn."""
        self._accounts.completed += 1
        self._accounts.budget.spend(item.request, entry.model)
        files = await self._records.whole_files(entry)
        if files is None and entry.task is not None and self._options.download_to is not None:
            self._records.ended(item.key, entry.task)
            await self._steps.save_again(item)
            return
        directory = self._options.download_to
        if directory is not None:
            files = [seen_from(directory, file) for file in files or ()]
        item.files = as_paths(files or ())
        self._steps.settle(item, None)
