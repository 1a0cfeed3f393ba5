"""How the command line words what the SDK says."""

import json
import os
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from apimodels_async._json_values import json_bytes
from apimodels_async.cli.batch.progress import BatchProgress
from apimodels_async.cli.batch.results import sweep
from apimodels_async.gateway import LocalGateway
from apimodels_async.models import BatchStats
from tests.cli.conftest import at
from tests.proofs.paid_server import PaidServer

KEY = {"APIMODELS_API_KEY": "sk_test"}


def test_a_wrong_address_names_the_option(apimodels: Any, gateway: LocalGateway) -> None:
    settings = {**at(gateway), "APIMODELS_BASE_URL": gateway.base_url.removesuffix("/api/v1")}

    done = apimodels("balance", settings=settings)

    assert done.returncode == 3, done.stderr
    assert "check --base-url or APIMODELS_BASE_URL" in done.stderr
    assert "base_url" not in done.stderr


@pytest.mark.parametrize("command", ["generate", "create"])
def test_a_hyphen_for_the_prompt_is_stdin(apimodels: Any, command: str) -> None:
    with PaidServer() as server:
        settings = {**KEY, "APIMODELS_BASE_URL": server.base_url}
        process = apimodels.start(command, "-", settings=settings, stdin=PIPE)
        out, err = process.communicate("A cat\n", timeout=60)
        assert process.returncode == 0, err
        assert [each.prompt for each in server.accepted("")] == ["A cat"]

        process = apimodels.start(command, "-", settings=settings, stdin=PIPE)
        out, err = process.communicate("\n", timeout=60)
        assert (process.returncode, out) == (2, "")
        assert "PROMPT is empty" in err
        assert len(server.accepted("")) == 1


def test_a_request_of_a_batch_has_one_number_that_of_its_line(apimodels: Any) -> None:
    (apimodels.folder / "p.txt").write_text("\n\na\nb\nc\n")
    with LocalGateway(latency="0/0", balance=0.03) as gateway:
        done = apimodels("batch", "p.txt", "-o", "out", "--max-in-flight", "1", settings=at(gateway))

    assert done.returncode == 6, done.stderr
    assert "NotSubmittedError, the first for line 5: not sent: " in done.stderr


def test_what_is_paid_and_not_saved_yet_is_on_the_screen() -> None:
    stats = BatchStats(read=30, submitted=24, completed=23, in_flight=1, saving=23, spent=0.87)
    assert "saving 23" in BatchProgress(30, lambda: stats).figures().plain
    assert "saving" not in BatchProgress(30, lambda: BatchStats(in_flight=1)).figures().plain


def test_a_line_of_results_is_one_line_whatever_splits_lines() -> None:
    row = {"prompt": "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\rh\ni"}
    text = json_bytes(row).decode()
    assert len(text.splitlines()) == 1
    assert json.loads(text) == row


def test_lines_of_a_killed_run_are_kept_under_a_number(tmp_path: Path) -> None:
    dead = next(pid for pid in range(4_000_000, 1 << 22) if not Path(f"/proc/{pid}").exists())
    kept, empty = tmp_path / f"results.jsonl.{dead}-00000001.part", tmp_path / f"results.jsonl.{dead}-00000002.part"
    alive = tmp_path / f"results.jsonl.{os.getpid()}-00000003.part"
    kept.write_text('{"task_id": "a"}\n')
    empty.write_text("")
    alive.write_text('{"task_id": "b"}\n')

    sweep(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([alive.name, "results.1.jsonl"])
    assert (tmp_path / "results.1.jsonl").read_text() == '{"task_id": "a"}\n'


def test_help_keeps_its_lists_and_samples_as_they_were_written(apimodels: Any) -> None:
    decisions = [
        line.split()[0] for line in apimodels("ledger", "resolve", "--help").stdout.splitlines() if line.split()
    ]
    assert {"TASK_ID", "resubmit", "abandon", "undo"} <= set(decisions)
    assert (
        '    apimodels generate "A cute cat wearing a space helmet" --local' in apimodels("--help").stdout.splitlines()
    )
