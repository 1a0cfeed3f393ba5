"""The command whose scheduler goes away: it ends with words, and says what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from apimodels_async.gateway import LocalGateway
from apimodels_async.ledger import PostgresLedger, Step
from tests.shards.conftest import MODEL, requests
from tests.support.dask_cluster import DaskCluster, wait_until

pytest.importorskip("distributed")
pytestmark = [pytest.mark.postgres, pytest.mark.dask]


def test_a_scheduler_that_is_killed_is_an_error_in_words(postgres: str, tmp_path: Path) -> None:
    with LocalGateway(latency="0/0", balance=10.0) as gateway, PostgresLedger(postgres) as ledger:
        ledger.load(requests(200), model=MODEL)
        ledger.set_terms(create_rate=2.0)
        worker = {
            "APIMODELS_API_KEY": gateway.api_key,
            "APIMODELS_BASE_URL": gateway.base_url,
            "APIMODELS_LEDGER": postgres,
        }
        with DaskCluster(worker, threads=1) as cluster:
            cluster.start_worker()
            command = [sys.executable, "-m", "apimodels_async.cli", "batch", "-o", str(tmp_path)]
            driver = subprocess.Popen(
                [*command, "--ledger", postgres, "--scheduler", cluster.address],
                env={name: value for name, value in os.environ.items() if not name.startswith("APIMODELS_")},
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            with driver:
                try:
                    wait_until(lambda: ledger.counts()[Step.INTENT] < 200, what="sending")
                    cluster.end_scheduler()
                    _, said = driver.communicate(timeout=90)
                finally:
                    driver.kill()
    assert driver.returncode == 1
    assert said.splitlines() == [
        "apimodels: the scheduler is gone, or has lost the shards: run this again; what was sent is in the ledger"
    ]
