"""`Batch`: what the user of a batch holds.

It is a context manager over a queue of outcomes: its work runs in a task group that ``async with`` opens and closes,
and no group is held open across a ``yield``.
"""

import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import anyio
import anyio.abc

from apimodels_async._batch.feed import threaded
from apimodels_async._batch.options import BatchOptions, Requests
from apimodels_async._create.engine import Engine
from apimodels_async._prices import price
from apimodels_async._threads import imported
from apimodels_async.errors import LedgerError
from apimodels_async.models import BatchStats, Outcome, Task

if TYPE_CHECKING:
    from apimodels_async._batch.pipeline import Pipeline
    from apimodels_async._download.downloader import Downloader
    from apimodels_async._page.writer import PageWriter
    from apimodels_async.ledger.run import LedgerRun

logger = logging.getLogger("apimodels_async")

T = TypeVar("T")

_NEEDED = ("apimodels_async._batch.pipeline", "apimodels_async._download.downloader")
"""What is imported when a batch is entered first."""
_NEEDED_FOR_A_PAGE = ("apimodels_async._page.writer",)


class Batch:
    """Many requests on their way; made by ``AsyncImagesClient.batch``.

    ``async with client.batch(requests) as batch: async for outcome in batch: …`` gives one outcome for each request,
    as they complete. Leaving the block early stops the local work; what is under way at the vendor goes on there, and
    its tasks are found in `detached`.
    """

    def __init__(
        self,
        engine: Engine,
        downloader: "Callable[[], Downloader]",
        requests: Requests,
        options: BatchOptions,
        open_ledger: "Callable[[], Awaitable[LedgerRun]] | None" = None,
    ) -> None:
        self._open_ledger = open_ledger
        self._records: LedgerRun | None = None
        self._engine = engine
        self._downloader = downloader
        self._options = options
        self._requests: Requests = threaded(requests)
        self._outcomes: deque[Outcome] = deque()
        self._arrived = anyio.Event()
        self._take_late: Callable[[Task], object] | None = None
        self._left_behind: list[Task] = []
        self._left = False
        self._pipeline: Pipeline | None = None
        self._page: PageWriter | None = None
        self._group: anyio.abc.TaskGroup | None = None

    @property
    def stats(self) -> BatchStats:
        """How far the batch is; cheap enough for a progress bar."""
        return BatchStats() if self._pipeline is None else self._pipeline.stats

    @property
    def detached(self) -> list[Task]:
        """After the block was left early: every task that the server accepted and whose outcome was not taken.

        A create request whose answer was still under way adds its task when the answer comes. The vendor has no call to
        cancel a task: these go on, and ``client.wait`` can wait for each.
        """
        return list(self._left_behind)

    def _pass_on(self, take: Callable[[Task], object]) -> None:
        """Give every task whose outcome was not taken to `take`, and those that the server will yet have accepted."""
        self._take_late = take
        for task in self._left_behind:
            take(task)

    def _keep(self, task: Task) -> None:
        self._left_behind.append(task)
        if self._take_late is not None:
            self._take_late(task)

    def stop_creating(self, reason: str, cause: Exception) -> None:
        """Send no further create request. What is under way is finished; the rest ends as `NotSubmittedError`.

        Args:
            reason: why, in words.
            cause: the error behind it.
        """
        if self._pipeline is not None:
            from apimodels_async._batch.stops import Stop  # noqa: PLC0415  (imported with the pipeline)

            self._pipeline.stop_creating(Stop(reason, cause))

    async def __aenter__(self) -> Self:
        if self._pipeline is not None:
            raise RuntimeError("a batch is used once: make a new one")
        await self._engine.ready()
        await imported(*_NEEDED)
        await self._engine.http.lanes.prepare(fast=True)  # what cannot be used is said once, and not once an item
        from apimodels_async._batch.pipeline import Pipeline  # noqa: PLC0415  (many never make a batch)

        downloader = self._downloader()
        if self._options.download_to is not None:
            directory = await downloader.prepare_folder(self._options.download_to)
            self._options = self._options._replace(download_to=directory)
        self._page = await self._open_page()
        if self._open_ledger is not None:
            self._records = await self._open_ledger()
        self._pipeline = Pipeline(
            self._engine,
            downloader,
            self._options,
            self._requests,
            hand_over=self._hand_over,
            keep=self._keep,
            records=self._records,
        )
        self._limit_rates()
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        self._pipeline.start(self._group)
        if self._page is not None:
            self._group.start_soon(self._page.run)
        return self

    async def _open_page(self) -> "PageWriter | None":
        page, directory = self._options.page, self._options.download_to
        if page is True and isinstance(directory, Path):
            page = directory / "index.html"
        if not isinstance(page, Path):
            return None
        await imported(*_NEEDED_FOR_A_PAGE)
        from apimodels_async._page.writer import PageWriter  # noqa: PLC0415  (few batches have one)

        writer = PageWriter(page)
        await writer.open()
        return writer

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        group, pipeline = self._group, self._pipeline
        if group is None or pipeline is None:
            return None
        try:
            if kind is None and pipeline.done:
                await pipeline.notify_the_rest()
                if self._page is not None:
                    await self._page.finish()
        finally:
            self._leave(pipeline)
            self._lift_rates()
            group.cancel_scope.cancel()
            # The group must see a cancellation, which may be its own; an error of the user's it would wrap into an
            # exception group, so that it passes by the group instead.
            try:
                if isinstance(error, anyio.get_cancelled_exc_class()):
                    suppress = await _ungrouped(group.__aexit__(kind, error, traceback))
                else:
                    suppress = await _ungrouped(group.__aexit__(None, None, None)) and False
            except BaseException:
                await self._end_records(failed=True)
                raise
            await self._end_records(failed=error is not None)
        return suppress

    async def _end_records(self, *, failed: bool) -> None:
        """Close the page and write to the ledger what has gathered, however the batch was left.

        Who looks into the ledger next must find there what is being sent: its answer is still to come.

        Args:
            failed: whether an error is on its way already, in whose place no other may come.
        """
        try:
            if self._page is not None:
                await self._page.close()
        finally:
            if self._records is not None:
                with anyio.CancelScope(shield=True):
                    try:
                        await self._records.flush()
                    except LedgerError:
                        if not failed:
                            raise
                        logger.exception("the ledger could not be brought up to date when the batch was left")

    def __aiter__(self) -> AsyncIterator[Outcome]:
        return self

    async def __anext__(self) -> Outcome:
        pipeline = self._pipeline
        if pipeline is None:
            raise RuntimeError("a batch is entered first: async with client.batch(…) as batch")
        while not self._outcomes:
            if self._left:  # nothing comes any more
                raise StopAsyncIteration
            if pipeline.done:
                if pipeline.input_error is not None:
                    error, pipeline.input_error = pipeline.input_error, None
                    raise error
                raise StopAsyncIteration
            await self._arrived.wait()
        pipeline.taken()
        return self._outcomes.popleft()

    def _hand_over(self, outcome: Outcome | None) -> None:
        """An outcome has arrived, or (``None``) the end of the input."""
        if outcome is not None:
            self._outcomes.append(outcome)
            if self._page is not None:
                self._add_to_page(self._page, outcome)
        self._wake_consumers()

    def _add_to_page(self, page: "PageWriter", outcome: Outcome) -> None:
        from apimodels_async._batch.accounts import is_billed  # noqa: PLC0415  (as above)
        from apimodels_async._page.rows import row_of  # noqa: PLC0415  (as above)

        model = outcome.request.model or self._engine.model or ""
        try:
            billed = is_billed(outcome.task, outcome.error)
            cost = price(outcome.request, model, self._engine.prices) if billed else 0.0
            page.add(row_of(outcome, model=model, cost=cost))
        except Exception:  # no page is worth an outcome
            logger.exception("request %d has no row on the page", outcome.index)

    def _wake_consumers(self) -> None:
        """All of them: each looks for itself whether there is anything left, and waits for a new event if not."""
        self._arrived.set()
        self._arrived = anyio.Event()

    def _leave(self, pipeline: "Pipeline") -> None:
        """Note every task whose outcome was not taken."""
        pipeline.leave()
        waiting = [outcome.task for outcome in self._outcomes] + [item.task for item in pipeline.alive.values()]
        self._left_behind += [task for task in waiting if task is not None]
        self._outcomes.clear()
        self._left = True
        self._wake_consumers()
        if self._left_behind:
            logger.warning(
                "the batch was left with %d tasks whose outcomes were not taken: see batch.detached",
                len(self._left_behind),
            )

    def _limit_rates(self) -> None:
        if self._options.create_rate is not None:
            self._engine.create_rate.add(self._options.create_rate)
        if self._options.poll_rate is not None:
            self._engine.poller.rate.add(self._options.poll_rate)

    def _lift_rates(self) -> None:
        if self._options.create_rate is not None:
            self._engine.create_rate.remove(self._options.create_rate)
        if self._options.poll_rate is not None:
            self._engine.poller.rate.remove(self._options.poll_rate)


async def _ungrouped(leaving: Awaitable[T]) -> T:
    """What `leaving` a task group returns; a lone error that comes out is raised as it is, not as a group.

    The children of a batch are guarded, so that only what must not be held up comes here, such as Ctrl-C on trio.
    """
    try:
        return await leaving
    except BaseException as error:
        lone = _lone(error)
        if lone is error:
            raise
        raise lone from None


def _lone(error: BaseException) -> BaseException:
    """The only exception in a group, however deep it is nested; any other error as it is."""
    # Not by isinstance, after which pyright knows nothing of what is in the group.
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return _lone(inner[0]) if len(inner) == 1 else error
