"""Commands whose pictures go into a store: the notes stay in the current folder."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from apimodels_async.gateway import LocalGateway
from tests.cli.conftest import at
from tests.cli.test_batch import prompts, write
from tests.cli.test_keeping import balance, ledgers
from tests.support.stores import names_at


def test_a_batch_puts_its_pictures_there_and_the_same_command_again_buys_nothing(apimodels: Any, s3: str) -> None:
    file = write(apimodels, "p.txt", prompts(3))
    with LocalGateway(latency="0/0", balance=1.0) as gateway:
        first = apimodels("batch", file, "-o", f"{s3}/out", settings=at(gateway))
        left = balance(apimodels, at(gateway))
        again = apimodels("batch", file, "-o", f"{s3}/out", settings=at(gateway))

        assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
        assert balance(apimodels, at(gateway)) == left == pytest.approx(0.91)
    urls = sorted(first.stdout.split())
    assert urls == sorted(again.stdout.split())
    assert [url.startswith(f"{s3}/out/") for url in urls] == [True] * 3
    assert names_at(f"{s3}/out") == [url.rpartition("/")[2] for url in urls]
    rows = [json.loads(line) for line in (apimodels.folder / "results.jsonl").read_text().splitlines()]
    assert sorted(url for row in rows for url in row["files"]) == urls


def test_each_store_has_a_ledger_of_its_own(apimodels: Any, s3: str) -> None:
    file = write(apimodels, "p.txt", prompts(1))
    with LocalGateway(latency="0/0", balance=1.0) as gateway:
        for place in (f"{s3}/one", f"{s3}/two", f"{s3}/two/"):
            done = apimodels("batch", file, "-o", place, settings=at(gateway))
            assert done.returncode == 0, done.stderr
        assert balance(apimodels, at(gateway)) == pytest.approx(0.94)
    assert len(ledgers(apimodels.folder)) == 2


def test_a_single_picture_and_a_wait_go_there_too(apimodels: Any, s3: str) -> None:
    with LocalGateway(latency="0/0", balance=1.0) as gateway:
        made = apimodels("generate", "a fox", "-o", s3, settings=at(gateway))
        assert made.returncode == 0, made.stderr
        note, end = map(json.loads, (apimodels.folder / ".apimodels" / "tasks.jsonl").read_text().splitlines())
        waited = apimodels("wait", note["task_id"], "-o", f"{s3}/again", settings=at(gateway))
    assert [made.stdout.strip()] == end["files"] == [f"{s3}/{note['task_id']}-0.png"]
    assert waited.stdout.strip() == f"{s3}/again/{note['task_id']}-0.png"
    assert names_at(s3) == [f"{note['task_id']}-0.png"] * 2


def test_a_file_in_a_store_may_be_named_and_is_never_replaced(apimodels: Any, s3: str) -> None:
    with LocalGateway(latency="0/0", balance=1.0) as gateway:
        made = [apimodels("generate", "a fox", "-o", f"{s3}/fox.png", settings=at(gateway)) for _ in range(2)]

        assert [each.stdout.strip() for each in made] == [f"{s3}/fox.png", f"{s3}/fox-2.png"], made[1].stderr
    assert names_at(s3) == ["fox-2.png", "fox.png"]


def test_names_in_a_store_sort_as_the_lines_do(apimodels: Any, s3: str) -> None:
    file = write(apimodels, "p.txt", prompts(2))
    with LocalGateway(latency="0/0", balance=1.0) as gateway:
        done = apimodels("batch", file, "-o", s3, "--name", "{line}", "--sidecar", settings=at(gateway))

        assert done.returncode == 0, done.stderr
    assert names_at(s3) == ["0001.json", "0001.png", "0002.json", "0002.png"]


def test_a_page_needs_a_folder(apimodels: Any, s3: str) -> None:
    file = write(apimodels, "p.txt", prompts(1))
    with LocalGateway(latency="0/0", balance=1.0) as gateway:
        done = apimodels("batch", file, "-o", s3, "--page", settings=at(gateway))

        assert (done.returncode, done.stdout) == (2, "")
        assert "--page: it shows the pictures of a folder, and these go into a store" in done.stderr
        assert balance(apimodels, at(gateway)) == 1.0


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("{s3}-missing/out", "does not exist"),
        ("https://example.com/out", "--output https://example.com/out: nothing can be saved"),
        ("no-such-protocol://x", "no-such-protocol"),
    ],
)
def test_a_place_that_cannot_be_written_is_a_bad_argument_and_nothing_is_bought(
    apimodels: Any, s3: str, place: str, words: str
) -> None:
    file = write(apimodels, "p.txt", prompts(1))
    with LocalGateway(latency="0/0", balance=1.0) as gateway:
        for command in (["batch", file], ["generate", "a fox"]):
            done = apimodels(*command, "-o", place.format(s3=s3), settings=at(gateway))
            assert done.returncode == 2
            assert words in done.stderr
            assert done.stderr.count("\n") == 1
        assert balance(apimodels, at(gateway)) == 1.0


def test_a_missing_extra_is_named_and_nothing_is_bought(apimodels: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(apimodels, "p.txt", prompts(1))
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with LocalGateway(latency="0/0", balance=1.0) as gateway:
        done = apimodels("batch", file, "-o", "s3://bucket/x", settings=at(gateway))
        assert (done.returncode, done.stdout) == (3, "")
        assert 'pip install "apimodels-async[storage]"' in done.stderr
        assert balance(apimodels, at(gateway)) == 1.0
    assert not (Path(apimodels.folder) / "s3:").exists()
