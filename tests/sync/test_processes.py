"""The mirror where legacy code runs: each case of `cases.py` in processes of its own, five of each.

Two on the other Pythons: `nox -s mirror` runs a hundred of each on each.
"""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.proofs.mirror import names, run, vendor

ALWAYS, ONCE = 2, 3


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with vendor() as url:
        yield url


@pytest.fixture(scope="module")
def side_by_side() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(ONCE) as executor:
        yield executor


def test_the_cases_are_found() -> None:
    assert len(names()) >= 24
    assert {"script", "many_threads", "used_after_a_fork", "interrupt_in_wait", "inside_a_running_loop"} <= {*names()}


@pytest.mark.skipif(sys.platform == "win32", reason="signals and forks")
@pytest.mark.parametrize("case", names())
@pytest.mark.parametrize("times", [ALWAYS, pytest.param(ONCE, marks=pytest.mark.once)])
def test_a_case_is_right_every_time(case: str, times: int, base_url: str, side_by_side: ThreadPoolExecutor) -> None:
    results = list(side_by_side.map(run, [case] * times, [base_url] * times))
    assert [result.trouble for result in results] == [""] * times
