"""How long the gateway's tasks take: a log-normal distribution, given by its median and its 90th percentile."""

import math
from random import Random
from typing import Self

from attrs import field, frozen

from apimodels_async._arguments import check_type
from apimodels_async._reprs import safe_repr

__all__ = ["DEFAULT_LATENCY", "Latency"]

_Z90 = 1.2815515655446004
"""Nine in ten draws of the standard normal distribution lie below this."""


def _seconds(_: object, attribute: object, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"latency {value!r}: give seconds, 0 or more")


@frozen
class Latency:
    """The spread of the time from a task's creation to its end.

    Attributes:
        median: half of the tasks are done after this many seconds.
        p90: nine in ten are done after this many seconds; the median itself for no spread at all.

    Raises:
        ValueError: negative or infinite figures, or a 90th percentile below the median.
    """

    median: float = field(converter=float, validator=_seconds)
    p90: float = field(converter=float, validator=_seconds)

    __repr__ = safe_repr

    def __attrs_post_init__(self) -> None:
        """Refuse what no log-normal distribution can be."""
        if self.p90 < self.median or (self.median == 0 and self.p90 > 0):
            raise ValueError(
                f"latency {self.median:g}/{self.p90:g}: the 90th percentile is at least the median, "
                "and a median of 0 leaves no spread"
            )

    @classmethod
    def of(cls, given: Self | str) -> Self:
        """A latency, or what a text says of one.

        Raises:
            TypeError, ValueError: neither.
        """
        if isinstance(given, str):
            return cls.parse(given)
        check_type(given, cls, "latency", 'give "MEDIAN/P90" in seconds, as "0.6/1.5"')
        return given

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``"MEDIAN/P90"`` in seconds, such as ``"0.6/1.5"``.

        Raises:
            ValueError: the text is something else.
        """
        median, slash, p90 = text.partition("/")
        try:
            figures = float(median), float(p90)
        except ValueError:
            slash = ""
            figures = 0.0, 0.0
        if not slash:
            raise ValueError(f"latency {text!r}: give the median and the 90th percentile in seconds, as 0.6/1.5")
        return cls(*figures)

    def draw(self, rng: Random) -> float:
        """Seconds that one task takes."""
        if self.median == self.p90:
            return self.median
        mean = math.log(self.median)
        return rng.lognormvariate(mean, (math.log(self.p90) - mean) / _Z90)


DEFAULT_LATENCY = Latency(0.6, 1.5)
"""Quick enough for a demonstration, slow enough to see a task being queued and processed."""
