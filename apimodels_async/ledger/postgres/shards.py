"""A shard of a ledger: a range of its entries, worked on by one process at a time."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from apimodels_async._postgres import Connection
from apimodels_async.errors import LedgerError
from apimodels_async.ledger.entries import Entry, Step
from apimodels_async.ledger.port import Change, Slots
from apimodels_async.ledger.postgres import rows
from apimodels_async.ledger.postgres.load import request_of
from apimodels_async.models import GenerationRequest

if TYPE_CHECKING:
    from apimodels_async.ledger.postgres.store import PostgresLedger


class Held(NamedTuple):
    """A process's hold on a shard.

    Attributes:
        shard: its number.
        fence: the number of this hold: a later one takes it away.
        run: of the process.
    """

    shard: int
    fence: int
    run: int


class ShardState(NamedTuple):
    """Who has a shard.

    Attributes:
        number: of the shard, from 0.
        fence: how many times it was begun, and more.
        finished: whether a run has come to its end.
        held: whether a run that is alive has begun it, and has not come to its end.
        host: of the run that began it last.
        pid: likewise.
        seen: when that run last gave a sign of life.
        begun: whether a run has begun it, so that there may be tasks in it. Once all were begun, one that was let go
            cannot be told from them any more.
    """

    number: int
    fence: int
    finished: bool
    held: bool
    host: str | None
    pid: int | None
    seen: datetime | None
    begun: bool


class ShardHeldError(LedgerError):
    """Another run that is alive holds the shard."""


class ShardLedger:
    """The ledger of one shard, for one process: a batch of its `requests` takes it in place of a whole ledger.

    Made by `PostgresLedger.shard`. From then on no earlier holder of the shard can mark an entry as ``sending``, while
    what earlier holders report of entries that they have sent is still recorded.

    Attributes:
        held: the hold on it.
    """

    shared: bool = True

    def __init__(self, ledger: "PostgresLedger", held: Held, first: bytes, beyond: bytes | None) -> None:
        self.held: Held = held
        self._ledger = ledger
        self._range = {"first": first, "beyond": beyond}

    @property
    def number(self) -> int:
        """The number of the shard."""
        return self.held.shard

    @property
    def name(self) -> str:
        """The name of the whole ledger."""
        return self._ledger.name

    # --- the port

    def bind(self, server: str) -> None:
        """As the whole ledger's."""
        self._ledger.bind(server)

    def apply(self, changes: Iterable[Change]) -> list[int]:
        """As the whole ledger's; marks are refused once another process has begun the shard."""
        return self._ledger.apply_held(list(changes), self.held)

    def find(self, key: str) -> Entry | None:
        """The entry with this key, or ``None``."""
        return self._ledger.find(key)

    def steps(self, keys: Collection[str] | None = None) -> dict[str, Step]:
        """The step of each entry of the shard by its key, or of those among `keys`."""
        if keys is not None:
            return self._ledger.steps(keys)
        found = self._ledger.database.select(f"SELECT e.digest, e.occurrence, e.name, e.step {_ENTRIES}", self._range)
        return {rows.key_at(digest, occurrence, name): Step(step) for digest, occurrence, name, step in found}

    def entries(self) -> Iterator[Entry]:
        """Every entry of the shard, in the order of `requests`."""
        condition = f"WHERE {_IN_RANGE} ORDER BY e.digest, e.occurrence"
        yield from map(self._ledger.entry, self._ledger.database.stream(f"{rows.READ} {condition}", self._range))

    def is_being_sent(self, key: str) -> bool:
        """Whether another process, which is alive, is sending the create request of this entry."""
        return self._ledger.is_being_sent(key)

    def slots(self, number: int) -> Slots | None:
        """As the whole ledger's."""
        return self._ledger.slots(number)

    def close(self) -> None:
        """Let others have it, if it is still this process's. The whole ledger stays open; may be called twice."""
        self._ledger.database.execute(_RELEASE, self.held._asdict())
        self._ledger.database.execute(_RETURN, self.held._asdict())

    # --- work

    def requests(self, steps: Collection[Step] | None = None) -> Iterator[GenerationRequest]:
        """The shard's requests, each as it was loaded. Equal ones follow each other.

        Args:
            steps: leave out contents of which no entry is at one of these, and those of which an entry is being sent
                (after `settle`: by a run that is alive). All entries of a content are there or none, so that a batch
                counts them rightly.

        Raises:
            LedgerError: one was not loaded but begun by a batch, and its pictures are not known here.
        """
        values: dict[str, Any] = dict(self._range)
        condition = ""
        if steps is not None:
            values["steps"], condition = sorted(steps), f"AND e.digest IN ({_OPEN})"
        statement = f"{_REQUESTS} WHERE {_IN_RANGE} AND e.occurrence >= 0 {condition} ORDER BY e.digest, e.occurrence"
        for digest, occurrence, model, body, given in self._ledger.database.select(statement, values):
            try:
                yield request_of(model, body, given)
            except (TypeError, ValueError) as error:
                key = rows.key_at(digest, occurrence, None)
                raise LedgerError(f"{self.name}: entry {key} cannot be sent from here: {error}") from error

    def counts(self) -> dict[Step, int]:
        """How many of the shard's entries are at each step."""
        found = self._ledger.database.select(f"SELECT e.step, count(*) {_ENTRIES} GROUP BY e.step", self._range)
        return {Step(step): count for step, count in found}

    def settle(self) -> list[str]:
        """Mark what runs that have ended were sending as ``unknown``.

        Returns:
            The keys of what runs that are alive are still sending: wait for those, and ask again.
        """
        self._ledger.database.execute(_SETTLE, self._range)
        sending = f"SELECT e.digest, e.occurrence, e.name {_ENTRIES} AND e.step = 'sending'"
        return [rows.key_at(*row) for row in self._ledger.database.select(sending, self._range)]

    def is_current(self) -> bool:
        """Whether no other process has begun the shard since."""
        found = self._ledger.database.select("SELECT fence FROM apimodels.shard WHERE number = %s", (self.number,))
        return found == [(self.held.fence,)]

    def can_afford(self) -> bool | None:
        """Whether the budget has room for a request that was not sent yet; ``None`` if it never will.

        What this process may spend without asking is given back first, and what processes that have died could.
        """
        self._ledger.database.execute(_RETURN, self.held._asdict())
        self._ledger.database.execute(_END_LAPSED)
        [(now, ever)] = self._ledger.database.select(_AFFORDABLE, self._range)
        return bool(now) if ever else None

    def finish(self) -> bool:
        """Note that everything was done, and return whether the shard was still this process's."""
        return self._ledger.database.execute(_FINISH, self.held._asdict()) == 1


def begin(connection: Connection, number: int, run: int, *, take_over: bool) -> tuple[int, bytes, bytes | None] | None:
    """Begin a shard: its new fence and its range; ``None`` if it is held by another run and not to be taken over."""
    values = {"number": number, "run": run, "take_over": take_over}
    return connection.execute(_BEGIN, values).fetchone()


def states(found: Iterable[tuple[Any, ...]]) -> list[ShardState]:
    """Rows of `STATES` as values."""
    return [ShardState(*row) for row in found]


STATES = """
SELECT s.number, s.fence, s.finished,
       NOT s.finished AND r.id IS NOT NULL AND r.ended IS NULL
           AND r.seen > clock_timestamp() - make_interval(secs => r.ttl),
       r.host, r.pid, r.seen, s.run IS NOT NULL OR s.fence > min(s.fence) OVER ()
FROM apimodels.shard s LEFT JOIN apimodels.run r ON r.id = s.run
ORDER BY s.number
"""
_BEGIN = """
UPDATE apimodels.shard SET fence = fence + 1, run = %(run)s, finished = false
WHERE number = %(number)s AND (%(take_over)s OR finished OR run = %(run)s OR apimodels.has_ended(run))
RETURNING fence, first, beyond
"""
_RELEASE = "UPDATE apimodels.shard SET run = NULL WHERE number = %(shard)s AND fence = %(fence)s AND NOT finished"
_RETURN = """
WITH mine AS (SELECT id, granted - used AS rest FROM apimodels.run WHERE id = %(run)s AND ended IS NULL FOR UPDATE),
    returned AS (UPDATE apimodels.run r SET granted = used FROM mine WHERE r.id = mine.id)
UPDATE apimodels.ledger SET granted = granted - (SELECT rest FROM mine) WHERE EXISTS (SELECT 1 FROM mine)
"""
"""What is left of a run's allowance goes back to the budget, or the last shards of others would lack it."""
_END_LAPSED = "SELECT apimodels.end_run(id, true) FROM apimodels.run WHERE ended IS NULL"
_FINISH = "UPDATE apimodels.shard SET finished = true WHERE number = %(shard)s AND fence = %(fence)s"
_IN_RANGE = "e.digest >= %(first)s AND (%(beyond)s::bytea IS NULL OR e.digest < %(beyond)s)"
_ENTRIES = f"FROM apimodels.entry e WHERE {_IN_RANGE}"
_AFFORDABLE = f"""
SELECT bool_or(budget IS NULL OR cost <= budget - granted), bool_or(budget IS NULL OR cost <= budget - used)
FROM (SELECT e.cost {_ENTRIES} AND e.step = 'intent') AS not_sent, apimodels.ledger,
    (SELECT coalesce(sum(used), 0) AS used FROM apimodels.run) AS spent
"""  # noqa: S608
_REQUESTS = """
SELECT e.digest, e.occurrence, r.model, r.body, r.given
FROM apimodels.entry e JOIN apimodels.request r USING (digest, occurrence)
"""
_OPEN = """
SELECT o.digest FROM apimodels.entry o
WHERE o.digest >= %(first)s AND (%(beyond)s::bytea IS NULL OR o.digest < %(beyond)s) AND o.occurrence >= 0
GROUP BY o.digest
HAVING bool_or(o.step = ANY(%(steps)s)) AND NOT bool_or(o.step = 'sending')
"""
REOPEN = """
UPDATE apimodels.shard s SET finished = false, run = NULL
WHERE s.finished AND EXISTS (
    SELECT 1 FROM apimodels.entry e
    WHERE e.digest >= s.first AND (s.beyond IS NULL OR e.digest < s.beyond) AND e.step = ANY(%(steps)s)
)
"""
"""Shards in which there is something to do again, such as what a person has decided to send once more."""
COUNTS = """
SELECT e.step, count(*) FROM apimodels.shard s
JOIN apimodels.entry e ON e.digest >= s.first AND (s.beyond IS NULL OR e.digest < s.beyond)
WHERE s.number = %s GROUP BY e.step
"""
_SETTLE = f"""
UPDATE apimodels.entry e SET
    step = 'unknown', error = 'the run ended before the answer came', changed = extract(epoch FROM clock_timestamp())
WHERE {_IN_RANGE} AND e.step = 'sending' AND NOT apimodels.is_being_sent(e.run, e.changed)
"""  # noqa: S608
