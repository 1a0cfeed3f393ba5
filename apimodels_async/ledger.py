"""`SqliteLedger`: what was asked for, what was sent and what came of it, on the disk before it matters.

The file is a plain SQLite database in WAL mode with ``synchronous=FULL``: what was written and acknowledged survives a
crash of the process and of the machine. Prompts and task ids are in it; keys, tokens and pictures are not.
"""

import contextlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Self

from apimodels_async._ledger_records import (
    Entry,
    Plan,
    SavedFile,
    Step,
    plan,
    steps_before,
    task_from_json,
    task_to_json,
)
from apimodels_async.errors import LedgerError
from apimodels_async.models import Task

__all__ = ["Entry", "SavedFile", "SqliteLedger", "Step"]

SCHEMA_VERSION = 1
_APPLICATION_ID = 0x41504D4C  # "APML", so that somebody else's database is not taken for a ledger

_SCHEMA = """
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
_COLUMNS = "key, digest, model, request, step, task, files, error, changed"

Statement = tuple[str, tuple[Any, ...]]


def _connect(path: str) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)


class SqliteLedger:
    """A ledger in a file. Its calls block; a client makes them in a worker thread.

    One process at a time can have it open. Use it as a context manager, or `close` it; a client that is given a path
    in place of a ledger does so by itself.

    Args:
        path: the file, made if it is not there.
        connect: opens the database; for tests. Its connections need no more than ``execute`` and ``close``.

    Raises:
        LedgerError: the file cannot be used: locked by another process, read-only, no ledger, corrupt, or written by
            a newer version.
    """

    def __init__(self, path: str | os.PathLike[str], *, connect: Callable[[str], Any] = _connect) -> None:
        self.path = Path(path)
        self._pid = os.getpid()
        self._turn = threading.Lock()
        self._closed = False
        self._lock = _ProcessLock(self.path)
        try:
            self._database = self._open(connect)
        except BaseException:
            self._lock.release()
            raise

    def _open(self, connect: Callable[[str], Any]) -> Any:
        try:
            database = connect(str(self.path))
        except Exception as error:
            raise self._trouble("cannot be opened", error) from error
        try:
            for pragma in ("journal_mode=WAL", "synchronous=FULL"):
                list(database.execute(f"PRAGMA {pragma}"))
            self._migrate(database)
        except LedgerError:
            database.close()
            raise
        except Exception as error:
            database.close()
            raise self._trouble("cannot be used", error) from error
        return database

    def _migrate(self, database: Any) -> None:
        (application,) = next(iter(database.execute("PRAGMA application_id")))
        (version,) = next(iter(database.execute("PRAGMA user_version")))
        if application not in (0, _APPLICATION_ID) or (application == 0 and _has_tables(database)):
            raise LedgerError(f"{self.path} is a database, but not a ledger")
        if version > SCHEMA_VERSION:
            raise LedgerError(
                f"{self.path} was written by a newer version of apimodels-async (schema {version}, here "
                f"{SCHEMA_VERSION}): update the package"
            )
        if version == 0:
            # One transaction: a crash leaves an empty file or a whole schema.
            database.execute("BEGIN IMMEDIATE")
            database.execute(_SCHEMA)
            database.execute(f"PRAGMA application_id={_APPLICATION_ID}")
            database.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            database.execute("COMMIT")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and let others have it; may be called twice."""
        if self._closed or self._pid != os.getpid():
            return
        self._closed = True
        with self._turn:
            try:
                self._database.close()
            finally:
                self._lock.release()

    # --- reading

    def find(self, key: str) -> Entry | None:
        """The entry with this key, or ``None``."""
        rows = self._select(f"SELECT {_COLUMNS} FROM entries WHERE key = ?", (key,))  # noqa: S608
        return self._entry(rows[0]) if rows else None

    def steps(self) -> dict[str, Step]:
        """How far every entry is, by its key."""
        return {key: Step(step) for key, step in self._select("SELECT key, step FROM entries", ())}

    def entries(self) -> Iterator[Entry]:
        """Every entry, in the order in which they were written first."""
        for row in self._select(f"SELECT {_COLUMNS} FROM entries ORDER BY number", ()):  # noqa: S608
            yield self._entry(row)

    def _select(self, sql: str, values: tuple[Any, ...]) -> list[Any]:
        with self._turn:
            self._check_usable()
            try:
                return list(self._database.execute(sql, values))
            except Exception as error:
                raise self._trouble("cannot be read", error) from error

    def _entry(self, row: Sequence[Any]) -> Entry:
        key, digest, model, request, step, task, files, error, changed = row
        try:
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
            )
        except (ValueError, KeyError, TypeError) as broken:
            raise self._trouble(f"has an entry that makes no sense ({key})", broken) from broken

    # --- writing

    def apply(self, statements: Iterable[Statement]) -> None:
        """Carry out statements in one transaction, and return when it is on the disk.

        Raises:
            LedgerError: nothing of it was written.
        """
        with self._turn:
            self._check_usable()
            try:
                self._database.execute("BEGIN IMMEDIATE")
                for sql, values in statements:
                    self._database.execute(sql, values)
                self._database.execute("COMMIT")
            except Exception as error:
                self._roll_back()
                raise self._trouble("cannot be written", error) from error

    def _roll_back(self) -> None:
        with contextlib.suppress(Exception):  # SQLite has rolled back by itself, as on a full disk
            self._database.execute("ROLLBACK")

    def resolve(self, key: str, how: str) -> Entry:
        """Decide about an entry whose outcome is unknown, after having looked at the vendor's console.

        Args:
            key: the entry's key.
            how: ``"resubmit"``: the server does not have it, the next run sends it again. ``"abandon"``: nobody wants
                it any more. Anything else is the id of its task: the next run waits for that.

        Raises:
            LedgerError: no such entry, or its outcome is not unknown.
        """
        entry = self.find(key)
        if entry is None:
            raise LedgerError(f"{self.path} has no entry {key!r}")
        if plan(entry.step) is not Plan.REPORT_UNKNOWN and not (entry.step is Step.ABANDONED and how == "resubmit"):
            raise LedgerError(f"entry {key} is {entry.step.value}: there is nothing to resolve")
        match how:
            case "resubmit":
                statement = moved(key, Step.INTENT)
            case "abandon":
                statement = moved(key, Step.ABANDONED)
            case _ if how.strip():
                statement = moved(key, Step.CREATED, task=Task(id=how.strip(), state="", model=entry.model))
            case _:
                raise LedgerError('give "resubmit", "abandon" or the id of the task')
        self.apply([statement])
        return self.find(key) or entry

    # --- trouble

    def _check_usable(self) -> None:
        if self._closed:
            raise LedgerError(f"{self.path} is closed")
        if self._pid != os.getpid():
            raise LedgerError(f"{self.path} was opened before a fork: open it in one process only")

    def _trouble(self, what: str, error: Exception) -> LedgerError:
        return LedgerError(f"{self.path} {what}: {error}")


def _has_tables(database: Any) -> bool:
    return bool(list(database.execute("SELECT 1 FROM sqlite_master LIMIT 1")))


# --- the statements, which only this file needs to understand


def begun(key: str, digest: str, model: str, request: dict[str, Any]) -> Statement:
    """A request is about to be sent. Harmless where there is an entry already."""
    return (
        "INSERT INTO entries (key, digest, model, request, step, changed) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (key) DO NOTHING",
        (key, digest, model, json.dumps(request, default=str), Step.INTENT.value, time.time()),
    )


def moved(
    key: str,
    step: Step,
    *,
    task: Task | None = None,
    files: Sequence[SavedFile] | None = None,
    error: str | None = None,
) -> Statement:
    """An entry is at another step. What is not given stays as it was, but for the error.

    An entry that cannot come to this step from where it is stays there: a statement that a cut-off thread carries out
    late must not turn the clock back.
    """
    before = ", ".join(f"'{each.value}'" for each in sorted(steps_before(step)))
    return (
        "UPDATE entries SET step = ?, task_id = coalesce(?, task_id), task = coalesce(?, task), "  # noqa: S608
        f"files = coalesce(?, files), error = ?, changed = ? WHERE key = ? AND step IN ({before})",
        (
            step.value,
            None if task is None else task.id,
            None if task is None else task_to_json(task),
            None if files is None else json.dumps(files),
            error,
            time.time(),
            key,
        ),
    )


class _ProcessLock:
    """One process at a time. The system releases it when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        place = path.with_name(path.name + ".lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = place.open("ab")
        except OSError as error:
            raise LedgerError(f"{path} cannot be locked: {error}") from error
        try:
            _lock(self._file)
        except OSError:
            self._file.close()
            raise LedgerError(f"{path} is in use by another run: wait for it to end") from None

    def release(self) -> None:
        self._file.close()


if os.name == "posix":
    import fcntl

    def _lock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

else:  # pragma: no cover
    import msvcrt

    def _lock(file: BinaryIO) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
