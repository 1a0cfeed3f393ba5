"""A callback store in a PostgreSQL database: any replica may receive the call that another one waits for."""

import json
import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any, LiteralString, Self, TypeVar

from apimodels_async._group_commit import GroupCommit
from apimodels_async._postgres import (
    AwayError,
    Connection,
    Dsn,
    PostgresError,
    Session,
    encoding_fault,
    in_words,
    make_schema,
)
from apimodels_async._text import storable
from apimodels_async.callbacks.stores import RETENTION, Arrival
from apimodels_async.errors import ConfigurationError

__all__ = ["PostgresStore"]

logger: logging.Logger = logging.getLogger("apimodels_async")

T = TypeVar("T")

CHANNEL = "apimodels_arrival"
PROBE_TIMEOUT = 2.0
"""Seconds for a notification to come. Through a pooler in transaction mode none does."""
LISTEN_AGAIN = 5.0
"""Seconds after which a broken connection is made anew."""
_PURGE_EVERY = 3600.0
_PURGED_AT_ONCE = 1000
_READ_AT_ONCE = 1000


class PostgresStore:
    """A store in a PostgreSQL database (14 or newer), in the schema ``apimodels``, for receivers on many hosts.

    A callback is committed before it is acknowledged. Other replicas hear of it by ``LISTEN``; where a pooler in
    transaction mode stands in between, which passes no notifications on, they poll. The methods block; a receiver calls
    them in worker threads.

    Args:
        dsn: a ``postgresql://`` URL. Leave the password to ``~/.pgpass`` or ``PGPASSWORD``.
        retention: seconds for which an arrival is remembered; at least your longest task plus 30 minutes.
        patience: seconds to wait for a database that is away; after that the callback is answered 503.
        clock: returns seconds since 1970; for tests.

    Attributes:
        listening: whether the news of other processes come by themselves.

    Raises:
        ConfigurationError: the database cannot be used, or psycopg is not installed.
    """

    shared: bool = True

    def __init__(
        self,
        dsn: str,
        *,
        retention: float = RETENTION,
        patience: float = 2.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._dsn = Dsn(dsn)
        self._retention = retention
        self._clock = clock
        self._purge_next = 0.0
        self._writing = Session(self._dsn, patience=patience)
        self._reading = Session(self._dsn, patience=patience)
        self._commit: GroupCommit[tuple[str, Arrival], Arrival] = GroupCommit(self._write, gather=0.0)
        self._turn = threading.Lock()
        self._closed = threading.Event()
        self._listener: threading.Thread | None = None
        self._stirs: list[Callable[[], object]] = []
        self.listening: bool = False
        try:
            self._writing.run(lambda c: _install(c, self._dsn.name), patience=max(patience, 10.0))
        except (AwayError, PostgresError) as error:
            self.close()
            raise ConfigurationError(f"{self._dsn} cannot be used for callbacks: {in_words(error)}") from error
        except ConfigurationError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def find(self, key: str) -> Arrival | None:
        """Return the arrival stored under this key, or ``None``."""
        rows = self._read("SELECT intent, task, settled FROM apimodels.arrival WHERE key = %s", (storable(key),))
        return Arrival(*rows[0]) if rows else None

    def add(self, key: str, arrival: Arrival) -> Arrival:
        """Store an arrival unless the key has one already, and return the stored one."""
        [kept] = self._commit.submit((key, arrival)).result()
        return kept

    def _write(self, additions: list[tuple[str, Arrival]]) -> list[Arrival]:
        now = self._clock()
        texts = json.dumps([_row(key, arrival) for key, arrival in additions])

        def work(connection: Connection) -> list[Any]:
            self._purge(connection, now)
            return connection.execute("SELECT * FROM apimodels.add_arrivals(%s::json, %s)", (texts, now)).fetchall()

        return [Arrival(*row) for row in self._writing.run(work)]

    def _purge(self, connection: Connection, now: float) -> None:
        if now >= self._purge_next:
            old = "SELECT number FROM apimodels.arrival WHERE added < %s ORDER BY added LIMIT %s"
            gone = connection.execute(
                f"DELETE FROM apimodels.arrival WHERE number IN ({old})",  # noqa: S608
                (now - self._retention, _PURGED_AT_ONCE),
            )
            self._purge_next = now + (_PURGE_EVERY if gone.rowcount < _PURGED_AT_ONCE else 1.0)

    def settle(self, key: str) -> None:
        """Mark the arrival of this key as settled."""
        statement = "UPDATE apimodels.arrival SET settled = true WHERE key = %s AND NOT settled"
        self._writing.run(lambda c: c.execute(statement, (storable(key),)))

    def arrivals(self, intent_ids: Sequence[str]) -> list[Arrival]:
        """Return all arrivals for these intents."""
        statement = "SELECT intent, task, settled FROM apimodels.arrival WHERE intent = ANY(%s) ORDER BY number"
        return (
            [Arrival(*row) for row in self._read(statement, ([storable(each) for each in intent_ids],))]
            if intent_ids
            else []
        )

    def since(self, mark: int | None) -> tuple[int, list[Arrival]]:
        """Return the next mark and the arrivals that any process added after `mark`."""
        if mark is None:
            [(last,)] = self._read("SELECT coalesce(max(number), 0) FROM apimodels.arrival")
            return last, []
        rows = self._read(
            "SELECT number, intent, task, settled FROM apimodels.arrival WHERE number > %s ORDER BY number LIMIT %s",
            (mark, _READ_AT_ONCE),
        )
        return rows[-1][0] if rows else mark, [Arrival(*row[1:]) for row in rows]

    def _read(self, statement: LiteralString, values: Sequence[Any] = ()) -> list[Any]:
        return self._reading.run(lambda c: c.execute(statement, values).fetchall())

    def listen(self, stir: Callable[[], object]) -> None:
        """Call `stir` in a thread whenever any process may have added an arrival, for as long as `listening`."""
        with self._turn:
            if stir not in self._stirs:
                self._stirs.append(stir)
            if self._listener is None and not self._closed.is_set():
                self._listener = threading.Thread(target=self._listen, name="apimodels listen", daemon=True)
                self._listener.start()

    def _stir(self) -> None:
        with self._turn:
            stirs = list(self._stirs)
        for stir in stirs:
            stir()

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                with self._dsn.connect() as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    if not self._hears(connection):
                        logger.info("%s passes no notifications on: arrivals are polled", self._dsn)
                        return
                    self.listening = True
                    self._stir()
                    while not self._closed.is_set():
                        for _ in connection.notifies(timeout=0.5, stop_after=1):
                            self._stir()
            except (AwayError, PostgresError) as error:
                logger.warning("%s cannot be listened to, and is polled meanwhile: %s", self._dsn, error)
            finally:
                self.listening = False
                self._stir()
            self._closed.wait(LISTEN_AGAIN)

    def _hears(self, connection: Connection) -> bool:
        """Whether the notification of another connection comes."""
        token = secrets.token_hex(8)
        self._read("SELECT pg_notify(%s, %s)", (CHANNEL, token))
        ends = time.monotonic() + PROBE_TIMEOUT
        while (left := ends - time.monotonic()) > 0.0:
            if any(heard.payload == token for heard in connection.notifies(timeout=left, stop_after=1)):
                return True
        return False

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._closed.set()
        self._commit.stop()
        listener = self._listener
        if listener is not None:
            listener.join()
        self._writing.close()
        self._reading.close()


def _row(key: str, arrival: Arrival) -> dict[str, Any]:
    intent, task = storable(arrival.intent_id), storable(arrival.task_id)
    return {"key": storable(key), "intent": intent, "task": task, "settled": arrival.settled}


def _install(connection: Connection, name: str) -> None:
    if (fault := encoding_fault(connection)) is not None:
        raise ConfigurationError(f"{name} {fault}")
    if connection.execute("SELECT to_regclass('apimodels.arrival') IS NULL").fetchone() == (True,):
        with connection.transaction():
            make_schema(connection)
            connection.execute((resources.files(__package__ or "") / "arrivals.sql").read_bytes())
