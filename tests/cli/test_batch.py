"""``apimodels batch`` in a pipe: every form of input, what is written, and how it ends."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from apimodels_async.gateway import LocalGateway
from tests.cli.conftest import at

PATIENCE = 45.0
SMALL = '"size": "64x64"'


def rows(folder: Path) -> list[dict[str, Any]]:
    """What results.jsonl tells."""
    return [json.loads(line) for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()]


def states(folder: Path) -> list[str]:
    return [str(row["state"]) for row in rows(folder)]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".apimodels")


def write(apimodels: Any, name: str, text: str) -> str:
    (apimodels.folder / name).write_text(text, encoding="utf-8")
    return name


def prompts(number: int) -> str:
    return "".join(f"kite {at}\n" for at in range(number))


def test_each_form_of_file_becomes_pictures_and_a_list_of_results(apimodels: Any, here: Any, picture: Any) -> None:
    (apimodels.folder / "requests").mkdir()
    picture("requests/room.png")
    lines = f'{{"prompt": "é", {SMALL}}}\n\n{{"prompt": "dusk", "image": "room.png", "model": "sparkpix-image-edit"}}\n'
    write(apimodels, "requests/a.jsonl", lines)
    write(apimodels, "requests/b.csv", 'prompt,size,n\n"é",64x64,2\n\n"dusk, and rain",64x64,\n')
    write(apimodels, "requests/c.txt", "é\n# not this\n\ndusk\n")

    done = apimodels.all(
        *(("batch", f"requests/{name}", "-o", name) for name in ("a.jsonl", "b.csv", "c.txt")), settings=here
    )

    numbers = {"a.jsonl": [1, 3], "b.csv": [2, 4], "c.txt": [1, 4]}
    for each, (name, lines_at) in zip(done, numbers.items(), strict=True):
        assert each.returncode == 0, each.stderr
        told = rows(apimodels.folder / name)
        assert [row["index"] for row in told] == [0, 1]
        assert [row["line"] for row in told] == lines_at
        assert told[0]["prompt"] == "é"
        assert told[1]["prompt"].startswith("dusk")
        assert all(row["state"] == "completed" and row["task_id"] and row["error"] is None for row in told)
        assert all(row["seconds"] > 0 for row in told)
        files = [file for row in told for file in row["files"]]
        assert sorted(each.stdout.splitlines()) == sorted(files)
        assert names(apimodels.folder / name) == sorted([*(Path(file).name for file in files), "results.jsonl"])
        assert re.fullmatch(
            rf"2 of 2 requests done, {len(files)} pictures saved \(\d\.\d MB\), \d+\.\d s, about US\$ 0\.\d\d\n",
            each.stderr,
        )
    assert len(done[1].stdout.splitlines()) == 3
    assert rows(apimodels.folder / "a.jsonl")[1]["model"] == "sparkpix-image-edit"


def test_stdin_has_prompts_and_objects(apimodels: Any, here: Any) -> None:
    process = apimodels.start("batch", "-", "-o", "out", settings=here, stdin=subprocess.PIPE)

    out, err = process.communicate(f'a fox\n# no\n\n  {{"prompt": "a kite", {SMALL}}}\nlast', timeout=PATIENCE)

    assert process.returncode == 0, err
    assert [(row["line"], row["prompt"]) for row in rows(apimodels.folder / "out")] == [
        (1, "a fox"),
        (4, "a kite"),
        (5, "last"),
    ]
    assert len(out.splitlines()) == 3


def test_stdin_is_worked_on_as_it_comes(apimodels: Any, here: Any) -> None:
    process = apimodels.start("batch", "-", settings=here, stdin=subprocess.PIPE)
    process.stdin.write("a fox\n")
    process.stdin.flush()

    assert re.fullmatch(r"000001-\w+\.png\n", process.stdout.readline())

    out, err = process.communicate("a kite\n", timeout=PATIENCE)
    assert process.returncode == 0, err
    assert len(out.splitlines()) == 1


def test_local_needs_no_key(apimodels: Any) -> None:
    file = write(apimodels, "p.jsonl", f'{{"prompt": "a fox", {SMALL}}}\n')

    done = apimodels("batch", file, "--local")

    assert done.returncode == 0, done.stderr
    assert states(apimodels.folder) == ["completed"]


def test_a_slip_in_line_900_is_known_before_anything_is_sent(apimodels: Any, server: Any) -> None:
    file = write(apimodels, "p.jsonl", '{"prompt": "fine"}\n' * 899 + '{"prompt": "fine", "sise": "1x1"}\n')

    done = apimodels("batch", file, "-o", "out", settings=server.settings)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "apimodels: p.jsonl, line 900: unknown field 'sise'; did you mean 'size'?\n"
    assert not server.asked.is_set()
    assert not (apimodels.folder / "out").exists()


def test_a_slip_on_stdin_ends_the_batch_after_what_came_before(apimodels: Any, here: Any) -> None:
    process = apimodels.start("batch", "-", settings=here, stdin=subprocess.PIPE)

    out, err = process.communicate(f'{{"prompt": "a fox", {SMALL}}}\n{{"promt": 1}}\nnever read\n', timeout=PATIENCE)

    assert process.returncode == 17
    assert len(out.splitlines()) == 1
    assert states(apimodels.folder) == ["completed"]
    assert "stdin, line 2: unknown field 'promt'" in err.splitlines()[-1]


def test_what_cannot_be_used_costs_nothing(apimodels: Any, server: Any) -> None:
    write(apimodels, "p.txt", "a fox\n")
    write(apimodels, "p.json", "{}")
    (apimodels.folder / "taken").touch()
    mistakes = {
        ("batch",): "give FILE",
        ("batch", "none.txt"): "FILE none.txt: No such file",
        ("batch", "p.json"): "FILE p.json: its name ends in none of .jsonl, .ndjson, .csv, .tsv, .txt",
        ("batch", "p.txt", "-o", "taken"): "--output taken: File exists",
        ("batch", "p.txt", "-o", "cat.png"): "--output cat.png: a batch makes many pictures: give a folder",
        ("batch", "p.txt", "--name", "{produkt}"): "p.txt: no line has {produkt}",
        ("batch", "p.txt", "--name", "a/b"): "/ and \\ are for folders",
        ("batch", "p.txt", "--prompt", "{"): "--prompt '{': a brace stands alone",
        ("batch", "p.txt", "--prompt", "{colour}"): "p.txt, line 1: there is no colour, which --prompt asks for",
        ("batch", "p.txt", "--no-ledger", "--name", "{key}"): "--name: {key} is that of the ledger",
        ("batch", "-", "--confirm-above", "1"): "--confirm-above needs a FILE",
        ("batch", "p.txt", "--again", "some"): "--again some: give all or failed",
        ("batch", "p.txt", "--max-in-flight", "0"): "--max-in-flight",
        ("batch", "p.txt", "--budget", "0"): "--budget 0: give a number above 0",
        ("batch", "p.txt", "--poll-rate", "nan"): "--poll-rate nan: give a number above 0",
        ("batch", "p.txt", "--create-rate", "-1"): "--create-rate",
        ("batch", "p.txt", "--retry-failed", "-1"): "--retry-failed",
        ("batch", "p.txt", "--timeout", "nan"): "--timeout",
    }

    endings = apimodels.all(*mistakes, settings=server.settings)

    for done, (arguments, words) in zip(endings, mistakes.items(), strict=True):
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
    assert not server.asked.is_set()


def test_an_empty_input_is_a_mistake_wherever_it_comes_from(apimodels: Any, server: Any) -> None:
    file = write(apimodels, "p.txt", "# nothing yet\n\n")
    done = apimodels("batch", file, settings=server.settings)
    process = apimodels.start("batch", "-", settings=server.settings)  # whose stdin is empty
    _, err = process.communicate(timeout=PATIENCE)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "apimodels: FILE p.txt is empty: give a request a line; nothing was sent\n"
    assert process.returncode == 2
    assert err == "apimodels: FILE - is empty: give a request a line; nothing was sent\n"
    assert not (apimodels.folder / "results.jsonl").exists()


def test_the_results_of_an_earlier_batch_are_kept(apimodels: Any, here: Any) -> None:
    file = write(apimodels, "p.jsonl", f'{{"prompt": "a fox", {SMALL}}}\n')
    (apimodels.folder / "results.jsonl").write_text("the ids of paid tasks")

    assert apimodels("batch", file, settings=here).returncode == 0

    assert (apimodels.folder / "results.1.jsonl").read_text() == "the ids of paid tasks"
    assert states(apimodels.folder) == ["completed"]


class TestExitCodes:
    """The weightiest thing that can be said of all requests."""

    def test_some_failed(self, apimodels: Any, here: Any) -> None:
        file = write(apimodels, "p.txt", "a fox\ncontraband\nbrownout\nbrownout again\n")

        done = apimodels("batch", file, "--retry-failed", "1", "-m", "sparkpix-image", settings=here)

        assert done.returncode == 17
        assert len(done.stdout.splitlines()) == 1
        assert states(apimodels.folder) == ["completed", "failed", "failed", "failed"]
        errors = [row["error"] and row["error"]["class"] for row in rows(apimodels.folder)]
        assert errors == [None, "ContentPolicyError", "GenerationFailedError", "GenerationFailedError"]
        summary, *kinds, last = done.stderr.splitlines()
        assert summary.startswith("4 of 4 requests done, 1 picture saved")
        assert ", 3 failed, " in summary
        assert sorted(kind.split(",")[0] for kind in kinds) == ["  1 ContentPolicyError", "  2 GenerationFailedError"]
        assert last == "apimodels: 3 of 4 brought no picture: results.jsonl tells why"

    def test_all_failed_for_one_reason(self, apimodels: Any, here: Any) -> None:
        file = write(apimodels, "p.txt", "contraband\nmore contraband\n")

        assert apimodels("batch", file, settings=here).returncode == 12

    def test_the_budget_is_kept(self, apimodels: Any) -> None:
        with LocalGateway(latency="0/0", balance=1.0) as gateway:
            done = apimodels(
                "batch", write(apimodels, "p.txt", prompts(5)), "--budget", "0.07", "--max-in-flight", "1",
                settings=at(gateway),
            )  # fmt: skip
            left = float(apimodels("balance", settings=at(gateway)).stdout)

        assert done.returncode == 15
        assert states(apimodels.folder) == ["completed"] * 2 + ["not_submitted"] * 3
        assert "the budget is used up" in rows(apimodels.folder)[2]["error"]["message"]
        assert left == pytest.approx(0.94)
        assert "about US$ 0.06" in done.stderr

    def test_credits_run_out(self, apimodels: Any) -> None:
        with LocalGateway(latency="0/0", balance=0.05) as gateway:
            done = apimodels(
                "batch", write(apimodels, "p.txt", prompts(4)), "--max-in-flight", "1", settings=at(gateway)
            )

        assert done.returncode == 6
        assert states(apimodels.folder) == ["completed"] + ["not_submitted"] * 3
        assert "InsufficientCreditsError" in done.stderr

    def test_a_key_that_is_not_accepted(self, apimodels: Any, here: Any) -> None:
        done = apimodels(
            "batch", write(apimodels, "p.txt", prompts(9)), settings={**here, "APIMODELS_API_KEY": "sk_other"}
        )

        assert done.returncode == 5
        assert states(apimodels.folder) == ["not_submitted"] * 9

    def test_no_key(self, apimodels: Any) -> None:
        done = apimodels("batch", write(apimodels, "p.txt", prompts(1)), "-o", "out")

        assert done.returncode == 3
        assert not (apimodels.folder / "out").exists()

    def test_a_create_of_unknown_fate(self, apimodels: Any, server: Any) -> None:
        settings = server.says('{"code": 500, "msg": "oh"}', 500)

        done = apimodels("batch", write(apimodels, "p.txt", prompts(2)), settings=settings)

        assert done.returncode == 10
        assert states(apimodels.folder) == ["unknown"] * 2


@pytest.mark.skipif(os.name != "posix", reason="about POSIX signals")
class TestInterrupted:
    """Ctrl-C, a closed terminal, and SIGTERM from service managers."""

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
    def test_it_leaves_at_once_and_names_every_task(self, apimodels: Any, server: Any, number: signal.Signals) -> None:
        body = json.dumps({"code": 200, "data": {"taskId": "made", "state": "processing"}})
        file = write(apimodels, "p.txt", prompts(9))
        process = apimodels.start(
            "batch", file, "-o", "out", "--max-in-flight", "1", "--no-ledger", settings=server.says(body)
        )
        assert server.looked.wait(PATIENCE)  # the first is created; the second has no room

        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)

        assert (process.returncode, out) == (130, "")
        assert err.splitlines()[0].startswith("0 of 9 requests done")
        assert err.splitlines()[1] == (
            "apimodels: interrupted; 1 task is under way and not lost: "
            "take it up again with: apimodels wait made -o out"
        )
        first, second = rows(apimodels.folder / "out")
        assert (first["state"], first["task_id"], first["prompt"]) == ("detached", "made", "kite 0")
        assert (second["state"], second["task_id"]) == ("not_submitted", None)
        assert names(apimodels.folder / "out") == ["results.jsonl"]

    def test_while_creates_are_under_way_it_waits_for_their_ids(self, apimodels: Any, server: Any) -> None:
        server.may_answer.clear()
        server.says(json.dumps({"code": 200, "data": {"taskId": "made", "state": "pending"}}))
        process = apimodels.start(
            "batch", write(apimodels, "p.txt", prompts(1)), "--no-ledger", settings=server.settings
        )
        assert server.asked.wait(PATIENCE)

        process.send_signal(signal.SIGINT)
        while not (apimodels.folder / "results.jsonl").exists():  # written at once, and again at the end
            assert process.poll() is None
            time.sleep(0.02)
        assert states(apimodels.folder) == ["unknown"]
        server.may_answer.set()
        _, err = process.communicate(timeout=PATIENCE)

        assert process.returncode == 130
        assert err.endswith("apimodels wait made\n")
        assert [(row["state"], row["task_id"]) for row in rows(apimodels.folder)] == [("detached", "made")]

    def test_the_second_time_it_waits_for_nothing(self, apimodels: Any, server: Any) -> None:
        server.may_answer.clear()
        process = apimodels.start(
            "batch", write(apimodels, "p.txt", prompts(2)), "--no-ledger", settings=server.settings
        )
        assert server.asked.wait(PATIENCE)

        process.send_signal(signal.SIGINT)
        while not (apimodels.folder / "results.jsonl").exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)

        assert process.returncode == 130
        assert "interrupted" in err
        assert states(apimodels.folder) == ["unknown"] * 2

    def test_while_it_waits_for_stdin(self, apimodels: Any, here: Any) -> None:
        process = apimodels.start("batch", "-", "--no-ledger", settings=here, stdin=subprocess.PIPE)
        process.stdin.write("a fox\n")
        process.stdin.flush()
        process.stdout.readline()

        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)  # and stdin is still open

        assert process.returncode == 130
        assert states(apimodels.folder) == ["completed"]
        assert "no task is under way" in process.stderr.read()


def test_a_reader_that_goes_away_ends_it_and_loses_nothing(apimodels: Any, here: Any) -> None:
    process = apimodels.start("batch", "-", "--max-in-flight", "1", settings=here, stdin=subprocess.PIPE)
    process.stdout.close()

    _, err = process.communicate(prompts(3), timeout=PATIENCE)

    assert process.returncode == 1
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    assert "apimodels: the batch was left; " in err
    assert states(apimodels.folder)[0] == "completed"
