"""Asking when it is worth it, by what has been learned so far."""

import math
from collections.abc import Mapping
from itertools import pairwise

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
"""Seconds from the create to the looks that find out whether a model of which nothing is known is a quick one."""
_SHORTEST, _LONGEST = 0.02, 3600.0
"""Seconds: no pause is shorter, none longer."""
_AGELESS = 1e12
"""Seconds: what is older is taken to be this old, so that no sum overflows."""
_KEYS = 64
_COARSE = 4
"""Bins of age in one bin of the guesses."""
_IMAGINED = 4.0
"""As many tasks as the guesses count for."""
_HARDLY = 0.02
"""As many tasks as must be imagined for there to be no division by nothing."""
_LOOKS_A_COMPLETION = 64.0
"""Looks that found a task running tell about as much as one completion."""
_MOST_NEW = 64.0
"""Completions after which the schedule is made anew at the latest; as long as there are few, after an eighth more."""


class AdaptivePacing(LearningPacing):
    """Ask when asking is worth it: what is expected to be lost by waiting any longer has grown to `poll_cost`.

    The schedule minimises the expected lag plus `poll_cost` times the number of questions, for what is known about how
    long tasks with a key take: at first what is published, soon what was seen. It knows from each look that found a
    task running, as well as from each exact duration, so the quick ones that finish first do not mislead it. It forgets
    in the course of some hundred completions. Until a key has its first completion, a task is asked about 0.5, 1, 2, 4
    and 8 seconds after its create, in case the model is a quick one, and then by the schedule.

    It remembers 64 keys, at some 100 kB each, and of more the latest. It is not meant to be shared between threads.

    Args:
        poll_cost: the number of seconds of delay that one question is worth.
        prior: seconds: the median and the 90th percentile of durations, before any is known. It may be wrong by far.
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
        if not 0.0 < poll_cost < math.inf:
            raise ValueError(f"poll_cost is the seconds of delay one question is worth, more than 0: not {poll_cost!r}")
        self._poll_cost = float(poll_cost)
        self._prior = _checked("prior", prior)
        self._priors = {key: _checked(f"priors[{key!r}]", value) for key, value in (priors or {}).items()}
        self._keys: dict[str, _Known] = {}

    def __repr__(self) -> str:
        if not hasattr(self, "_priors"):  # its constructor failed, and a traceback shows it
            return object.__repr__(self)
        return f"AdaptivePacing(poll_cost={self._poll_cost!r}, prior={self._prior!r}, priors={self._priors!r})"

    @property
    def poll_cost(self) -> float:
        """The number of seconds of delay that one question is worth."""
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
        """Seconds until the next question, between 0.02 and 3600.

        Call it once for a new task, and once after each look that found it running: each call is learned from. Tasks
        are told apart by when they are due, so ask when it says, or later; now and then earlier does little harm.

        Args:
            key: what shares a latency, such as the model id.
            elapsed: seconds since the create was sent. A negative one, from clocks that disagree, is taken as 0.

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
            key: what shares a latency, such as the model id.
            duration: seconds. A negative one, from clocks that disagree, is taken as 0.

        Raises:
            ValueError: `duration` is not a finite number.
        """
        duration = _seconds("duration", duration)
        self._known(key).ages.ended(duration)

    def urgency(self, key: str, looked_at: float, elapsed: float) -> float:
        """Seconds that a task is expected to have lain finished and unseen: `urgency` says what for.

        This is the expected lag so far, so a question is worth it when the urgency exceeds `poll_cost`. Nothing is
        learned from the call.

        Args:
            key: what shares a latency, such as the model id.
            looked_at: seconds from the create to the last look that found the task running, 0 if there was none.
            elapsed: seconds since the create.

        Raises:
            ValueError: a number is not finite.
        """
        looked_at = _seconds("looked_at", looked_at)
        elapsed = _seconds("elapsed", elapsed)
        return self._known(key).schedule.lag(looked_at, elapsed)

    def revised(self, key: str, looked_at: float) -> float:
        """Seconds from the create to the next look, by what is known now. Nothing is learned from the call.

        Args:
            key: what shares a latency, such as the model id.
            looked_at: seconds from the create to the last look that found the task running, 0 if there was none.

        Raises:
            ValueError: `looked_at` is not a finite number.
        """
        looked_at = _seconds("looked_at", looked_at)
        known = self._known(key)
        if known.stale:
            known.plan()
        return looked_at + min(max(known.schedule.delay(looked_at), _SHORTEST), _LONGEST)

    def typical(self, key: str) -> float | None:
        """Seconds that half of the tasks with this key take; ``None`` before the first has ended."""
        known = self._keys.get(key)
        return None if known is None or not known.ages.completions else known.half_over()

    def longest(self, key: str) -> float:
        """Seconds after which 99 in 100 tasks with this key have ended; by the prior, before any has."""
        return self._known(key).all_but_over()


class _Known:
    """What is known about one key, and the schedule that follows.

    Attributes:
        ages: what was seen.
        schedule: what to do.
    """

    __slots__ = ("_enough", "_guesses", "_median", "_poll_cost", "_shape", "ages", "schedule")

    schedule: Schedule

    def __init__(self, median: float, p90: float, poll_cost: float) -> None:
        self._poll_cost = poll_cost
        # Of a log-logistic, (9 ** (1 / shape)) medians are the 90th percentile.
        shape = math.log(9.0) / math.log(p90 / median)
        self._median, self._shape = median, shape
        self._guesses = LatencyPrior(position(median) / _COARSE, shape, FINENESS / _COARSE, BINS // _COARSE)
        self.ages = SurvivalCounts()
        self.plan()

    def half_over(self) -> float:
        """Seconds after which half of the tasks have ended."""
        if not self.ages.completions:
            return self._median
        if self.stale:
            self.plan()
        return self.schedule.quantile(0.5)

    def all_but_over(self) -> float:
        """Seconds after which 99 in 100 tasks have ended: as was seen, and as the prior's shape has it.

        The guesses are not asked: they hold that all may be longer by far, and would have one wait for an hour.
        """
        by_shape: float = self.half_over() * 99.0 ** (1.0 / self._shape)
        if not self.ages.completions:
            return by_shape
        hardly_any = [_HARDLY * (1.0 - i / BINS) for i in range(BINS + 1)]
        survival = self.ages.survival(hardly_any)
        return max(by_shape, next((edge for edge, left in zip(EDGES, survival, strict=True) if left <= 0.01), 0.0))

    @property
    def stale(self) -> bool:
        """Whether enough was learned to plan anew."""
        return self.ages.completions + self.ages.queries / _LOOKS_A_COMPLETION >= self._enough

    def plan(self) -> None:
        """Make the schedule from all that is known."""
        ages = self.ages
        learned = ages.completions + ages.queries / _LOOKS_A_COMPLETION
        self._enough = learned + min(max(learned / 8.0, 1.0), _MOST_NEW)
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
        """Seconds until the next question; the task is running."""
        soonest = elapsed + _SHORTEST  # a rounding error before a look is not a pause
        if soonest < EARLY_LOOKS[-1] and not self.ages.completions:
            delay = next(look for look in EARLY_LOOKS if look > soonest) - elapsed
        else:
            delay = min(max(self.schedule.delay(elapsed), _SHORTEST), _LONGEST)
        self.ages.alive(elapsed, elapsed + delay)
        return delay


def _seconds(name: str, value: float) -> float:
    if not -math.inf < value < math.inf:
        raise ValueError(f"{name} is a finite number of seconds, not {value!r}")
    return min(max(0.0, value), _AGELESS)


def _checked(name: str, prior: tuple[float, float]) -> tuple[float, float]:
    median, p90 = prior
    if not 0.0 < median < p90 < math.inf:
        raise ValueError(
            f"{name} is the median and the 90th percentile of durations in seconds, as in (48.0, 83.0): not {prior!r}"
        )
    return float(median), float(p90)
