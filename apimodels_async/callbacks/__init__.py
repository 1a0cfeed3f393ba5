"""Callbacks for tasks that have ended, from a sender that cannot be trusted: URLs, an ASGI app and its stores."""

from typing import TYPE_CHECKING

from apimodels_async import _lazy

if TYPE_CHECKING:
    from apimodels_async.callbacks.intents import new_intent_id
    from apimodels_async.callbacks.logs import HideCallbackTokens
    from apimodels_async.callbacks.parsing import Callback, UnreadableCallbackError, parse_callback
    from apimodels_async.callbacks.postgres import PostgresStore
    from apimodels_async.callbacks.receiver import CallbackReceiver
    from apimodels_async.callbacks.signing import CallbackSigner
    from apimodels_async.callbacks.source import CallbackSource
    from apimodels_async.callbacks.sqlite import SqliteCallbackStore
    from apimodels_async.callbacks.stores import Arrival, CallbackStore, MemoryCallbackStore, StoreFullError

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

__getattr__: _lazy.Find = _lazy.names(
    __name__,
    {
        "Arrival": "stores",
        "Callback": "parsing",
        "CallbackReceiver": "receiver",
        "CallbackSigner": "signing",
        "CallbackSource": "source",
        "CallbackStore": "stores",
        "HideCallbackTokens": "logs",
        "MemoryCallbackStore": "stores",
        "PostgresStore": "postgres",
        "SqliteCallbackStore": "sqlite",
        "StoreFullError": "stores",
        "UnreadableCallbackError": "parsing",
        "new_intent_id": "intents",
        "parse_callback": "parsing",
    },
)
