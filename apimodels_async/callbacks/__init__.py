"""Being called when a task ends, by a sender that nobody can trust: URLs, an ASGI app, and what it remembers."""

from apimodels_async._callback_reading import Callback, UnreadableCallbackError, parse_callback
from apimodels_async._callback_signing import CallbackSigner
from apimodels_async._callback_source import CallbackSource
from apimodels_async.callbacks._intents import new_intent_id
from apimodels_async.callbacks._logs import HideCallbackTokens
from apimodels_async.callbacks._receiver import CallbackReceiver
from apimodels_async.callbacks._sqlite import SqliteCallbackStore
from apimodels_async.callbacks._stores import Arrival, CallbackStore, MemoryCallbackStore, StoreFullError

__all__ = [
    "Arrival",
    "Callback",
    "CallbackReceiver",
    "CallbackSigner",
    "CallbackSource",
    "CallbackStore",
    "HideCallbackTokens",
    "MemoryCallbackStore",
    "SqliteCallbackStore",
    "StoreFullError",
    "UnreadableCallbackError",
    "new_intent_id",
    "parse_callback",
]
