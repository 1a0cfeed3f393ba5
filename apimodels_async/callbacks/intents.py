"""Intent ids: the only randomness that callbacks need."""

import os

from apimodels_async.callbacks.signing import INTENT_BYTES, intent_id_of

__all__ = ["new_intent_id"]


def new_intent_id() -> str:
    """Return 128 random bits in hex, which identify a callback URL until its task is known. One per create request."""
    return intent_id_of(os.urandom(INTENT_BYTES))
