"""Which hosts of pictures are away, so that their outage makes a batch wait. Pure: the clock is an argument."""

import math


class PictureHosts:
    """What the pictures of one batch know together of the hosts that they come from.

    A host that brings no picture at all is away, and attempts made meanwhile do not count. A picture that fails while
    others come from its host is itself in trouble.

    Args:
        patience: seconds that a host may be away; ``None`` for no limit.
    """

    def __init__(self, patience: float | None) -> None:
        self.patience: float | None = patience
        self._away_since: dict[str, float] = {}
        self._brought: dict[str, float] = {}

    def brought(self, host: str, now: float) -> None:
        """A picture came from a host."""
        self._brought[host] = now
        self._away_since.pop(host, None)

    def is_away(self, host: str, now: float, since: float) -> bool:
        """Whether an attempt failed because the host is away, and not for too long yet.

        Args:
            host: that was asked.
            now: when the attempt failed.
            since: when it was made, or when the one before it failed.
        """
        if self._brought.get(host, -math.inf) >= since:
            return False
        away_since = self._away_since.setdefault(host, since)
        return self.patience is None or now - away_since < self.patience
