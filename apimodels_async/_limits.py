"""Backoff with jitter, the retry quota of a client, and rates. Pure: clock and chance are arguments."""

import math
from collections.abc import Callable

BASE = 0.5
"""Seconds: the first backoff is drawn from nought to this."""
CAP = 8.0
"""Seconds: no backoff is longer, unless the server asks for more."""


def full_jitter(attempt: int, uniform: Callable[[float, float], float]) -> float:
    """Seconds to wait before retry number `attempt` (from 0): uniform between 0 and a doubling bound."""
    return uniform(0.0, min(CAP, BASE * 2 ** min(attempt, 30)))


class RetryQuota:
    """How many retries one client may still make, so that an outage is not multiplied by all its tasks.

    The figures are botocore's standard mode: 500 tokens, 5 a retry, given back when something succeeds.
    """

    CAPACITY = 500
    COST = 5

    def __init__(self) -> None:
        self.tokens: int = self.CAPACITY

    def take(self) -> bool:
        """Whether one more retry is allowed; if so it is counted."""
        if self.tokens < self.COST:
            return False
        self.tokens -= self.COST
        return True

    def give_back(self) -> None:
        """Something succeeded: one retry comes back."""
        self.tokens = min(self.CAPACITY, self.tokens + self.COST)


class Rate:
    """Spaces what it limits evenly, with no bursts. Without a limit nothing is held back.

    Several batches of one client may each set a limit; the lowest holds for all.
    """

    def __init__(self) -> None:
        self._limits: list[float] = []
        self._next = -math.inf

    def add(self, per_second: float) -> None:
        """Limit to `per_second`, until the same figure is removed again."""
        self._limits.append(per_second)

    def remove(self, per_second: float) -> None:
        """Lift a limit that was added."""
        self._limits.remove(per_second)

    def pause(self, now: float) -> float:
        """Seconds until the next may go."""
        return max(0.0, self._next - now) if self._limits else 0.0

    def take(self, now: float) -> None:
        """One goes now."""
        if self._limits:
            self._next = max(now, self._next) + 1.0 / min(self._limits)
