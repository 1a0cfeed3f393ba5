"""The ledger: what was asked for, what was sent and what came of it, in a file that survives everything."""

from apimodels_async._ledger_records import Entry, SavedFile, Step
from apimodels_async.ledger._store import SqliteLedger

__all__ = ["Entry", "SavedFile", "SqliteLedger", "Step"]
