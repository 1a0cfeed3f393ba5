"""The balance follows the clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimodels_async.catalogue import find
from apimodels_async.gateway.account import PRICE_OF_THE_UNPRICED, Account, dollars, price_of

TASKS = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 1000), st.booleans()), max_size=30)


@given(TASKS, st.lists(st.integers(0, 100), min_size=1))
def test_completed_tasks_are_paid_failed_ones_are_not_and_those_in_flight_hold_their_price(
    tasks: list[tuple[int, int, bool]], times: list[int]
) -> None:
    account = Account(50_000)
    for ended, price, billed in tasks:
        account.add(ended=ended, price=price, billed=billed)
    for now in sorted(times):
        paid = sum(price for ended, price, billed in tasks if billed and ended <= now)
        held = sum(price for ended, price, _ in tasks if ended > now)
        assert account.balance(now) == 50_000 - paid
        assert account.available(now) == 50_000 - paid - held


@pytest.mark.parametrize(
    ("model", "size", "n", "price"),
    [
        ("grok-image/grok-4.2-image", (1024, 1024), 1, 0.03),
        ("grok-4.2-image", (4096, 4096), 3, 0.09),
        ("gpt-image-2-lite", (1024, 1536), 1, 0.008),
        ("gpt-image-2-lite", (1600, 1600), 1, 0.015),
        ("gpt-image-2-lite", (16, 2048), 1, 0.015),
        ("gpt-image-2-lite", (2560, 1440), 1, 0.025),
        ("gpt-image-2-lite", (3840, 2160), 1, 0.025),
        ("gpt-image-2-lite", (4096, 16), 10, 0.25),
        ("grok-imagine-image-pro", (2048, 2048), 1, 0.12),
        ("grok-imagine-image-pro", (4096, 4096), 1, 0.12),
        ("gpt-image-2-all", (1024, 1024), 2, 0.05),
        ("gpt-image-2", (1024, 1024), 1, PRICE_OF_THE_UNPRICED),
    ],
)
def test_a_price_is_the_catalogues_for_the_size_times_n(
    model: str, size: tuple[int, int], n: int, price: float
) -> None:
    listed = find(model)
    assert listed is not None
    assert dollars(price_of(listed, size, n)) == pytest.approx(price)
