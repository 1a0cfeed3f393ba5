"""The final messages of a batch: how it ended, and what to type next."""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from apimodels_async._download.destination import Place as Pictures
from apimodels_async.cli.batch.results import NAME
from apimodels_async.cli.failures import one_line
from apimodels_async.cli.ledger import ways_out
from apimodels_async.cli.output import OutputPlace
from apimodels_async.models import BatchStats, Task

__all__ = ["Place", "ids_without_a_file", "ledger_lines", "wait_command", "way_back"]


class Place(NamedTuple):
    """Where a batch writes its files.

    Attributes:
        output: where the pictures go, and results.jsonl.
        ledger: the file, if there is one.
        repeatable: whether the same command, typed again, finds the server in the same state.
    """

    output: OutputPlace
    ledger: Path | None
    repeatable: bool


def wait_command(task_id: str, pictures: Pictures) -> str:
    """Return the command to type to continue with a task."""
    command = ["apimodels", "wait", task_id]
    if pictures != Path():
        command += ["-o", str(pictures)]
    return shlex.join(command)


def way_back(why: str, place: Place, detached: Sequence[Task]) -> str:
    """`why` the batch was left, and how to go on."""
    tasks = [task.id or "" for task in detached]
    results = place.output.notes / NAME
    number = "no task is" if not tasks else "1 task is" if len(tasks) == 1 else f"{len(tasks)} tasks are"
    if place.ledger is not None and place.repeatable:
        return (
            f"{why}; {number} under way, and {place.ledger} knows how far each request is: run the same command again"
        )
    if not tasks:
        return f"{why}; no task is under way, and {results} tells of each request"
    if not place.repeatable:
        return f"{why}; {number} under way and will end with the local gateway, which was started for this command"
    one = len(tasks) == 1
    advice = "take it up again" if one else f"the ids are in {results}, take each up again"
    command = wait_command(tasks[0] if one else "ID", place.output.pictures)
    return f"{why}; {number} under way and not lost: {advice} with: {command}"


def ids_without_a_file(rows: Iterable[dict[str, Any]], pictures: Pictures) -> Iterator[str]:
    """Return a line for each task that is in no file: its id and the command to type next."""
    for row in rows:
        if row["task_id"] is not None and not row["files"] and row["state"] != "failed":
            whose = "" if row["line"] is None else f" (line {row['line']})"
            yield f"task {one_line(row['task_id'])}{whose}: {wait_command(one_line(row['task_id']), pictures)}"


def ledger_lines(ledger: Path | None, stats: BatchStats) -> Iterator[str]:
    """Return the final messages about the ledger."""
    if ledger is None:
        return
    if stats.matched:
        yield f"  {stats.matched} of {stats.read} had been begun by an earlier run, as {ledger} says"
    if stats.unknown:
        are = "1 is unknown and is" if stats.unknown == 1 else f"{stats.unknown} are unknown and are"
        yield (
            f"  {are} not sent again until you decide: `apimodels ledger show {shlex.quote(str(ledger))}` "
            f"lists the keys, {ways_out(ledger)} decides"
        )
