"""kill -9 at every fail point and at random moments; the rest of the thousand are in `kills.py`."""

import os
from pathlib import Path

import pytest

if os.name != "posix":
    pytest.skip("there is no SIGKILL", allow_module_level=True)

from tests.proofs.kills import kill_many
from tests.proofs.victim import POINTS


@pytest.mark.timeout(120)
def test_two_hundred_kills_pay_once_lose_nothing_and_tear_nothing(tmp_path: Path) -> None:
    figures = kill_many(200, tmp_path, seed=1, seconds=100.0)

    assert not any(figures.faults.values()), figures
    assert figures.kills >= 200
    assert set(figures.by_point) == {*POINTS, "at random"}
    # What nobody can know stays rare: most kills come at another moment than between the mark and the answer.
    assert figures.unknown_accepted + figures.unknown_unsent < figures.requests / 2
