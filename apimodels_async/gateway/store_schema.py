"""The store's tables, and how a file is opened: migrated, checked, and refused if it is damaged."""

import sqlite3
from pathlib import Path

from apimodels_async import _sqlite

__all__ = ["open_database"]

_TASKS_AND_FILES = """
CREATE TABLE tasks (
    id TEXT PRIMARY KEY, model TEXT NOT NULL, n INTEGER NOT NULL, output_format TEXT NOT NULL,
    created INTEGER NOT NULL, started INTEGER NOT NULL, ended INTEGER NOT NULL,
    fail_code TEXT, fail_msg TEXT, retryable INTEGER,
    price INTEGER NOT NULL, prompt TEXT NOT NULL, seed INTEGER NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL,
    inputs TEXT NOT NULL, mask TEXT, request TEXT NOT NULL, callback_url TEXT
) WITHOUT ROWID;
CREATE TABLE inputs (digest TEXT PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE results (
    task_id TEXT NOT NULL, picture INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (task_id, picture)
);
CREATE TABLE files (
    id TEXT PRIMARY KEY, content_type TEXT NOT NULL, length INTEGER NOT NULL,
    upload_until INTEGER NOT NULL, expires INTEGER NOT NULL, data BLOB
);
"""
_CALLS = """
CREATE TABLE calls (
    task_id TEXT PRIMARY KEY, origin TEXT NOT NULL,
    due INTEGER, owed INTEGER NOT NULL, failures INTEGER NOT NULL, until INTEGER
) WITHOUT ROWID;
CREATE INDEX calls_due ON calls (due) WHERE due IS NOT NULL;
"""
_OVER = """
ALTER TABLE tasks ADD COLUMN over INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN dialect INTEGER NOT NULL DEFAULT 0;
CREATE INDEX tasks_in_flight ON tasks (ended) WHERE over = 0;
CREATE INDEX tasks_ended ON tasks (ended);
CREATE INDEX files_expires ON files (expires);
"""
_FORMAT = _sqlite.Format(
    name="the gateway's store",
    application_id=0x41504757,  # "APGW"
    migrations=[[each for each in step.split(";") if each.strip()] for step in (_TASKS_AND_FILES, _CALLS, _OVER)],
    unmarked=True,
)
"""Version 1 sent no webhooks and accepted any URL: its tasks get none."""
_TYPES: dict[str, dict[str, tuple[str, ...]]] = {
    "tasks": {
        "text": ("id", "model", "output_format", "prompt", "inputs", "request"),
        "integer": ("n", "created", "started", "ended", "price", "seed", "width", "height", "over", "dialect"),
    },
    "inputs": {"text": ("digest",), "blob": ("data",)},
    "results": {"text": ("task_id",), "integer": ("picture",), "blob": ("data",)},
    "files": {"text": ("id", "content_type"), "integer": ("length", "upload_until", "expires")},
    "calls": {"text": ("task_id", "origin"), "integer": ("owed", "failures")},
}


def open_database(path: Path, *, temporary: bool = False) -> sqlite3.Connection:
    """Open a store, or make one. A temporary one need not survive the loss of power.

    Raises:
        OSError: the file is not a store, is damaged, is a store of another version, or is in use by another gateway.
    """
    try:
        db = _sqlite.connect(str(path), timeout=1)
    except sqlite3.Error as error:
        raise OSError(f"cannot use {path} as the gateway's store: {error}") from error
    try:
        _prepare(db, path)
        if temporary:
            db.execute("PRAGMA synchronous = OFF")
    except BaseException as error:
        db.close()
        if not isinstance(error, (sqlite3.Error, UnicodeDecodeError)):
            raise
        if isinstance(error, _sqlite.UnusableError):
            raise OSError(f"{path} {error}") from error
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_CORRUPT:
            raise _damaged(path, error) from error
        used = ": another gateway uses it" if "locked" in str(error) else ""
        raise OSError(f"cannot use {path} as the gateway's store: {_one_line(error)}{used}") from error
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    # For a new file, before its first table; an older one takes it with its first VACUUM.
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    # The balance is kept in memory, so the file must not be shared with a second gateway.
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    db.execute("PRAGMA synchronous = NORMAL")
    _sqlite.version_of(db, _FORMAT)
    _check_pages(db, path)
    _sqlite.prepare(db, _FORMAT)
    _check_values(db, path)


def _one_line(what: object) -> str:
    return " ".join(str(what).split())[:200]


def _damaged(path: Path, what: object) -> OSError:
    what = _one_line(what)
    return OSError(f"{path}: the gateway's store is damaged ({what}): move it away, or put a copy in its place")


def _check_pages(db: sqlite3.Connection, path: Path) -> None:
    try:
        (verdict,) = db.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
            raise
        raise _damaged(path, error) from error
    if verdict != "ok":
        raise _damaged(path, verdict)


def _check_values(db: sqlite3.Connection, path: Path) -> None:
    """Check the types of what is stored: a changed byte in a record is no fault of its page."""
    for table, columns in _TYPES.items():
        wrong = [f"typeof({name}) != '{kind}'" for kind, names in columns.items() for name in names]
        query = f"SELECT count(*) FROM {table} WHERE {' OR '.join(wrong)}"  # noqa: S608  (names of ours)
        try:
            (count,) = db.execute(query).fetchone()
        except sqlite3.DatabaseError as error:
            raise _damaged(path, error) from error
        if count:
            raise _damaged(path, f"{count} bad rows in {table}")
