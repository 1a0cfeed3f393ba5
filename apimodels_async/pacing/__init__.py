"""When to ask next whether a task is done. Pure: no clock, no randomness, no I/O."""

from apimodels_async.pacing.adaptive import AdaptivePacing
from apimodels_async.pacing.protocol import BackoffPacing, FixedPacing, Pacing, longest, typical, urgency

__all__ = ["AdaptivePacing", "BackoffPacing", "FixedPacing", "Pacing", "longest", "typical", "urgency"]
