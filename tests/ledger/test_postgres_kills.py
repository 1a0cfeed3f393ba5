"""Workers killed and stopped, the database crashed, its answers lost: no request paid twice, and no task lost."""

import os
from pathlib import Path

import pytest

if os.name != "posix":
    pytest.skip("there is no SIGKILL", allow_module_level=True)

pytest.importorskip("psycopg")

from tests.proofs.shared_kills import PRICE, kill_shared

pytestmark = pytest.mark.postgres


def test_kills_crashes_and_lost_answers_pay_once_and_lose_nothing(tmp_path: Path) -> None:
    account = kill_shared(6, 3, 1, tmp_path, seed=1, requests=120, create_rate=2.0)

    assert (account.paid_twice, account.lost, account.odd) == (0, 0, [])
    assert account.crashes == 3
    assert account.kills + account.stops >= 5
    assert account.swallowed > 0
    used, cost = account.sums
    assert used == cost
    assert account.granted <= 2 * 120 * PRICE * 1e6
    assert account.saved >= 60
