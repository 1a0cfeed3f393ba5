"""One batch, from its first request to its end, which can be left at any moment without losing a task."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, NoReturn

import anyio
import anyio.to_thread
from attrs import define, field

from apimodels_async.cli import exit_codes
from apimodels_async.cli.batch.ending import Place, ids_without_a_file, way_back
from apimodels_async.cli.batch.keeping import Keeping, automatic_ledger, clear
from apimodels_async.cli.batch.progress import BatchProgress
from apimodels_async.cli.batch.request_files import RequestFile, StandardInput
from apimodels_async.cli.batch.request_lines import BadLineError, Line
from apimodels_async.cli.batch.results import NAME, Results, row, state_of, sweep
from apimodels_async.cli.batch.tally import Tally
from apimodels_async.cli.batch.unfinished import Unfinished
from apimodels_async.cli.failures import CommandFailed, in_words_of_the_command_line, is_empty
from apimodels_async.cli.naming import filled, of_request
from apimodels_async.cli.output import make_usable, unusable
from apimodels_async.cli.screen import Screen
from apimodels_async.cli.session import server_of
from apimodels_async.cli.signals import ending_signals
from apimodels_async.cli.stderr import current
from apimodels_async.client import AsyncImagesClient
from apimodels_async.errors import DownloadError, LedgerError
from apimodels_async.models import BatchStats, GenerationRequest, Outcome, Task

if TYPE_CHECKING:
    from apimodels_async._batch.batch import Batch

__all__ = ["BatchRun"]

_PATIENCE = 0.5
"""Seconds after Ctrl-C in which create requests under way may still be answered before the batch is left."""


class _Requests:
    """The requests as they are read, and all of a file, for a budget that earlier runs have used."""

    def __init__(self, each: AsyncIterator[GenerationRequest], source: RequestFile | StandardInput) -> None:
        self._each = each
        self._source = source

    def __aiter__(self) -> AsyncIterator[GenerationRequest]:
        return self._each

    def read_ahead(self) -> Iterator[GenerationRequest]:
        """All of them, if they are in a file; blocking."""
        if isinstance(self._source, RequestFile):
            for line in self._source:
                yield line.request


@define(kw_only=True, eq=False)
class BatchRun:
    """What the command knows of its batch.

    Attributes:
        source: of the requests.
        place: where the pictures, results.jsonl and the ledger are.
        keeping: which ledger it keeps.
        options: for ``client.batch``.
        screen: the streams.
        progress: what is shown of it.
        printing: whether the saved paths are printed.
        name: what the pictures are called.
        digits: of ``{line}`` in it.
        tally: its results.
        broken: the line that ended the input.
        interrupted: whether it was left by Ctrl-C.
        unwritable: why results.jsonl could not be written.
    """

    source: RequestFile | StandardInput
    place: Place
    keeping: Keeping
    options: dict[str, Any]
    screen: Screen
    progress: BatchProgress
    printing: bool
    name: str
    digits: int
    tally: Tally = field(factory=Tally)
    broken: BadLineError | None = None
    interrupted: bool = False
    unwritable: OSError | None = None
    _batch: "Batch | None" = None
    _results: Results | None = None
    _unfinished: Unfinished = field(factory=Unfinished)
    _closed: bool = False

    @property
    def begun(self) -> bool:
        """Whether anything may have been done."""
        return self._results is not None

    @property
    def stats(self) -> BatchStats:
        """How far the batch is."""
        return BatchStats() if self._batch is None else self._batch.stats

    @property
    def detached(self) -> list[Task]:
        """Tasks that the server goes on with."""
        return [] if self._batch is None else self._batch.detached

    # --- the work

    async def make(self, client: AsyncImagesClient) -> None:
        """Make it all, until the end or the first Ctrl-C.

        Raises:
            CommandFailed: an option out of range, or an output that cannot be used; nothing was sent.
            LedgerError: the ledger cannot be opened, which leaves everything as it is; or no longer be written.
            OSError: stdout can no longer be written.
        """
        make_usable(self.place.target)
        lines = aiter(self.source)
        first = await self._first(lines)
        await self._choose_ledger(client)
        try:
            batch = client.batch(
                _Requests(self._requests(first, lines), self.source),
                download_to=self.place.target.pictures,
                ledger=self.place.ledger,
                on_event=self._unfinished.hear,
                name=self._name,
                **self.options,
            )
        except ValueError as error:
            raise CommandFailed(in_words_of_the_command_line(error), exit_codes.USAGE) from error
        self._unfinished.watch_log(on=True)
        self._batch = batch
        trouble: Exception | None = None
        async with anyio.create_task_group() as group:
            work = anyio.CancelScope()
            group.start_soon(self._attend_to_signals, work)
            try:
                with work:
                    async with batch:
                        # Not before: if the ledger is in use, so is the results.jsonl of the run that uses it.
                        self._results = self._begin_results()
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

    def _begin_results(self) -> Results:
        folder = self.place.target.folder
        try:
            sweep(folder)
            return Results(folder)
        except OSError as error:
            raise unusable(folder, error) from error

    async def _choose_ledger(self, client: AsyncImagesClient) -> None:
        """Keep a ledger in the output folder where none was named, and clear what is to be made again."""
        ledger = self.place.ledger
        if self.keeping.automatic:
            ledger = automatic_ledger(self.place.target, server_of(client))
            self.place = self.place._replace(ledger=ledger)
        if ledger is not None and self.keeping.again is not None:
            await anyio.to_thread.run_sync(clear, ledger, self.keeping.again)

    async def _first(self, lines: AsyncIterator[Line]) -> Line:
        """The first request: without one, nothing is begun."""
        try:
            return await anext(lines)
        except StopAsyncIteration:
            raise is_empty("FILE -", "give a request a line") from None
        except BadLineError as error:
            raise CommandFailed(str(error), exit_codes.USAGE) from error

    async def _requests(self, line: Line, lines: AsyncIterator[Line]) -> AsyncIterator[GenerationRequest]:
        for index in count():
            if self.interrupted:
                return
            self._unfinished.add(index, line)
            yield line.request
            try:
                line = await anext(lines)
            except StopAsyncIteration:
                return

    def _name(self, index: int, request: GenerationRequest) -> str:
        """The name of a request's pictures, with what only its line says filled in."""
        line = self._unfinished.line(index)
        return filled(self.name, {**of_request(request), **line.columns, "line": line.number}, digits=self.digits)

    async def _take(self, outcome: Outcome) -> None:
        line, seconds, own = self._unfinished.take(outcome.index)
        if self._results is not None:
            self._results.add(
                row(
                    outcome.index,
                    line,
                    state_of(outcome),
                    task=outcome.task,
                    files=outcome.files,
                    seconds=seconds,
                    error=outcome.error,
                )
            )
            if self._results.trouble is not None and self._batch is not None:
                self._batch.stop_creating("results.jsonl cannot be written", self._results.trouble)
        self.tally.count(line, outcome)
        self.progress.count(self.tally.done, self.tally.failed, own=own)
        if self.printing and outcome.files:
            # In a thread: a reader that takes its time must not hold up the tasks that are paid for.
            await anyio.to_thread.run_sync(self.screen.paths, outcome.files, abandon_on_cancel=True)

    # --- being interrupted

    async def _attend_to_signals(self, work: anyio.CancelScope) -> None:
        # On Windows the loop takes no signals: there Ctrl-C cancels everything, at once.
        with suppress(NotImplementedError), anyio.open_signal_receiver(*ending_signals()) as signals:
            async with anyio.create_task_group() as group:
                async for _ in signals:
                    if self.interrupted:
                        self._quit()
                    self.interrupted = True
                    group.start_soon(self._leave, work)

    async def _leave(self, work: anyio.CancelScope) -> None:
        """Leave the batch, when the create requests under way have been answered or `_PATIENCE` is over."""
        self.progress.words = "leaving"
        with anyio.move_on_after(_PATIENCE):
            while self._creating():  # noqa: ASYNC110  (for half a second, when all is over)
                await anyio.sleep(0.02)
        work.cancel()

    def _creating(self) -> bool:
        # With no room for more tasks, the last request that was read is not being sent.
        stats = self.stats
        full = stats.in_flight + stats.saving >= int(self.options["max_in_flight"])
        return self._unfinished.without_task > full

    def _quit(self) -> NoReturn:
        """The second Ctrl-C: at once, whatever is under way."""
        self.record()
        self.screen.stop()
        self.tell_ids()
        current().fail(CommandFailed(self.way_back("interrupted"), exit_codes.INTERRUPTED))
        os._exit(exit_codes.INTERRUPTED)

    # --- the end

    def record(self) -> None:
        """Put results.jsonl in place, with what is known by now. If it cannot be written, `unwritable` says why."""
        if self._results is None:
            return
        try:
            self._results.finish(list(self._rows()))
        except OSError as error:
            self.unwritable = error
        else:
            self.unwritable = None

    def finish(self) -> None:
        """Record what came after the batch was left, while the client was closed; nothing comes any more."""
        self._closed = True
        self._unfinished.watch_log(on=False)
        if self._results is not None:
            if self._unfinished or not self._results.there:
                self.record()
            self._results.close()

    def _rows(self) -> list[dict[str, Any]]:
        in_ledger = self.place.ledger is not None
        return list(self._unfinished.rows(self.detached, in_ledger=in_ledger, closed=self._closed))

    def tell_ids(self) -> None:
        """Say each task id that stands in no file, because results.jsonl could not be written."""
        if self._results is None or self.unwritable is None:
            return
        if self._results.part is not None:
            current().warn(f"the first results are in {self._results.part}")
        for line in ids_without_a_file(self._results.unwritten(self._rows()), self.place):
            self.screen.say(line)

    def ending(self) -> CommandFailed | None:
        """How the command ends, if not well."""
        where = self.place.target.folder / NAME
        if self.unwritable is not None:
            why = self.unwritable.strerror or str(self.unwritable)
            code = exit_codes.INTERRUPTED if self.interrupted else exit_codes.code_of(DownloadError(""))
            return CommandFailed(self.way_back(f"{where} cannot be written ({why})"), code)
        if self.interrupted:
            return CommandFailed(self.way_back("interrupted"), exit_codes.INTERRUPTED)
        if self.broken is not None:
            code = exit_codes.SOME_FAILED if self.stats.read else exit_codes.USAGE
            so_far = f"; what came before it was made, see {where}" if self.stats.read else ""
            return CommandFailed(f"{self.broken}{so_far}", code)
        code = self.tally.code()
        if code == exit_codes.OK:
            return None
        words = f"{self.tally.failed} of {self.tally.done} brought no picture: {where} tells why"
        cause = self.tally.first(code)
        return CommandFailed(words, code, cause=cause)

    def view(self) -> dict[str, Any]:
        """The result, for programs."""
        stats = self.stats
        return {
            "requests": self.tally.done,
            "failed": self.tally.failed,
            "pictures": self.tally.pictures,
            "bytes": stats.bytes,
            "matched": stats.matched,
            "seconds": round(self.tally.seconds, 3),
            "cost": round(stats.spent, 6),
            "results": str(self.place.target.folder / NAME),
            "ledger": None if self.place.ledger is None else str(self.place.ledger),
        }

    def way_back(self, why: str) -> str:
        """`why` the batch was left, and how to go on."""
        return way_back(why, self.place, self.detached)
