"""Commands where the disk, the streams and the files are odd: what is paid for is saved, and its id is said."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 60.0
full_device = pytest.mark.skipif(not Path("/dev/full").exists(), reason="about Linux's full device")
posix = pytest.mark.skipif(os.name != "posix", reason="about POSIX files")


def notes_of(apimodels: Any, folder: str = ".") -> Path:
    path: Path = apimodels.folder / folder / ".apimodels" / "tasks.jsonl"
    return path


# --- notes


def test_a_note_that_breaks_off_keeps_its_id_and_swallows_no_other(apimodels: Any, here: Any) -> None:
    first = apimodels("create", "a fox", settings=here).stdout.strip()
    whole = notes_of(apimodels).read_bytes()
    notes_of(apimodels).write_bytes(whole[:-20])
    second = apimodels("create", "a kite", settings=here).stdout.strip()

    done = apimodels("wait", "--from", ".", settings=here)

    assert done.returncode == 0
    assert sorted(done.stdout.splitlines()) == sorted([f"{first}-0.png", f"{second}-0.png"])
    assert f"line 1 breaks off: a command was killed there, or the disk was full; {first} in it" in done.stderr
    assert json.loads(notes_of(apimodels).read_bytes().splitlines()[1])["task_id"] == second


def test_a_line_of_results_that_breaks_off_is_left_out(apimodels: Any, here: Any) -> None:
    made = apimodels("create", "a fox", "-o", "out", settings=here).stdout.strip()
    row = {"index": 0, "line": 1, "prompt": "a fox", "state": "detached", "task_id": made, "files": [], "error": None}
    (apimodels.folder / "out" / "results.jsonl").write_text(json.dumps(row) + '\n{"index": 1, "li')

    done = apimodels("wait", "--from", "out", settings=here)

    assert (done.returncode, done.stdout) == (0, f"out/0001-{made}.png\n")
    assert "results.jsonl, line 2 breaks off" in done.stderr
    rows = (apimodels.folder / "out" / "results.jsonl").read_text().splitlines()
    assert json.loads(rows[0])["state"] == "completed"
    assert rows[1] == '{"index": 1, "li'


@posix
def test_a_pipe_in_the_place_of_the_notes_holds_nothing_up(apimodels: Any, here: Any) -> None:
    notes_of(apimodels, "out").parent.mkdir(parents=True)
    os.mkfifo(notes_of(apimodels, "out"))

    done = apimodels("generate", "a fox", "-o", "out", settings=here)

    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1
    assert "cannot be noted in out (.apimodels/tasks.jsonl is not a regular file)" in done.stderr


# --- streams


@full_device
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_the_id_of_a_new_task_is_said_if_stdout_is_full(apimodels: Any, here: Any, more: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        process = apimodels.start("create", "a fox", *more, settings=here, stdout=full)
        _, err = process.communicate(timeout=PATIENCE)

    made = json.loads(notes_of(apimodels).read_text())["task_id"]
    assert process.returncode == 1
    assert len(err.splitlines()) == 1
    assert f"stdout cannot be written (No space left on device); task {made} is not lost, take it up again with" in err
    if more:
        assert json.loads(err)["task_id"] == made


@full_device
def test_the_files_are_said_if_stdout_is_full(apimodels: Any, here: Any) -> None:
    with Path("/dev/full").open("w") as full:
        process = apimodels.start("generate", "a fox", "-o", "out", settings=here, stdout=full)
        _, err = process.communicate(timeout=PATIENCE)

    (saved,) = (apimodels.folder / "out").glob("*.png")
    assert process.returncode == 1
    assert err == f"apimodels: stdout cannot be written (No space left on device); saved: out/{saved.name}\n"


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1:strict"])
def test_a_name_that_stdout_cannot_spell_ends_no_batch(apimodels: Any, here: Any, encoding: str) -> None:
    (apimodels.folder / "p.txt").write_text("猫\na kite\n", encoding="utf-8")

    process = apimodels.start(
        "batch", "p.txt", "-o", "out", "--name", "{prompt}", settings={**here, "PYTHONIOENCODING": encoding}
    )
    out, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 0, err
    assert sorted(out.splitlines()) == ["out/\\u732b.png", "out/a_kite.png"]
    assert (apimodels.folder / "out" / "猫.png").exists()


@posix
def test_a_name_that_the_system_cannot_spell_is_the_tasks_id(apimodels: Any, here: Any) -> None:
    (apimodels.folder / "p.txt").write_text("猫\na kite\n", encoding="utf-8")

    ascii_names = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    process = apimodels.start("batch", "p.txt", "-o", "out", "--name", "{prompt}", settings={**here, **ascii_names})
    out, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 0, err
    names = sorted(Path(line).name for line in out.splitlines())
    assert "a_kite.png" in names
    assert len(names) == len(list((apimodels.folder / "out").glob("*.png"))) == 2


def test_a_closed_stdin_has_no_prompt(apimodels: Any, here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)

    done = apimodels("generate", "-", settings=here)

    assert (done.returncode, done.stderr) == (2, "apimodels: PROMPT - reads stdin, and that is closed\n")


# --- ledgers


@pytest.mark.parametrize("name", [":memory:", "./:memory:"])
def test_a_ledger_is_a_file_whatever_its_name_means_to_sqlite(apimodels: Any, here: Any, name: str) -> None:
    (apimodels.folder / "p.txt").write_text("a fox\n")
    apimodels("batch", "p.txt", "-o", "out", "--ledger", name, settings=here)

    shown, again = apimodels.all(
        ("ledger", "show", name), ("batch", "p.txt", "-o", "out", "--ledger", name, "--dry-run"), settings=here
    )

    assert "completed and saved  1" in shown.stdout
    assert again.stdout.split()[:2] == ["new", "0,"]
    assert (apimodels.folder / ":memory:").is_file()


# --- money


def test_a_budget_counts_what_an_earlier_run_has_paid_further_down_the_file(apimodels: Any, here: Any) -> None:
    file = apimodels.folder / "p.txt"
    batch = ("batch", "p.txt", "-o", "out", "--model", "gpt-image-2-lite", "--budget", "0.02")
    file.write_text("a\nb\n")
    first = apimodels(*batch, settings=here)
    file.write_text("new\na\nb\n")

    again = apimodels(*batch, settings=here)

    assert first.returncode == 0
    assert again.returncode != 0
    assert "not sent: the budget is used up" in again.stderr
    assert "about US$ 0.02" in again.stderr
    assert len(list((apimodels.folder / "out").glob("*.png"))) == 2
