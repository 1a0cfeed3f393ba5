"""The pictures' size follows from the request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimodels_async.gateway.sizes import LARGEST, SMALLEST, Size, check_ratio, final_size

SIDES = st.integers(1, 9000)


@pytest.mark.parametrize(
    ("size", "ratio", "longer", "picture", "expected"),
    [
        (None, None, None, None, (1024, 1024)),
        ((640, 480), (16, 9), 4096, (10, 10), (640, 480)),
        (None, (16, 9), None, None, (1024, 576)),
        (None, (9, 16), 2048, None, (1152, 2048)),
        (None, None, 4096, None, (4096, 4096)),
        (None, None, None, (300, 200), (300, 200)),
        (None, None, 2048, (300, 200), (2048, 1365)),
        (None, (1, 1), None, (300, 200), (1024, 1024)),
        (None, None, None, (8192, 4096), (4096, 2048)),
        (None, None, None, (4000, 2), (4000, 16)),
    ],
)
def test_size_wins_over_ratio_and_resolution_and_those_over_the_picture(
    size: Size | None, ratio: Size | None, longer: int | None, picture: Size | None, expected: Size
) -> None:
    assert final_size(size, ratio, longer, picture) == expected


@given(
    st.none() | st.tuples(st.integers(1, 64), st.integers(1, 64)),
    st.sampled_from([None, 1024, 2048, 4096]),
    st.none() | st.tuples(SIDES, SIDES),
)
def test_every_side_is_in_range_whatever_is_asked(ratio: Size | None, longer: int | None, picture: Size | None) -> None:
    assert all(SMALLEST <= side <= LARGEST for side in final_size(None, ratio, longer, picture))


@given(st.integers(1, 64))
def test_a_ratio_is_kept(width: int) -> None:
    across, down = final_size(None, check_ratio(f"{width}:1"), None, None)
    assert across == 1024
    assert down == round(1024 / width)
