"""One batch, from its first request to its end, which can be left at any moment without losing a task."""

import logging
import os
import shlex
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import anyio
import anyio.to_thread
from attrs import define, field

from apimodels_async.cli import exit_codes
from apimodels_async.cli.batch.progress import BatchProgress
from apimodels_async.cli.batch.request_files import RequestFile, StandardInput
from apimodels_async.cli.batch.request_lines import BadLineError, Line
from apimodels_async.cli.batch.results import NAME, Results, row, state_of
from apimodels_async.cli.batch.tally import Tally
from apimodels_async.cli.errand import make_usable
from apimodels_async.cli.failures import CommandFailed, in_words_of_the_command_line
from apimodels_async.cli.ledger import ways_out
from apimodels_async.cli.screen import Screen
from apimodels_async.client import AsyncImagesClient
from apimodels_async.errors import LedgerError, NotSubmittedError, SubmissionUnknownError
from apimodels_async.models import BatchEvent, BatchStats, GenerationRequest, Outcome, Task

if TYPE_CHECKING:
    from apimodels_async._batch.batch import Batch

__all__ = ["BatchRun"]

_PATIENCE = 0.5
"""Seconds after Ctrl-C in which creates under way may still be answered before the batch is left."""
_WHOSE = "its create was under way when the batch was left: one of the tasks without an index may be its own, or none"


class _Lost(logging.Handler):
    """Counts the creates that ended with nobody there to be told."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.number = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.number += 1


@define
class _Unfinished:
    """A request that was read and has no outcome yet."""

    line: Line
    task: Task | None = None
    submitted: float | None = None

    @property
    def seconds(self) -> float | None:
        """Since it was submitted."""
        return None if self.submitted is None else time.monotonic() - self.submitted


@define(kw_only=True, eq=False)
class BatchRun:
    """What the command knows of its batch.

    Attributes:
        source: of the requests.
        directory: where the pictures go, and results.jsonl.
        options: for ``client.batch``.
        local: whether the server is a gateway that ends with the command.
        screen: the streams.
        progress: what is shown of it.
        printing: whether the saved paths are printed.
        tally: what came of it.
        broken: the line that ended the input.
        interrupted: whether it was left by Ctrl-C.
    """

    source: RequestFile | StandardInput
    directory: Path
    options: dict[str, Any]
    local: bool
    screen: Screen
    progress: BatchProgress
    printing: bool
    tally: Tally = field(factory=Tally)
    broken: BadLineError | None = None
    interrupted: bool = False
    _batch: "Batch | None" = None
    _results: Results | None = None
    _lost: _Lost = field(factory=_Lost)
    _unfinished: dict[int, _Unfinished] = field(factory=dict[int, _Unfinished])
    _closed: bool = False

    @property
    def begun(self) -> bool:
        """Whether anything may have been done."""
        return self._results is not None

    @property
    def stats(self) -> BatchStats:
        """How far the batch is."""
        return BatchStats() if self._batch is None else self._batch.stats

    # --- the work

    async def make(self, client: AsyncImagesClient) -> None:
        """Make it all, until the end or the first Ctrl-C.

        Raises:
            CommandFailed: an option out of range, or an output that cannot be used; nothing was sent.
            LedgerError: the ledger cannot be opened, which leaves everything as it is; or no longer be written.
            OSError: stdout or results.jsonl can no longer be written.
        """
        make_usable(self.directory)
        try:
            batch = client.batch(self._requests(), download_to=self.directory, on_event=self._hear, **self.options)
        except ValueError as error:
            raise CommandFailed(in_words_of_the_command_line(error), exit_codes.USAGE) from error
        logging.getLogger("apimodels_async").addHandler(self._lost)
        self._batch = batch
        trouble: Exception | None = None
        async with anyio.create_task_group() as group:
            work = anyio.CancelScope()
            group.start_soon(self._attend_to_signals, work)
            try:
                with work:
                    async with batch:
                        # Not before: if the ledger is in use, so is the results.jsonl of whoever uses it.
                        self._results = Results(self.directory)
                        async for outcome in batch:
                            await self._take(outcome)
            except BadLineError as error:
                self.broken = error
            except Exception as error:  # noqa: BLE001  (raised below, outside the group, which would wrap it)
                trouble = error
            self.record()
            try:
                await client.aclose()  # here, because a second Ctrl-C must still be heard
            except LedgerError as error:
                trouble = trouble or error
            group.cancel_scope.cancel()
        if trouble is not None:
            raise trouble

    async def _requests(self) -> AsyncIterator[GenerationRequest]:
        index = 0
        async for line in self.source:
            if self.interrupted:
                return
            self._unfinished[index] = _Unfinished(line)
            index += 1
            yield line.request

    async def _hear(self, event: BatchEvent) -> None:
        request = self._unfinished.get(event.index)
        if request is not None and event.kind == "submitted":
            request.task = event.task
            request.submitted = request.submitted or time.monotonic()

    async def _take(self, outcome: Outcome) -> None:
        request = self._unfinished.pop(outcome.index)
        if self._results is not None:
            self._results.add(
                row(
                    outcome.index,
                    request.line,
                    state_of(outcome),
                    task=outcome.task,
                    files=outcome.files,
                    seconds=request.seconds,
                    error=outcome.error,
                )
            )
        self.tally.count(request.line, outcome)
        self.progress.done, self.progress.failed = self.tally.done, self.tally.failed
        if self.printing and outcome.files:
            # In a thread: a reader that takes its time must not hold up the tasks that are paid for.
            await anyio.to_thread.run_sync(self.screen.paths, outcome.files, abandon_on_cancel=True)

    # --- being interrupted

    async def _attend_to_signals(self, work: anyio.CancelScope) -> None:
        # On Windows the loop takes no signals: there Ctrl-C cancels everything, at once.
        with suppress(NotImplementedError), anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with anyio.create_task_group() as group:
                async for _ in signals:
                    if self.interrupted:
                        self._quit()
                    self.interrupted = True
                    group.start_soon(self._leave, work)

    async def _leave(self, work: anyio.CancelScope) -> None:
        """Leave the batch, when the creates under way have been answered or `_PATIENCE` is over."""
        self.progress.words = "leaving"
        with anyio.move_on_after(_PATIENCE):
            while self._creating():  # noqa: ASYNC110  (for half a second, when all is over)
                await anyio.sleep(0.02)
        work.cancel()

    def _creating(self) -> bool:
        waiting = [index for index, request in self._unfinished.items() if request.task is None]
        # With no room for more tasks, the last request that was read is not being sent.
        full = self.stats.in_flight >= int(self.options["max_in_flight"])
        return len(waiting) > full

    def _quit(self) -> NoReturn:
        """The second Ctrl-C: at once, whatever is under way."""
        self.record()
        self.screen.stop()
        self.screen.say(f"apimodels: {self.way_back('interrupted')}")
        os._exit(exit_codes.INTERRUPTED)

    # --- the end

    def record(self) -> None:
        """Put results.jsonl in place, with what is known by now.

        Raises:
            OSError: it cannot be written.
        """
        if self._results is not None:
            self._results.finish(list(self._left_over()))

    def finish(self) -> None:
        """Record what came after the batch was left, while the client was closed; nothing comes any more.

        Raises:
            OSError: results.jsonl cannot be written.
        """
        self._closed = True
        logging.getLogger("apimodels_async").removeHandler(self._lost)
        if self._results is not None:
            if self._unfinished or not self._results.there:
                self.record()
            self._results.close()

    def _left_over(self) -> Iterator[dict[str, Any]]:
        """The lines of requests without an outcome, and of tasks of which nobody knows whose they are."""
        late = self._late()
        unanswered = {index: request for index, request in self._unfinished.items() if request.task is None}
        if self._closed and len(late) == len(unanswered) == 1:
            next(iter(unanswered.values())).task = late.pop()  # there is nobody else's
        # As long as creates may be answered, and when some were and some were not, nobody knows which is whose.
        doubt = not self._closed or late or self._lost.number
        for index, request in self._unfinished.items():
            if request.task is not None:
                yield row(index, request.line, "detached", task=request.task, seconds=request.seconds)
            elif self._ledger is not None:
                yield row(index, request.line, "in_ledger")
            elif doubt:
                yield row(index, request.line, "unknown", error=SubmissionUnknownError(_WHOSE))
            else:
                yield row(index, request.line, "not_submitted", error=NotSubmittedError("the batch was left before"))
        for task in late:
            yield row(None, None, "detached", task=task)

    def _late(self) -> list[Task]:
        """Tasks of creates that were answered after the batch was left."""
        known = {request.task.id for request in self._unfinished.values() if request.task is not None}
        return [task for task in self.detached if task.id not in known]

    @property
    def detached(self) -> list[Task]:
        """Tasks that the server goes on with."""
        return [] if self._batch is None else self._batch.detached

    def ending(self) -> CommandFailed | None:
        """How the command ends, if not well."""
        if self.interrupted:
            return CommandFailed(self.way_back("interrupted"), exit_codes.INTERRUPTED)
        where = self.directory / NAME
        if self.broken is not None:
            code = exit_codes.SOME_FAILED if self.stats.read else exit_codes.USAGE
            so_far = f"; what came before it was made, see {where}" if self.stats.read else ""
            return CommandFailed(f"{self.broken}{so_far}", code)
        code = self.tally.code()
        if code == exit_codes.OK:
            return None
        return CommandFailed(f"{self.tally.failed} of {self.tally.done} brought no picture: {where} tells why", code)

    def about_the_ledger(self) -> Iterator[str]:
        """What there is to say of it at the end, in lines."""
        if self._ledger is None:
            return
        stats = self.stats
        if stats.matched:
            yield f"  {stats.matched} of {stats.read} had been begun by an earlier run, as {self._ledger} says"
        if stats.unknown:
            are = "1 is unknown and is" if stats.unknown == 1 else f"{stats.unknown} are unknown and are"
            yield (
                f"  {are} not sent again until you decide: `apimodels ledger show {shlex.quote(str(self._ledger))}` "
                f"lists the keys, {ways_out(self._ledger)} decides"
            )

    @property
    def _ledger(self) -> Path | None:
        ledger: Path | None = self.options["ledger"]
        return ledger

    def way_back(self, why: str) -> str:
        """`why` the batch was left, and how to go on."""
        tasks = [task.id or "" for task in self.detached]
        where = self.directory / NAME
        if self._ledger is not None and not self.local:
            some = "no task is" if not tasks else "1 task is" if len(tasks) == 1 else f"{len(tasks)} tasks are"
            return (
                f"{why}; {some} under way, and {self._ledger} knows how far each request is: run the same command again"
            )
        if not tasks:
            return f"{why}; no task is under way, and {where} tells of each request"
        some = "1 task is" if len(tasks) == 1 else f"{len(tasks)} tasks are"
        if self.local:
            return f"{why}; {some} under way and will end with the local gateway, which was started for this command"
        wait = ["apimodels", "wait", tasks[0] if len(tasks) == 1 else "ID"]
        if self.directory != Path():
            wait += ["-o", str(self.directory)]
        up = "take it up again" if len(tasks) == 1 else f"the ids are in {where}, take each up again"
        return f"{why}; {some} under way and not lost: {up} with: {shlex.join(wait)}"
