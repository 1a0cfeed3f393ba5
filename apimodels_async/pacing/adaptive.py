"""The adaptive pacing: queries when the expected benefit exceeds the cost, by what has been learned so far."""

import math
from collections.abc import Mapping
from itertools import pairwise

from apimodels_async._arguments import ArgumentError, number
from apimodels_async.pacing.prior import LatencyPrior
from apimodels_async.pacing.protocol import LearningPacing
from apimodels_async.pacing.schedule import Schedule
from apimodels_async.pacing.smoothing import smoothed
from apimodels_async.pacing.survival import BINS, EDGES, FINENESS, MEMORY, SurvivalCounts, position

PUBLISHED = (48.0, 83.0)
"""Seconds: median and 90th percentile of the vendor's image tasks in one published week, as read on 2026-11-01.

Of one slow model, which is not named, the same page says 121 and 324. Nothing is published about single models by name.
"""
EARLY_LOOKS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds from the create request to the queries that find out whether an unknown model is a quick one."""
_SHORTEST, _LONGEST = 0.02, 3600.0
"""Minimum and maximum pause in seconds."""
_AGELESS = 1e12
"""Seconds: what is older is taken to be this old, so that no sum overflows."""
_KEYS = 64
_COARSE = 4
"""Bins of age in one bin of the guesses."""
_IMAGINED = 4.0
"""Weight of the prior, in tasks."""
_HARDLY = 0.02
"""Weight of an imagined task, in tasks: just enough to avoid a division by zero."""
_LOOKS_A_COMPLETION = 64.0
"""This many queries that found a task running are about as informative as a later completion."""
_MOST_NEW = 64.0
"""Maximum new completions before the schedule is recomputed; while there are few, an eighth more is enough.

The same goes for `_LOOKS_A_COMPLETION` queries each.
"""


class AdaptivePacing(LearningPacing):
    """Query a task when the loss expected from waiting any longer has grown to `poll_cost`.

    The schedule minimises the expected lag plus `poll_cost` times the number of queries, given what is known about the
    durations of tasks with a key: at first the published figures, soon the observed ones. It learns from each query
    that found a task running as well as from each exact duration, so the quick tasks that finish first do not bias it.
    Old observations fade over some hundred completions. Until a key has its first completion, a task is queried 0.5, 1,
    2, 4 and 8 seconds after its create request, in case the model is a quick one, and then by the schedule.

    It remembers the 64 latest keys, at some 100 kB each. It must not be shared between threads.

    Args:
        poll_cost: the seconds of delay that one query is worth.
        prior: the median and the 90th percentile of durations in seconds, before any is known. It may be far off.
        priors: the same for single keys, where more is known.

    Raises:
        ValueError: a number is not positive and finite, or a percentile not greater than its median.
    """

    __slots__ = ("_keys", "_poll_cost", "_prior", "_priors")

    def __init__(
        self,
        poll_cost: float = 0.1,
        *,
        prior: tuple[float, float] = PUBLISHED,
        priors: Mapping[str, tuple[float, float]] | None = None,
    ) -> None:
        try:
            self._poll_cost = number("poll_cost", poll_cost, above=0.0)
        except ArgumentError:
            self._poll_cost = math.inf
        if self._poll_cost == math.inf:
            raise ValueError(f"poll_cost is the seconds of delay one question is worth, more than 0: not {poll_cost!r}")
        self._prior = _checked("prior", prior)
        self._priors = {key: _checked(f"priors[{key!r}]", value) for key, value in (priors or {}).items()}
        self._keys: dict[str, _Known] = {}

    def __repr__(self) -> str:
        if not hasattr(self, "_priors"):  # its constructor failed, and a traceback shows it
            return object.__repr__(self)
        return f"AdaptivePacing(poll_cost={self._poll_cost!r}, prior={self._prior!r}, priors={self._priors!r})"

    @property
    def poll_cost(self) -> float:
        """The seconds of delay that one query is worth."""
        return self._poll_cost

    def _known(self, key: str) -> "_Known":
        known = self._keys.get(key)
        if known is None:
            if len(self._keys) >= _KEYS:
                del self._keys[next(iter(self._keys))]
            median, p90 = self._priors.get(key, self._prior)
            known = self._keys[key] = _Known(median, p90, self._poll_cost)
        return known

    def next_delay(self, key: str, elapsed: float) -> float:
        """Return the seconds until the next query, between 0.02 and 3600.

        Call it once for a new task, and once after each query that found it running: each call is learned from. Tasks
        are identified by when they are due, so query at that time or later; an occasional earlier query does no harm.

        Args:
            key: identifies tasks with the same latency, such as the model id.
            elapsed: seconds since the create request. A negative value, from clocks that disagree, counts as 0.

        Raises:
            ValueError: `elapsed` is not a finite number.
        """
        elapsed = _seconds("elapsed", elapsed)
        known = self._keys.get(key) or self._known(key)
        if known.stale:
            known.plan()
            self._keys[key] = self._keys.pop(key)  # the latest last
        return known.next_delay(elapsed)

    def observe(self, key: str, duration: float) -> None:
        """Learn that a task with this key took `duration` seconds, be it completed or failed.

        Args:
            key: identifies tasks with the same latency, such as the model id.
            duration: seconds. A negative value, from clocks that disagree, counts as 0.

        Raises:
            ValueError: `duration` is not a finite number.
        """
        duration = _seconds("duration", duration)
        self._known(key).ages.ended(duration)

    def urgency(self, key: str, looked_at: float, elapsed: float) -> float:
        """Return the expected seconds for which a task has been finished but unseen. The function `urgency` uses it.

        This is the expected lag so far, so a query is worth it when the urgency exceeds `poll_cost`. Nothing is learned
        from the call.

        Args:
            key: identifies tasks with the same latency, such as the model id.
            looked_at: seconds from the create request to the last query that found the task running; 0 without one.
            elapsed: seconds since the create request.

        Raises:
            ValueError: a number is not finite.
        """
        looked_at = _seconds("looked_at", looked_at)
        elapsed = _seconds("elapsed", elapsed)
        return self._known(key).schedule.lag(looked_at, elapsed)

    def revised(self, key: str, looked_at: float) -> float:
        """Return the seconds from the create request to the next query, by what is known now. Nothing is learned.

        Args:
            key: identifies tasks with the same latency, such as the model id.
            looked_at: seconds from the create request to the last query that found the task running; 0 without one.

        Raises:
            ValueError: `looked_at` is not a finite number.
        """
        looked_at = _seconds("looked_at", looked_at)
        known = self._known(key)
        if known.stale:
            known.plan()
        return looked_at + min(max(known.schedule.delay(looked_at), _SHORTEST), _LONGEST)

    def typical(self, key: str) -> float | None:
        """Return the median duration of tasks with this key in seconds; ``None`` before the first has ended."""
        known = self._keys.get(key)
        return None if known is None or not known.ages.completions else known.half_over()

    def longest(self, key: str) -> float:
        """Return the seconds after which 99 in 100 tasks with this key have ended; from the prior before any has."""
        return self._known(key).all_but_over()


class _Known:
    """What is known about one key, and the resulting schedule.

    Attributes:
        ages: the observations.
        schedule: when to query.
    """

    __slots__ = ("_ends_enough", "_guesses", "_looks_enough", "_median", "_poll_cost", "_shape", "ages", "schedule")

    schedule: Schedule

    def __init__(self, median: float, p90: float, poll_cost: float) -> None:
        self._poll_cost = poll_cost
        # The 90th percentile of a log-logistic distribution is (9 ** (1 / shape)) medians.
        shape = math.log(9.0) / math.log(p90 / median)
        self._median, self._shape = median, shape
        self._guesses = LatencyPrior(position(median) / _COARSE, shape, FINENESS / _COARSE, BINS // _COARSE)
        self.ages = SurvivalCounts()
        self.plan()

    def half_over(self) -> float:
        """Return the seconds after which half of the tasks have ended."""
        if not self.ages.completions:
            return self._median
        if self.stale:
            self.plan()
        return self.schedule.quantile(0.5)

    def all_but_over(self) -> float:
        """Return the seconds after which 99 in 100 tasks have ended: the maximum of the observed and the prior's shape.

        The full prior is not used: it allows for far slower models, and would make one wait for an hour.
        """
        by_shape: float = self.half_over() * 99.0 ** (1.0 / self._shape)
        if not self.ages.completions:
            return by_shape
        hardly_any = [_HARDLY * (1.0 - i / BINS) for i in range(BINS + 1)]
        survival = self.ages.survival(hardly_any)
        return max(by_shape, next((edge for edge, left in zip(EDGES, survival, strict=True) if left <= 0.01), 0.0))

    @property
    def stale(self) -> bool:
        """Whether enough was learned to recompute the schedule."""
        ages = self.ages
        return ages.completions >= self._ends_enough or ages.queries >= self._looks_enough

    def plan(self) -> None:
        """Compute the schedule from all that is known."""
        ages = self.ages
        # Counted apart: after ten thousand queries in vain, the first completion changes everything all the same.
        self._ends_enough = _grown(ages.completions)
        self._looks_enough = _LOOKS_A_COMPLETION * _grown(ages.queries / _LOOKS_A_COMPLETION)
        guessed = self._guesses.survival(*ages.coarse(_COARSE))
        imagined = [
            _IMAGINED * (before + (after - before) * part / _COARSE)
            for before, after in pairwise(guessed)
            for part in range(_COARSE)
        ]
        imagined.append(_IMAGINED * guessed[-1])
        survival = ages.survival(imagined)
        times, gone = smoothed(EDGES, survival, min(float(ages.completions), MEMORY))
        self.schedule = Schedule(times, gone, 2.0, self._poll_cost)

    def next_delay(self, elapsed: float) -> float:
        """Return the seconds until the next query of a running task."""
        soonest = elapsed + _SHORTEST  # a rounding error before a planned query is not a pause
        if soonest < EARLY_LOOKS[-1] and not self.ages.completions:
            delay = next(look for look in EARLY_LOOKS if look > soonest) - elapsed
        else:
            delay = min(max(self.schedule.delay(elapsed), _SHORTEST), _LONGEST)
        self.ages.alive(elapsed, elapsed + delay)
        return delay


def _grown(learned: float) -> float:
    return learned + min(max(learned / 8.0, 1.0), _MOST_NEW)


def _seconds(name: str, value: float) -> float:
    if not -math.inf < value < math.inf:
        raise ValueError(f"{name} is a finite number of seconds, not {value!r}")
    return min(max(0.0, value), _AGELESS)


def _checked(name: str, prior: tuple[float, float]) -> tuple[float, float]:
    try:
        median, p90 = (number(name, each) for each in prior)
    except (TypeError, ValueError):
        median = p90 = math.nan
    if not 0.0 < median < p90 < math.inf:
        raise ValueError(
            f"{name} is the median and the 90th percentile of durations in seconds, as in (48.0, 83.0): not {prior!r}"
        )
    return median, p90


def prepare() -> None:
    """Compute the tables that all keys share."""
    AdaptivePacing().next_delay("", 0.0)
