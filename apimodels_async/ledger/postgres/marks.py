"""Changes on their way into the database, and the right to send that a mark at ``sending`` needs."""

import time
from collections.abc import Sequence

import psycopg

from apimodels_async._postgres import Connection
from apimodels_async.catalogue import PriceTable
from apimodels_async.ledger.entries import Step
from apimodels_async.ledger.port import Change, Result
from apimodels_async.ledger.postgres import rows
from apimodels_async.ledger.postgres.database import LedgerDatabase
from apimodels_async.ledger.postgres.lease import Lease
from apimodels_async.ledger.postgres.shards import Held


class Marks:
    """Carries out changes of one process.

    The database alone decides about a mark: in one transaction it looks at the entry's step, at the fence of the
    shard, at the process's run and its allowance, and renews its lease.

    Args:
        database: where to.
        lease: of this process; a run is begun with its first mark.
        prices: what new entries cost.
    """

    def __init__(self, database: LedgerDatabase, lease: Lease, prices: PriceTable) -> None:
        self._database = database
        self._lease = lease
        self._prices = prices

    def apply(self, changes: Sequence[Change], held: Held | None) -> list[int]:
        """Carry out changes in one transaction; with the hold on a shard, marks for as long as that lasts.

        Raises:
            LedgerError: none of them was written.
        """
        self._database.check_writable()
        if held is not None and any(change.digest is not None for change in changes):
            return self._loaded_only(changes, held)
        with self._database.errors("cannot be written"):
            texts = rows.changes_json(changes, self._prices)
        if not any(map(_is_mark, changes)):
            return self._database.write(lambda c: _carry_out(c, texts, self._lease.run))
        run, asked, results = self._mark(texts, held)
        if Result.ENDED in results:
            self._lease.refused(run)
            if held is None:  # a new run marks them; what the old one had sent is told apart by its attempts
                _, asked, results = self._mark(texts, held)
        if self._lease.renewed(asked):
            return results
        return self._take_back(changes, results)

    def _loaded_only(self, changes: Sequence[Change], held: Held) -> list[int]:
        """Without what begins an entry: all entries of a shard are there, or what was loaded has changed."""
        rest = [change for change in changes if change.digest is None]
        results = iter(self.apply(rest, held) if rest else ())
        return [next(results) if change.digest is None else Result.UNCHANGED for change in changes]

    def _mark(self, texts: str, held: Held | None) -> tuple[int, float, list[int]]:
        def work(connection: Connection) -> tuple[int, float, list[int]]:
            run = self._lease.begin(connection) if held is None else held.run
            asked = time.monotonic()
            return run, asked, _carry_out(connection, texts, run, held, marks=True)

        return self._database.write(work)

    def _take_back(self, changes: Sequence[Change], results: Sequence[int]) -> list[int]:
        """The answer came so late that others may have taken this process for dead: nothing may leave."""
        marked = [
            _is_mark(change) and result == Result.CHANGED for change, result in zip(changes, results, strict=True)
        ]
        back = [
            Change(change.key, Step.INTENT, before=frozenset({Step.SENDING}), attempt=change.attempt)
            for change, mine in zip(changes, marked, strict=True)
            if mine
        ]
        texts = rows.changes_json(back, self._prices)
        self._database.write(lambda c: _carry_out(c, texts, self._lease.run))
        return [Result.ENDED if mine else result for mine, result in zip(marked, results, strict=True)]


def _is_mark(change: Change) -> bool:
    return change.step is Step.SENDING and change.digest is None


def _carry_out(
    connection: Connection, texts: str, run: int | None, held: Held | None = None, *, marks: bool = False
) -> list[int]:
    shard, fence = (None, None) if held is None else (held.shard, held.fence)
    row = connection.execute(
        "SELECT apimodels.apply(%s::json, %s, %s, %s, %s)", (texts, run, marks, shard, fence)
    ).fetchone()
    if row is None:
        raise psycopg.DataError("no result")
    return [Result(each) for each in row[0]]
