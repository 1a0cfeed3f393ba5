"""How a ledger's entries are changed, as plain SQL. Pure: the time is SQLite's."""

import json
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, TypeAlias

from apimodels_async.ledger.entries import SavedFile, Step, steps_before, task_to_json
from apimodels_async.models import Task

Statement: TypeAlias = tuple[str, tuple[Any, ...]]

_COLUMNS = ("key", "digest", "model", "request", "step", "task_id", "task", "files", "error", "intent_id", "before")
_NOW = "(julianday('now') - 2440587.5) * 86400.0"  # epoch seconds, in every version of SQLite

PREPARATION: Sequence[str] = (
    "PRAGMA temp_store=MEMORY",
    f"CREATE TEMP VIEW change AS SELECT {', '.join(f'NULL AS {name}' for name in _COLUMNS)}",
    f"""
    CREATE TEMP TRIGGER begin_entry INSTEAD OF INSERT ON change WHEN NEW.digest IS NOT NULL BEGIN
        INSERT INTO entries (key, digest, model, request, step, changed)
        VALUES (NEW.key, NEW.digest, NEW.model, NEW.request, NEW.step, {_NOW})
        ON CONFLICT (key) DO NOTHING;
    END
    """,  # noqa: S608
    f"""
    CREATE TEMP TRIGGER move_entry INSTEAD OF INSERT ON change WHEN NEW.digest IS NULL BEGIN
        UPDATE entries
        SET step = NEW.step, task_id = coalesce(NEW.task_id, task_id), task = coalesce(NEW.task, task),
            files = coalesce(NEW.files, files), error = NEW.error, intent_id = coalesce(NEW.intent_id, intent_id),
            changed = {_NOW}
        WHERE key = NEW.key AND instr(NEW.before, ' ' || step || ' ');
    END
    """,  # noqa: S608
)
"""What a connection needs before it can carry out `CHANGE`. Nothing of it is written into the file."""
CHANGE = "INSERT INTO change VALUES "
"""One row for each change, so that one call of SQLite carries out as many as there are, one after the other. With a
call for each, a thread would have to wait for the interpreter after each of them, where the event loop is busy."""
_ROW = f"({', '.join('?' * len(_COLUMNS))})"
_MOST = 900 // len(_COLUMNS)
"""Rows in one statement: before 3.32 SQLite took 999 values."""


def merged(statements: Sequence[Statement]) -> Iterator[tuple[Statement, int]]:
    """The same in as few statements as can be, each with how many it stands for."""
    for sql, run in groupby(statements, key=itemgetter(0)):
        values = [each for _, each in run]
        if sql != CHANGE + _ROW:
            yield from (((sql, each), 1) for each in values)
            continue
        for at in range(0, len(values), _MOST):
            rows = values[at : at + _MOST]
            yield (CHANGE + ", ".join([_ROW] * len(rows)), tuple(chain.from_iterable(rows))), len(rows)


def begun(key: str, digest: str, model: str, request: dict[str, Any]) -> Statement:
    """A request is about to be sent. Harmless where there is an entry already."""
    told = json.dumps(request, default=str)
    return CHANGE + _ROW, (key, digest, model, told, Step.INTENT.value, None, None, None, None, None, None)


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
    return CHANGE + _ROW, (
        key,
        None,
        None,
        None,
        step.value,
        None if task is None else _storable(task.id),
        None if task is None else task_to_json(task),
        None if files is None else json.dumps(files),
        _storable(error),
        intent_id,
        _before(step),
    )


@cache
def _before(step: Step) -> str:
    return "".join(f" {each.value} " for each in sorted(steps_before(step)))


def unseen(key: str) -> Statement:
    """The task id of an entry was a person's word and no server's: its outcome is unknown again."""
    return f"UPDATE entries SET step = ?, changed = {_NOW} WHERE key = ?", (Step.UNKNOWN.value, key)  # noqa: S608


def _storable(text: str | None) -> str | None:
    """A server's words may hold lone surrogates, which would make SQLite refuse all that is written with them."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode()
