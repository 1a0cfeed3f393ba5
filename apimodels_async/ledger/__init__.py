"""The ledger: which requests were made, what was sent, and with which result, in a file or a database."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apimodels_async.ledger.entries import Entry, SavedFile, Step
    from apimodels_async.ledger.port import Ledger
    from apimodels_async.ledger.postgres.store import PostgresLedger
    from apimodels_async.ledger.sqlite import SqliteLedger
    from apimodels_async.shards.process import run_shard

__all__ = ["Entry", "Ledger", "PostgresLedger", "SavedFile", "SqliteLedger", "Step", "run_shard"]

_HOMES = {
    "Entry": "entries",
    "Ledger": "port",
    "PostgresLedger": "postgres.store",
    "SavedFile": "entries",
    "SqliteLedger": "sqlite",
    "Step": "entries",
    "run_shard": ".shards.process",  # it needs a client, which needs ledgers
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is used first: SQLite is not needed to import a client."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module("." + _HOMES[name], __name__), name)
    return value
