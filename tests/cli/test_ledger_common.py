"""``apimodels ledger`` on a PostgreSQL database that many hosts share."""

import json
from typing import Any

import pytest

pytest.importorskip("psycopg")

from apimodels_async.ledger import PostgresLedger, Step
from apimodels_async.ledger.port import Change
from apimodels_async.models import Task

pytestmark = pytest.mark.postgres

REQUESTS = "a fox\nan owl\na fox\n"


def test_requests_are_loaded_shown_resolved_and_exported(apimodels: Any, postgres: str) -> None:
    (apimodels.folder / "requests.txt").write_text(REQUESTS)
    settings = {"APIMODELS_LEDGER": postgres}
    loaded = apimodels("ledger", "load", "requests.txt", "--budget", "5", "--create-rate", "2", settings=settings)
    assert loaded.returncode == 0, loaded.stderr
    assert "3 of 3 requests are new" in loaded.stderr + loaded.stdout
    again = apimodels("ledger", "load", "requests.txt", settings=settings)
    assert "0 of 3 requests are new" in again.stderr + again.stdout
    with PostgresLedger(postgres) as ledger:
        key, *_ = ledger.steps()
        ledger.apply([
            Change(key, Step.SENDING, attempt=1),
            Change(key, Step.UNKNOWN, error="?", attempt=1),
        ])  # fmt: skip

    shown = apimodels("ledger", "show", settings=settings)
    assert shown.returncode == 0
    assert "US$ 0.03 of US$ 5.00" in shown.stdout
    assert key in shown.stdout
    resolved = apimodels("ledger", "resolve", postgres, key, "resubmit")
    assert resolved.returncode == 0, resolved.stderr
    with PostgresLedger(postgres) as ledger:
        ledger.apply([Change(key, Step.CREATED, task=Task(id="late", state=""), attempt=1)])
    view = json.loads(apimodels("ledger", "show", postgres, "--json").stdout)
    assert (view["budget"], view["used"], view["create_rate"]) == (5.0, 0.0, 2.0)
    assert view["strays"] == [{"key": key, "task_id": "late"}]
    assert view["shards"] == {"all": 1, "finished": 0, "held": 0}
    exported = apimodels("ledger", "export", settings=settings).stdout.splitlines()
    assert [json.loads(line)["prompt"] for line in exported] == ["a fox", "an owl", "a fox"]
    assert apimodels("ledger", "accept-failover", postgres).returncode == 0


def test_what_is_no_shared_ledger_is_refused(apimodels: Any, postgres: str) -> None:
    (apimodels.folder / "requests.txt").write_text(REQUESTS)
    for command in (
        ("show", postgres), ("show", "mysql://here/db"), ("accept-failover", "run.db"), ("load", "requests.txt"),
        ("load", "requests.txt", "--ledger", "run.db"),
        ("load", "requests.txt", "--ledger", postgres, "--budget", "-1"),
    ):  # fmt: skip
        refused = apimodels("ledger", *command)
        assert refused.returncode != 0, command
        assert "Traceback" not in refused.stderr
    assert sorted(path.name for path in apimodels.folder.iterdir() if path.suffix == ".db") == []
