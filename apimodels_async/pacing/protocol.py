"""The pacing protocol, the two pacings that do not learn, and the urgency by which queries are ordered."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard, runtime_checkable

from attrs import field, frozen

from apimodels_async._arguments import check_type, number
from apimodels_async._reprs import safe_repr

if TYPE_CHECKING:
    from attrs import Attribute

PUBLISHED_LONGEST = 150.0
"""Seconds: the 99th percentile of a log-logistic distribution with the published median and 90th percentile."""


class Pacing(Protocol):
    """A plan of when to query. One object may serve many tasks at once."""

    def next_delay(self, key: str, elapsed: float) -> float:
        """Return the seconds until the next query.

        Called once for a new task, and once after each query that found it running.

        Args:
            key: identifies tasks with the same latency, such as the model id.
            elapsed: seconds since the create request was sent.
        """
        ...

    def observe(self, key: str, duration: float) -> None:
        """Learn that a task with this key took `duration` seconds."""
        ...


@runtime_checkable
class LearningPacing(Pacing, Protocol):
    """A pacing that knows more than its next delay, as `AdaptivePacing` does."""

    def urgency(self, key: str, looked_at: float, elapsed: float) -> float:
        """Return the expected seconds for which a task has been finished but unseen."""
        ...

    def revised(self, key: str, looked_at: float) -> float:
        """Return the seconds from the create request to the next query, by what is known now."""
        ...

    def typical(self, key: str) -> float | None:
        """Return the median duration in seconds; ``None`` if nothing was learned."""
        ...

    def longest(self, key: str) -> float:
        """Return the seconds after which 99 in 100 tasks have ended."""
        ...


def learns(pacing: Pacing) -> TypeGuard[LearningPacing]:
    """Whether a pacing has the methods of `LearningPacing`. Judged by its class, once: this is asked for each query."""
    return _learns(type(pacing))


@lru_cache(256)
def _learns(kind: type) -> bool:
    return issubclass(kind, LearningPacing)


def urgency(pacing: Pacing, key: str, looked_at: float, elapsed: float) -> float:
    """Return the urgency of a query: the expected seconds for which the task has been finished but unseen.

    When a poll rate binds, the tasks with the greatest urgency are queried first. A pacing with the methods
    ``urgency``, ``revised``, ``typical`` and ``longest``, such as `AdaptivePacing`, computes it itself. For any other,
    it follows from the planned delay: with a constant chance of ending, the expected lag grows with the square of the
    time since the last query, and is worth a query, 0.1 seconds, when the planned delay has passed.

    Args:
        pacing: the plan the tasks share. It is asked for the delay it planned, so that call must not change it.
        key: identifies tasks with the same latency, such as the model id.
        looked_at: seconds from the create request to the last query that found the task running; 0 without one.
        elapsed: seconds since the create request.
    """
    if learns(pacing):
        return pacing.urgency(key, looked_at, elapsed)
    planned = pacing.next_delay(key, looked_at)
    waited = max(0.0, elapsed - looked_at) / max(planned, 1e-3)
    return 0.1 * waited * waited


def typical(pacing: Pacing, key: str) -> float | None:
    """Return the median duration in seconds; ``None`` if nothing was learned or the pacing does not learn."""
    return pacing.typical(key) if learns(pacing) else None


def longest(pacing: Pacing, key: str) -> float:
    """Return the seconds after which 99 in 100 tasks have ended; the published figure unless the pacing learns."""
    return pacing.longest(key) if learns(pacing) else PUBLISHED_LONGEST


def _above(lowest: float) -> Any:
    def validate(_: object, attribute: "Attribute[Any]", value: object) -> None:
        check_type(value, (int, float), attribute.name, f"give a number above {lowest:g}")  # it is kept as it is
        number(attribute.name, value, above=lowest)

    return validate


_positive = _above(0.0)


@frozen
class FixedPacing:
    """Query every `interval` seconds."""

    interval: float = field(default=3.0, validator=_positive)

    __repr__ = safe_repr

    def next_delay(self, key: str, elapsed: float) -> float:
        """Return `interval`."""
        return self.interval

    def observe(self, key: str, duration: float) -> None:
        """Learn nothing."""


@frozen
class BackoffPacing:
    """Query after `first` seconds, then at `factor` times the age each time, but at least every `cap` seconds.

    With the defaults, queries follow after 0.5, 1, 2, 4 and 8 seconds, then every 5 seconds.
    """

    first: float = field(default=0.5, validator=_positive)
    factor: float = field(default=2.0, validator=_above(1.0))
    cap: float = field(default=5.0, validator=_positive)

    __repr__ = safe_repr

    def next_delay(self, key: str, elapsed: float) -> float:
        """Return `elapsed` times (`factor` - 1), limited to the range from `first` to `cap`."""
        return min(self.cap, max(self.first, elapsed * (self.factor - 1)))

    def observe(self, key: str, duration: float) -> None:
        """Learn nothing."""
