"""The final messages of a batch: how it ended, and what to type next."""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from apimodels_async.cli.batch.results import NAME
from apimodels_async.cli.failures import one_line
from apimodels_async.cli.ledger import ways_out
from apimodels_async.cli.options import ServerChoice
from apimodels_async.cli.output import Target
from apimodels_async.cli.resuming import wait_command, wait_from
from apimodels_async.models import BatchStats, Task

__all__ = ["Place", "ids_without_a_file", "ledger_lines", "undecided", "way_back"]


class Place(NamedTuple):
    """Where a batch writes its files.

    Attributes:
        target: where the pictures go, and results.jsonl.
        ledger: the file, if there is one.
        repeatable: whether the same command, typed again, finds the server in the same state.
        server: which server.
    """

    target: Target
    ledger: Path | None
    repeatable: bool
    server: ServerChoice


def way_back(why: str, place: Place, detached: Sequence[Task]) -> str:
    """`why` the batch was left, and how to go on."""
    tasks = [task.id or "" for task in detached]
    results = place.target.folder / NAME
    elsewhere = "" if place.target.pictures == place.target.folder else place.target.given
    number = "no task is" if not tasks else "1 task is" if len(tasks) == 1 else f"{len(tasks)} tasks are"
    if place.ledger is not None and place.repeatable:
        words = (
            f"{why}; {number} under way, and {place.ledger} knows how far each request is: run the same command again"
        )
        if not tasks or place.server.local:
            return words
        them = "it" if len(tasks) == 1 else "them"
        return f"{words}, or only wait for {them} with: {wait_from(place.target.folder, elsewhere, place.server)}"
    if not tasks:
        return f"{why}; no task is under way, and {results} tells of each request"
    if not place.repeatable:
        return f"{why}; {number} under way and will end with the local gateway, which was started for this command"
    if len(tasks) == 1:
        command, them = wait_command(tasks, place.target.given, place.server), "it"
    else:
        command, them = wait_from(results, elsewhere, place.server), "them"
    return f"{why}; {number} under way and not lost: take {them} up again with: {command}"


def ids_without_a_file(rows: Iterable[dict[str, Any]], place: Place) -> Iterator[str]:
    """Return a line for each task that is in no file: its id and the command to type next."""
    for row in rows:
        if row["task_id"] is not None and not row["files"] and row["state"] != "failed":
            whose = "" if row["line"] is None else f" (line {row['line']})"
            task_id = one_line(row["task_id"])
            yield f"task {task_id}{whose}: {wait_command([task_id], place.target.given, place.server)}"


def ledger_lines(ledger: Path | None, stats: BatchStats) -> Iterator[str]:
    """Return the final messages about the ledger."""
    if ledger is None:
        return
    if stats.matched:
        yield f"  {stats.matched} of {stats.read} had been begun by an earlier run, as {ledger} says"
    if stats.unknown:
        yield undecided(str(ledger), stats.unknown)


def undecided(ledger: str, unknown: int) -> str:
    """What is to be done about entries whose outcome is unknown, of a file or a database as it is shown."""
    are = "1 is unknown and is" if unknown == 1 else f"{unknown} are unknown and are"
    return (
        f"  {are} not sent again until you decide: `apimodels ledger show {shlex.quote(ledger)}` "
        f"lists the keys, {ways_out(ledger)} decides"
    )
