"""Power cuts on a disk that drops and tears what was not synced; five hundred are in `power_cuts.py`."""

from pathlib import Path

import pytest

pytest.importorskip("apsw")

from tests.proofs.power_cuts import cut_often


def test_sixty_power_cuts_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    acknowledged, lost, _, damaged = cut_often(tmp_path, 60, full=True)

    assert acknowledged > 600
    assert (lost, damaged) == (0, 0)


def test_the_control_which_does_not_sync_loses_some(tmp_path: Path) -> None:
    _, lost, cuts, _ = cut_often(tmp_path, 60, full=False)

    assert lost > 0
    assert cuts > 5
