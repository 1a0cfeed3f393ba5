"""The ledger: which requests were made, what was sent, and with which result, in a file that survives a crash."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apimodels_async.ledger.entries import Entry, SavedFile, Step
    from apimodels_async.ledger.sqlite import SqliteLedger

__all__ = ["Entry", "SavedFile", "SqliteLedger", "Step"]

_HOMES = {"Entry": "entries", "SavedFile": "entries", "SqliteLedger": "sqlite", "Step": "entries"}


def __getattr__(name: str) -> Any:
    """Import a public name when it is used first: SQLite is not needed to import a client."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value
