"""``apimodels ledger``: what a run has come to, and the way out where only a person can decide."""

import csv
import difflib
import io
import json
import shlex
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from rich.table import Table

from apimodels_async._download import part_file
from apimodels_async.cli import exit_codes
from apimodels_async.cli.failures import CommandFailed, one_line
from apimodels_async.cli.ledger_report import MEANINGS, Report, lines, moment, money, row
from apimodels_async.cli.options import AsJson
from apimodels_async.cli.screen import Screen
from apimodels_async.errors import LedgerError
from apimodels_async.ledger import Entry, SqliteLedger, Step

__all__ = ["commands", "ways_out"]

CONSOLE = "https://apimodels.app/console/records"
_LONGEST = 160
"""Characters of a prompt that a table shows."""
_WORDS = ("resubmit", "abandon")

commands: typer.Typer = typer.Typer(help="Look into a ledger, and decide about what is unknown.")

Ledger: TypeAlias = Annotated[
    Path, typer.Argument(metavar="FILE", help="The ledger, as given to --ledger.", show_default=False)
]


def ways_out(path: Path) -> str:
    """The command that decides about an unknown entry."""
    return f"{shlex.join(['apimodels', 'ledger', 'resolve', str(path)])} KEY resubmit|abandon|TASK_ID"


@contextmanager
def _opened(path: Path, *, read_only: bool = False) -> Generator[SqliteLedger]:
    """The ledger at `path`, which must be there: to look for one makes none."""
    if not path.is_file():
        raise LedgerError(f"FILE {path}: {'not a regular file' if path.exists() else 'no such file'}")
    with SqliteLedger(path, read_only=read_only) as ledger:
        yield ledger


# --- show


@commands.command()
def show(file: Ledger, as_json: AsJson = False) -> None:
    """Say what a run has come to: counts, money, what is unknown, what expires soon.

    Money is estimated by the prices of the catalogue. "At risk" is what may have been accepted, and nobody knows.
    A run that is under way is not disturbed.
    """
    screen = Screen()
    with _opened(file, read_only=True) as ledger:
        report = Report.of(ledger.entries())
    now = datetime.now(UTC)
    if as_json:
        screen.json(report.view(now))
    elif screen.for_people:
        _draw(screen, report, now)
    else:
        screen.pairs_plain(lines(report, now))
        screen.pairs_plain(
            ("unknown:", f"{entry.key} {moment(entry)} {entry.request.get('prompt')}") for entry in report.unknown
        )
    if report.unknown:
        screen.note(f"Look at {CONSOLE} for what is unknown, then: {ways_out(file)}")


def _draw(screen: Screen, report: Report, now: datetime) -> None:
    steps = _table("step", "requests", "meaning")
    steps.columns[1].justify = "right"
    for step, meaning in MEANINGS.items():
        if report.counts[step]:
            style = "bold yellow" if step in {Step.SENDING, Step.UNKNOWN} else ""
            steps.add_row(step.value, str(report.counts[step]), meaning, style=style)
    screen.out.print(steps)
    screen.out.print()
    screen.pairs(dict(money(report)))
    if report.unknown:
        table = _table("key", "since", "prompt", title="Unknown: perhaps accepted, perhaps billed")
        for entry in report.unknown:
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
        table.add_column(name, no_wrap=True)  # a key that is cut off cannot be used
    table.add_column(names[-1])
    return table


def _local(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def _span(left: timedelta) -> str:
    hours, minutes = divmod(int(left.total_seconds()) // 60, 60)
    return f"{hours} h {minutes:02} min"


# --- resolve


@commands.command()
def resolve(
    file: Ledger,
    key: Annotated[str, typer.Argument(metavar="KEY", help="The entry's key, as `show` lists it.", show_default=False)],
    how: Annotated[
        str, typer.Argument(metavar="resubmit|abandon|TASK_ID", help="What is to be done.", show_default=False)
    ],
) -> None:
    """Decide about an entry whose outcome is unknown, after a look at the vendor's list of tasks.

    resubmit: the server does not have it, so the next run sends it again. abandon: nobody wants it any more. The id
    of its task: the next run waits for that.
    """
    if not how.strip():
        raise CommandFailed("TASK_ID is empty: give resubmit, abandon or the id of the task", exit_codes.USAGE)
    if how not in _WORDS and (close := difflib.get_close_matches(how.lower(), _WORDS, 1, 0.7)):
        # Taken for a task's id, the next run would wait for a task that does not exist.
        raise CommandFailed(f"{how}: did you mean {close[0]}?", exit_codes.USAGE)
    with _opened(file) as ledger:
        entry = ledger.resolve(key, how)
    screen = Screen()
    match entry.step:
        case Step.INTENT:
            words = "the next run sends it again"
        case Step.ABANDONED:
            words = "no run sends it or asks about it any more"
        case _:
            words = f"the next run waits for task {how.strip()}"
    screen.say(f"{one_line(key)}: {words}")


# --- export


@commands.command()
def export(
    file: Ledger,
    *,
    as_csv: Annotated[bool, typer.Option("--csv/--jsonl", help="A table, or an object a line.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", dir_okay=False, show_default="stdout", help="Where to."),
    ] = None,
) -> None:
    """Write every entry down, in the order of the requests: an object a line, or CSV.

    A run that is under way is not disturbed.
    """
    if output is not None and output.exists() and file.exists() and output.samefile(file):
        raise CommandFailed(f"--output {output}: that is the ledger itself", exit_codes.USAGE)
    with _opened(file, read_only=True) as ledger:
        rows = (row(entry) for entry in ledger.entries())
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
    """All of it, or nothing."""
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
