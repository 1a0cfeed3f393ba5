"""When queries may be sent while the server refuses them or is away. Pure: clock and chance are arguments.

After a 429 all queries are held back, and then all go on. While the server cannot be reached, one query at a time is
sent as a probe, after pauses that grow from half a second to four, and any answer lets all go on.
"""

import math
from collections.abc import Callable

from apimodels_async._limits import BASE, full_jitter

LONGEST_HOLD = 300.0
"""Maximum seconds that a 429 holds back queries: one absurd header must not stop all tasks of a client."""
UNREACHABLE_IN_A_ROW = 3
"""Queries without a connection, and no answer between them, after which queries are held back: one proves little."""
LONGEST_PAUSE = 4.0
"""Maximum seconds between two probes. That long a finished task may lie unseen when the server is back."""
PROBE_PATIENCE = 12.0
"""Seconds that a probe may be without a result before another one is sent: longer than it takes to give up a
connection."""


class QueryGate:
    """Shared by all queries of a client.

    Args:
        uniform: draws a number between two.

    Attributes:
        opens: when the next query may be sent after a 429, on the loop's clock.
        closed_since: when it was noticed that the server cannot be reached; ``None`` if it can.
    """

    def __init__(self, uniform: Callable[[float, float], float]) -> None:
        self._uniform = uniform
        self._refusals = 0  # in a row; those of queries that were sent together count as one
        self._refused = -math.inf  # when the last of these was counted
        self._unreachable = 0  # in a row
        self._probes = 0  # since it closed
        self._next_probe = -math.inf
        self.opens: float = -math.inf
        self.closed_since: float | None = None

    def pause(self, now: float) -> float:
        """Return the seconds to hold back a query; after a 429 with jitter, to spread the queries."""
        refused = 0.0 if self.opens <= now else self.opens - now + self._uniform(0.0, 1.0)
        return refused if self.closed_since is None else max(refused, self._next_probe - now)

    def enter(self, now: float) -> None:
        """Note that a query is sent. While the server cannot be reached, no other one may follow until it has ended."""
        self._next_probe = now + PROBE_PATIENCE

    def refused(self, now: float, retry_after: float | None, *, sent: float) -> None:
        """Close the gate because a query was answered 429.

        Args:
            now: on the loop's clock.
            retry_after: seconds that the server asks for.
            sent: when the query was sent. Where many were under way, only the first refusal is news.
        """
        is_news = sent >= self._refused
        if is_news:
            self._refused = now
            self._refusals += 1
        wait = retry_after or 0.0
        if is_news and retry_after is None:
            wait = full_jitter(self._refusals, self._uniform)
        self.opens = max(self.opens, now + min(wait, LONGEST_HOLD))

    def passed(self) -> None:
        """Reset the backoff because a query was not answered 429."""
        self._refusals = 0

    def reached(self) -> None:
        """Let all go on, because the server has answered something."""
        self._unreachable = self._probes = 0
        self.closed_since = None

    def failed(self, now: float, sent: float, *, connected: bool) -> None:
        """Note that a query got no answer.

        Args:
            now: on the loop's clock.
            sent: when it was sent. What was sent before the gate closed says nothing about the time after it.
            connected: whether there was a connection: a broken one may be this query's own bad luck.
        """
        if self.closed_since is None:
            self._unreachable += not connected
            if self._unreachable < UNREACHABLE_IN_A_ROW:
                return
            self.closed_since = now
        elif sent < self.closed_since:
            return
        bound = min(LONGEST_PAUSE, BASE * 2 ** min(self._probes, 30))
        self._probes += 1
        self._next_probe = now + self._uniform(bound / 2, bound)

    def abandoned(self, now: float) -> None:
        """Allow another probe, because a query was cut off and nothing was learned."""
        self._next_probe = now
