"""The ledger: which requests were made, what was sent, and with which result, in a file or a database."""

from typing import TYPE_CHECKING

from apimodels_async import _lazy

if TYPE_CHECKING:
    from apimodels_async.ledger.entries import Entry, SavedFile, Step
    from apimodels_async.ledger.port import Ledger
    from apimodels_async.ledger.postgres.store import PostgresLedger
    from apimodels_async.ledger.sqlite import SqliteLedger
    from apimodels_async.shards.process import run_shard

__all__ = ["Entry", "Ledger", "PostgresLedger", "SavedFile", "SqliteLedger", "Step", "run_shard"]

__getattr__: _lazy.Find = _lazy.names(
    __name__,
    {
        "Entry": "entries",
        "Ledger": "port",
        "PostgresLedger": "postgres.store",
        "SavedFile": "entries",
        "SqliteLedger": "sqlite",
        "Step": "entries",
        "run_shard": ".shards.process",  # it needs a client, which needs ledgers
    },
)
