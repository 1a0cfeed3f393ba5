"""When to ask next whether a task is done. Pure: no clock, no randomness, no I/O."""

from typing import Protocol

from attrs import field, frozen, validators

__all__ = ["BackoffPacing", "FixedPacing", "Pacing"]


class Pacing(Protocol):
    """A plan of when to ask. One object may serve many tasks at once."""

    def next_delay(self, key: str, elapsed: float) -> float:
        """Seconds until the next question.

        Args:
            key: what shares a latency, such as the model id.
            elapsed: seconds since the create was sent.
        """
        ...

    def observe(self, key: str, duration: float) -> None:
        """Learn that a task with this key took `duration` seconds."""
        ...


_positive = validators.gt(0.0)


@frozen
class FixedPacing:
    """Ask every `interval` seconds."""

    interval: float = field(default=3.0, validator=_positive)

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

    def next_delay(self, key: str, elapsed: float) -> float:
        """Seconds until the next question: what has passed, times `factor` - 1, between `first` and `cap`."""
        return min(self.cap, max(self.first, elapsed * (self.factor - 1)))

    def observe(self, key: str, duration: float) -> None:
        """Learn nothing."""
