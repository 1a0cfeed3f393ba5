"""Dividing a ledger for its workers, and looking at its shards. Blocking, for threads."""

from collections.abc import Collection

from apimodels_async.ledger.entries import Step
from apimodels_async.ledger.postgres.shards import COUNTS, REOPEN, ShardState
from apimodels_async.ledger.postgres.store import PostgresLedger
from apimodels_async.shards.report import ShardEnd, ShardReport

SHARDS_A_WORKER = 4
"""The minimum of shards for each worker, so that the last shards do not wait for one of them."""


def divide(ledger: PostgresLedger, workers: int, steps: Collection[Step]) -> list[ShardState]:
    """Divide a ledger for a number of workers, and return its shards.

    A shard that was finished is open again where there is something to do in it: a request that a person has decided to
    send once more, or one that was added.

    Args:
        ledger: the ledger.
        workers: processes that are going to work on it, as far as is known.
        steps: at which there is something to do.

    Raises:
        LedgerError: the ledger cannot be used.
    """
    ledger.check_place()
    ledger.divide(SHARDS_A_WORKER * max(1, workers))
    ledger.database.execute(REOPEN, {"steps": sorted(steps)})
    return ledger.shards()


def report_of(ledger: PostgresLedger, state: ShardState) -> ShardReport:
    """The report on a shard that another process has finished."""
    counts = dict(ledger.database.select(COUNTS, (state.number,)))
    return ShardReport(state.number, ShardEnd.FINISHED, counts, host=state.host or "", pid=state.pid or 0)
