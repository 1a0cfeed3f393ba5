"""The prior on durations: some two hundred simple hypotheses, weighted by how well they fit the observations.

Observed ages say nothing about later ages, and the tasks of a burst may all be of one age. A hypothesis is a
log-logistic distribution: its tail is heavy, and no age is impossible.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from operator import mul

_SHAPES = (2.0, 4.0, 8.0, 16.0)
"""One in `x` ** shape lasts `x` times the median, far beyond it: 90th percentiles of 3, 1.7, 1.3 and 1.15 medians."""
_DOUBT = 1.0
"""How far off the published median may plausibly be, in e-folds."""
_DOUBT_OF_SHAPE = 1.2
_NEGLIGIBLE = math.log(1e3)
"""By how much less a guess may fit than the best and still count."""
_TRUST = 0.5
"""Weight of the likelihood, below 1: durations are not exactly log-logistic, and tasks of a burst are correlated."""


@lru_cache(maxsize=8)
def _law(shape: float, fineness: float, bins: int) -> tuple[list[float], list[float], list[float]]:
    """Hazard, its logarithm, and survival, by bins from `bins` below the median to `bins` above."""
    risk = [math.log1p(math.exp(at * shape / fineness)) for at in range(-bins, bins + 1)]
    hazard = [after - before for before, after in pairwise(risk)]
    return hazard, [math.log(max(h, 1e-300)) for h in hazard], [math.exp(-h) for h in risk]


class LatencyPrior:
    """Guesses about one key, in bins of age.

    Args:
        median: the published median, in bins.
        shape: the published shape.
        fineness: bins per e-fold of age.
        bins: the number of bins.
    """

    def __init__(self, median: float, shape: float, fineness: float, bins: int) -> None:
        self._bins = bins
        self._laws = [_law(guess, fineness, bins) for guess in _SHAPES]
        self._guesses: list[tuple[int, int, float]] = []  # (median, which law, logarithm of its chance beforehand)
        for which, guess in enumerate(_SHAPES):
            unlike = math.log(guess / shape) / _DOUBT_OF_SHAPE
            step = round(1.4 * fineness / guess)
            for at in range(round(fineness), bins - round(fineness), step):
                far = (at - median) / fineness / _DOUBT
                # Student's t with 3 degrees of freedom, because the published median may be very wrong.
                chance = math.log(step) - 2.0 * math.log1p(far * far / 3.0) - unlike * unlike / 2.0
                self._guesses.append((at, which, chance))

    def survival(self, ended: Sequence[float], exposed: Sequence[float]) -> list[float]:
        """Return the probability of lasting beyond each bin edge, given how many ended and were exposed in each bin."""
        some = [b for b, number in enumerate(ended) if number]
        low, high = (some[0], some[-1] + 1) if some else (0, 0)
        ends = ended[low:high]
        reached = max((b + 1 for b, number in enumerate(exposed) if number > 1e-6), default=0)
        fits: list[tuple[float, int, int]] = []
        best, found = -math.inf, 0
        for number, (at, which, chance) in enumerate(self._guesses):
            hazard, log_hazard, _ = self._laws[which]
            first = self._bins - at
            fit = chance + _TRUST * sum(map(mul, ends, log_hazard[first + low : first + high]))
            if fit > best - _NEGLIGIBLE:  # what was survived can only make it less
                fit -= _TRUST * sum(map(mul, exposed, hazard[first : first + reached]))
                fits.append((fit, at, which))
                if fit > best:
                    best, found = fit, number
        self._guesses.insert(0, self._guesses.pop(found))  # the more can be left out, the next time
        survival = [0.0] * (self._bins + 1)
        total = 0.0
        kept = [each for each in fits if each[0] > best - _NEGLIGIBLE]
        for fit, at, which in kept:
            weight = math.exp(fit - best)
            total += weight
            first = self._bins - at
            lasting = self._laws[which][2][first : first + self._bins + 1]
            survival = [sum_ + weight * share for sum_, share in zip(survival, lasting, strict=True)]
        return [share / total for share in survival]
