"""`SqliteLedger`: what was asked for, what was sent and what came of it, on the disk before it matters.

The file is a plain SQLite database in WAL mode with ``synchronous=FULL``: what was written and acknowledged survives a
crash of the process and of the machine. Prompts and task ids are in it; keys, tokens and pictures are not.
"""

import contextlib
import json
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Self

from apimodels_async.errors import LedgerError
from apimodels_async.ledger.entries import Entry, Plan, SavedFile, Step, plan, task_from_json
from apimodels_async.ledger.statements import PREPARATION, Statement, merged, moved, unseen
from apimodels_async.models import Task

__all__ = ["SqliteLedger"]

SCHEMA_VERSION = 2
_APPLICATION_ID = 0x41504D4C  # "APML", so that somebody else's database is not taken for a ledger

_FROM_NOTHING = """
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
_MIGRATIONS: Sequence[Sequence[str]] = ((_FROM_NOTHING,), (_WITH_CALLBACKS,))
"""What leads from each version of the schema to the next."""
_COLUMNS = "key, digest, model, request, step, task, files, error, changed, intent_id"


def _connect(path: str) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)


class SqliteLedger:
    """A ledger in a file. Its calls block; a client makes them in a worker thread.

    One process at a time can have it open. Use it as a context manager, or `close` it; a client that is given a path
    in place of a ledger does so by itself.

    Args:
        path: the file, made if it is not there.
        read_only: take a copy of what is in the file at this moment, to look at while a run goes on. Nothing can be
            written.
        connect: opens the database; for tests. Its connections need no more than ``execute``, ``total_changes`` and
            ``close``.

    Raises:
        LedgerError: the file cannot be used: locked by another process, read-only, no ledger, corrupt, or written by
            a newer version.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, read_only: bool = False, connect: Callable[[str], Any] = _connect
    ) -> None:
        self.path: Path = Path(path)
        self._read_only = read_only
        self._pid = os.getpid()
        self._turn = threading.Lock()
        self._closed = False
        self._lock = None if read_only else _ProcessLock(self.path)
        try:
            self._database = self._open(self._copy if read_only else connect)
        except BaseException:
            self._let_go()
            raise

    def _copy(self, path: str) -> sqlite3.Connection:
        """What is in the file now, in memory: whoever uses the file is not disturbed, and no entry is changed."""
        if not self.path.is_file():
            raise FileNotFoundError("there is no such file")
        in_use = self.path.with_name(self.path.name + "-wal").exists()
        if not in_use and not (os.access(path, os.W_OK) and os.access(self.path.absolute().parent, os.W_OK)):
            # It would make files there, and leave them to whoever owns the ledger, and could not write to them.
            raise PermissionError("SQLite has to write beside it even to read it, and this user may not")
        with contextlib.closing(_connect(path)) as file:
            file.execute("BEGIN")
            self._checked_version(file)  # now, because this waits for no longer than it is told to; a copy would
            memory = _connect(":memory:")
            try:
                file.backup(memory)
            except BaseException:
                memory.close()
                raise
        return memory

    def _let_go(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def _open(self, connect: Callable[[str], Any]) -> Any:
        try:
            database = connect(str(self.path))
        except LedgerError:
            raise
        except Exception as error:
            raise self._trouble("cannot be opened", error) from error
        try:
            version = self._checked_version(database)  # before anything is changed: it may be somebody else's
            for pragma in ("journal_mode=WAL", "synchronous=FULL"):
                list(database.execute(f"PRAGMA {pragma}"))
            self._migrate(database, version)
            for statement in PREPARATION:
                list(database.execute(statement))
        except LedgerError:
            database.close()
            raise
        except Exception as error:
            database.close()
            raise self._trouble("cannot be used", error) from error
        return database

    def _checked_version(self, database: Any) -> int:
        version: int
        (application,) = next(iter(database.execute("PRAGMA application_id")))
        (version,) = next(iter(database.execute("PRAGMA user_version")))
        if application not in (0, _APPLICATION_ID) or (application == 0 and _has_tables(database)):
            raise LedgerError(f"{self.path} is a database, but not a ledger")
        if version > SCHEMA_VERSION:
            raise LedgerError(
                f"{self.path} was written by a newer version of apimodels-async (schema {version}, here "
                f"{SCHEMA_VERSION}): update the package"
            )
        # A row that a damaged index hides would be sent, and paid for, once more.
        (verdict,) = next(iter(database.execute("PRAGMA integrity_check(1)")))
        if verdict != "ok":
            raise LedgerError(f"{self.path} is corrupt: {verdict}")
        return version

    def _migrate(self, database: Any, version: int) -> None:
        # One transaction: a crash leaves the old schema or the new one. It always writes, to fail where nobody may.
        database.execute("BEGIN IMMEDIATE")
        for statements in _MIGRATIONS[version:]:
            for statement in statements:
                database.execute(statement)
        if version < SCHEMA_VERSION:
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
                self._let_go()

    # --- reading

    def find(self, key: str) -> Entry | None:
        """The entry with this key, or ``None``."""
        rows = self._select(f"SELECT {_COLUMNS} FROM entries WHERE key = ?", (key,))  # noqa: S608
        return self._entry(rows[0]) if rows else None

    def steps(self) -> dict[str, Step]:
        """How far every entry is, by its key."""
        rows = self._select("SELECT key, step FROM entries", ())
        try:
            return {key: Step(step) for key, step in rows}
        except ValueError as broken:
            raise self._trouble("has an entry that makes no sense", broken) from broken

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
        key, digest, model, request, step, task, files, error, changed, intent_id = row
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
                intent_id=intent_id,
            )
        except (ValueError, KeyError, TypeError) as broken:
            raise self._trouble(f"has an entry that makes no sense ({key})", broken) from broken

    # --- writing

    def apply(self, statements: Iterable[Statement]) -> list[int]:
        """Carry out statements in one transaction, and return when it is on the disk.

        Returns:
            How many entries each of them changed.

        Raises:
            LedgerError: nothing of it was written.
        """
        statements = list(statements)
        with self._turn:
            self._check_usable()
            if self._read_only:
                raise LedgerError(f"{self.path} was opened to be read only")
            try:
                changed = [1] * len(statements)
                groups = list(merged(statements))
                if self._transact(group for group, _ in groups) != [size for _, size in groups]:
                    self._database.execute("ROLLBACK")  # some changed nothing: one by one it is seen which
                    changed = self._transact(statements)
                self._database.execute("COMMIT")
            except Exception as error:
                self._roll_back()
                raise self._trouble("cannot be written", error) from error
        return changed

    def _transact(self, statements: Iterable[Statement]) -> list[int]:
        """Begin, and carry out: how many entries each statement changed."""
        changed: list[int] = []
        self._database.execute("BEGIN IMMEDIATE")
        before = self._database.total_changes
        for sql, values in statements:
            self._database.execute(sql, values)
            # Not by a query: each lets go of the interpreter, and has to wait for it where the loop is busy.
            total = self._database.total_changes
            changed.append(total - before)
            before = total
        return changed

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
            LedgerError: no such entry, or its outcome is not unknown. A task id that was given before and that the
                server has not confirmed yet can be given again.
        """
        entry = self.find(key)
        if entry is None:
            raise LedgerError(f"{self.path} has no entry {key!r}")
        # An id that was given here and that no run has seen at the server yet may have been a slip.
        by_hand = entry.step is Step.CREATED and entry.task is not None and entry.task.state == ""
        open_to_it = plan(entry.step) is Plan.REPORT_UNKNOWN or (entry.step is Step.ABANDONED and how == "resubmit")
        if not open_to_it and not by_hand:
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
        if self.apply([unseen(key), statement] if by_hand else [statement])[-1] != 1:
            raise LedgerError(f"entry {key} has changed meanwhile: look again")
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


class _ProcessLock:
    """One process at a time. The system releases it when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        try:
            path = path.resolve()  # a link to a ledger is that ledger
            place = path.with_name(path.name + ".lock")
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = place.open("ab")
        except OSError as error:
            raise LedgerError(f"{path} cannot be locked: {error}") from error
        try:
            _lock(self._file)
        except OSError:
            self._file.close()
            raise LedgerError(f"{path} is in use by another run: wait for it to end") from None
        _held.add(self)

    def release(self) -> None:
        if not self._file.closed:
            _unlock(self._file)
            self._file.close()

    def forget(self) -> None:
        """In a forked child: the lock is the parent's, and must not outlive it here."""
        self._file.close()


_held: weakref.WeakSet[_ProcessLock] = weakref.WeakSet()


def _forget_all() -> None:
    for lock in list(_held):
        lock.forget()


if os.name == "posix":
    import fcntl

    def _lock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)  # closing is not enough while a forked child has it open as well

    os.register_at_fork(after_in_child=_forget_all)

else:  # pragma: no cover
    import msvcrt

    def _lock(file: BinaryIO) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]

    def _unlock(file: BinaryIO) -> None:
        """Closing is enough."""
