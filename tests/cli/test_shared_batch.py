"""`apimodels batch` on a ledger in PostgreSQL: one of several runs of the same command."""

import json
import re
import signal
from typing import Any

import pytest

from apimodels_async.cli import ledger
from apimodels_async.gateway import LocalGateway
from apimodels_async.ledger import PostgresLedger
from tests.cli.conftest import at
from tests.cli.test_batch import PATIENCE, write
from tests.cli.test_keeping import balance
from tests.support.postgres import PostgresServer, free_port

pytestmark = pytest.mark.postgres


def file_of(apimodels: Any, number: int) -> str:
    lines = "".join(f"a fox {each},64x64\n" for each in range(number))
    name: str = write(apimodels, "p.csv", f"prompt,size\n{lines}")
    return name


def test_the_same_command_twice_at_once_shares_the_work(apimodels: Any, postgres: str) -> None:
    file = file_of(apimodels, 12)
    with LocalGateway(latency="0.1/0.2", balance=1.0) as gateway:
        runs = [
            apimodels.start("batch", file, "-o", f"out{each}", "--ledger", postgres, settings=at(gateway))
            for each in range(2)
        ]
        ended = [(*run.communicate(timeout=3 * PATIENCE), run.returncode) for run in runs]
        left = balance(apimodels, at(gateway))

    assert [code for *_, code in ended] == [0, 0], ended
    assert left == pytest.approx(1.0 - 12 * 0.03)
    assert sum(len(out.split()) for out, *_ in ended) == 12
    for each in range(2):  # every run reports all
        rows = [
            json.loads(line) for line in (apimodels.folder / f"out{each}" / "results.jsonl").read_text().splitlines()
        ]
        assert sorted(row["prompt"] for row in rows) == sorted(f"a fox {number}" for number in range(12))
        assert all(row["state"] == "completed" and row["files"] for row in rows)


def test_a_ledger_that_was_loaded_needs_no_file_and_is_named_by_the_environment(apimodels: Any, postgres: str) -> None:
    file = file_of(apimodels, 3)
    with LocalGateway(latency="0/0", balance=1.0) as gateway:
        settings = {**at(gateway), "APIMODELS_LEDGER": postgres}
        loaded = apimodels("ledger", "load", file, settings=settings)
        made = apimodels("batch", "-o", "out", settings=settings)
        again = apimodels("batch", "-o", "out", settings=settings)

        assert (loaded.returncode, made.returncode, again.returncode) == (0, 0, 0), loaded.stderr + made.stderr
        assert balance(apimodels, at(gateway)) == pytest.approx(0.91)
    assert re.search(r"3 of 3 requests done, about US\$ 0\.09", again.stderr)


def test_a_budget_holds_for_all_runs(apimodels: Any, postgres: str) -> None:
    file = file_of(apimodels, 4)
    with LocalGateway(latency="0/0", balance=1.0) as gateway:
        made = apimodels("batch", file, "--ledger", postgres, "--budget", "0.06", settings=at(gateway))
        assert made.returncode == 17
        assert "2 of 4 requests done, 2 not sent" in made.stderr
        assert balance(apimodels, at(gateway)) == pytest.approx(0.94)


def test_sigterm_lets_the_shards_go_and_the_same_command_goes_on(apimodels: Any, postgres: str) -> None:
    file = file_of(apimodels, 30)
    command = ("batch", file, "-o", "out", "--ledger", postgres, "--max-in-flight", "1")
    with LocalGateway(latency="0.1/0.2", balance=1.0) as gateway:
        run = apimodels.start(*command, settings=at(gateway))
        run.stdout.readline()
        run.send_signal(signal.SIGTERM)
        _, error = run.communicate(timeout=3 * PATIENCE)
        again = apimodels(*command[:-2], settings=at(gateway))

        assert run.returncode == 130
        assert "run the same command again" in error
        assert again.returncode == 0, again.stderr
        assert balance(apimodels, at(gateway)) == pytest.approx(0.1)


def test_pictures_have_the_names_that_were_asked_for_and_keep_them(apimodels: Any, postgres: str) -> None:
    file = file_of(apimodels, 3)
    command = ("batch", file, "-o", "out", "--ledger", postgres, "--name", "{prompt}")
    with LocalGateway(latency="0/0", balance=1.0) as gateway:
        made = apimodels(*command, settings=at(gateway))
        assert made.returncode == 0, made.stderr
        (apimodels.folder / "out" / "a_fox_1.png").unlink()
        again = apimodels("batch", "-o", "out", "--ledger", postgres, settings=at(gateway))

        assert again.returncode == 0, again.stderr
        assert balance(apimodels, at(gateway)) == pytest.approx(0.91)
    exported = apimodels("ledger", "export", postgres)
    rows = [json.loads(line) for line in exported.stdout.splitlines()]
    assert sorted(row["name"] for row in rows) == ["a_fox_0", "a_fox_1", "a_fox_2"]


def test_prices_of_a_file_count_for_the_common_budget(apimodels: Any, postgres: str) -> None:
    file = file_of(apimodels, 3)
    prices = write(apimodels, "prices.toml", '[prices]\n"grok-image/grok-4.2-image" = 0.5\n')
    with LocalGateway(latency="0/0", balance=1.0) as gateway:
        settings = {**at(gateway), "APIMODELS_PRICES": str(apimodels.folder / prices)}
        made = apimodels("batch", file, "--ledger", postgres, "--budget", "1", "--json", settings=settings)

    assert made.returncode == 17
    assert json.loads(made.stderr.splitlines()[-1])["message"].startswith("1 of 3 brought no picture")


def test_a_database_without_requests_is_a_bad_argument_and_is_left_as_it_is(
    apimodels: Any, postgres: str, postgres_server: PostgresServer
) -> None:
    with LocalGateway() as gateway:
        made = apimodels("batch", "-o", "out", "--ledger", postgres, settings=at(gateway))
        assert made.returncode == 16
        assert "there is no ledger in this database" in made.stderr
        assert postgres_server.sql(postgres.rpartition("/")[2], "SELECT to_regnamespace('apimodels')") == [(None,)]

        PostgresLedger(postgres).close()
        made = apimodels("batch", "-o", "out", "--ledger", postgres, settings=at(gateway))
        assert made.returncode == 2
        assert "is empty: give FILE, or load one with `apimodels ledger load`" in made.stderr


def test_a_database_that_is_away_is_said_and_shown_without_its_password(
    apimodels: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = file_of(apimodels, 1)
    away = f"postgresql://user:secret@127.0.0.1:{free_port()}/db"
    batch = apimodels.start("batch", file, "--ledger", away, settings={"APIMODELS_API_KEY": "sk_none"})
    said = batch.stderr.readline()
    batch.kill()

    assert "is away, and is tried again" in said
    monkeypatch.setattr(ledger, "PATIENCE", 0.1)
    shown = apimodels("ledger", "show", away)
    assert shown.returncode == 16
    assert "is away" in shown.stderr
    assert "secret" not in said + shown.stderr


def test_what_is_unknown_is_said_with_what_decides_about_it(apimodels: Any, postgres: str) -> None:
    file = write(apimodels, "p.txt", "guillotine\n")  # a word at which the gateway hangs up
    with LocalGateway(latency="0/0") as gateway:
        made = apimodels("batch", file, "-o", "out", "--ledger", postgres, settings=at(gateway))

    assert made.returncode == 17
    assert "1 is unknown and is not sent again until you decide" in made.stderr
    assert f"apimodels ledger resolve {postgres} KEY resubmit|abandon|TASK_ID" in made.stderr
