from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimodels_async.pacing import BackoffPacing, FixedPacing, Pacing

POSITIVE = st.floats(0.001, 1000)


def asked_at(pacing: Pacing, times: int) -> list[float]:
    """Seconds after the create at which the first questions are asked."""
    elapsed = 0.0
    moments: list[float] = []
    for _ in range(times):
        elapsed += pacing.next_delay("model", elapsed)
        moments.append(elapsed)
    return moments


def test_backoff_asks_after_half_a_second_one_two_four_and_eight_then_every_five() -> None:
    assert asked_at(BackoffPacing(), 8) == [0.5, 1, 2, 4, 8, 13, 18, 23]


def test_backoff_keeps_to_the_figures_it_is_given() -> None:
    assert asked_at(BackoffPacing(first=1, factor=3, cap=10), 5) == [1, 3, 9, 19, 29]
    assert asked_at(BackoffPacing(first=4, factor=2, cap=1), 3) == [1, 2, 3]


def test_a_wait_that_is_taken_up_late_does_not_start_over() -> None:
    assert BackoffPacing().next_delay("model", 3) == 3
    assert BackoffPacing().next_delay("model", 3600) == 5


def test_fixed_asks_at_every_interval() -> None:
    assert asked_at(FixedPacing(), 3) == [3, 6, 9]
    assert asked_at(FixedPacing(0.25), 3) == [0.25, 0.5, 0.75]


@given(POSITIVE, st.floats(1.001, 100), POSITIVE, st.floats(0, 1e6))
def test_every_delay_is_positive_and_no_longer_than_the_cap(
    first: float, factor: float, cap: float, elapsed: float
) -> None:
    delay = BackoffPacing(first, factor, cap).next_delay("model", elapsed)

    assert 0 < delay <= cap
    assert delay >= min(first, cap)


@given(POSITIVE, st.floats(1.001, 100), POSITIVE)
def test_backoff_never_grows_impatient(first: float, factor: float, cap: float) -> None:
    pacing = BackoffPacing(first, factor, cap)
    delays = [pacing.next_delay("model", elapsed) for elapsed in asked_at(pacing, 20)]

    assert all(earlier <= later for earlier, later in pairwise(delays))


@pytest.mark.parametrize("pacing", [FixedPacing(2), BackoffPacing()])
def test_what_learns_nothing_stays_as_it_was(pacing: FixedPacing | BackoffPacing) -> None:
    before = asked_at(pacing, 5)

    pacing.observe("model", 47.0)

    assert asked_at(pacing, 5) == before


@pytest.mark.parametrize("number", [0, -1, float("nan")])
def test_a_time_that_is_not_positive_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="interval"):
        FixedPacing(number)
    with pytest.raises(ValueError, match="first"):
        BackoffPacing(first=number)
    with pytest.raises(ValueError, match="cap"):
        BackoffPacing(cap=number)


@pytest.mark.parametrize("factor", [1, 0.5, 0, -2, float("nan")])
def test_a_factor_that_does_not_back_off_is_refused(factor: float) -> None:
    with pytest.raises(ValueError, match="factor"):
        BackoffPacing(factor=factor)
