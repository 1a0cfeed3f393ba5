"""When to ask next whether a task is done. Pure: no clock, no randomness, no I/O."""

from typing import TYPE_CHECKING

from apimodels_async import _lazy

if TYPE_CHECKING:
    from apimodels_async.pacing.adaptive import AdaptivePacing
    from apimodels_async.pacing.protocol import BackoffPacing, FixedPacing, Pacing, longest, typical, urgency

__all__ = ["AdaptivePacing", "BackoffPacing", "FixedPacing", "Pacing", "longest", "typical", "urgency"]

__getattr__: _lazy.Find = _lazy.names(
    __name__, {name: "adaptive" if name == "AdaptivePacing" else "protocol" for name in __all__}
)
