"""How a ledger's entries are changed, as plain SQL. Pure: the time is SQLite's."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias

from apimodels_async._ledger_records import SavedFile, Step, steps_before, task_to_json
from apimodels_async.models import Task

Statement: TypeAlias = tuple[str, tuple[Any, ...]]

_NOW = "(julianday('now') - 2440587.5) * 86400.0"  # epoch seconds, in every version of SQLite


def begun(key: str, digest: str, model: str, request: dict[str, Any]) -> Statement:
    """A request is about to be sent. Harmless where there is an entry already."""
    return (
        f"INSERT INTO entries (key, digest, model, request, step, changed) VALUES (?, ?, ?, ?, ?, {_NOW}) "  # noqa: S608
        "ON CONFLICT (key) DO NOTHING",
        (key, digest, model, json.dumps(request, default=str), Step.INTENT.value),
    )


def moved(
    key: str,
    step: Step,
    *,
    task: Task | None = None,
    files: Sequence[SavedFile] | None = None,
    error: str | None = None,
    intent_id: str | None = None,
) -> Statement:
    """An entry is at another step. What is not given stays as it was, but for the error.

    An entry that cannot come to this step from where it is stays there: a statement that a cut-off thread carries out
    late must not turn the clock back.
    """
    return (
        _moving_to(step),
        (
            step.value,
            None if task is None else _storable(task.id),
            None if task is None else task_to_json(task),
            None if files is None else json.dumps(files),
            _storable(error),
            intent_id,
            key,
        ),
    )


@cache
def _moving_to(step: Step) -> str:
    before = ", ".join(f"'{each.value}'" for each in sorted(steps_before(step)))
    return (
        "UPDATE entries SET step = ?, task_id = coalesce(?, task_id), task = coalesce(?, task), "  # noqa: S608
        f"files = coalesce(?, files), error = ?, intent_id = coalesce(?, intent_id), changed = {_NOW} "
        f"WHERE key = ? AND step IN ({before})"
    )


def unseen(key: str) -> Statement:
    """The task id of an entry was a person's word and no server's: its outcome is unknown again."""
    return f"UPDATE entries SET step = ?, changed = {_NOW} WHERE key = ?", (Step.UNKNOWN.value, key)  # noqa: S608


def _storable(text: str | None) -> str | None:
    """A server's words may hold lone surrogates, which would make SQLite refuse all that is written with them."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode()
