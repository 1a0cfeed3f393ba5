"""A duration is drawn from the asked spread."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimodels_async.gateway import DEFAULT_LATENCY, Latency

MEDIANS = st.floats(0.001, 1000)
SPREADS = st.floats(1, 20)
SEEDS = st.integers(0, 2**32)


@given(MEDIANS, SPREADS, SEEDS)
def test_half_of_the_draws_are_below_the_median_and_nine_in_ten_below_the_p90(
    median: float, spread: float, seed: int
) -> None:
    latency = Latency(median, median * spread * 1.01)
    rng = random.Random(seed)
    draws = [latency.draw(rng) for _ in range(1000)]
    # 5 standard deviations of a count of 1000.
    assert abs(sum(draw <= latency.median for draw in draws) - 500) < 80
    assert abs(sum(draw <= latency.p90 for draw in draws) - 900) < 48


@given(st.floats(0, 1000), SEEDS)
def test_without_a_spread_every_draw_is_the_median(median: float, seed: int) -> None:
    assert Latency(median, median).draw(random.Random(seed)) == median


def test_it_is_read_from_text() -> None:
    assert Latency.parse("0.6/1.5") == Latency(0.6, 1.5) == DEFAULT_LATENCY
    assert Latency.parse("48/83") == Latency(48, 83)


@pytest.mark.parametrize("text", ["", "1", "1/", "/1", "1/x", "x/1", "1/2/3", "2/1", "-1/1", "0/1", "nan/1", "1/inf"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="latency"):
        Latency.parse(text)
