"""The lease of a process on the right to send: a row of its own that it must keep renewing."""

import logging
import os
import socket
import threading
import time

import psycopg

from apimodels_async._postgres import AwayError, Connection, Dsn, Session

logger: logging.Logger = logging.getLogger("apimodels_async")

SAFE = 0.7
"""The part of a lease after which its own process sends nothing more; others wait for the whole of it."""


class Lease:
    """One process's run, begun when it is needed first, and its heartbeat.

    The database's clock alone says when a lease has run out; this process only measures how long ago it asked last.

    Args:
        dsn: of the ledger.
        ttl: seconds without a heartbeat after which others may end the run.
    """

    def __init__(self, dsn: Dsn, ttl: float) -> None:
        self.ttl: float = ttl
        self._session = Session(dsn, patience=ttl / 4)
        self._turn = threading.Lock()
        self._stop = threading.Event()
        self._run: int | None = None
        self._ended = False
        self._renewed = 0.0
        self._thread: threading.Thread | None = None

    @property
    def run(self) -> int | None:
        """The number of the run, once there is one."""
        return self._run

    def begin(self, connection: Connection) -> int:
        """The number of a run that has not ended, as far as is known here; a new one if there is none."""
        with self._turn:
            if self._run is None or self._ended:
                began = time.monotonic()
                self._run = _new_run(connection, self.ttl)
                self._ended = False
                self._renewed = began
                if self._thread is None:
                    self._thread = threading.Thread(target=self._beat, name="apimodels lease", daemon=True)
                    self._thread.start()
            return self._run

    def renewed(self, asked: float) -> bool:
        """Note that the run was alive when asked at this monotonic time, and return whether that still holds."""
        with self._turn:
            self._renewed = max(self._renewed, asked)
            return time.monotonic() - self._renewed < SAFE * self.ttl

    def refused(self, run: int) -> None:
        """Note that a run was ended by others."""
        with self._turn:
            self._ended = self._ended or run == self._run

    def _beat(self) -> None:
        while not self._stop.wait(self.ttl / 4):
            with self._turn:
                run, ended = self._run, self._ended
            if run is None or ended:
                continue
            asked = time.monotonic()
            try:
                alive = self._session.run(lambda connection, run=run: _renew(connection, run))  # type: ignore[misc]
            except (AwayError, psycopg.Error) as error:
                logger.warning("the lease of run %s could not be renewed: %s", run, error)
                continue
            if alive:
                self.renewed(asked)
            else:
                logger.error("run %s was taken for dead by another one: its shards send nothing more", run)
                self.refused(run)

    def close(self) -> None:
        """End the run, so that no other waits for it; may be called twice."""
        self._stop.set()
        with self._turn:
            run, self._run = self._run, None
        if run is not None and not self._ended:
            try:
                self._session.run(lambda connection: connection.execute("SELECT apimodels.end_run(%s, false)", (run,)))
            except (AwayError, psycopg.Error) as error:
                logger.warning("run %s could not be ended, and lasts for %g s more: %s", run, self.ttl, error)
        self._session.close()


def _new_run(connection: Connection, ttl: float) -> int:
    row = connection.execute(
        "INSERT INTO apimodels.run (host, pid, ttl) VALUES (%s, %s, %s) RETURNING id",
        (socket.gethostname(), os.getpid(), ttl),
    ).fetchone()
    if row is None:
        raise psycopg.DataError("the run was not written")
    return int(row[0])


def _renew(connection: Connection, run: int) -> bool:
    renewed = "UPDATE apimodels.run SET seen = clock_timestamp() WHERE id = %s AND ended IS NULL"
    return connection.execute(renewed, (run,)).rowcount == 1
