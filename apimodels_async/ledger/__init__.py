"""The ledger: what was asked for, what was sent and what came of it, in a file that survives everything."""

from apimodels_async.ledger.entries import Entry, SavedFile, Step
from apimodels_async.ledger.sqlite import SqliteLedger

__all__ = ["Entry", "SavedFile", "SqliteLedger", "Step"]
