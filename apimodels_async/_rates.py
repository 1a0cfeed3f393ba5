"""How many creates and how many queries a second. Pure: the clock comes in as `now`."""

import math


class Rate:
    """Spaces what it limits evenly, with no bursts. Without a limit nothing is held back.

    Several batches of one client may each set a limit; the lowest holds for all.
    """

    def __init__(self) -> None:
        self._limits: list[float] = []
        self._next = -math.inf

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return bool(self._limits)

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
