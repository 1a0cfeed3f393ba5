"""``apimodels ledger``: the result of a run, and the decisions that only a person can make."""

import csv
import io
import json
import shlex
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from rich.table import Table

from apimodels_async._download import part_file
from apimodels_async._settings import load_prices
from apimodels_async.catalogue import RECORDS_PAGE
from apimodels_async.cli import exit_codes
from apimodels_async.cli.batch.keeping import automatic_ledgers
from apimodels_async.cli.failures import CommandFailed, one_line
from apimodels_async.cli.help import Command, Commands
from apimodels_async.cli.ledger_common import PATIENCE, CommonTerms
from apimodels_async.cli.ledger_decisions import Decision, checked, decisions_of
from apimodels_async.cli.ledger_report import NEXT_RUN, LedgerReport, lines, moment, money, row
from apimodels_async.cli.options import AsJson, quiet, takes
from apimodels_async.cli.screen import Screen
from apimodels_async.errors import LedgerError
from apimodels_async.ledger import Entry, SqliteLedger, Step
from apimodels_async.ledger.entries import IN_WORDS
from apimodels_async.ledger.opening import OpenLedger, database_url, open_ledger, shown
from apimodels_async.ledger.resolve import resolve_all

__all__ = ["commands", "ways_out"]

_LONGEST = 160
"""Characters of a prompt that a table shows."""
commands: typer.Typer = typer.Typer(
    cls=Commands, help="Look into a ledger, decide about what is unknown, move it to a new address."
)

_FORMS = "FILE|FOLDER|URL"
_WHICH = "The ledger, as given to --ledger, or the output folder of a batch."
Ledger: TypeAlias = Annotated[str, typer.Argument(metavar=_FORMS, help=_WHICH, show_default=False)]
LedgerOrSetting: TypeAlias = Annotated[
    str, typer.Argument(metavar=_FORMS, help=_WHICH, envvar="APIMODELS_LEDGER", show_default=False)
]


def ways_out(path: str | Path) -> str:
    """The command that decides about an unknown entry."""
    return f"{_command('resolve', path)} KEY resubmit|abandon|TASK_ID"


def _opened(name: str, *, read_only: bool = False) -> OpenLedger:
    """Open a ledger, or that of an output folder. It must exist: showing a ledger does not create one."""
    if Path(name).is_dir():
        name = str(_ledger_in(Path(name)))
    return open_ledger(name, read_only=read_only, create=False, patience=PATIENCE)


def _ledger_in(folder: Path) -> Path:
    found = automatic_ledgers(folder)
    if not found:
        raise LedgerError(f"FOLDER {folder}: no batch has kept a ledger in it")
    if len(found) > 1:
        raise LedgerError(f"FOLDER {folder}: name one of its ledgers: {', '.join(map(str, found))}")
    return found[0]


# --- show


@commands.command(cls=Command)
@takes(log=quiet)
def show(file: LedgerOrSetting, as_json: AsJson = False) -> None:
    """Show the results of a run: counts, money, what is unknown, what expires soon.

    Money is estimated by the published prices. "At risk" is what may have been accepted without being known here. A run
    that is under way is not disturbed.
    """
    screen = Screen()
    with _opened(file, read_only=True) as ledger:
        report = LedgerReport.of(ledger.entries(), load_prices())
        common = None if isinstance(ledger, SqliteLedger) else CommonTerms.of(ledger)
    now = datetime.now(UTC)
    if as_json:
        screen.json(report.view(now) | ({} if common is None else common.view()))
    elif screen.for_people:
        _draw(screen, report, now)
        if common is not None:
            screen.out.print()
            screen.pairs(dict(common.lines()))
    else:
        screen.pairs_plain(lines(report, now))
        screen.pairs_plain(() if common is None else common.lines())
        screen.pairs_plain(
            ("unknown:", f"{entry.key} {moment(entry)} {entry.request.get('prompt')}") for entry in report.unknown
        )
        screen.pairs_plain(
            ("not found:", f"{entry.key} {moment(entry)} {entry.request.get('prompt')}") for entry in report.not_found
        )
    if undecided := [*report.unknown, *report.not_found]:
        screen.note(
            f"Look for them at {RECORDS_PAGE}, then decide about each KEY, such as {undecided[0].key}:\n"
            f"{ways_out(file)}\n"
            f"Many at once: write KEY and decision into a CSV file, then {_command('resolve', file, '--from')} FILE"
        )


def _command(name: str, ledger: str | Path, *rest: str) -> str:
    return shlex.join(["apimodels", "ledger", name, shown(ledger), *rest])


def _draw(screen: Screen, report: LedgerReport, now: datetime) -> None:
    for server in sorted(report.servers):
        screen.out.print(f"of {server}", style="dim", highlight=False)
    steps = _table("requests", "are", "the next run")
    steps.columns[0].justify = "right"
    for step, words in IN_WORDS.items():
        if report.counts[step]:
            style = "bold yellow" if step in {Step.SENDING, Step.UNKNOWN} else ""
            steps.add_row(str(report.counts[step]), words, NEXT_RUN[step], style=style)
    screen.out.print(steps)
    screen.out.print()
    screen.pairs(dict(money(report)))
    for entries, title in (
        (report.unknown, "Unknown: perhaps accepted, perhaps billed"),
        (report.not_found, "The server does not know their tasks"),
    ):
        if entries:
            table = _table("key", "since", "prompt", title=title)
            for entry in entries:
                table.add_row(entry.key, _local(entry.changed), _prompt(entry))
            screen.out.print()
            screen.out.print(table)
    gone, soon = report.going(now)
    if soon:
        table = _table("task", "time left", "prompt", title="Not saved, and deleted by the vendor soon")
        for each in soon:
            task = each.entry.task
            table.add_row(one_line(task.id if task else ""), _span(each.gone - now), _prompt(each.entry))
        screen.out.print()
        screen.out.print(table)
    if gone:
        screen.out.print()
        screen.out.print(f"{gone} not saved within 7 days: their pictures are deleted", style="yellow")


def _prompt(entry: Entry) -> str:
    prompt = one_line(entry.request.get("prompt"))
    return prompt if len(prompt) <= _LONGEST else f"{prompt[: _LONGEST - 1]}…"


def _table(*names: str, title: str | None = None) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", title=title, title_justify="left", title_style="bold")
    for name in names[:-1]:
        table.add_column(name, no_wrap=True)  # a truncated key cannot be used
    table.add_column(names[-1])
    return table


def _local(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def _span(left: timedelta) -> str:
    hours, minutes = divmod(int(left.total_seconds()) // 60, 60)
    return f"{hours} h {minutes:02} min"


# --- resolve


@commands.command(cls=Command)
@takes(log=quiet)
def resolve(
    file: Ledger,
    key: Annotated[
        str | None, typer.Argument(metavar="KEY", help="The entry's key, as `show` lists it.", show_default=False)
    ] = None,
    how: Annotated[
        str | None,
        typer.Argument(metavar="DECISION", help="resubmit, abandon, undo, or the id of its task.", show_default=False),
    ] = None,
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="FILE", dir_okay=False, show_default=False,
            help="Many decisions: a CSV file with the columns key and decision.",
        ),
    ] = None,
) -> None:  # fmt: skip
    """Decide about an entry whose outcome is unknown, after a look at the vendor's list of tasks.

    - TASK_ID: the task was accepted, and the next run waits for it
    - resubmit: the server does not have it, and the next run sends it again
    - abandon: it is no longer wanted
    - undo: take an earlier decision back, as long as no run has acted on it
    """
    if from_ is not None:
        if key is not None:
            raise CommandFailed("give either KEY and a decision, or --from", exit_codes.USAGE)
        decisions = decisions_of(from_)
    elif key is None or how is None:
        raise CommandFailed("give KEY and a decision, or --from with a CSV file of them", exit_codes.USAGE)
    else:
        decisions = [checked(Decision(key, how))]
    with _opened(file) as ledger:
        entries = resolve_all(ledger, decisions)
    screen = Screen()
    for entry in entries:
        screen.say(f"{one_line(entry.key)}: {_decided(entry)}")


def _decided(entry: Entry) -> str:
    match entry.step:
        case Step.INTENT:
            return "the next run sends it again; until then, undo takes this back"
        case Step.ABANDONED:
            return "no run sends it or asks about it any more; undo takes this back"
        case Step.UNKNOWN:
            return "unknown again"
        case _:
            return f"the next run waits for task {one_line(entry.task.id if entry.task else '')}"


# --- move-server


@commands.command("move-server", cls=Command)
@takes(log=quiet)
def move_server(
    file: Ledger,
    old: Annotated[str, typer.Argument(metavar="OLD", help="Its server, as `show` prints it.", show_default=False)],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The server's base URL now.", show_default=False)],
) -> None:
    """Say that a ledger's server has a new address: the same service, with the same tasks.

    A ledger is refused by every other server, because its tasks and pictures are not that server's.
    """
    with _opened(file) as ledger:
        try:
            moved = ledger.move_server(old, new)
        except ValueError as error:
            raise CommandFailed(str(error), exit_codes.USAGE) from error
    Screen().say(f"{shown(file)}: {moved} requests belong to {new} now")


# --- export


@commands.command(cls=Command)
@takes(log=quiet)
def export(
    file: LedgerOrSetting,
    *,
    as_csv: Annotated[
        bool, typer.Option("--csv/--jsonl", help="A table, or an object a line, which is the default.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", dir_okay=False, show_default="stdout", help="Where to."),
    ] = None,
) -> None:
    """Write every entry, in the order of the requests, as an object a line or as CSV.

    A run that is under way is not disturbed.
    """
    is_file = database_url(file) is None and Path(file).exists()
    if output is not None and output.exists() and is_file and output.samefile(file):
        raise CommandFailed(f"--output {output}: that is the ledger itself", exit_codes.USAGE)
    with _opened(file, read_only=True) as ledger:
        prices = load_prices()
        rows = (row(entry, prices) for entry in ledger.entries())
        texts = _as_csv(rows) if as_csv else _as_jsonl(rows)
        if output is None:
            for text in texts:
                sys.stdout.write(text)
        else:
            _save(texts, output)


def _as_jsonl(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    for each in rows:
        yield json.dumps(each) + "\n"  # ASCII, so that it can be written to whatever stdout is


def _as_csv(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    """Lists and objects are JSON in their cells."""
    text = io.StringIO(newline="")
    writer: csv.DictWriter[str] | None = None
    for each in rows:
        if writer is None:
            writer = csv.DictWriter(text, list(each), lineterminator="\n")
            writer.writeheader()
        writer.writerow(
            {name: json.dumps(value) if isinstance(value, list | dict) else value for name, value in each.items()}
        )
        yield text.getvalue()
        text.seek(0)
        text.truncate()


def _save(texts: Iterator[str], path: Path) -> None:
    """Write the whole file or nothing."""
    part = part_file.PartFile(path.parent, path.name)
    try:
        part.begin()
        try:
            for text in texts:
                part.write(text.encode(errors="backslashreplace"))
            part.finish(path.name)
        finally:
            part.discard()
    except OSError as error:
        raise CommandFailed(f"--output {path}: {error.strerror or error}", exit_codes.USAGE) from error
