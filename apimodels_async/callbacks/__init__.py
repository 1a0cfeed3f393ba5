"""Callbacks for tasks that have ended, from a sender that cannot be trusted: URLs, an ASGI app and its stores."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from apimodels_async.callbacks.intents import new_intent_id
from apimodels_async.callbacks.logs import HideCallbackTokens
from apimodels_async.callbacks.parsing import Callback, UnreadableCallbackError, parse_callback
from apimodels_async.callbacks.receiver import CallbackReceiver
from apimodels_async.callbacks.signing import CallbackSigner
from apimodels_async.callbacks.source import CallbackSource
from apimodels_async.callbacks.sqlite import SqliteCallbackStore
from apimodels_async.callbacks.stores import Arrival, CallbackStore, MemoryCallbackStore, StoreFullError

if TYPE_CHECKING:
    from apimodels_async.callbacks.postgres import PostgresStore

__all__ = [
    "Arrival",
    "Callback",
    "CallbackReceiver",
    "CallbackSigner",
    "CallbackSource",
    "CallbackStore",
    "HideCallbackTokens",
    "MemoryCallbackStore",
    "PostgresStore",
    "SqliteCallbackStore",
    "StoreFullError",
    "UnreadableCallbackError",
    "new_intent_id",
    "parse_callback",
]


def __getattr__(name: str) -> Any:
    """Import what needs an extra when it is used first."""
    if name != "PostgresStore":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = import_module(f"{__name__}.postgres").PostgresStore
    return value
