"""What a pacing is, the two that learn nothing, and who is asked first when not all can be."""

from typing import Protocol, runtime_checkable

from attrs import field, frozen, validators

from apimodels_async._reprs import safe_repr

PUBLISHED_LONGEST = 150.0
"""Seconds: the 99th percentile of a log-logistic with the median and the 90th percentile that are published."""


class Pacing(Protocol):
    """A plan of when to ask. One object may serve many tasks at once."""

    def next_delay(self, key: str, elapsed: float) -> float:
        """Seconds until the next question.

        Called once for a new task, and once after each look that found it running.

        Args:
            key: what shares a latency, such as the model id.
            elapsed: seconds since the create was sent.
        """
        ...

    def observe(self, key: str, duration: float) -> None:
        """Learn that a task with this key took `duration` seconds."""
        ...


@runtime_checkable
class LearningPacing(Pacing, Protocol):
    """A pacing that knows more than its next delay, as `AdaptivePacing` does."""

    def urgency(self, key: str, looked_at: float, elapsed: float) -> float:
        """Seconds that a task is expected to have lain finished and unseen."""
        ...

    def revised(self, key: str, looked_at: float) -> float:
        """Seconds from the create to the next look, by what is known now."""
        ...

    def typical(self, key: str) -> float | None:
        """Seconds that half of the tasks take; ``None`` where nothing was learned."""
        ...

    def longest(self, key: str) -> float:
        """Seconds after which all but one in a hundred tasks have ended."""
        ...


def urgency(pacing: Pacing, key: str, looked_at: float, elapsed: float) -> float:
    """How much is at stake in a task now: the seconds it is expected to have lain finished and unseen.

    When a poll rate binds, the tasks with the greatest urgency are asked first. A pacing that has the methods
    ``urgency``, ``revised``, ``typical`` and ``longest``, as `AdaptivePacing` has, says so itself. For any other it is
    taken that the pacing means what it plans: with a steady chance of ending, the expected lag grows with the square of
    the time since the last look, and is worth a question, 0.1 seconds, when the planned delay has passed.

    Args:
        pacing: the plan the tasks share. It is asked for the delay it planned, so this may not change it.
        key: what shares a latency, such as the model id.
        looked_at: seconds from the create to the last look that found the task running, 0 if there was none.
        elapsed: seconds since the create.
    """
    if isinstance(pacing, LearningPacing):
        return pacing.urgency(key, looked_at, elapsed)
    planned = pacing.next_delay(key, looked_at)
    waited = max(0.0, elapsed - looked_at) / max(planned, 1e-3)
    return 0.1 * waited * waited


def typical(pacing: Pacing, key: str) -> float | None:
    """Seconds that a task usually takes; ``None`` where nothing was learned, and for a pacing that does not learn."""
    return pacing.typical(key) if isinstance(pacing, LearningPacing) else None


def longest(pacing: Pacing, key: str) -> float:
    """Seconds after which all but one in a hundred tasks have ended; by what is published, unless the pacing learns."""
    return pacing.longest(key) if isinstance(pacing, LearningPacing) else PUBLISHED_LONGEST


_positive = validators.gt(0.0)


@frozen
class FixedPacing:
    """Ask every `interval` seconds."""

    interval: float = field(default=3.0, validator=_positive)

    __repr__ = safe_repr

    def next_delay(self, key: str, elapsed: float) -> float:
        """Seconds until the next question: always `interval`."""
        return self.interval

    def observe(self, key: str, duration: float) -> None:
        """Learn nothing."""


@frozen
class BackoffPacing:
    """Ask after `first` seconds, then whenever `factor` times as long has passed, at least every `cap` seconds.

    The defaults ask after 0.5, 1, 2, 4, 8 seconds, then every 5.
    """

    first: float = field(default=0.5, validator=_positive)
    factor: float = field(default=2.0, validator=validators.gt(1.0))
    cap: float = field(default=5.0, validator=_positive)

    __repr__ = safe_repr

    def next_delay(self, key: str, elapsed: float) -> float:
        """Seconds until the next question: what has passed, times `factor` - 1, between `first` and `cap`."""
        return min(self.cap, max(self.first, elapsed * (self.factor - 1)))

    def observe(self, key: str, duration: float) -> None:
        """Learn nothing."""
