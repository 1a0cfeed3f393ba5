"""Smoothing of a step-shaped survival curve into a distribution by which queries can be planned."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

_PIECES = 60
_LEAST = 1e-3
"""The pieces at both ends are halved until they are smaller than this."""
_NEIGHBOURS = 9.0
"""Completions over which each is spread."""


def _levels() -> list[float]:
    ends: list[float] = []
    end = 1.0 / _PIECES
    while end > _LEAST:
        end /= 2.0
        ends.append(end)
    inner = [piece / _PIECES for piece in range(1, _PIECES)]
    return [0.0, *reversed(ends), *inner, *(1.0 - end for end in ends), 1.0 - ends[-1] / 2.0]


_LEVELS = _levels()
_MIDDLES = [(low + high) / 2.0 for low, high in pairwise(_LEVELS)]


def _quantiles(edges: Sequence[float], survival: Sequence[float], levels: Iterable[float]) -> list[float]:
    """The ages by which these shares have ended; `levels` rise."""
    ages: list[float] = []
    i = 1
    for level in levels:
        left = 1.0 - level
        while i < len(survival) - 1 and survival[i] > left:
            i += 1
        before, after = survival[i - 1], survival[i]
        part = min(max((before - left) / (before - after), 0.0), 1.0) if before > after else 1.0
        ages.append(edges[i - 1] + part * (edges[i] - edges[i - 1]))
    return ages


def smoothed(edges: Sequence[float], survival: Sequence[float], seen: float) -> tuple[list[float], list[float]]:
    """Return a distribution as ages and the probability of having ended by each; linear in between.

    The probability is cut into pieces, and each is spread evenly around its age, as far as the nearer of its neighbours
    a few completions below and above. With the nearer one, the end of a peak is not spread over the gap after it.

    Args:
        edges: ages.
        survival: the probability to last beyond each.
        seen: how many completions this is drawn from.
    """
    reach = min(max(_NEIGHBOURS / (seen + 4.0), 0.03), 0.15)
    middles = _quantiles(edges, survival, _MIDDLES)
    below = _quantiles(edges, survival, (level - min(reach, level * 0.8) for level in _MIDDLES))
    above = _quantiles(edges, survival, (level + min(reach, (1.0 - level) * 0.8) for level in _MIDDLES))
    slopes: dict[float, float] = {}
    for (low, high), age, lower, upper in zip(pairwise(_LEVELS), middles, below, above, strict=True):
        spread = min(max(min(age - lower, upper - age), 0.005 * age), age)
        slope = (high - low) / (2.0 * spread)
        slopes[age - spread] = slopes.get(age - spread, 0.0) + slope
        slopes[age + spread] = slopes.get(age + spread, 0.0) - slope
    ages, gone = [0.0], [0.0]
    slope = slopes.pop(0.0, 0.0)
    for age in sorted(slopes):
        gone.append(min(gone[-1] + max(slope, 0.0) * (age - ages[-1]), 1.0 - 1e-6))
        ages.append(age)
        slope += slopes[age]
    return ages, gone
