"""A batch on a ledger in PostgreSQL: one of several runs of the same command."""

import contextlib
import os
from collections import Counter
from collections.abc import Generator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from attrs import define, field

from apimodels_async.cli import exit_codes
from apimodels_async.cli.batch.ending import undecided
from apimodels_async.cli.batch.entry_rows import write_results
from apimodels_async.cli.batch.keeping import Again
from apimodels_async.cli.batch.request_files import RequestFile, StandardInput
from apimodels_async.cli.batch.results import NAME
from apimodels_async.cli.batch.shards_progress import ShardsProgress
from apimodels_async.cli.failures import CommandFailed, one_line
from apimodels_async.cli.options import ServerChoice
from apimodels_async.cli.output import Target, make_usable
from apimodels_async.cli.screen import Screen
from apimodels_async.cli.session import converse
from apimodels_async.cli.signals import ending_signals
from apimodels_async.cli.stderr import current
from apimodels_async.ledger.entries import Step
from apimodels_async.ledger.opening import shown
from apimodels_async.ledger.port import Change
from apimodels_async.models import GenerationRequest, Outcome

if TYPE_CHECKING:
    from apimodels_async.client import AsyncImagesClient
    from apimodels_async.ledger import PostgresLedger
    from apimodels_async.shards.report import ShardReport

__all__ = ["SharedBatch"]

_GOOD = frozenset({Step.SAVED, Step.DONE, Step.ABANDONED})


@define(kw_only=True, eq=False)
class SharedBatch:
    """One command's part in the work on a ledger that many share.

    Attributes:
        url: of the ledger.
        target: where the pictures go.
        options: for ``client.batch`` in each shard.
        screen: the streams.
        printing: whether the saved paths are printed.
        as_json: whether the result is a JSON object.
        progress: what is shown of it.
        interrupted: whether it was left by a signal.
    """

    url: str
    target: Target
    options: dict[str, Any]
    screen: Screen
    printing: bool
    as_json: bool = False
    progress: ShardsProgress = field(factory=ShardsProgress)
    interrupted: bool = False
    _errors: list[str] = field(factory=list[str])

    # --- before

    def load(self, ledger: "PostgresLedger", source: "RequestFile | StandardInput", model: str) -> None:
        """Load the requests of a file, those that are not there yet."""
        # A file is read as it is loaded, because it may be too large for the memory.
        requests = (line.request for line in source) if isinstance(source, RequestFile) else anyio.run(_collect, source)
        with self.screen.busy("loading the requests"):
            loaded = ledger.load(requests, model=model)
        self.screen.note(f"{shown(self.url)}: {loaded.added} of {loaded.read} requests are new")

    def again(self, ledger: "PostgresLedger", again: Again) -> None:
        """Let what failed be made again.

        Raises:
            CommandFailed: everything is to be made again.
        """
        if again is Again.ALL:
            raise CommandFailed("--again all: a ledger in a database is kept: use another database", exit_codes.USAGE)
        failed = (entry.key for entry in ledger.entries() if entry.step is Step.FAILED)
        for key in list(failed):
            ledger.apply([Change(key, Step.INTENT, before=frozenset({Step.FAILED}))])

    # --- the work

    def run_here(self, ledger: "PostgresLedger", server: ServerChoice, *, store: Path) -> None:
        """Take shards that no other run holds, and watch the others, until all are finished."""
        make_usable(self.target)
        with self.screen.live(self.progress):
            converse(partial(self._plain, ledger=ledger), server, store=store)

    async def _plain(self, client: "AsyncImagesClient", ledger: "PostgresLedger") -> None:
        from apimodels_async.shards.together import PlainRun  # noqa: PLC0415  (an extra)

        stop = anyio.Event()
        options = {**self.options, "download_to": self.target.pictures}
        run = PlainRun(client, ledger, options, stop=stop, on_report=self.hear, on_outcome=self._came)
        trouble: Exception | None = None
        async with anyio.create_task_group() as group:
            group.start_soon(self._attend_to_signals, stop)
            try:
                await run.run()
            except Exception as error:  # noqa: BLE001  (raised below, outside the group, which would wrap it)
                trouble = error
            await client.aclose()
            group.cancel_scope.cancel()
        if trouble is not None:
            raise trouble

    def hear(self, report: "ShardReport") -> None:
        """Take notice of a shard's end."""
        self.progress.hear(report)
        self._errors += [error for error in report.errors if len(self._errors) < 3]

    def _came(self, outcome: Outcome) -> None:
        self.progress.came(outcome)
        if self.printing and outcome.files:
            self.screen.paths(outcome.files)

    async def _attend_to_signals(self, stop: anyio.Event) -> None:
        with contextlib.suppress(NotImplementedError), anyio.open_signal_receiver(*ending_signals()) as signals:
            async for _ in signals:
                if self.interrupted:
                    self.screen.stop()
                    current().warn(self._way_back())
                    os._exit(exit_codes.INTERRUPTED)
                self.interrupted = True
                self.progress.words = "leaving, when what was sent is answered"
                stop.set()

    # --- the end

    def report(self, ledger: "PostgresLedger") -> None:
        """Write results.jsonl for the whole ledger, and say what came of all of it.

        Raises:
            CommandFailed: not every request has its pictures.
        """
        counts: Counter[Step] = Counter(ledger.counts())
        where = write_results(ledger.entries(), self.target.folder)
        terms = ledger.terms()
        if not self.as_json:
            for words in _summary(counts, terms.used, self._errors):
                self.screen.say(words)
            if counts[Step.UNKNOWN]:
                self.screen.say(undecided(shown(self.url), counts[Step.UNKNOWN]))
        if self.interrupted:
            raise CommandFailed(self._way_back(), exit_codes.INTERRUPTED)
        missing = sum(count for step, count in counts.items() if step not in _GOOD)
        if missing:
            raise CommandFailed(
                f"{missing} of {counts.total()} brought no picture: {where} tells why", exit_codes.SOME_FAILED
            )
        if self.as_json:
            self.screen.json({
                "requests": counts.total(),
                "failed": missing,
                "cost": round(terms.used, 6),
                "results": str(where),
                "ledger": shown(self.url),
            })  # fmt: skip

    def _way_back(self) -> str:
        return f"interrupted; {shown(self.url)} knows how far each request is: run the same command again"


def _summary(counts: Mapping[Step, int], used: float, errors: list[str]) -> Generator[str]:
    total = sum(counts.values())
    words = [f"{counts.get(Step.SAVED, 0) + counts.get(Step.DONE, 0)} of {total} requests done"]
    for step, name in (
        (Step.CREATED, "under way"),
        (Step.INTENT, "not sent"),
        (Step.FAILED, "failed"),
        (Step.REJECTED, "refused"),
    ):
        if counts.get(step):
            words.append(f"{counts[step]} {name}")
    unknown = counts.get(Step.UNKNOWN, 0) + counts.get(Step.SENDING, 0)
    if unknown:
        words.append(f"{unknown} unknown")
    words.append(f"about US$ {used:.2f}")
    yield ", ".join(words) + f" (all runs together; {NAME} tells of each request)"
    yield from (f"  {one_line(error)}" for error in errors)


async def _collect(source: StandardInput) -> list[GenerationRequest]:
    return [line.request async for line in source]
