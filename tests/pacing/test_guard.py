"""A pacing of the user's that fails: logged once, and the default pacing takes over."""

import logging
import math
from typing import Any

import pytest

from apimodels_async import pacing
from apimodels_async.pacing import AdaptivePacing, FixedPacing, Pacing
from apimodels_async.pacing.guard import guarded
from apimodels_async.pacing.protocol import LearningPacing, longest, typical, urgency


class Broken(Pacing):
    """Raises or returns what it is given, at one of its methods."""

    def __init__(self, outcome: object, method: str) -> None:
        self.outcome = outcome
        self.method = method
        self.calls = 0

    def _play(self, method: str, well: float | None) -> Any:
        if method != self.method:
            return well
        self.calls += 1
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome

    def next_delay(self, key: str, elapsed: float) -> float:
        return float(self._play("next_delay", 1.0)) if self.method != "next_delay" else self._play("next_delay", None)

    def observe(self, key: str, duration: float) -> None:
        self._play("observe", None)


class BrokenLearner(Broken, LearningPacing):
    def urgency(self, key: str, looked_at: float, elapsed: float) -> float:
        result: float = self._play("urgency", 0.5)
        return result

    def revised(self, key: str, looked_at: float) -> float:
        result: float = self._play("revised", 9.0)
        return result

    def typical(self, key: str) -> float | None:
        result: float | None = self._play("typical", None)
        return result

    def longest(self, key: str) -> float:
        result: float = self._play("longest", 99.0)
        return result


class OddError(BaseException):
    pass


ODD = [math.nan, math.inf, -1.0, None, "3", b"3", object(), 10**400]
RAISED = [ZeroDivisionError("no"), SystemExit(1), OddError("odd"), RecursionError()]


@pytest.mark.parametrize("outcome", [*ODD, *RAISED], ids=lambda outcome: repr(outcome)[:20])
def test_a_delay_that_is_none_is_logged_once_and_the_default_pacing_takes_over(
    outcome: object, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Broken(outcome, "next_delay")
    guard = guarded(broken)
    delays = [guard.next_delay("m", elapsed) for elapsed in (0.0, 0.5, 1.0)]

    assert delays == [0.5, 0.5, 1.0]
    assert broken.calls == 1
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "the pacing Broken failed" in caplog.text


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_an_observe_that_raises_is_logged_once_and_the_default_pacing_learns(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    guard = guarded(Broken(error, "observe"))
    for _ in range(20):
        guard.observe("m", 30.0)

    assert len(caplog.records) == 1
    assert guard.next_delay("m", 0.0) > 8.0  # it knows that no task is quick


@pytest.mark.parametrize("method", ["urgency", "revised", "longest"])
def test_what_a_learning_pacing_returns_is_checked_as_well(method: str, caplog: pytest.LogCaptureFixture) -> None:
    guard = guarded(BrokenLearner(None, method))
    assert isinstance(guard, LearningPacing)
    answers = {
        "urgency": lambda: guard.urgency("m", 1.0, 2.0),
        "revised": lambda: guard.revised("m", 1.0),
        "longest": lambda: guard.longest("m"),
    }

    assert answers[method]() >= 0.0
    assert len(caplog.records) == 1


def test_ctrl_c_in_a_pacing_is_let_through() -> None:
    with pytest.raises(KeyboardInterrupt):
        guarded(Broken(KeyboardInterrupt(), "next_delay")).next_delay("m", 0.0)


def test_a_pacing_that_works_is_asked_and_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    guard = guarded(FixedPacing(3.0))
    guard.observe("m", 1.0)

    assert [guard.next_delay("m", elapsed) for elapsed in (0.0, 3.0)] == [3.0, 3.0]
    assert guarded(guard) is guard
    assert caplog.records == []


def test_a_delay_of_nothing_is_a_little_longer() -> None:
    assert guarded(Broken(0, "next_delay")).next_delay("m", 0.0) == 0.001


def test_the_default_pacing_learns_and_is_not_wrapped() -> None:
    own = AdaptivePacing()

    assert guarded(own) is own
    assert type(guarded(None)) is AdaptivePacing


@pytest.mark.parametrize("wrong", [3, "fast", object()])
def test_what_is_no_pacing_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="give an object with the methods next_delay and observe"):
        guarded(wrong)


@pytest.mark.parametrize("learner", [AdaptivePacing(), guarded(BrokenLearner(None, ""))], ids=["own", "guarded"])
def test_only_a_pacing_with_all_the_methods_of_learning_is_asked_for_them(learner: LearningPacing) -> None:
    assert isinstance(learner, LearningPacing)
    assert longest(learner, "m") == learner.longest("m")
    assert typical(FixedPacing(), "m") is None
    assert not isinstance(guarded(FixedPacing()), LearningPacing)
    assert urgency(FixedPacing(2.0), "m", 0.0, 2.0) == pytest.approx(0.1)


def test_the_front_of_the_package_imports_what_is_asked_for() -> None:
    assert {name for name in pacing.__all__ if getattr(pacing, name, None) is None} == set()
    with pytest.raises(AttributeError, match="no attribute 'GuessedPacing'"):
        pacing.GuessedPacing  # noqa: B018
