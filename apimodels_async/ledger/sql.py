"""The SQL of `SqliteLedger`: its schema, changes as rows, and rows as entries. Pure: the time is SQLite's."""

import json
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any, TypeAlias

from apimodels_async._sqlite import Format
from apimodels_async.ledger.entries import Entry, SavedFile, Step, task_from_json, task_to_json
from apimodels_async.ledger.port import Change

_ENTRIES = """
CREATE TABLE entries (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    digest TEXT NOT NULL,
    model TEXT NOT NULL,
    request TEXT NOT NULL,
    step TEXT NOT NULL,
    task_id TEXT,
    task TEXT,
    files TEXT,
    error TEXT,
    changed REAL NOT NULL
)
"""
_WITH_CALLBACKS = "ALTER TABLE entries ADD COLUMN intent_id TEXT"
_WITH_SERVERS = (
    "ALTER TABLE entries ADD COLUMN server TEXT",
    "CREATE TABLE ledger (server TEXT NOT NULL)",  # one row, once it is bound
)
_WITH_NAMES = "ALTER TABLE entries ADD COLUMN name TEXT"

FORMAT = Format("a ledger", 0x41504D4C, ((_ENTRIES,), (_WITH_CALLBACKS,), _WITH_SERVERS, (_WITH_NAMES,)))  # "APML"
SCHEMA_VERSION = len(FORMAT.migrations)

READ = "SELECT key, digest, model, request, step, task, files, error, changed, intent_id, server, name FROM entries"
"""What `entry_of` takes."""

UNBOUND = "SELECT key, task FROM entries WHERE server IS NULL"
OWN_SERVER = "SELECT server FROM ledger"
SERVERS = "SELECT server FROM ledger UNION SELECT server FROM entries WHERE server IS NOT NULL"

_COLUMNS = (
    *("key", "digest", "model", "request", "step", "task_id", "task", "files", "error", "intent_id"),
    *("name", "at", "allowed_from", "must_change"),
)
_AT = "coalesce(NEW.at, (julianday('now') - 2440587.5) * 86400.0)"  # epoch seconds, in every version of SQLite
_REFUSE = "SELECT raise(ABORT, 'nothing changed') WHERE NEW.must_change AND changes() = 0"

PREPARATION: Sequence[str] = (
    "PRAGMA temp_store=MEMORY",
    f"CREATE TEMP VIEW change AS SELECT {', '.join(f'NULL AS {name}' for name in _COLUMNS)}",
    f"""
    CREATE TEMP TRIGGER begin_entry INSTEAD OF INSERT ON change WHEN NEW.digest IS NOT NULL BEGIN
        INSERT INTO entries (key, digest, model, request, step, changed, server)
        VALUES (NEW.key, NEW.digest, NEW.model, NEW.request, NEW.step, {_AT}, ({OWN_SERVER}))
        ON CONFLICT (key) DO NOTHING;
        {_REFUSE};
    END
    """,  # noqa: S608
    f"""
    CREATE TEMP TRIGGER move_entry INSTEAD OF INSERT ON change WHEN NEW.digest IS NULL BEGIN
        UPDATE entries
        SET step = NEW.step, task_id = coalesce(NEW.task_id, task_id), task = coalesce(NEW.task, task),
            files = coalesce(NEW.files, files), error = NEW.error, intent_id = coalesce(NEW.intent_id, intent_id),
            name = coalesce(NEW.name, name), changed = {_AT}
        WHERE key = NEW.key AND instr(NEW.allowed_from, ' ' || step || ' ');
        {_REFUSE};
    END
    """,  # noqa: S608
)
"""What a connection needs before it can carry out changes. Nothing of it is written into the file."""

CHANGE = "INSERT INTO change VALUES "
"""One row for each change, so that one call of SQLite carries out all of them in their order. With a call for each, a
thread would have to wait for the interpreter after each of them, where the event loop is busy."""
_ROW = f"({', '.join('?' * len(_COLUMNS))})"
ROWS_AT_ONCE = 900 // len(_COLUMNS)
"""Rows in one statement: before 3.32 SQLite took 999 values."""

Row: TypeAlias = tuple[Any, ...]


def changed(changes: Sequence[Change], *, must_change: bool = True) -> list[tuple[str, Row]]:
    """The statements that carry out changes in their order, and their values.

    Args:
        changes: what to carry out.
        must_change: whether a statement fails, and is undone, where one of its changes changes nothing.
    """
    statements: list[tuple[str, Row]] = []
    for first in range(0, len(changes), ROWS_AT_ONCE):
        rows = [_row_of(change, must_change) for change in changes[first : first + ROWS_AT_ONCE]]
        statements.append((CHANGE + ", ".join([_ROW] * len(rows)), tuple(chain.from_iterable(rows))))
    return statements


def _row_of(change: Change, must_change: bool) -> Row:
    """A change as a row of the view; where it must change something and does not, all of its statement is undone."""
    return (
        change.key,
        change.digest,
        change.model,
        None if change.request is None else json.dumps(change.request, default=str),
        change.step.value,
        None if change.task is None else _storable(change.task.id),
        None if change.task is None else task_to_json(change.task),
        None if change.files is None else json.dumps(change.files),
        _storable(change.error),
        change.intent_id,
        _storable(change.name),
        change.at,
        None if change.digest is not None else _spaced(change.allowed_from),
        must_change,
    )


@cache
def _spaced(steps: frozenset[Step]) -> str:
    return "".join(f" {each.value} " for each in sorted(steps))


def _storable(text: str | None) -> str | None:
    """A server's texts may hold lone surrogates, for which SQLite would refuse the whole transaction."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode()


def entry_of(row: Row) -> Entry:
    """An entry from a row of `READ`.

    Raises:
        ValueError, KeyError, TypeError: the row is not one that was written here.
    """
    key, digest, model, request, step, task, files, error, changed, intent_id, server, name = row
    return Entry(
        key=key,
        digest=digest,
        model=model,
        request=json.loads(request),
        step=Step(step),
        task=None if task is None else task_from_json(task),
        files=tuple(SavedFile(*each) for each in json.loads(files or "[]")),
        error=error,
        changed=changed,
        intent_id=intent_id,
        server=server,
        name=name,
    )
