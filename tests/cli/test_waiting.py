"""``apimodels create`` and ``apimodels wait``: submitted now, saved later, one or all that are open."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apimodels_async.gateway import LocalGateway
from apimodels_async.ledger import SqliteLedger, Step
from tests.cli.conftest import PATIENCE, at
from tests.cli.test_batch import names, rows, states, write
from tests.cli.test_keeping import ledgers

SMALL = ("--size", "64x64")


def created(apimodels: Any, settings: Any, *more: str) -> str:
    done = apimodels("create", "a fox", *SMALL, *more, settings=settings)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return str(done.stdout).strip()


def test_create_prints_the_id_and_wait_saves_the_pictures(apimodels: Any, here: Any) -> None:
    ids = [created(apimodels, here) for _ in range(2)]
    view = json.loads(apimodels("create", "a fox", *SMALL, "--json", settings=here).stdout)

    done = apimodels("wait", *ids, view["id"], ids[0], "-o", "out", settings=here)

    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.splitlines()) == sorted(f"out/{each}-0.png" for each in (*ids, view["id"]))


def test_wait_for_several_as_json(apimodels: Any, here: Any) -> None:
    ids = [created(apimodels, here) for _ in range(2)]

    done = apimodels("wait", *ids, "--json", settings=here)

    assert done.stderr == ""
    tasks = json.loads(done.stdout)["tasks"]
    assert sorted(task["id"] for task in tasks) == sorted(ids)
    assert all(task["state"] == "completed" and len(task["files"]) == 1 for task in tasks)


def test_each_that_brings_no_picture_has_its_line(apimodels: Any, here: Any) -> None:
    good = created(apimodels, here)
    bad = apimodels("create", "contraband", settings=here).stdout.strip()

    done = apimodels("wait", good, bad, "no-such-task", settings=here)

    assert done.returncode == 17
    assert done.stdout == f"{good}-0.png\n"
    *lines, last = done.stderr.splitlines()
    assert sorted(line.partition(": ")[0] for line in lines) == sorted([f"task {bad}", "task no-such-task"])
    assert last == "apimodels: 2 of 3 tasks brought no picture"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="about Linux's full device")
def test_a_stdout_that_takes_nothing_is_one_line_and_no_traceback(apimodels: Any, here: Any) -> None:
    ids = [created(apimodels, here) for _ in range(2)]

    with Path("/dev/full").open("w") as full:
        process = apimodels.start("wait", *ids, "-o", "out", settings=here, stdout=full)
        _, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 1
    assert len(err.splitlines()) == 1
    assert "No space left on device" in err
    assert len(names(apimodels.folder / "out")) >= 1


def test_those_that_take_too_long_are_named_with_the_command_for_them(apimodels: Any, slow: Any) -> None:
    ids = [created(apimodels, slow) for _ in range(2)]

    done = apimodels("wait", *ids, "--timeout", "0.1", "-o", "out", settings=slow)

    assert done.returncode == 13
    assert done.stderr.splitlines()[-1] == (
        "apimodels: 2 of 2 tasks brought no picture; 2 tasks are still open and not lost, take them up again with: "
        f"apimodels wait {ids[0]} {ids[1]} -o out"
    )


@pytest.fixture
def pausing() -> Iterator[Any]:
    """The settings for a gateway whose tasks take a few seconds."""
    with LocalGateway(latency="4/4") as gateway:
        yield at(gateway)


class TestFrom:
    """``--from``: one command for all that are open."""

    def left(self, apimodels: Any, settings: Any, *more: str) -> str:
        """A batch that was given up while its tasks were under way."""
        file = write(apimodels, "p.txt", "a fox\na kite\n")
        done = apimodels("batch", file, "-o", "out", "--timeout", "0", *more, settings=settings)
        assert done.returncode == 13, done.stderr
        assert states(apimodels.folder / "out") != ["completed"] * 2
        return file

    def test_the_results_of_a_batch_are_brought_up_to_date(self, apimodels: Any, pausing: Any) -> None:
        self.left(apimodels, pausing, "--no-ledger")

        done, again = apimodels.all(*[("wait", "--from", "out/results.jsonl")] * 2, settings=pausing)

        assert (done.returncode, done.stderr) == (0, "")
        told = rows(apimodels.folder / "out")
        assert sorted(done.stdout.splitlines()) == [row["files"][0] for row in told]
        assert [Path(row["files"][0]).name for row in told] == [
            f"000{row['line']}-{row['task_id']}.png" for row in told
        ]
        assert [row["state"] for row in told] == ["completed"] * 2
        assert (again.returncode, again.stdout) == (0, "")
        assert again.stderr == "no task of out/results.jsonl is open\n"

    def test_a_folder_has_its_ledger_brought_up_to_date_and_the_batch_makes_nothing_again(
        self, apimodels: Any, pausing: Any
    ) -> None:
        file = self.left(apimodels, pausing)

        waited = apimodels("wait", "--from", "out", "--name", "{line:02}-{prompt}", settings=pausing)
        [ledger] = ledgers(apimodels.folder / "out")
        with SqliteLedger(apimodels.folder / "out" / ".apimodels" / ledger, read_only=True) as opened:
            steps = list(opened.steps().values())
        again = apimodels("batch", file, "-o", "out", settings=pausing)

        assert (waited.returncode, waited.stderr) == (0, "")
        assert steps == [Step.SAVED] * 2
        assert sorted(again.stdout.splitlines()) == [f"out/{name}" for name in ("01-a_fox.png", "02-a_kite.png")]

    def test_tasks_of_an_earlier_batch_in_the_folder_are_found_too(self, apimodels: Any, pausing: Any) -> None:
        for _ in range(2):
            self.left(apimodels, pausing, "--no-ledger")

        done = apimodels("wait", "--from", "out", settings=pausing)

        assert (done.returncode, done.stderr) == (0, "")
        assert len(done.stdout.splitlines()) == 4
        told = (apimodels.folder / "out" / "results.1.jsonl").read_text() + (
            apimodels.folder / "out" / "results.jsonl"
        ).read_text()
        assert told.count('"state": "completed"') == 4

    def test_what_create_and_generate_noted_is_found(self, apimodels: Any, here: Any) -> None:
        ids = [created(apimodels, here, "-o", "out") for _ in range(2)]
        apimodels("generate", "a fox", *SMALL, "-o", "out", settings=here)
        apimodels("wait", ids[0], "-o", "out", settings=here)

        done, again = apimodels.all(*[("wait", "--from", "out")] * 2, settings=here)

        assert (done.stdout, done.stderr) == (f"out/{ids[1]}-0.png\n", "")
        assert again.stderr == "no task of out is open\n"

    def test_tasks_of_another_server_are_left_out(self, apimodels: Any, here: Any, slow: Any) -> None:
        created(apimodels, slow, "-o", "out")

        done = apimodels("wait", "--from", "out", settings=here)

        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr == "1 noted for other servers: left out\nno task of out is open\n"

    def test_a_failed_task_is_not_asked_about_again(self, apimodels: Any, here: Any) -> None:
        apimodels("create", "contraband", "-o", "out", settings=here)

        first, again = apimodels.all(*[("wait", "--from", "out")] * 2, settings=here)

        assert first.returncode == 12
        assert again.returncode == 0

    def test_a_key_that_is_not_accepted_ends_it_at_once(self, apimodels: Any, pausing: Any) -> None:
        self.left(apimodels, pausing, "--no-ledger")

        done = apimodels("wait", "--from", "out", settings={**pausing, "APIMODELS_API_KEY": "sk_other"})

        assert done.returncode == 5
        assert done.stderr.count("\n") == 1
        assert done.stderr.endswith("take them up again with: apimodels wait --from out\n")

    @pytest.mark.parametrize("source", ["out", "out/results.jsonl"])
    def test_no_picture_is_saved_twice_by_a_wait_that_was_killed(
        self, apimodels: Any, pausing: Any, source: str
    ) -> None:
        self.left(apimodels, pausing, "--no-ledger")
        before = (apimodels.folder / "out" / "results.jsonl").read_bytes()
        apimodels("wait", "--from", source, settings=pausing)
        (apimodels.folder / "out" / "results.jsonl").write_bytes(before)  # as if it had not come that far

        done = apimodels("wait", "--from", source, settings=pausing)

        assert done.returncode == 0, done.stderr
        assert len(names(apimodels.folder / "out")) == 3


@pytest.mark.parametrize("ids", [("an-id",), ("an-id", "another")])
def test_a_task_of_which_the_server_said_nothing_is_not_said_to_run(
    apimodels: Any, server: Any, ids: tuple[str, ...]
) -> None:
    done = apimodels("wait", *ids, "--timeout", "0.5", settings=server.says("<html><title>Sign in</title>"))

    assert done.returncode == 13, done.stderr
    assert "running" not in done.stderr
    assert "in an unknown state" in done.stderr
    assert "failed" in done.stderr
