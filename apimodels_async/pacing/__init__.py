"""When to ask next whether a task is done. Pure: no clock, no randomness, no I/O."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apimodels_async.pacing.adaptive import AdaptivePacing
    from apimodels_async.pacing.protocol import BackoffPacing, FixedPacing, Pacing, longest, typical, urgency

__all__ = ["AdaptivePacing", "BackoffPacing", "FixedPacing", "Pacing", "longest", "typical", "urgency"]

_HOMES = {name: "adaptive" if name == "AdaptivePacing" else "protocol" for name in __all__}


def __getattr__(name: str) -> Any:
    """Import a public name when it is used first: what is not used costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value
