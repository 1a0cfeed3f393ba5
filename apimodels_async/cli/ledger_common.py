"""``apimodels ledger load`` and ``accept-failover``: what concerns a ledger that many hosts share."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from attrs import frozen

from apimodels_async.cli import exit_codes
from apimodels_async.cli.batch.request_files import RequestFile
from apimodels_async.cli.batch.request_lines import BadLineError
from apimodels_async.cli.failures import CommandFailed, in_words_of_the_command_line
from apimodels_async.cli.help import Command
from apimodels_async.cli.options import DEFAULT_MODEL, Model, quiet, takes
from apimodels_async.cli.screen import Screen
from apimodels_async.cli.values import number
from apimodels_async.ledger.opening import database_url, open_ledger, shown
from apimodels_async.ledger.sqlite import SqliteLedger

if TYPE_CHECKING:
    from apimodels_async.ledger.postgres.store import PostgresLedger

__all__ = ["PATIENCE", "CommonTerms", "accept_failover", "add_to", "load", "set_terms"]

PATIENCE = 10.0
"""Seconds for which a database that is away is waited for: a person waits with it."""


@frozen
class CommonTerms:
    """What holds for all runs of a ledger, and what became of them.

    Attributes:
        budget: US dollars that may be spent; ``None`` for no limit.
        used: the cost of what is billed or may be.
        create_rate: create requests a second; ``None`` for no limit.
        shards: how many there are.
        finished: of them, those that a run has come to the end of.
        held: of them, those that a run which is alive works on.
        strays: keys and ids of tasks that do not fit their entries any more.
    """

    budget: float | None
    used: float
    create_rate: float | None
    shards: int
    finished: int
    held: int
    strays: list[tuple[str, str]]

    @classmethod
    def of(cls, ledger: "PostgresLedger") -> "CommonTerms":
        """The terms of this ledger."""
        terms, shards = ledger.terms(), ledger.shards()
        return cls(
            budget=terms.budget,
            used=terms.used,
            create_rate=terms.create_rate,
            shards=len(shards),
            finished=sum(each.finished for each in shards),
            held=sum(each.held for each in shards),
            strays=ledger.strays(),
        )

    def view(self) -> dict[str, Any]:
        """The same as JSON's own types."""
        return {
            "budget": self.budget,
            "used": round(self.used, 6),
            "create_rate": self.create_rate,
            "shards": {"all": self.shards, "finished": self.finished, "held": self.held},
            "strays": [{"key": key, "task_id": task_id} for key, task_id in self.strays],
        }

    def lines(self) -> Iterator[tuple[str, str]]:
        """The same as names and values."""
        if self.budget is not None:
            yield "budget", f"US$ {self.used:.2f} of US$ {self.budget:.2f} are used or may be"
        if self.create_rate is not None:
            yield "rate", f"{self.create_rate:g} create requests a second"
        if self.shards:
            yield "shards", f"{self.shards}: {self.finished} finished, {self.held} being worked on"
        for key, task_id in self.strays:
            yield "stray", f"task {task_id} was created for {key}, which had been decided otherwise"


@takes(log=quiet)
def load(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", dir_okay=False, help="Requests, as for batch.", show_default=False)
    ],
    *,
    ledger: Annotated[
        str,
        typer.Option("--ledger", metavar="URL", envvar="APIMODELS_LEDGER", help="postgresql://…", show_default=False),
    ],
    model: Model = DEFAULT_MODEL,
    budget: Annotated[
        float | None,
        typer.Option(metavar="US$", parser=number(0), help="What all workers may spend together, by the known prices."),
    ] = None,
    create_rate: Annotated[
        float | None,
        typer.Option(
            metavar="N", parser=number(0, above=True), help="Create requests a second, of all workers together."
        ),
    ] = None,
) -> None:
    """Load the requests in FILE into a PostgreSQL ledger, for workers on many hosts.

    The same file again adds nothing, and its lines may have moved. --budget and --create-rate hold for all workers from
    now on; what is left out stays as it is.
    """
    screen, source = Screen(), RequestFile(file, model)
    with screen.busy("checking the requests"):
        try:
            total = source.count()
        except BadLineError as error:
            raise CommandFailed(str(error), exit_codes.USAGE) from error
    with _common(ledger, create=True) as opened:
        set_terms(opened, budget=budget, create_rate=create_rate)
        with screen.busy(f"loading {total} requests"):
            loaded = opened.load((line.request for line in source), model=model)
        shards = opened.divide()
        limited = opened.terms().budget is not None
    screen.say(f"{shown(ledger)}: {loaded.added} of {loaded.read} requests are new, in {shards} shards")
    if loaded.unpriced and limited:
        screen.note(f"{loaded.unpriced} of them have no known price, and are not sent while there is a budget")


@takes(log=quiet)
def accept_failover(
    ledger: Annotated[
        str, typer.Argument(metavar="URL", envvar="APIMODELS_LEDGER", help="postgresql://…", show_default=False)
    ],
) -> None:
    """Say that a database is the ledger now: a standby that was promoted, or a copy that was restored.

    It may lack what was acknowledged before. A request that had been sent, and is "not sent yet" there, is sent and
    paid for once more. So make sure first: compare it with the vendor's list of tasks since the failover.
    """
    with _common(ledger) as opened:
        opened.accept_failover()
        strays = opened.strays()
    screen = Screen()
    screen.say(f"{shown(ledger)}: is the ledger from now on")
    if strays:
        screen.note(f"{len(strays)} tasks do not fit their entries: `apimodels ledger show` lists them")


def set_terms(ledger: "PostgresLedger", *, budget: float | None, create_rate: float | None) -> None:
    """Set budget and rate for all runs, where they were given.

    Raises:
        CommandFailed: a number out of range.
    """
    given = {"budget": budget, "create_rate": create_rate}
    try:
        ledger.set_terms(**{name: value for name, value in given.items() if value is not None})
    except ValueError as error:
        raise CommandFailed(in_words_of_the_command_line(error), exit_codes.USAGE) from error


def _common(name: str, *, create: bool = False) -> "PostgresLedger":
    opened = open_ledger(name, create=create and database_url(name) is not None, patience=PATIENCE)
    if isinstance(opened, SqliteLedger):
        opened.close()
        raise CommandFailed(f"{name}: is a file, for one process at a time: give a postgresql:// URL", exit_codes.USAGE)
    return opened


def add_to(commands: typer.Typer) -> None:
    """Add these to the commands of ``apimodels ledger``."""
    commands.command(cls=Command)(load)
    commands.command("accept-failover", cls=Command)(accept_failover)
