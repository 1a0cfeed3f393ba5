"""kill -9 at every fail point and at random moments; a thousand kills are in `kills.py`, run by nox."""

import os
from pathlib import Path

import pytest

if os.name != "posix":
    pytest.skip("there is no SIGKILL", allow_module_level=True)

from tests.proofs.kills import kill_many
from tests.proofs.victim import POINTS


def test_a_kill_at_any_point_pays_once_loses_nothing_and_tears_nothing(tmp_path: Path) -> None:
    figures = kill_many(2 * len(POINTS), tmp_path, seed=1)

    assert not any(figures.faults.values()), figures
    assert figures.kills >= 2 * len(POINTS)
    assert set(figures.by_point) == {*POINTS, "at random"}
    # What cannot be known stays rare: most kills come at another moment than between the mark and the answer.
    assert figures.unknown_accepted + figures.unknown_unsent < figures.requests / 2
