"""The mirror where legacy code runs: each case of `cases.py` in a process of its own.

`nox -s mirror` runs a hundred of each on each Python.
"""

import sys
from collections.abc import Iterator

import pytest

from tests.proofs.mirror import names, run, vendor


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with vendor() as url:
        yield url


def test_the_cases_are_found() -> None:
    assert len(names()) >= 24
    assert {"script", "many_threads", "used_after_a_fork", "interrupt_in_wait", "inside_a_running_loop"} <= {*names()}


@pytest.mark.skipif(sys.platform == "win32", reason="signals and forks")
@pytest.mark.parametrize("case", names())
def test_a_case_is_right(case: str, base_url: str) -> None:
    assert run(case, base_url).trouble == ""
