"""``apimodels ledger``, and ``apimodels batch --ledger``: run it again, and nothing is paid for twice."""

import csv
import json
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from apimodels_async import Task, TaskState
from apimodels_async._create.identity import digest_of
from apimodels_async.gateway import LocalGateway
from apimodels_async.ledger import SavedFile, SqliteLedger, Step
from apimodels_async.ledger.entries import key_of
from apimodels_async.ledger.port import Change
from tests.cli.conftest import at

PATIENCE = 45.0
MODEL = "grok-image/grok-4.2-image"  # 0.03 dollars


def add(ledger: SqliteLedger, prompt: str, *steps: Step, ended: datetime | None = None, **request: Any) -> str:
    """An entry that went through these steps; gives its key."""
    view = {"model": MODEL, "prompt": prompt, **request}
    digest = digest_of(view)
    key = key_of(digest, 0)
    ledger.apply([Change(key, Step.INTENT, digest, str(view["model"]), view)])
    for step in steps:
        state = TaskState.COMPLETED if step is Step.DONE else TaskState.PENDING
        name, _, _ = prompt.partition(" ")
        task = Task(id=f"task-{name}", state=state, complete_time=ended if step is Step.DONE else None)
        ledger.apply([
            Change(
                key,
                step,
                task=task if step in {Step.CREATED, Step.DONE} else None,
                files=[SavedFile(f"pictures/{prompt}.png", "5a" * 32)] if step is Step.SAVED else None,
                error="the connection broke" if step is Step.UNKNOWN else None,
            )
        ])  # fmt: skip
    return key


UNDER_WAY = (Step.SENDING, Step.CREATED)
COMPLETED = (*UNDER_WAY, Step.DONE)
SAVED = (*COMPLETED, Step.SAVED)


@pytest.fixture
def keys(apimodels: Any) -> dict[str, str]:
    """`run.db`, with something of everything; the keys by their prompts."""
    now = datetime.now(UTC)
    with SqliteLedger(apimodels.folder / "run.db") as ledger:
        ledger.bind("https://apimodels.app/api/v1")
        return {
            "saved": add(ledger, "saved one", *SAVED, ended=now),
            "two": add(ledger, "two at once, saved", *SAVED, ended=now, n=2),
            "intent": add(ledger, "intent"),
            "unknown": add(ledger, "unknown\x1b[2J and\na break", Step.SENDING, Step.UNKNOWN),
            "cut": add(ledger, "cut off", Step.SENDING),
            "created": add(ledger, "created", *UNDER_WAY),
            "unpriced": add(ledger, "unpriced", *UNDER_WAY, model="some/other"),
            "soon": add(ledger, "soon", *COMPLETED, ended=now - timedelta(days=6)),
            "gone": add(ledger, "gone", *COMPLETED, ended=now - timedelta(days=8)),
        }


class TestShow:
    """What a run has come to."""

    def test_in_a_pipe_it_is_plain(self, apimodels: Any, keys: dict[str, str]) -> None:
        done = apimodels("ledger", "show", "run.db")

        assert (done.returncode, done.stderr) == (0, "")
        lines = [re.split(r"  +", line, maxsplit=1) for line in done.stdout.splitlines()]
        told = dict(line for line in lines if line[0] != "unknown:")
        when = told.pop("expires").split()
        assert told == {
            "server": "https://apimodels.app/api/v1",
            "not sent yet": "1",
            "cut off while being sent": "1",
            "under way at the server": "2",
            "completed, not saved": "2",
            "completed and saved": "2",
            "unknown": "1",
            "spent": "US$ 0.15",
            "under way": "US$ 0.03",
            "at risk": "US$ 0.06",
            "no price": "1 of them: their models are not in the catalogue",
            "gone": "1, not saved within 7 days",
        }
        assert when[1:] == [keys["soon"], "soon"]
        assert timedelta(hours=23) < datetime.fromisoformat(when[0]) - datetime.now(UTC) <= timedelta(days=1)
        assert [line[1].split(maxsplit=2)[::2] for line in lines if line[0] == "unknown:"] == [
            [keys["unknown"], "unknown [2J and a break"],
            [keys["cut"], "cut off"],
        ]

    def test_as_json(self, apimodels: Any, keys: dict[str, str]) -> None:
        told = json.loads(apimodels("ledger", "show", "run.db", "--json").stdout)

        assert told["requests"] == sum(told["steps"].values()) == len(keys)
        assert set(told["steps"]) == {step.value for step in Step}
        assert (told["spent"], told["under_way"], told["at_risk"], told["unpriced"]) == (0.15, 0.03, 0.06, 1)
        unknown, cut = told["unknown"]
        assert (unknown["key"], unknown["why"]) == (keys["unknown"], "the connection broke")
        assert (cut["key"], cut["prompt"], cut["model"], cut["why"]) == (keys["cut"], "cut off", MODEL, None)
        assert told["gone"] == 1
        assert [each["task_id"] for each in told["expires"]] == ["task-soon", "task-created", "task-unpriced"]

    def test_an_empty_ledger(self, apimodels: Any) -> None:
        SqliteLedger(apimodels.folder / "run.db").close()

        assert apimodels("ledger", "show", "run.db").stdout == "spent      US$ 0.00\nat risk    US$ 0.00\n"

    def test_entries_that_another_version_may_have_written_are_priced_by_their_model(self, apimodels: Any) -> None:
        with SqliteLedger(apimodels.folder / "run.db") as ledger:
            add(ledger, "odd", *COMPLETED, size="enormous!")

        told = json.loads(apimodels("ledger", "show", "run.db", "--json").stdout)
        assert (told["spent"], told["unpriced"]) == (0.03, 0)


class TestResolve:
    """The only way out of unknown."""

    @pytest.mark.parametrize(
        ("how", "step", "words"),
        [
            ("resubmit", Step.INTENT, "the next run sends it again; until then, undo takes this back"),
            ("abandon", Step.ABANDONED, "no run sends it or asks about it any more; undo takes this back"),
            ("clx1", Step.CREATED, "the next run waits for task clx1"),
        ],
    )
    def test_each_way(self, apimodels: Any, keys: dict[str, str], how: str, step: Step, words: str) -> None:
        done = apimodels("ledger", "resolve", "run.db", keys["unknown"], how)

        assert (done.returncode, done.stdout, done.stderr) == (0, "", f"{keys['unknown']}: {words}\n")
        with SqliteLedger(apimodels.folder / "run.db") as ledger:
            entry = ledger.find(keys["unknown"])
            assert entry is not None
            assert entry.step is step

    def test_what_cannot_be_resolved(self, apimodels: Any, keys: dict[str, str]) -> None:
        mistakes = {
            (keys["saved"], "resubmit"): (16, "is completed and saved: there is nothing to resolve"),
            (keys["unknown"], "undo"): (16, "is unknown: there is nothing to undo"),
            ("no-such-key", "abandon"): (16, "no entry 'no-such-key'"),
            (keys["unknown"], "resubmti"): (2, "did you mean resubmit?"),
            (keys["unknown"], "Abandon"): (2, "did you mean abandon?"),
            (keys["unknown"], " "): (2, "TASK_ID is empty"),
        }

        endings = [apimodels("ledger", "resolve", "run.db", *mistake) for mistake in mistakes]

        for done, (code, words) in zip(endings, mistakes.values(), strict=True):
            assert (done.returncode, done.stdout) == (code, "")
            assert done.stderr.startswith("apimodels: ")
            assert words in done.stderr
            assert done.stderr.count("\n") == 1
        assert json.loads(apimodels("ledger", "show", "run.db", "--json").stdout)["steps"]["unknown"] == 1

    def test_many_decisions_come_from_a_file(self, apimodels: Any, keys: dict[str, str]) -> None:
        (apimodels.folder / "decisions.csv").write_text(
            f"\ufeffprompt;Key;decision\nx;{keys['unknown']};clx1\ny;{keys['saved']};\nz;{keys['cut']};abandon\n",
            encoding="utf-8",
        )

        done = apimodels("ledger", "resolve", "run.db", "--from", "decisions.csv")

        assert (done.returncode, done.stdout) == (0, "")
        assert "the next run waits for task clx1" in done.stderr
        assert done.stderr.count("\n") == 2
        with SqliteLedger(apimodels.folder / "run.db") as ledger:
            steps = ledger.steps()
        assert (steps[keys["unknown"]], steps[keys["cut"]]) == (Step.CREATED, Step.ABANDONED)

    def test_a_file_of_decisions_is_carried_out_as_a_whole_or_not_at_all(
        self, apimodels: Any, keys: dict[str, str]
    ) -> None:
        wrong = {
            f"key,decision\n{keys['unknown']},abandon\n{keys['saved']},abandon\n": (16, "nothing to resolve"),
            f"key,decision\n{keys['unknown']},abandon\n{keys['cut']},abondon\n": (2, "line 3: abondon: did you mean"),
            "key\nk\n": (2, "no column decision"),
            "": (2, "no column key and no column decision"),
            "key,decision\nk,\n": (2, "no decision in it"),
        }
        for number, text in enumerate(wrong):
            (apimodels.folder / f"{number}.csv").write_text(text)
        endings = apimodels.all(
            *(("ledger", "resolve", "run.db", "--from", f"{each}.csv") for each in range(len(wrong)))
        )

        for done, (code, words) in zip(endings, wrong.values(), strict=True):
            assert done.returncode == code
            assert words in done.stderr
            assert done.stderr.count("\n") == 1
        with SqliteLedger(apimodels.folder / "run.db") as ledger:
            assert ledger.steps()[keys["unknown"]] is Step.UNKNOWN


class TestMoveServer:
    """A new address for the same service."""

    def test_a_ledger_is_moved(self, apimodels: Any, keys: dict[str, str]) -> None:
        old, new = "https://api.apimodels.app/v1", "https://new.example/v1"
        done = apimodels("ledger", "move-server", "run.db", old, new)

        assert (done.returncode, done.stderr) == (0, f"run.db: {len(keys)} requests belong to {new} now\n")
        again, wrong = apimodels.all(
            ("ledger", "move-server", "run.db", old, new), ("ledger", "move-server", "run.db", new, "example")
        )
        assert again.returncode == 16
        assert f"run.db belongs to {new}, not to https://apimodels.app/api/v1" in again.stderr
        assert wrong.returncode == 2
        assert "give the base URL of a server" in wrong.stderr


class TestExport:
    """All of it, for other programs."""

    def test_json_lines(self, apimodels: Any, keys: dict[str, str]) -> None:
        done = apimodels("ledger", "export", "run.db")

        told = [json.loads(line) for line in done.stdout.splitlines()]
        assert [each["key"] for each in told] == list(keys.values())
        two = told[1]
        assert (two["step"], two["task_id"], two["state"], two["price"]) == ("saved", "task-two", "completed", 0.06)
        assert two["files"] == ["pictures/two at once, saved.png"]
        assert two["request"] == {"model": MODEL, "prompt": "two at once, saved", "n": 2}

    def test_csv_into_a_file(self, apimodels: Any, keys: dict[str, str]) -> None:
        done = apimodels("ledger", "export", "run.db", "--csv", "-o", "all.csv")

        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        with (apimodels.folder / "all.csv").open(encoding="utf-8", newline="") as file:
            told = list(csv.DictReader(file))
        assert [each["key"] for each in told] == list(keys.values())
        assert told[3]["prompt"] == "unknown\x1b[2J and\na break"
        assert json.loads(told[0]["files"]) == ["pictures/saved one.png"]
        assert sorted(path.name for path in apimodels.folder.iterdir()) == ["all.csv", "run.db", "run.db.lock"]

    def test_not_over_the_ledger(self, apimodels: Any, keys: dict[str, str]) -> None:
        done = apimodels("ledger", "export", "run.db", "-o", "./run.db")

        assert done.returncode == 2
        assert "that is the ledger itself" in done.stderr
        assert apimodels("ledger", "show", "run.db").returncode == 0

    def test_into_a_folder_that_is_none(self, apimodels: Any, keys: dict[str, str]) -> None:
        done = apimodels("ledger", "export", "run.db", "-o", "run.db/all.jsonl")

        assert done.returncode == 2
        assert done.stderr.startswith("apimodels: --output run.db/all.jsonl: ")


def test_a_ledger_that_cannot_be_used_is_one_line(apimodels: Any) -> None:
    (apimodels.folder / "prompts.txt").write_text("a fox\n" * 1000)
    for name, words in [("none.db", "no such file"), ("prompts.txt", "not a database"), (".", "no batch has kept")]:
        for done in apimodels.all(("ledger", "show", name), ("ledger", "resolve", name, "k", "abandon")):
            assert (done.returncode, done.stdout) == (16, "")
            assert done.stderr.startswith("apimodels: ")
            assert words in done.stderr
            assert done.stderr.count("\n") == 1
    assert not (apimodels.folder / "none.db").exists()


# --- batch --ledger


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()]


def write(apimodels: Any, number: int) -> str:
    lines = (f'{{"prompt": "kite {at}", "size": "64x64"}}\n' for at in range(number))
    (apimodels.folder / "p.jsonl").write_text("".join(lines), encoding="utf-8")
    return "p.jsonl"


@pytest.fixture
def slower() -> Iterator[LocalGateway]:
    """A gateway that takes a second."""
    with LocalGateway(latency="1/1", balance=1.0) as gateway:
        yield gateway


BATCH = ("batch", "p.jsonl", "-o", "out", "--ledger", "run.db")


def test_the_same_command_again_pays_for_what_is_new(apimodels: Any) -> None:
    with LocalGateway(latency="0/0", balance=1.0) as gateway:
        write(apimodels, 3)
        first = apimodels(*BATCH, "--sidecar", settings=at(gateway))
        write(apimodels, 4)
        second = apimodels(*BATCH, settings=at(gateway))
        left = float(apimodels("balance", settings=at(gateway)).stdout)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "earlier run" not in first.stderr
    assert second.stderr.splitlines()[1] == "  3 of 4 had been begun by an earlier run, as run.db says"
    assert left == pytest.approx(1.0 - 4 * 0.03)
    assert all(line.startswith("out/") for line in (first.stdout + second.stdout).splitlines())
    assert all(name.startswith("out/") for row in rows(apimodels.folder / "out") for name in row["files"])
    files = [apimodels.folder / line for line in second.stdout.splitlines()]
    assert len(files) == len({file.resolve() for file in files}) == 4
    assert all(file.is_file() for file in files)
    notes = [json.loads(path.read_text()) for path in (apimodels.folder / "out").glob("*.json")]
    assert sorted(note["prompt"] for note in notes) == ["kite 0", "kite 1", "kite 2"]


def test_what_is_finished_needs_no_server(apimodels: Any) -> None:
    write(apimodels, 2)
    with LocalGateway(latency="0/0") as gateway:
        settings = at(gateway)
        assert apimodels(*BATCH, settings=settings).returncode == 0

    done = apimodels(*BATCH, settings=settings)

    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2


@pytest.mark.skipif(os.name != "posix", reason="about POSIX signals")
def test_interrupted_in_the_middle_it_goes_on(apimodels: Any, slower: LocalGateway) -> None:
    write(apimodels, 8)
    process = apimodels.start(*BATCH, "--max-in-flight", "3", settings=at(slower))
    process.stdout.readline()  # some are saved, some under way, some were never sent
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)

    done = apimodels(*BATCH, settings=at(slower))

    assert process.returncode == 130
    only_wait = ", or only wait for (it|them) with: apimodels wait --from out"
    again = "run the same command again"
    assert re.search(rf"interrupted; .* under way, and run\.db knows .*: {again}({only_wait})?\n$", err)
    assert done.returncode == 0, done.stderr
    assert [row["state"] for row in rows(apimodels.folder / "out")] == ["completed"] * 8
    assert paid_at(apimodels, slower) == 8


@pytest.mark.skipif(os.name != "posix", reason="about POSIX signals")
def test_killed_in_the_middle_it_goes_on_and_calls_unknown_what_was_just_being_sent(
    apimodels: Any, slower: LocalGateway
) -> None:
    write(apimodels, 8)
    process = apimodels.start(*BATCH, "--max-in-flight", "3", settings=at(slower))
    process.stdout.readline()
    process.kill()
    process.communicate(timeout=PATIENCE)

    done = apimodels(*BATCH, settings=at(slower))

    states = Counter(row["state"] for row in rows(apimodels.folder / "out"))
    assert states.keys() <= {"completed", "unknown"}
    assert states.total() == 8
    assert states["unknown"] <= 3
    assert done.returncode == (10 if states["unknown"] else 0), done.stderr
    assert states["completed"] <= paid_at(apimodels, slower) <= 8


def paid_at(apimodels: Any, gateway: LocalGateway) -> int:
    """How many pictures the account has paid for."""
    left = float(apimodels("balance", settings=at(gateway)).stdout)
    return round((1.0 - left) / 0.03)


@pytest.mark.skipif(os.name != "posix", reason="about POSIX signals")
def test_interrupted_while_it_takes_up_old_tasks_it_calls_none_of_them_unknown(apimodels: Any, server: Any) -> None:
    server.says(json.dumps({"code": 200, "data": {"taskId": "made", "state": "processing"}}))
    write(apimodels, 2)
    for _ in range(2):  # the second time, the task comes from the ledger
        server.looked.clear()
        process = apimodels.start(*BATCH, "--max-in-flight", "1", settings=server.settings)
        assert server.looked.wait(PATIENCE)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
        assert process.returncode == 130

    assert "unknown" not in {row["state"] for row in rows(apimodels.folder / "out")}
    assert "made" in {row["task_id"] for row in rows(apimodels.folder / "out")}


def test_what_is_unknown_waits_for_a_person(apimodels: Any, server: Any) -> None:
    settings = server.says('{"code": 500, "msg": "oh"}', 500)
    write(apimodels, 1)
    first = apimodels(*BATCH, settings=settings)
    server.asked.clear()

    again = apimodels(*BATCH, settings=settings)

    assert (first.returncode, again.returncode) == (10, 10)
    assert not server.asked.is_set()
    for done in (first, again):
        assert "  1 is unknown and is not sent again until you decide: `apimodels ledger show run.db`" in done.stderr
        assert "apimodels ledger resolve run.db KEY resubmit|abandon|TASK_ID decides\n" in done.stderr
    [unknown] = json.loads(apimodels("ledger", "show", "run.db", "--json").stdout)["unknown"]

    assert apimodels("ledger", "resolve", "run.db", unknown["key"], "abandon").returncode == 0
    assert apimodels(*BATCH, settings=settings).returncode == 15
    assert not server.asked.is_set()
    assert apimodels("ledger", "resolve", "run.db", unknown["key"], "resubmit").returncode == 0
    assert apimodels(*BATCH, settings=settings).returncode == 10
    assert server.asked.is_set()


def test_a_ledger_in_use_is_left_alone_and_so_are_the_results_of_who_uses_it(apimodels: Any, server: Any) -> None:
    write(apimodels, 1)
    (apimodels.folder / "out").mkdir()
    (apimodels.folder / "out" / "results.jsonl").write_text("of the other run")

    with SqliteLedger(apimodels.folder / "run.db"):
        endings = apimodels.all(BATCH, ("ledger", "resolve", "run.db", "key", "abandon"), settings=server.settings)

    for done in endings:
        assert (done.returncode, done.stdout) == (16, "")
        assert re.fullmatch(r"apimodels: .*run\.db is in use by another run: wait for it to end\n", done.stderr)
    assert not server.asked.is_set()
    assert [path.name for path in (apimodels.folder / "out").iterdir()] == ["results.jsonl"]


def test_a_ledger_in_use_can_be_looked_at(apimodels: Any) -> None:
    with SqliteLedger(apimodels.folder / "run.db") as ledger:
        add(ledger, "a kite", Step.SENDING, Step.UNKNOWN)
        shown, exported = apimodels.all(("ledger", "show", "run.db", "--json"), ("ledger", "export", "run.db"))

    assert (shown.returncode, exported.returncode) == (0, 0)
    assert json.loads(shown.stdout)["steps"]["unknown"] == 1
    assert [json.loads(line)["step"] for line in exported.stdout.splitlines()] == ["unknown"]


@pytest.mark.skipif(os.name != "posix", reason="about a limit of POSIX")
def test_a_full_disk_sends_nothing_and_is_said(apimodels: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
        monkeypatch.delenv(name)  # there is no room for its notes either
    server.says(json.dumps({"code": 200, "data": {"taskId": "made", "state": "processing"}}))
    write(apimodels, 200)
    with SqliteLedger(apimodels.folder / "run.db"):
        pass
    limit = "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (12288, 12288)); "
    limit += "from apimodels_async.cli import main; sys.exit(main())"
    apimodels.line = (apimodels.line[0], "-c", limit)

    began = time.monotonic()
    process = apimodels.start(*BATCH, settings=server.settings, stderr=subprocess.STDOUT)
    said, _ = process.communicate(timeout=PATIENCE)

    assert time.monotonic() - began < PATIENCE
    assert process.returncode == 16
    assert "Traceback" not in said
    assert "run.db cannot be" in said
