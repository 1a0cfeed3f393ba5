"""Which hosts of pictures are away, so that their outage makes a batch wait. Pure: the clock is an argument."""

from collections import defaultdict


class PictureHosts:
    """What the pictures of one batch know together of the hosts that they come from.

    A host that has brought pictures to this batch, and now cannot be reached or refuses several of them, is away:
    attempts made meanwhile do not count. A picture that fails alone, or while others come from its host, is itself in
    trouble; and a host that has brought nothing yet may be none.

    Args:
        patience: seconds that a host may be away; ``None`` for no limit.
    """

    def __init__(self, patience: float | None) -> None:
        self.patience: float | None = patience
        self._away_since: dict[str, float] = {}
        self._brought: dict[str, float] = {}
        self._failing: defaultdict[str, set[object]] = defaultdict(set)  # since a picture came last

    def brought(self, host: str, now: float) -> None:
        """A picture came from a host."""
        self._brought[host] = now
        self._away_since.pop(host, None)
        self._failing.pop(host, None)

    def is_away(self, host: str, picture: object, *, now: float, since: float, reached: bool) -> bool:
        """Whether an attempt failed because the host is away, and not for too long yet.

        Args:
            host: that was asked.
            picture: that was asked for.
            now: when the attempt failed.
            since: when it was made, or when the one before it failed.
            reached: whether there was a connection.
        """
        last = self._brought.get(host)
        if last is None or last >= since:
            return False
        self._failing[host].add(picture)
        if reached and len(self._failing[host]) == 1:
            return False
        away_since = self._away_since.setdefault(host, since)
        return self.patience is None or now - away_since < self.patience
