"""A guard around a pacing of the user: its errors and invalid results must not lose a task that is paid for."""

import logging
import math
from collections.abc import Callable
from typing import TypeVar

from apimodels_async import pacing as pacings  # its names are imported when they are used first
from apimodels_async.pacing.protocol import LearningPacing, Pacing

logger: logging.Logger = logging.getLogger("apimodels_async")

T = TypeVar("T")
_SHORTEST = 0.001
"""Seconds: a pacing that returns 0 must not ask without a pause."""
_LONGEST_TOLD = 80
"""Maximum characters of an invalid value in the log."""


def guarded(pacing: Pacing | None) -> Pacing:
    """Return `pacing`, wrapped so that its errors cannot end a wait; the default pacing for ``None``.

    Raises:
        TypeError: `pacing` lacks a method of the protocol.
    """
    if pacing is None:
        return pacings.AdaptivePacing()
    if type(pacing) is pacings.AdaptivePacing or isinstance(pacing, _Guarded):
        return pacing
    for method in ("next_delay", "observe"):
        if not callable(getattr(pacing, method, None)):
            raise TypeError(f"pacing={type(pacing).__name__}: give an object with the methods next_delay and observe")
    return _GuardedLearning(pacing) if isinstance(pacing, LearningPacing) else _Guarded(pacing)


class _Guarded(Pacing):
    """Uses a pacing until it fails for the first time, logs that, and uses the default pacing from then on."""

    def __init__(self, pacing: Pacing) -> None:
        self._pacing = pacing
        self._default: pacings.AdaptivePacing | None = None

    def next_delay(self, key: str, elapsed: float) -> float:
        """Seconds until the next question."""
        return self._ask(
            lambda: max(_SHORTEST, _seconds(self._pacing.next_delay(key, elapsed))),
            lambda default: default.next_delay(key, elapsed),
        )

    def observe(self, key: str, duration: float) -> None:
        """Learn that a task with this key took `duration` seconds."""
        self._ask(lambda: self._pacing.observe(key, duration), lambda default: default.observe(key, duration))

    def _ask(self, own: Callable[[], T], instead: "Callable[[pacings.AdaptivePacing], T]") -> T:
        if self._default is None:
            try:
                return own()
            except KeyboardInterrupt:
                raise
            except BaseException:  # SystemExit too: a plug-in does not end the program it is plugged into
                name = type(self._pacing).__name__
                logger.exception("the pacing %s failed: the default pacing is used in its place from now on", name)
                self._default = pacings.AdaptivePacing()
        return instead(self._default)


class _GuardedLearning(_Guarded, LearningPacing):
    """The same for a pacing that learns."""

    def __init__(self, pacing: LearningPacing) -> None:
        super().__init__(pacing)
        self._learning = pacing

    def urgency(self, key: str, looked_at: float, elapsed: float) -> float:
        """Seconds that a task is expected to have lain finished and unseen."""
        return self._ask(
            lambda: _number(self._learning.urgency(key, looked_at, elapsed)),
            lambda default: default.urgency(key, looked_at, elapsed),
        )

    def revised(self, key: str, looked_at: float) -> float:
        """Seconds from the create to the next look, by what is known now."""
        return self._ask(
            lambda: _seconds(self._learning.revised(key, looked_at)), lambda default: default.revised(key, looked_at)
        )

    def typical(self, key: str) -> float | None:
        """Seconds that half of the tasks take."""

        def own() -> float | None:
            usual = self._learning.typical(key)
            return None if usual is None else _seconds(usual)

        return self._ask(own, lambda default: default.typical(key))

    def longest(self, key: str) -> float:
        """Seconds after which all but one in a hundred tasks have ended."""
        return self._ask(lambda: _seconds(self._learning.longest(key)), lambda default: default.longest(key))


def _number(value: object) -> float:
    """`value`, if it is a real number.

    Raises:
        ValueError: it is not.
    """
    try:
        number = math.nan if isinstance(value, str | bytes) else float(value)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"a pacing returns a finite number, not {repr(value)[:_LONGEST_TOLD]}")
    return number


def _seconds(value: object) -> float:
    """`value`, if it is a number of seconds from 0.

    Raises:
        ValueError: it is not.
    """
    number = _number(value)
    if number < 0.0:
        raise ValueError(f"a pacing returns seconds from 0, not {number!r}")
    return number
