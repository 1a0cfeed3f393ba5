"""Sending the create requests of a batch: as many at once as slots and memory allow."""

import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, NoReturn

import anyio
import anyio.abc

from apimodels_async._arguments import ArgumentError
from apimodels_async._batch.accounts import Accounts
from apimodels_async._batch.budget import BudgetExceededError, UnpricedModelError
from apimodels_async._batch.byte_limit import ByteLimit
from apimodels_async._batch.options import BatchOptions, Item
from apimodels_async._batch.resume import not_submitted
from apimodels_async._batch.stops import Stop
from apimodels_async._create import inputs
from apimodels_async._create.background import Job
from apimodels_async._create.create_request import Caller
from apimodels_async._create.engine import Engine
from apimodels_async._create.prepare import PreparedRequest
from apimodels_async._create.uploads import UploadProgress
from apimodels_async.catalogue import RECORDS_PAGE
from apimodels_async.errors import ApimodelsError, NotSubmittedError, SubmissionUnknownError
from apimodels_async.ledger.run import LedgerRun
from apimodels_async.models import Task

logger = logging.getLogger("apimodels_async")

BODIES = 64 << 20
"""Bytes that the bodies of create requests may take at once, however many are under way: pictures are in them."""


class Creator:
    """Sends the create requests of one batch.

    Args:
        engine: what sends them.
        options: what was asked for.
        accounts: whose budget bounds them.
        records: the ledger's, if there is one.
        keep: called with a task that the server accepted after the batch was left.
        on_upload: called with the progress of an item's large pictures.

    Attributes:
        caller: what waits for them: the batch.
        stop: why nothing is sent any more, if so.
    """

    def __init__(
        self,
        engine: Engine,
        options: BatchOptions,
        accounts: Accounts,
        records: LedgerRun | None,
        keep: Callable[[Task], object],
        *,
        on_upload: Callable[[Item, UploadProgress], object],
    ) -> None:
        self._engine = engine
        self._options = options
        self._accounts = accounts
        self._records = records
        self._keep = keep
        self._on_upload = on_upload
        self._slots = engine.quick_slots
        self._bodies = ByteLimit(BODIES)
        self._hold = engine.hold(options.outage_timeout)
        self._jobs: dict[int, Job[None]] = {}
        self.caller: Caller = Caller()
        self.stop: Stop | None = None
        self._used_up: Stop | None = None

    def _uploading(self, item: Item, progress: UploadProgress) -> None:
        """Count and tell how far a large picture of an item is."""
        self._accounts.note_upload(item, progress.sent, ended=progress.sent >= progress.size)
        self._on_upload(item, progress)

    @property
    def waiting(self) -> int:
        """Create requests that are held back, because the server takes none."""
        return self._hold.waiting

    def outage(self) -> float:
        """Seconds since the server last took a create request; 0 while it takes them. In any thread."""
        return self._hold.outage(self._engine.jobs.clock.now())

    def stop_creating(self, stop: Stop) -> None:
        """Send nothing more."""
        if self.stop is None:
            logger.warning("the batch sends nothing more: %s (%s)", stop.reason, stop.cause)
            self.stop = stop
            self._hold.stop(stop.reason, stop.cause)

    def stopped(self, item: Item) -> Exception | None:
        """Why an item is not sent, if nothing is. Ask again after each wait: it may have changed meanwhile."""
        return None if self.stop is None else not_submitted(item.index, self.stop.reason, self.stop.cause)

    @property
    def may_begin(self) -> bool:
        """Whether more requests may be sent than those for which the budget is set aside already."""
        return self.stop is None and self._used_up is None

    def refused(self, item: Item) -> Exception | None:
        """Why an item for which nothing is set aside yet is not sent, if nothing more is."""
        stop = self.stop or self._used_up
        return None if stop is None else not_submitted(item.index, stop.reason, stop.cause)

    def commit(self, item: Item) -> Exception | None:
        """Set aside what an item will cost, or return why it is not sent."""
        budget = self._accounts.budget
        try:
            model = self._engine.model_of(item.request)
            item.cost = budget.commit(item.request, model)
        except BudgetExceededError as error:
            # Not `stop`: what was set aside for earlier items is within the budget, and they are still sent.
            self._used_up = Stop("the budget is used up", error)
            logger.warning("the batch begins no more requests: %s (%s)", self._used_up.reason, error)
            return self.refused(item)
        except UnpricedModelError as error:
            return not_submitted(item.index, str(error), error)
        except ValueError as error:  # no model anywhere
            return error
        if budget.unpriced.get(model) == 1:
            logger.warning("no price is known for %r: what it costs is not counted", model, extra={"model": model})
        return None

    async def prepare(self, item: Item) -> PreparedRequest:
        """The item's request, its pictures read and its body written.

        Raises:
            TypeError, ValueError: a picture or a parameter that cannot be sent.
        """
        if item.prepared is None:
            item.prepared = await self._engine.prepare(item.request, for_ledger=self._records is not None)
        return item.prepared

    async def reserve(self, item: Item) -> None:
        """Wait until one more create request may begin, and its body be made. A body that is made has its own size."""
        item.slot = await self._slots.acquire()
        try:
            weight = await self._engine.weigh(item.request)
            weight = weight if item.prepared is None else min(weight, item.prepared.size)
            await self._bodies.enter(weight)
        except BaseException:
            self._release_slot(item)
            raise
        item.weight = weight

    def _release_slot(self, item: Item) -> None:
        if item.slot is not None:
            self._slots.release(item.slot)
            item.slot = None

    def release(self, item: Item) -> None:
        """Return what is still reserved for an item."""
        self._release_slot(item)
        item.weight = self._bodies.resize(item.weight, 0)

    def start(self, item: Item, work: Callable[[], Coroutine[Any, Any, None]], group: anyio.abc.TaskGroup) -> None:
        """Do `work`, in which `create` is called for an item, in a job of the client, which the batch may leave.

        A task in `group` that waits for such a job would cost a tenth of the create request. It is needed only where
        pictures are read first: that may take any time, and must end with the batch and not with the client. What
        must not be held up, such as ``SystemExit``, is raised in the group.
        """
        if self.caller.left:  # the batch's task was woken before
            self.release(item)
            return
        if item.prepared is None and inputs.has_local(item.request):
            group.start_soon(work)
            return
        job = self._jobs[item.index] = Job(partial(self._do, item, work, group))
        self._engine.jobs.start_job(job)

    async def _do(self, item: Item, work: Callable[[], Coroutine[Any, Any, None]], group: anyio.abc.TaskGroup) -> None:
        try:
            await work()
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:
            if self.caller.left:
                raise
            group.start_soon(_raise, error)
        finally:
            del self._jobs[item.index]

    def leave(self) -> None:
        """The batch is left: cut short what was not sent, and let the rest go on."""
        self.caller.left = True
        for job in list(self._jobs.values()):
            job.leave()

    async def create(self, item: Item) -> Task:
        """Send the item's request, for which there is a reservation; that ends with it. Called in what `start` starts.

        While the server takes no create requests, this one waits with all others of the client and is sent again.

        Raises:
            Exception: whatever preparing it raises: nothing was sent.
            NotSubmittedError: the server took none for `outage_timeout`, or the batch was stopped: nothing was sent.
            ApimodelsError: as `Engine.send` raises.
        """
        try:
            return await self._send(item)
        finally:
            item.prepared = None
            self.release(item)

    async def _send(self, item: Item) -> Task:
        prepared = await self.prepare(item)
        if item.weight:
            item.weight = self._bodies.resize(item.weight, prepared.size)
        journal = None if self._records is None else self._records.journal(item.key, prepared)
        job = self._jobs.get(item.index)
        try:
            within = self._options.wait_timeout
            return await self._engine.send(
                prepared,
                self._keep,
                journal,
                within=within,
                hold=self._hold,
                on_upload=partial(self._uploading, item),
                caller=None if job is None else self.caller,
                job=job,
            )
        except NotSubmittedError as error:
            # The server took nothing for too long, or the batch was stopped while this one was held back.
            self.stop_creating(Stop(str(error).removeprefix("not sent: "), _cause_of(error)))
            raise self.stopped(item) or error from _cause_of(error)
        except (ApimodelsError, ArgumentError):  # the second: a picture that cannot be sent, and nothing was
            raise
        except Exception as error:
            raise SubmissionUnknownError(
                f"the create request ended in an unexpected error ({type(error).__name__}: {error}): it may be "
                f"accepted and billed; look it up at {RECORDS_PAGE} before you send it again"
            ) from error


async def _raise(error: BaseException) -> NoReturn:
    raise error


def _cause_of(error: NotSubmittedError) -> Exception:
    return error.__cause__ if isinstance(error.__cause__, Exception) else error
