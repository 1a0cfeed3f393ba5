"""When to query a task that ends at a random time: the inspection problem, solved on a grid.

A query costs `cost`; every second between the end and the query that finds it costs 1. For a known distribution of the
end, the best times to query come from dynamic programming (Barlow & Proschan 1963, "Optimum checking procedures"). If
queries are frequent, their density is the square root of hazard / (2 * cost) (Keller 1974, "Optimum checking schedules
for systems subject to random failure").
"""

import math
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

_STEPS = 8.0
"""Grid points between two queries, unless that makes too many."""
_POINTS = 800.0
_FEWEST_STEPS = 3.0
"""With fewer grid points between two queries only the density is used, which is accurate for frequent queries."""


class Schedule:
    """The best time of the next query for any time of the last one.

    Args:
        times: seconds, increasing; the first is 0.
        gone: the probability of having ended by each of `times`, linear in between; always below 1.
        tail: beyond the last of `times`, the probability of lasting `x` times as long is `x` ** -tail.
        cost: the cost of a query, in seconds.
    """

    def __init__(self, times: Sequence[float], gone: Sequence[float], tail: float, cost: float) -> None:
        self._tail = max(tail, 1.1)
        self._cost = cost
        fine, rising, steps = _refined(times, gone, cost)
        # The integral of the probability of having ended: the expected loss without any query.
        lost = [0.0]
        for (t, u), (f, g) in zip(pairwise(fine), pairwise(rising), strict=True):
            lost.append(lost[-1] + (u - t) * (f + g) / 2)
        self._times, self._gone, self._lost = array("d", fine), array("d", rising), array("d", lost)
        self._next = array("d", self._solve() if steps >= _FEWEST_STEPS else self._by_density())

    def _by_density(self) -> list[float]:
        """Return the next query after a query at each grid point, if queries are frequent enough to be continuous."""
        following = [self._times[-1] + self._tail_delay(self._times[-1])]
        for i in range(len(self._times) - 2, -1, -1):
            t, u, f, g = self._times[i], self._times[i + 1], self._gone[i], self._gone[i + 1]
            pause = math.sqrt(2.0 * self._cost * (1.0 - f) * (u - t) / max(g - f, 1e-12))
            following.append(min(following[-1], t + pause))
        return following[::-1]

    def _solve(self) -> list[float]:
        """Return the next query after a query at each grid point.

        After a query at i the next is at the j > i that minimises
            cost * (1 - gone[i]) + (lost[j] - lost[i]) - gone[i] * (times[j] - times[i]) + best[j].
        In j this is a line in gone[i], with slope -times[j]: the minimum is the lower envelope of lines. Going down,
        slopes grow and gone[i] shrinks, so one pass over a queue finds all minima.
        """
        times, gone, lost, cost = self._times, self._gone, self._lost, self._cost
        last = len(times) - 1
        following = [times[last] + self._tail_delay(times[last])] * (last + 1)
        # Expected cost from the end of the grid on, by the density: the integral of sqrt(2 * cost * hazard).
        best = (1.0 - gone[last]) * math.sqrt(2.0 * cost * self._tail * times[last]) / (self._tail - 0.5)
        queue: list[tuple[float, float]] = []  # (time, height at gone = 0), latest time first
        head = 0
        for i in range(last - 1, -1, -1):
            time, height = times[i + 1], lost[i + 1] + best
            while len(queue) - head >= 2:
                (t1, h1), (t2, h2) = queue[-2], queue[-1]
                # The middle line is nowhere lowest if the outer two cross below it.
                if (height - h1) * (t1 - t2) > (h2 - h1) * (t1 - time):
                    break
                queue.pop()
            queue.append((time, height))
            x = gone[i]
            time, height = queue[head]
            while head + 1 < len(queue) and queue[head + 1][1] - queue[head + 1][0] * x <= height - time * x:
                head += 1
                time, height = queue[head]
            following[i] = time
            best = cost * (1.0 - x) + height - time * x - lost[i] + x * times[i]
        return following

    def _tail_delay(self, elapsed: float) -> float:
        """The pause after a look beyond the grid: the density's, for the hazard tail / elapsed."""
        return math.sqrt(2.0 * self._cost * elapsed / self._tail)

    def delay(self, elapsed: float) -> float:
        """The best pause, in seconds, after a look at `elapsed`."""
        times = self._times
        if elapsed >= times[-1]:
            return self._tail_delay(elapsed)
        i = bisect_right(times, elapsed)
        part = (elapsed - times[i - 1]) / (times[i] - times[i - 1])
        return self._next[i - 1] + part * (self._next[i] - self._next[i - 1]) - elapsed

    def _at(self, elapsed: float) -> tuple[float, float]:
        """The probability to have ended by `elapsed`, and its integral."""
        times, gone, lost = self._times, self._gone, self._lost
        if elapsed >= times[-1]:
            end, left = times[-1], 1.0 - gone[-1]
            now = left * (end / elapsed) ** self._tail
            return 1.0 - now, lost[-1] + (elapsed - end) - (left * end - now * elapsed) / (self._tail - 1.0)
        i = bisect_right(times, elapsed)
        step = elapsed - times[i - 1]
        slope = (gone[i] - gone[i - 1]) / (times[i] - times[i - 1])
        return gone[i - 1] + step * slope, lost[i - 1] + step * (gone[i - 1] + step * slope / 2)

    def quantile(self, share: float) -> float:
        """Seconds after which this share, less than 1, has ended."""
        times, gone = self._times, self._gone
        if share >= gone[-1]:
            beyond: float = ((1.0 - gone[-1]) / (1.0 - share)) ** (1.0 / self._tail)
            return times[-1] * beyond
        i = bisect_right(gone, share)
        return times[i - 1] + (times[i] - times[i - 1]) * (share - gone[i - 1]) / (gone[i] - gone[i - 1])

    def lag(self, looked_at: float, elapsed: float) -> float:
        """Seconds that something is expected to have been over at `elapsed`, when at `looked_at` it was not."""
        if elapsed <= looked_at:
            return 0.0
        gone, lost = self._at(looked_at)
        return max(0.0, self._at(elapsed)[1] - lost - gone * (elapsed - looked_at)) / max(1.0 - gone, 1e-12)


def _refined(times: Sequence[float], gone: Sequence[float], cost: float) -> tuple[list[float], list[float], float]:
    """A grid fine enough to choose looks from, and how many of its points lie between two looks of the best density."""
    queries = [
        math.sqrt((g - f) * (u - t) / (2.0 * cost * max(1.0 - (f + g) / 2, 1e-9)))
        for (t, u), (f, g) in zip(pairwise(times), pairwise(gone), strict=True)
    ]
    steps = min(_STEPS, _POINTS / max(sum(queries), 1.0))
    fine, rising = [times[0]], [gone[0]]
    for (t, u), (f, g), number in zip(pairwise(times), pairwise(gone), queries, strict=True):
        count = math.ceil(number * steps) or 1
        fine += [t + (u - t) * k / count for k in range(1, count + 1)]
        rising += [f + (g - f) * k / count for k in range(1, count + 1)]
    return fine, rising, steps
