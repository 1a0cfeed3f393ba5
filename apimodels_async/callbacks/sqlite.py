"""A callback store in an SQLite file, which survives restarts and can be shared by the processes behind one URL."""

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from apimodels_async import _sqlite
from apimodels_async._group_commit import GroupCommit
from apimodels_async._sqlite import Database, Format
from apimodels_async.callbacks.stores import RETENTION, Arrival
from apimodels_async.errors import ConfigurationError

__all__ = ["SqliteCallbackStore"]

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
)
_FORM = Format("a store of callbacks", 0x41504342, (_SCHEMA,))  # "APCB"
_PURGE_EVERY = 3600.0
_PURGED_AT_ONCE = 1000
_LOOKED_UP_AT_ONCE = 500
_READ_AT_ONCE = 1000


class SqliteCallbackStore:
    """A store in a file that several processes of one machine can share. Not for network file systems.

    A callback is on the disk before it is acknowledged. The methods block; a receiver calls them in worker threads.

    Args:
        path: the file; created if missing.
        retention: seconds for which an arrival is remembered; at least your longest task plus 30 minutes.
        busy_timeout: seconds to wait for another process that is writing; after that the callback is answered 503.
        clock: returns seconds since 1970; for tests.

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
        self.path: Path = Path(_sqlite.file_path(path, "path"))
        self._retention = retention
        self._busy_timeout = busy_timeout
        self._clock = clock
        self._purge_next = 0.0
        # Separate connections: readers never wait for writers, and lazy writes never wait for durable ones.
        self._writing = Database(lambda: self._connect("FULL"), reopen=True)
        self._settling = Database(lambda: self._connect("NORMAL"), reopen=True)
        self._reading = Database(lambda: self._connect("NORMAL"), reopen=True)
        # No gathering delay: the server waits for each reply.
        self._commit: GroupCommit[tuple[str, Arrival], Arrival] = GroupCommit(self._write, gather=0.0)
        self._version, self._newest = -1, 0
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._writing.use() as database:
                _sqlite.prepare(database, _FORM)
        except BaseException as error:
            self.close()
            if isinstance(error, (OSError, sqlite3.Error)):
                raise ConfigurationError(f"{self.path} cannot be used for callbacks: {error}") from error
            raise

    def _connect(self, synchronous: str) -> sqlite3.Connection:
        database = _sqlite.connect(str(self.path), self._busy_timeout)
        try:
            database.execute(f"PRAGMA synchronous={synchronous}")
            database.execute("PRAGMA cache_size=-256")  # KiB: rows are looked up once, and the system caches the file
        except BaseException:
            database.close()
            raise
        return database

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def find(self, key: str) -> Arrival | None:
        """Return the arrival stored under this key, or ``None``."""
        with self._reading.use() as database:
            return _find(database, key)

    def add(self, key: str, arrival: Arrival) -> Arrival:
        """Store an arrival unless the key has one already, and return the stored one."""
        [kept] = self._commit.submit((key, arrival)).result()
        return kept

    def _write(self, additions: list[tuple[str, Arrival]]) -> list[Arrival]:
        """Add arrivals in one transaction, and return the stored arrival of each key."""
        now = self._clock()
        kept: list[Arrival] = []
        with self._writing.transaction() as database:
            self._purge(database, now)
            for key, arrival in additions:
                database.execute(
                    "INSERT INTO arrivals (key, intent, task, settled, added) VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT (key) DO NOTHING",
                    (key, *arrival, now),
                )
                kept.append(_find(database, key) or arrival)
        return kept

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
        with self._settling.use() as database:
            database.execute("UPDATE arrivals SET settled = 1 WHERE key = ?", (key,))

    def arrivals(self, intent_ids: Sequence[str]) -> list[Arrival]:
        """Return all arrivals for these intents."""
        found: list[Arrival] = []
        with self._reading.use() as database:
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
        """Return the next mark and the arrivals that any process added after `mark`."""
        with self._reading.use() as database:
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
        """Close the file; may be called twice."""
        self._commit.stop()
        self._writing.close()
        self._settling.close()
        self._reading.close()


def _find(database: sqlite3.Connection, key: str) -> Arrival | None:
    row = database.execute("SELECT intent, task, settled FROM arrivals WHERE key = ?", (key,)).fetchone()
    return None if row is None else _arrival(row)


def _arrival(row: Sequence[Any]) -> Arrival:
    return Arrival(row[0], row[1], bool(row[2]))
