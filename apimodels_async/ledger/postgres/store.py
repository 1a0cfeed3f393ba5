"""`PostgresLedger`: a ledger that the processes of many hosts share."""

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import Self

from apimodels_async._arguments import number
from apimodels_async._postgres import Connection, Dsn
from apimodels_async._settings import load_prices
from apimodels_async.catalogue import PriceTable
from apimodels_async.errors import LedgerError
from apimodels_async.ledger import server as servers
from apimodels_async.ledger.entries import Entry, Step
from apimodels_async.ledger.port import Change, Slots
from apimodels_async.ledger.postgres import rows, schema, terms
from apimodels_async.ledger.postgres.database import LedgerDatabase
from apimodels_async.ledger.postgres.lease import Lease
from apimodels_async.ledger.postgres.load import Loaded, divide, load
from apimodels_async.ledger.postgres.marks import Marks
from apimodels_async.ledger.postgres.shards import STATES, Held, ShardHeldError, ShardLedger, ShardState, begin, states
from apimodels_async.ledger.postgres.terms import take_slots
from apimodels_async.ledger.resolve import resolve
from apimodels_async.models import UNSET, GenerationRequest, Unset

__all__ = ["PostgresLedger"]

TTL = 30.0
PATIENCE = 300.0


class PostgresLedger:
    """A ledger in a PostgreSQL database (14 or newer), in the schema ``apimodels``, made if it is not there.

    Any number of processes on any number of hosts may use it at once: of all of them, one at most sends the create
    request of an entry. Its calls block; a client makes them in a worker thread. A pooler such as PgBouncer may stand
    in between, in transaction mode. Use it as a context manager, or `close` it.

    Args:
        dsn: a ``postgresql://`` URL. Leave the password to ``~/.pgpass`` or ``PGPASSWORD``.
        ttl: seconds without a sign of life after which other processes may take over what this one was sending.
        patience: seconds for which a database that is away is waited for.
        read_only: look only; the ledger must be there.
        create: whether to make one in a database that has none.
        prices: what new requests cost; by default what the catalogue and the file that ``APIMODELS_PRICES`` names say.

    Attributes:
        name: of the database, without user and password.
        database: the connections to it.

    Raises:
        ConfigurationError: `dsn` or the file of prices cannot be read, or psycopg is not installed.
        LedgerError: the database cannot be used.
    """

    shared: bool = True

    def __init__(
        self,
        dsn: str,
        *,
        ttl: float = TTL,
        patience: float = PATIENCE,
        read_only: bool = False,
        create: bool = True,
        prices: PriceTable | None = None,
    ) -> None:
        ttl, patience = number("ttl", ttl, above=0.0), number("patience", patience, least=0.0)
        where = Dsn(dsn)
        self.database: LedgerDatabase = LedgerDatabase(where, patience=patience, read_only=read_only)
        self.name: str = where.name
        self._prices = load_prices() if prices is None else prices
        self._lease = Lease(where, ttl)
        self._marks = Marks(self.database, self._lease, self._prices)
        try:
            opened = schema.check_there if read_only else partial(schema.install, create=create)
            self.database.read(lambda connection: opened(connection, self.name), "cannot be opened")
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
        self.database.close()

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

        servers.check(self.name, self.database.write(bound, "cannot be bound to its server"), server)

    def servers(self) -> set[str]:
        """The server to which the ledger belongs; none before the first run."""
        return self.database.read(_servers)

    def move_server(self, old: str, new: str) -> int:
        """Say that what belongs to one server belongs to another: it is the same service at a new address.

        Returns:
            How many entries were moved.

        Raises:
            ValueError: one of them is no server.
            LedgerError: the ledger does not belong to `old`, or cannot be written.
        """
        old, new = servers.named(old), servers.named(new)

        def moved(connection: Connection) -> int:
            done = connection.execute("UPDATE apimodels.ledger SET server = %s WHERE server = %s", (new, old))
            if done.rowcount == 0:
                found = _servers(connection)
                if found != {new}:
                    belongs = f"belongs to {' and '.join(found)}" if found else "belongs to no server yet"
                    raise LedgerError(f"{self.name} {belongs}, not to {old}")
            [count] = connection.execute("SELECT count(*) FROM apimodels.entry").fetchone() or [0]
            return int(count)

        return self.database.write(moved)

    # --- the place

    def check_place(self) -> None:
        """Refuse a copy of the ledger, and a standby that was promoted.

        Raises:
            LedgerError: it is one: it may lack what was acknowledged, such as that a create request was sent.
        """
        [(why,)] = self.database.select("SELECT apimodels.moved()")
        if why is not None:
            raise LedgerError(f"{self.name}: {why}. {MOVED}")

    def accept_failover(self) -> None:
        """Say that this is the ledger now, after having made sure that nothing is missing in it.

        Raises:
            LedgerError: it cannot be written.
        """
        self.database.execute("SELECT apimodels.settle_here()")

    # --- reading

    def find(self, key: str) -> Entry | None:
        """The entry with this key, or ``None``."""
        at = rows.row_id(key)
        found = self.database.select(f"{rows.READ} WHERE e.digest = %s AND e.occurrence = %s", at)
        return self.entry(found[0]) if found else None

    def steps(self, keys: Collection[str] | None = None) -> dict[str, Step]:
        """The step of each entry by its key: of all entries, or of those among `keys`."""
        if keys is None:
            found = self.database.select("SELECT digest, occurrence, name, step FROM apimodels.entry")
        else:
            at = [rows.row_id(key) for key in keys]
            found = self.database.select(
                "SELECT e.digest, e.occurrence, e.name, e.step FROM apimodels.entry e "
                "JOIN unnest(%s::bytea[], %s::int[]) k (digest, occurrence) USING (digest, occurrence)",
                ([each.digest for each in at], [each.occurrence for each in at]),
            )
        return {rows.key_at(digest, occurrence, name): Step(step) for digest, occurrence, name, step in found}

    def entries(self) -> Iterator[Entry]:
        """Every entry, in the order in which they were begun."""
        yield from map(self.entry, self.database.stream(f"{rows.READ} ORDER BY r.line"))

    def counts(self) -> dict[Step, int]:
        """How many entries are at each step."""
        found = self.database.select("SELECT step, count(*) FROM apimodels.entry GROUP BY step")
        return {Step(step): count for step, count in found}

    def strays(self) -> list[tuple[str, str]]:
        """The keys and ids of tasks that were created, and do not fit their entries any more."""
        return [(rows.key_at(*at), task_id) for *at, task_id in self.database.select(_STRAYS)]

    def entry(self, row: rows.Row) -> Entry:
        """An entry from a row of `rows.READ`."""
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
        return self._marks.apply(changes, held)

    def is_being_sent(self, key: str) -> bool:
        """Whether another process, which is alive, is sending the create request of this entry."""
        return bool(self.database.select(_BEING_SENT, (*rows.row_id(key), self._lease.run)))

    def slots(self, number: int) -> Slots | None:
        """Take that many turns to send, or return ``None`` where no rate is set."""
        return self.database.write(lambda c: take_slots(c, number))

    # --- the work of many

    def load(self, requests: Iterable[GenerationRequest | str], *, model: str | None = None) -> Loaded:
        """Add requests, all of them or none; what is there already stays as it is.

        Requests are matched by their content and by how many times it has come before: the same file again adds
        nothing, and its lines may have moved.

        Args:
            requests: read once, and not kept in memory.
            model: of requests that name none.

        Raises:
            TypeError, ValueError: a request has no model, or a picture that is neither path nor URL.
            LedgerError: they cannot be written.
        """
        # Once only: what is given may be an iterator. The same load again adds nothing.
        return self.database.write(
            lambda c: load(c, requests, model, self._prices),
            "cannot be loaded",
            also=(TypeError, ValueError),
            patience=0.0,
        )

    def divide(self, at_least: int = 1) -> int:
        """Divide the entries into shards of about a thousand, unless they are, and return how many there are.

        Args:
            at_least: how many shards there must be: four times the workers are enough.
        """
        return self.database.write(lambda c: divide(c, at_least), "cannot be divided")

    def shards(self) -> list[ShardState]:
        """Every shard, and who has it."""
        return states(self.database.select(STATES))

    def shard(self, number: int, *, take_over: bool = True) -> ShardLedger:
        """Begin a shard: from now on this process alone may send its requests.

        What runs that have ended were sending is then marked as unknown.

        Args:
            number: of the shard.
            take_over: whether to take it from a run that is alive: an engine that runs the shard again knows better.

        Raises:
            ShardHeldError: a run that is alive holds it.
            LedgerError: there is no such shard, or this is no longer the database that it was written in.
        """
        self.check_place()

        def begun(connection: Connection) -> ShardLedger | None:
            run = self._lease.begin(connection)
            found = begin(connection, number, run, take_over=take_over)
            if found is None:
                return None
            fence, first, beyond = found
            return ShardLedger(self, Held(number, fence, run), first, beyond)

        shard = self.database.write(begun)
        if shard is None:
            if any(state.number == number for state in self.shards()):
                raise ShardHeldError(f"{self.name}: shard {number} is held by another run")
            raise LedgerError(f"{self.name} has no shard {number}")
        shard.settle()
        return shard

    def set_terms(self, *, budget: float | Unset | None = UNSET, create_rate: float | Unset | None = UNSET) -> None:
        """Set what holds for all runs together. What is left out stays as it is.

        Args:
            budget: US dollars, by the prices that requests had when they were added; ``None`` for no limit.
            create_rate: create requests a second; ``None`` for no limit.
        """
        if not isinstance(budget, Unset):
            if budget is not None and not 0.0 <= budget <= terms.MOST:
                raise ValueError(f"budget={budget}: give US dollars from 0 to {terms.MOST:.0e}, or None")
            self.database.execute("UPDATE apimodels.ledger SET budget = %s", (rows.micros(budget),))
        if not isinstance(create_rate, Unset):
            if create_rate is not None and not 0.0 < create_rate < math.inf:
                raise ValueError(f"create_rate={create_rate}: give a number above 0, or None")
            self.database.execute(terms.SET_RATE, {"rate": create_rate})

    def terms(self) -> terms.Terms:
        """What holds for all runs together, and what they have used."""
        return self.database.read(terms.read)

    def resolve(self, key: str, how: str) -> Entry:
        """Decide about an entry whose outcome is unknown, after having looked at the vendor's console.

        Args:
            key: the entry's key.
            how: ``"resubmit"``, ``"abandon"``, ``"undo"`` or the id of its task, as for `SqliteLedger.resolve`.

        Raises:
            LedgerError: no such entry, or there is nothing to decide.
        """
        return resolve(self, key, how)


MOVED = (
    "It may lack what was acknowledged before, such as that a create request was sent, so nothing is sent. When you "
    "have made sure that it is complete: `apimodels ledger accept-failover`"
)

_BEING_SENT = """
SELECT 1 FROM apimodels.entry
WHERE digest = %s AND occurrence = %s AND step = 'sending' AND run IS DISTINCT FROM %s
    AND apimodels.is_being_sent(run, changed)
"""
_STRAYS = """
SELECT s.digest, s.occurrence, e.name, s.task_id
FROM apimodels.stray s LEFT JOIN apimodels.entry e USING (digest, occurrence) ORDER BY s.number
"""


def _servers(connection: Connection) -> set[str]:
    found = connection.execute("SELECT server FROM apimodels.ledger WHERE server IS NOT NULL").fetchall()
    return {server for (server,) in found}
