"""A store in a file, for several processes behind one public URL, and over restarts."""

import contextlib
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

from apimodels_async.callbacks.stores import RETENTION, Arrival
from apimodels_async.errors import ConfigurationError

__all__ = ["SqliteCallbackStore"]

_APPLICATION_ID = 0x41504342  # "APCB", so that somebody else's database is not taken for a store
_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS arrivals (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL UNIQUE,
        intent TEXT NOT NULL,
        task TEXT NOT NULL,
        settled INTEGER NOT NULL,
        added REAL NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS arrivals_by_intent ON arrivals (intent)",
    "CREATE INDEX IF NOT EXISTS arrivals_by_time ON arrivals (added)",
    f"PRAGMA application_id={_APPLICATION_ID}",
)
_PURGE_EVERY = 3600.0
_PURGED_AT_ONCE = 1000
_LOOKED_UP_AT_ONCE = 500
_READ_AT_ONCE = 1000


class SqliteCallbackStore:
    """Remembers in a file that several processes of one machine may share. Not for a network's file system.

    What was acknowledged is on the disk. Its calls block; a receiver makes them in a worker thread.

    Args:
        path: the file, made if it is not there.
        retention: seconds for which an arrival is remembered: no less than your longest task takes, and 30 minutes.
        busy_timeout: seconds to wait for another process that is writing; then the callback is answered 503.
        clock: seconds since 1970, for tests.

    Raises:
        ConfigurationError: the file cannot be used.
    """

    shared: bool = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        retention: float = RETENTION,
        busy_timeout: float = 1.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path: Path = Path(path)
        self._retention = retention
        self._busy_timeout = busy_timeout
        self._clock = clock
        self._purge_next = 0.0
        self._additions: deque[_Addition] = deque()
        # Those who read do not wait for those who write, nor what need not be on the disk at once for what must be.
        self._writing = _Connection(partial(self._connect, "FULL"))
        self._settling = _Connection(partial(self._connect, "NORMAL"))
        self._reading = _Connection(partial(self._connect, "NORMAL"))
        self._version, self._newest = -1, 0
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._writing as database:
                self._prepare(database)
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise ConfigurationError(f"{self.path} cannot be used for callbacks: {error}") from error
        except BaseException:
            self.close()
            raise

    def _connect(self, synchronous: str) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=self._busy_timeout)
        try:
            database.execute(f"PRAGMA synchronous={synchronous}")
            database.execute("PRAGMA cache_size=-256")  # KiB: rows are looked up once, and the system caches the file
        except BaseException:
            database.close()
            raise
        return database

    def _prepare(self, database: sqlite3.Connection) -> None:
        with _transaction(database):  # one process at a time, if several start together
            (application,) = database.execute("PRAGMA application_id").fetchone()
            if application == 0 and database.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
                for statement in _SCHEMA:
                    database.execute(statement)
            elif application != _APPLICATION_ID:
                raise ConfigurationError(f"{self.path} is a database, but no store of callbacks")
        with contextlib.suppress(sqlite3.OperationalError):  # busy: another process is just doing the same
            database.execute("PRAGMA journal_mode=WAL")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def find(self, key: str) -> Arrival | None:
        """What came under this key."""
        with self._reading as database:
            return _find(database, key)

    def add(self, key: str, arrival: Arrival) -> Arrival:
        """Remember an arrival, unless the key has one already: what it has now."""
        mine = _Addition(key, arrival)
        self._additions.append(mine)
        # While one transaction is on its way to the disk, more gather here; whoever comes next writes them all.
        with self._writing as database:
            if not mine.done:
                self._write(database)
        if mine.error is not None:
            raise mine.error
        return mine.kept

    def _write(self, database: sqlite3.Connection) -> None:
        batch: list[_Addition] = []
        while self._additions:
            batch.append(self._additions.popleft())
        now = self._clock()
        try:
            with _transaction(database):
                self._purge(database, now)
                for each in batch:
                    database.execute(
                        "INSERT INTO arrivals (key, intent, task, settled, added) VALUES (?, ?, ?, ?, ?) "
                        "ON CONFLICT (key) DO NOTHING",
                        (each.key, *each.kept, now),
                    )
                    each.kept = _find(database, each.key) or each.kept
        except Exception as error:  # noqa: BLE001  (raised by those whom it concerns)
            for each in batch:
                each.error = error
        finally:
            for each in batch:
                each.done = True

    def _purge(self, database: sqlite3.Connection, now: float) -> None:
        if now >= self._purge_next:
            old = "SELECT number FROM arrivals WHERE added < ? ORDER BY added LIMIT ?"
            gone = database.execute(
                f"DELETE FROM arrivals WHERE number IN ({old})",  # noqa: S608
                (now - self._retention, _PURGED_AT_ONCE),
            )
            self._purge_next = now + (_PURGE_EVERY if gone.rowcount < _PURGED_AT_ONCE else 1.0)

    def settle(self, key: str) -> None:
        """Mark the arrival of this key as settled. If a power cut undoes that, a duplicate is handled once more."""
        with self._settling as database:
            database.execute("UPDATE arrivals SET settled = 1 WHERE key = ?", (key,))

    def arrivals(self, intent_ids: Sequence[str]) -> list[Arrival]:
        """All that came for these intents."""
        found: list[Arrival] = []
        with self._reading as database:
            for start in range(0, len(intent_ids), _LOOKED_UP_AT_ONCE):
                some = intent_ids[start : start + _LOOKED_UP_AT_ONCE]
                marks = ", ".join("?" * len(some))
                rows = database.execute(
                    f"SELECT intent, task, settled FROM arrivals WHERE intent IN ({marks})",  # noqa: S608
                    tuple(some),
                )
                found += [_arrival(row) for row in rows]
        return found

    def since(self, mark: int | None) -> tuple[int, list[Arrival]]:
        """What was added after a mark, by whatever process, and the mark for the next time."""
        with self._reading as database:
            if mark is None:
                (last,) = database.execute("SELECT coalesce(max(number), 0) FROM arrivals").fetchone()
                return last, []
            (version,) = database.execute("PRAGMA data_version").fetchone()
            if version == self._version and mark >= self._newest:
                return mark, []
            rows = database.execute(
                "SELECT intent, task, settled, number FROM arrivals WHERE number > ? ORDER BY number LIMIT ?",
                (mark, _READ_AT_ONCE),
            ).fetchall()
            if len(rows) < _READ_AT_ONCE:
                self._version = version
            last = rows[-1][3] if rows else mark
            self._newest = max(self._newest, last)
            return last, [_arrival(row) for row in rows]

    def close(self) -> None:
        """Close the file."""
        self._writing.close()
        self._settling.close()
        self._reading.close()


class _Addition:
    """An arrival on its way into the file, or what became of it."""

    __slots__ = ("done", "error", "kept", "key")

    def __init__(self, key: str, kept: Arrival) -> None:
        self.key = key
        self.kept = kept
        self.error: Exception | None = None
        self.done = False


def _find(database: sqlite3.Connection, key: str) -> Arrival | None:
    row = database.execute("SELECT intent, task, settled FROM arrivals WHERE key = ?", (key,)).fetchone()
    return None if row is None else _arrival(row)


def _arrival(row: Sequence[Any]) -> Arrival:
    return Arrival(row[0], row[1], bool(row[2]))


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection) -> Generator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # SQLite has rolled back by itself, as on a full disk
            database.execute("ROLLBACK")
        raise


class _Connection:
    """A connection that one thread at a time uses. A forked child makes its own: a handle does not survive `fork`."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._turn = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._pid = 0
        self._closed = False

    def __enter__(self) -> sqlite3.Connection:
        self._turn.acquire()
        try:
            return self._usable()
        except BaseException:
            self._turn.release()
            raise

    def _usable(self) -> sqlite3.Connection:
        if self._closed:
            raise sqlite3.ProgrammingError("the store is closed")
        if self._database is None or self._pid != os.getpid():
            self._database, self._pid = self._connect(), os.getpid()
        return self._database

    def __exit__(self, *_: object) -> None:
        self._turn.release()

    def close(self) -> None:
        with self._turn:
            self._closed = True
            if self._database is not None and self._pid == os.getpid():
                self._database.close()
            self._database = None
