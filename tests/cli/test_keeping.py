"""What a command keeps without being asked: a ledger for each server, and the ids of paid tasks."""

import errno
import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from apimodels_async.cli.batch.results import Results
from apimodels_async.gateway import LocalGateway
from tests.cli.conftest import at
from tests.cli.test_batch import PATIENCE, prompts, rows, states, write
from tests.proofs.paid_server import PaidServer


def balance(apimodels: Any, settings: Any) -> float:
    return float(apimodels("balance", settings=settings).stdout)


def ledgers(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / ".apimodels").glob("ledger-*.db"))


class TestTheLedgerOfABatch:
    """Without --ledger it is in the output folder."""

    def test_the_same_command_again_buys_nothing(self, apimodels: Any) -> None:
        file = write(apimodels, "p.txt", prompts(2))
        with LocalGateway(latency="0/0", balance=1.0) as gateway:
            first = apimodels("batch", file, "-o", "out", settings=at(gateway))
            left = balance(apimodels, at(gateway))
            again = apimodels("batch", file, "-o", "out", settings=at(gateway))

            assert (first.returncode, again.returncode) == (0, 0), again.stderr
            assert balance(apimodels, at(gateway)) == left == pytest.approx(0.94)
        assert sorted(Path(line).name for line in again.stdout.splitlines()) == sorted(
            Path(line).name for line in first.stdout.splitlines()
        )
        assert "2 of 2 had been begun by an earlier run" in again.stderr

    def test_it_can_be_switched_off(self, apimodels: Any) -> None:
        file = write(apimodels, "p.txt", prompts(1))
        with LocalGateway(latency="0/0", balance=1.0) as gateway:
            for _ in range(2):
                assert apimodels("batch", file, "-o", "out", "--no-ledger", settings=at(gateway)).returncode == 0
            assert balance(apimodels, at(gateway)) == pytest.approx(0.94)
        assert not (apimodels.folder / "out" / ".apimodels").exists()

    def test_everything_can_be_made_again_and_the_old_ledger_is_kept(self, apimodels: Any) -> None:
        file = write(apimodels, "p.txt", prompts(1))
        with LocalGateway(latency="0/0", balance=1.0) as gateway:
            apimodels("batch", file, "-o", "out", settings=at(gateway))
            again = apimodels("batch", file, "-o", "out", "--again", "all", settings=at(gateway))

            assert again.returncode == 0, again.stderr
            assert balance(apimodels, at(gateway)) == pytest.approx(0.94)
            assert apimodels("ledger", "show", "out").stdout.startswith("server     http://127.0.0.1")
        assert len(ledgers(apimodels.folder / "out")) == 2

    def test_it_is_found_by_the_folder_unless_that_has_several(self, apimodels: Any) -> None:
        file = write(apimodels, "p.txt", prompts(1))
        none = apimodels("ledger", "show", ".")
        shown = []
        for _ in range(2):
            with LocalGateway(latency="0/0", balance=1.0) as gateway:
                apimodels("batch", file, "-o", "out", settings=at(gateway))
            shown.append(apimodels("ledger", "show", "out", "--json"))

        assert (none.returncode, none.stderr) == (16, "apimodels: FOLDER .: no batch has kept a ledger in it\n")
        assert json.loads(shown[0].stdout)["requests"] == 1
        assert shown[1].returncode == 16
        assert all(name in shown[1].stderr for name in ledgers(apimodels.folder / "out"))

    def test_what_failed_can_be_made_again_alone(self, apimodels: Any) -> None:
        file = write(apimodels, "p.txt", "a fox\ncontraband\n")
        with LocalGateway(latency="0/0", balance=1.0) as gateway:
            first = apimodels("batch", file, "-o", "out", settings=at(gateway))
            told = apimodels("batch", file, "-o", "out", settings=at(gateway))
            again = apimodels("batch", file, "-o", "out", "--again", "failed", settings=at(gateway))

        assert (first.returncode, told.returncode, again.returncode) == (17, 17, 17)
        failed = [rows(apimodels.folder / "out")[1]["task_id"]]
        kept = json.loads((apimodels.folder / "out" / "results.1.jsonl").read_text().splitlines()[1])["task_id"]
        assert failed != [kept]  # another task, which failed as well

    def test_trying_with_a_local_gateway_first_costs_nothing_and_is_not_taken_for_the_real_thing(
        self, apimodels: Any, here: Any
    ) -> None:
        file = write(apimodels, "p.txt", prompts(1))
        tried = apimodels("batch", file, "-o", "out", "--local")
        tried_again = apimodels("batch", file, "-o", "out", "--local")
        real = apimodels("batch", file, "-o", "out", settings=here)

        assert (tried.returncode, tried_again.returncode, real.returncode) == (0, 0, 0), real.stderr
        assert "1 of 1 had been begun" in tried_again.stderr
        assert "had been begun" not in real.stderr
        assert real.stdout != tried.stdout
        assert len(ledgers(apimodels.folder / "out")) == 2

    def test_a_named_ledger_of_a_local_gateway_goes_on_with_the_same_command(self, apimodels: Any) -> None:
        file = write(apimodels, "p.txt", prompts(1))
        left = apimodels("batch", file, "-o", "out", "--local", "--ledger", "run.db", "--timeout", "0")
        done = apimodels("batch", file, "-o", "out", "--local", "--ledger", "run.db")

        assert done.returncode == 0, (left.stderr, done.stderr)
        assert states(apimodels.folder / "out") == ["completed"]


@pytest.mark.skipif(os.name != "posix", reason="about POSIX signals")
class TestAKill:
    """Nothing is written after it."""

    def test_the_id_of_a_paid_task_is_beside_the_pictures_before_it_is_waited_for(
        self, apimodels: Any, server: Any
    ) -> None:
        body = json.dumps({"code": 200, "data": {"taskId": "made", "state": "processing"}})
        process = apimodels.start("generate", "a fox", "-o", "out", settings=server.says(body))
        assert server.looked.wait(PATIENCE)  # the first query

        process.kill()
        process.wait(PATIENCE)

        noted = json.loads((apimodels.folder / "out" / ".apimodels" / "tasks.jsonl").read_text())
        assert (noted["task_id"], noted["prompt"]) == ("made", "a fox")
        assert noted["server"] == server.settings["APIMODELS_BASE_URL"]

    def test_a_batch_goes_on_and_buys_nothing_twice(self, apimodels: Any, server: Any) -> None:
        running = json.dumps({"code": 200, "data": {"taskId": "made", "state": "processing"}})
        file = write(apimodels, "p.txt", prompts(1))
        process = apimodels.start("batch", file, "-o", "out", settings=server.says(running))
        assert server.looked.wait(PATIENCE)
        process.kill()
        process.wait(PATIENCE)
        server.asked.clear()

        done = apimodels("batch", file, "-o", "out", "--timeout", "0", settings=server.settings)

        assert not server.asked.is_set()
        assert done.returncode == 13
        assert states(apimodels.folder / "out") == ["processing"]
        assert not list((apimodels.folder / "out").glob("*.part"))

    def test_where_hangups_are_ignored_a_closed_terminal_ends_nothing(self, apimodels: Any, server: Any) -> None:
        running = json.dumps({"code": 200, "data": {"taskId": "made", "state": "processing"}})
        process = apimodels.start(
            "batch",
            write(apimodels, "p.txt", prompts(1)),
            settings=server.says(running),
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),  # as `nohup` does
        )
        assert server.looked.wait(PATIENCE)
        process.send_signal(signal.SIGHUP)
        server.looked.clear()

        assert server.looked.wait(PATIENCE)  # it asks again
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 130


@pytest.fixture
def tiny(tmp_path: Path) -> Any:
    """A disk of 96 KiB."""
    place = tmp_path / "tiny"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


class TestAFullDisk:
    """It buys nothing; and what was bought is said."""

    def test_at_the_start_it_is_a_bad_argument(self, apimodels: Any, server: Any, tiny: Path) -> None:
        with suppress(OSError), (tiny / "fill").open("wb", buffering=0) as file:
            while file.write(b"\0" * 4096):
                pass

        done = apimodels("batch", write(apimodels, "p.txt", prompts(2)), "-o", str(tiny), settings=server.settings)

        assert done.returncode == 2
        assert "No space left on device" in done.stderr
        assert not server.asked.is_set()

    @pytest.mark.parametrize("results", ["can be written", "cannot be written"])
    def test_in_the_middle_each_id_is_in_a_file_or_on_stderr_with_what_to_type_next(
        self, apimodels: Any, tiny: Path, monkeypatch: pytest.MonkeyPatch, results: str
    ) -> None:
        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        if results == "cannot be written":
            monkeypatch.setattr(Results, "finish", full)
            monkeypatch.setattr("apimodels_async.cli.batch.results.Results._append", full)
        file = write(apimodels, "p.txt", prompts(12))
        with PaidServer() as server:
            settings = {"APIMODELS_BASE_URL": server.base_url, "APIMODELS_API_KEY": "sk_test"}
            done = apimodels("batch", file, "-o", str(tiny), "--no-ledger", "--max-in-flight", "3", settings=settings)
            accepted = [task.task_id for task in server.accepted("")]

        assert done.returncode == 14, done.stderr
        assert "Traceback" not in done.stderr
        kept = "".join(path.name + path.read_text(errors="replace") for path in tiny.rglob("*") if path.is_file())
        told = {task_id for task_id in accepted if f"apimodels wait {task_id} -o" in done.stderr}
        assert {task_id for task_id in accepted if task_id not in kept} <= told
        assert bool(told) is (results == "cannot be written")
        assert 0 < len(accepted) < 12
