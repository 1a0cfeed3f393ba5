"""The one place where callbacks need chance."""

import os

from apimodels_async.callbacks.signing import INTENT_BYTES, intent_id_of

__all__ = ["new_intent_id"]


def new_intent_id() -> str:
    """128 random bits, in hex: what a callback URL stands for until its task is known. One for each create."""
    return intent_id_of(os.urandom(INTENT_BYTES))
