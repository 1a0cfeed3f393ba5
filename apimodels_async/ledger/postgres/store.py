"""`PostgresLedger`: a ledger that the processes of many hosts share."""

import contextlib
import time
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Self, TypeVar

import psycopg

from apimodels_async._postgres import AwayError, Connection, Dsn, Session
from apimodels_async.errors import LedgerError
from apimodels_async.ledger import server as servers
from apimodels_async.ledger.entries import Entry, Step
from apimodels_async.ledger.port import Change, Result, Slots
from apimodels_async.ledger.postgres import rows, schema
from apimodels_async.ledger.postgres.lease import Lease
from apimodels_async.ledger.resolve import resolve

__all__ = ["Held", "PostgresLedger"]

T = TypeVar("T")

TTL = 30.0
PATIENCE = 300.0
_ROWS_AT_ONCE = 1000


class Held(NamedTuple):
    """A worker's hold on a shard.

    Attributes:
        shard: its number.
        fence: the number of this hold: a later one takes it away.
        run: of the process.
    """

    shard: int
    fence: int
    run: int


class PostgresLedger:
    """A ledger in a PostgreSQL database (14 or newer), in the schema ``apimodels``, made if it is not there.

    Any number of processes on any number of hosts may use it at once: of all of them, one at most sends the create
    request of an entry. Its calls block; a client makes them in a worker thread. A pooler such as PgBouncer may stand in
    between, in transaction mode. Use it as a context manager, or `close` it.

    Args:
        dsn: a ``postgresql://`` URL. Leave the password to ``~/.pgpass`` or ``PGPASSWORD``.
        ttl: seconds without a sign of life after which other processes may take over what this one was sending.
        patience: seconds for which a database that is away is waited for.
        read_only: look only; the ledger must be there.

    Attributes:
        name: of the database, without user and password.

    Raises:
        ConfigurationError: `dsn` cannot be read, or psycopg is not installed.
        LedgerError: the database cannot be used.
    """

    def __init__(self, dsn: str, *, ttl: float = TTL, patience: float = PATIENCE, read_only: bool = False) -> None:
        if ttl <= 0.0:
            raise ValueError(f"ttl={ttl}: give seconds above 0")
        self._dsn = Dsn(dsn)
        self.name: str = self._dsn.name
        self._read_only = read_only
        # Apart, so that what is read does not wait for what is written.
        self._writing = Session(self._dsn, patience=patience)
        self._reading = Session(self._dsn, patience=patience)
        self._lease = Lease(self._dsn, ttl)
        try:
            with self._errors("cannot be opened"):
                self._writing.run(_check_there if read_only else schema.install)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End this process's run and close the connections; may be called twice."""
        self._lease.close()
        self._writing.close()
        self._reading.close()

    # --- the server

    def bind(self, server: str) -> None:
        """Use the ledger for `server`, to which it and its entries belong from the first time on.

        Raises:
            LedgerError: it belongs to another server, or this is no longer the database that it was written in.
        """
        self.check_place()

        def bound(connection: Connection) -> set[str]:
            connection.execute("UPDATE apimodels.ledger SET server = %s WHERE server IS NULL", (server,))
            return _servers(connection)

        with self._errors("cannot be bound to its server"):
            found = self._writing.run(bound)
        servers.check(self.name, found, server)

    def servers(self) -> set[str]:
        """The server to which the ledger belongs; none before the first run."""
        with self._errors("cannot be read"):
            return self._reading.run(_servers)

    def move_server(self, old: str, new: str) -> int:
        """Say that what belongs to one server belongs to another: it is the same service at a new address.

        Returns:
            How many entries were moved.

        Raises:
            ValueError: one of them is no server.
            LedgerError: the ledger does not belong to `old`, or cannot be written.
        """
        old, new = servers.named(old), servers.named(new)
        self._check_writable()

        def moved(connection: Connection) -> int:
            done = connection.execute("UPDATE apimodels.ledger SET server = %s WHERE server = %s", (new, old))
            if done.rowcount == 0:
                found = _servers(connection)
                if found != {new}:
                    belongs = f"belongs to {' and '.join(found)}" if found else "belongs to no server yet"
                    raise LedgerError(f"{self.name} {belongs}, not to {old}")
            [count] = connection.execute("SELECT count(*) FROM apimodels.entry").fetchone() or [0]
            return int(count)

        with self._errors("cannot be written"):
            return self._writing.run(moved)

    # --- the place

    def check_place(self) -> None:
        """Refuse a copy of the ledger, and a standby that was promoted.

        Raises:
            LedgerError: it is one: it may lack what was acknowledged, such as that a create request was sent.
        """
        with self._errors("cannot be read"):
            [why] = self._reading.run(lambda c: c.execute("SELECT apimodels.moved()").fetchone()) or [None]
        if why is not None:
            raise LedgerError(f"{self.name}: {why}. {MOVED}")

    def accept_failover(self) -> None:
        """Say that this is the ledger now, after having made sure that nothing is missing in it.

        Raises:
            LedgerError: it cannot be written.
        """
        self._check_writable()
        with self._errors("cannot be written"):
            self._writing.run(lambda c: c.execute("SELECT apimodels.settle_here()"))

    # --- reading

    def find(self, key: str) -> Entry | None:
        """The entry with this key, or ``None``."""
        at = rows.row_id(key)
        found = self._select(f"{rows.READ} WHERE e.digest = %s AND e.occurrence = %s", at)
        return self._entry(found[0]) if found else None

    def steps(self, keys: Collection[str] | None = None) -> dict[str, Step]:
        """The step of each entry by its key: of all entries, or of those among `keys`."""
        if keys is None:
            found = self._select("SELECT digest, occurrence, name, step FROM apimodels.entry", ())
        else:
            at = [rows.row_id(key) for key in keys]
            found = self._select(
                "SELECT e.digest, e.occurrence, e.name, e.step FROM apimodels.entry e "
                "JOIN unnest(%s::bytea[], %s::int[]) k (digest, occurrence) USING (digest, occurrence)",
                ([each.digest for each in at], [each.occurrence for each in at]),
            )
        return {rows.key_at(digest, occurrence, name): Step(step) for digest, occurrence, name, step in found}

    def entries(self) -> Iterator[Entry]:
        """Every entry, in the order in which they were begun."""
        yield from self._read_entries("ORDER BY r.line", ())

    def _read_entries(self, condition: str, values: Sequence[Any]) -> Iterator[Entry]:
        """Entries, a thousand at a time, as they were at one moment."""
        with self._errors("cannot be read"):
            self._reading.run(lambda c: c.execute("SELECT 1"))  # not closed, of this process, and there
            with (
                self._dsn.connect() as connection,
                connection.transaction(),
                connection.cursor(name="entries") as cursor,
            ):
                cursor.itersize = _ROWS_AT_ONCE
                for row in cursor.execute(rows.READ + condition, values):  # type: ignore[arg-type]
                    yield self._entry(row)

    def _select(self, statement: str, values: Sequence[Any]) -> list[Any]:
        with self._errors("cannot be read"):
            return self._reading.run(lambda c: c.execute(statement, values).fetchall())  # type: ignore[arg-type]

    def _entry(self, row: rows.Row) -> Entry:
        try:
            return rows.entry_of(row)
        except (ValueError, KeyError, TypeError) as broken:
            raise LedgerError(f"{self.name} has an entry that makes no sense ({row[0].hex()}): {broken}") from broken

    # --- writing

    def apply(self, changes: Iterable[Change]) -> list[int]:
        """Carry out changes in one transaction, and return when it is durable.

        Returns:
            For each change a `Result`.

        Raises:
            LedgerError: none of them was written.
        """
        return self.apply_held(list(changes), None)

    def apply_held(self, changes: Sequence[Change], held: Held | None) -> list[int]:
        """As `apply`, for the holder of a shard: its marks are refused once another has begun the shard."""
        self._check_writable()
        with self._errors("cannot be written"):
            texts = rows.changes_json(changes)
            marks = any(change.step is Step.SENDING and change.digest is None for change in changes)
            if not marks:
                return self._writing.run(lambda c: _carry_out(c, texts, self._lease.run, held=None))
            return self._mark(changes, texts, held)

    def _mark(self, changes: Sequence[Change], texts: str, held: Held | None) -> list[int]:
        asked = time.monotonic()

        def work(connection: Connection) -> tuple[int, list[int]]:
            nonlocal asked
            run = self._lease.begin(connection) if held is None else held.run
            asked = time.monotonic()
            return run, _carry_out(connection, texts, run, held=held, marks=True)

        run, results = self._writing.run(work)
        if Result.ENDED in results:
            self._lease.refused(run)
            if held is None:  # it is a new run from now on; what it had marked is told apart by its attempts
                run, results = self._writing.run(work)
        if self._lease.renewed(asked):
            return results
        # The answer came so late that others may have taken this process for dead: nothing may leave.
        late = [
            change._replace(step=Step.INTENT, before=frozenset({Step.SENDING}), intent_id=None)
            for change, result in zip(changes, results, strict=True)
            if change.step is Step.SENDING and change.digest is None and result == Result.CHANGED
        ]
        if late:
            back = rows.changes_json(late)
            self._writing.run(lambda c: _carry_out(c, back, run, held=None))
        return [
            Result.ENDED if change.step is Step.SENDING and result == Result.CHANGED else result
            for change, result in zip(changes, results, strict=True)
        ]

    def slots(self, number: int) -> Slots | None:
        """Take that many turns to send, or return ``None`` where no rate is set."""
        with self._errors("cannot be written"):
            row = self._reading.run(lambda c: c.execute(_SLOTS, {"number": number}).fetchone())
        return None if row is None else Slots(max(0.0, row[0]), row[1])

    def resolve(self, key: str, how: str) -> Entry:
        """Decide about an entry whose outcome is unknown, after having looked at the vendor's console.

        Args:
            key: the entry's key.
            how: ``"resubmit"``, ``"abandon"``, ``"undo"`` or the id of its task, as for `SqliteLedger.resolve`.

        Raises:
            LedgerError: no such entry, or there is nothing to decide.
        """
        return resolve(self, key, how)

    # --- errors

    def _check_writable(self) -> None:
        if self._read_only:
            raise LedgerError(f"{self.name} was opened to be read only")

    @contextlib.contextmanager
    def _errors(self, what: str) -> Generator[None]:
        """Whatever psycopg or the values raise becomes a `LedgerError` that names the database."""
        try:
            yield
        except LedgerError:
            raise
        except AwayError as error:
            raise LedgerError(f"{self.name} {error}") from error
        except Exception as error:
            raise LedgerError(f"{self.name} {what}: {' '.join(str(error).split())}") from error


MOVED = (
    "It may lack what was acknowledged before, such as that a create request was sent, so nothing is sent. When you "
    "have made sure that it is complete: `apimodels ledger accept-failover`"
)

_SLOTS = """
UPDATE apimodels.ledger SET next_slot = greatest(least(next_slot, now + 60), now) + %(number)s / create_rate
FROM (SELECT extract(epoch FROM clock_timestamp())::float8 AS now) AS clock
WHERE create_rate IS NOT NULL
RETURNING next_slot - %(number)s / create_rate - now, 1 / create_rate
"""
"""No more than a minute ahead, so that a clock that is set back holds nothing for long."""


def _check_there(connection: Connection) -> None:
    if schema.version_in(connection) == 0:
        raise LedgerError("there is no ledger in this database")


def _servers(connection: Connection) -> set[str]:
    found = connection.execute("SELECT server FROM apimodels.ledger WHERE server IS NOT NULL").fetchall()
    return {server for (server,) in found}


def _carry_out(
    connection: Connection, texts: str, run: int | None, *, held: Held | None, marks: bool = False
) -> list[int]:
    shard, fence = (None, None) if held is None else (held.shard, held.fence)
    row = connection.execute(
        "SELECT apimodels.apply(%s::json, %s, %s, %s, %s)", (texts, run, marks, shard, fence)
    ).fetchone()
    if row is None:
        raise psycopg.DataError("no result")
    return [Result(each) for each in row[0]]
