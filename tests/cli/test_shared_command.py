"""`apimodels batch` on a ledger in PostgreSQL: what it refuses before it connects, and what it shows."""

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from apimodels_async import GenerationRequest, Outcome
from apimodels_async.cli.batch.shards_progress import ShardsProgress
from apimodels_async.shards.report import ShardEnd, ShardReport
from tests.cli.test_batch import write

NOWHERE = "postgresql://127.0.0.1:1/nowhere"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("batch", "p.csv", "--ledger", "{dsn}", "--dry-run"), "--dry-run does not go with a ledger in a database"),
        (("batch", "p.csv", "--ledger", "{dsn}", "--page"), "--page does not go with a ledger in a database"),
        (("batch", "p.csv", "--ledger", "{dsn}", "--name", "{line}"), "--name '{line}': there is no {line}"),
        (
            (
                "batch",
                "p.csv",
                "--ledger",
                "{dsn}",
                "--scheduler",
                "tcp://127.0.0.1:1",
                "--base-url",
                "http://127.0.0.1",
            ),
            "set APIMODELS_BASE_URL where the workers run",
        ),
        (("batch", "p.csv", "--scheduler", "tcp://127.0.0.1:1"), "--scheduler needs --ledger postgresql://"),
        (("batch",), "give FILE, or --ledger postgresql://"),
        (("batch", "p.csv", "--ledger", "."), "--ledger .: is a directory"),
        (
            ("batch", "p.csv", "--ledger", "mysql://db/x"),
            "give the path of a file, or a URL that begins with postgresql",
        ),
    ],
)
def test_what_does_not_fit_is_a_bad_argument(apimodels: Any, arguments: tuple[str, ...], words: str) -> None:
    write(apimodels, "p.csv", "prompt\na fox\n")
    arguments = tuple(NOWHERE if each == "{dsn}" else each for each in arguments)
    done = apimodels(*arguments, settings={"APIMODELS_API_KEY": "sk_x"})
    assert done.returncode in (2, 3)
    assert words in done.stderr


def test_what_is_shown_is_what_the_shards_and_this_process_report() -> None:
    progress = ShardsProgress()
    request = GenerationRequest("a fox")
    progress.came(Outcome(index=0, request=request, files=(Path("a.png"),)))
    progress.came(Outcome(index=1, request=request, error=ValueError("no")))
    progress.hear(ShardReport(0, ShardEnd.FINISHED, {}, pictures=1, seconds=2.0, finished=1, shards=3))
    progress.hear(ShardReport(1, ShardEnd.FINISHED, {}, finished=2, shards=3))
    progress.words = "leaving"
    console = Console(width=120)
    with console.capture() as captured:
        console.print(progress)
    shown = captured.get()
    for words in ("2/3 shards", "1 pictures", "failed 1", "1 shards made elsewhere", "leaving"):
        assert words in shown
