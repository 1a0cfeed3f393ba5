"""Survival statistics of running tasks: ends and exposure by age, as in an actuarial life table.

The first of a burst to finish are the quick ones, so durations alone are biased. Unbiased is, for each age, the number
that ended at it out of the number observed to pass through it (Nelson 1972, Aalen 1978; with late entry as in a life
table). Each query that finds a task running shows that it lived from the previous query to this one, and each duration
shows that it lived from the last query to its end, independently of the other tasks.
"""

import math
from array import array
from collections.abc import Sequence
from itertools import accumulate

BINS = 1200
FINENESS = 80.0
"""Bins per e-fold of age: beyond the first tenth of a second they are about 1/80 of the age wide."""
_WIDTH = 0.05
EDGES = tuple(_WIDTH * math.expm1(i / FINENESS) for i in range(BINS + 1))
"""Seconds at which the bins of age begin; the last edge, about two days, ends the last bin."""

_NEWEST = 5.0
"""Maximum seconds after the create request at which a new task is first reported, unless another client created it."""
_TRIES = 8
"""Maximum bins searched for a task that is queried before its planned time."""
MEMORY = 120.0
"""Completions after which an old one counts 1/e, because models become quicker and slower."""
_GROWTH = math.exp(1.0 / MEMORY)


def position(age: float) -> float:
    """Return the position of an age, in bins."""
    return min(math.log1p(age / _WIDTH) * FINENESS, BINS - 1.0)


class SurvivalCounts:
    """The observations for one key. Old ones count less: instead of scaling them down, new ones get a greater weight.

    Tasks are anonymous: a call only says that some task is running at some age. It is taken to be the one whose planned
    query is nearest. Wrong matches cancel out, because only sums over tasks are kept.

    Attributes:
        completions: number of durations observed.
        queries: number of calls of `alive` from which something was learned: the first of a task says nothing.
        weight: the weight of a completion now.
    """

    def __init__(self) -> None:
        self.completions: int = 0
        self.queries: int = 0
        self.weight: float = 1.0
        self._ended = array("d", bytes(8 * BINS))
        # Changes of exposure from bin to bin: their running sum is the exposure of each bin.
        self._passing = array("d", bytes(8 * (BINS + 1)))
        # By the bin of the planned query: the number of tasks, and the sum of the positions of their last queries.
        self._count = array("L", bytes(array("L").itemsize * BINS))
        self._since = array("d", bytes(8 * BINS))
        self._occupied = 0  # bit b: bin b of the two above is not empty

    def alive(self, age: float, planned: float) -> None:
        """Record that a task is running at `age` and will be queried again at `planned`."""
        place = position(age)
        b = int(place)
        found = self._nearest(age, b)
        if found is not None:
            self._lived(self._take(found), place)
            self.queries += 1
        b = int(position(planned))
        self._count[b] += 1
        self._since[b] += place
        self._occupied |= 1 << b

    def _nearest(self, age: float, b: int) -> int | None:
        """Return the bin of the planned query that one at `age`, in bin `b`, probably is; ``None`` for a new task."""
        below = self._occupied & ((1 << (b + 1)) - 1)
        if below:
            return below.bit_length() - 1
        above = self._occupied >> b
        for _ in range(_TRIES):
            if not above:
                break
            planned = b + (above & -above).bit_length() - 1
            since = _WIDTH * math.expm1(self._since[planned] / self._count[planned] / FINENESS)
            # A query before its planned time. A new task of a few seconds is more likely than one that early.
            least = 0.001 if age > _NEWEST else 0.1 * (EDGES[planned] - since)
            if age - since > least:
                return planned
            above &= above - 1
        return None

    def ended(self, age: float) -> None:
        """Record that a task ended at `age`."""
        place = position(age)
        b = int(place)
        above = self._occupied >> b
        if above:
            self._lived(self._take(b + (above & -above).bit_length() - 1), place)
        elif self._occupied:
            self._lived(self._take(self._occupied.bit_length() - 1), place)
        else:
            self._lived(0.0, place)
        self._ended[b] += self.weight
        self.completions += 1
        self.weight *= _GROWTH
        if self.weight > 1e12:
            self._ended = array("d", (x / self.weight for x in self._ended))
            self._passing = array("d", (x / self.weight for x in self._passing))
            self.weight = 1.0

    def _take(self, b: int) -> float:
        """Remove one task whose planned query is in bin `b`, and return the position of its last query."""
        count = self._count[b]
        since = self._since[b] / count
        self._count[b] = count - 1
        self._since[b] -= since
        if count == 1:
            self._since[b] = 0.0
            self._occupied &= ~(1 << b)
        return since

    def _lived(self, since: float, until: float) -> None:
        """Add the exposure of a task that lived from one position to another."""
        for place, weight in ((since, self.weight), (until, -self.weight)):
            b = int(place)
            part = place - b
            self._passing[b] += weight * (1.0 - part)
            self._passing[b + 1] += weight * part

    def coarse(self, size: int) -> tuple[list[float], list[float]]:
        """Return the ends and the mean exposure for each `size` bins; a completion now counts 1."""
        exposed = [0.0, *accumulate(accumulate(self._passing))]
        starts = range(0, BINS, size)
        weight = self.weight
        return (
            [sum(self._ended[b : b + size]) / weight for b in starts],
            [max(0.0, exposed[b + size] - exposed[b]) / (size * weight) for b in starts],
        )

    def survival(self, expected: Sequence[float]) -> list[float]:
        """Return the probability of lasting beyond each of `EDGES`.

        Args:
            expected: how many imagined tasks, in addition to the observed ones, last beyond each edge.
        """
        one = 1.0 / self.weight
        risk = 0.0
        risks = [risk]
        for ended, passing, before, after in zip(
            self._ended, accumulate(self._passing), expected, expected[1:], strict=False
        ):
            # Exposure can be less than the ends if tasks were matched wrongly.
            passed = max(ended / 2.0, passing)
            risk += (ended * one + before - after) / (passed * one + (before + after) / 2.0)
            risks.append(risk)
        return [math.exp(-each) for each in risks]
