"""The engine of a client and its calls. What a client takes from here is imported when the first one is made."""

from typing import TYPE_CHECKING

from apimodels_async import _lazy

if TYPE_CHECKING:
    from apimodels_async._create.calls import balance, create, generate, models, wait
    from apimodels_async._create.closing import close
    from apimodels_async._create.engine import Engine

__all__ = ["Engine", "balance", "close", "create", "generate", "models", "wait"]

__getattr__: _lazy.Find = _lazy.names(
    __name__,
    {
        "Engine": "engine",
        "close": "closing",
        **dict.fromkeys(("balance", "create", "generate", "models", "wait"), "calls"),
    },
)
