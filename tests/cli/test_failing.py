"""Whatever goes wrong: one plain line, the documented code, and no key in it."""

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apimodels_async.gateway import Latency, LocalGateway

KEY = "sk_verysecretindeed"


def line(done: Any) -> str:
    """The one line on stderr, without the name of the program."""
    assert done.stderr.startswith("apimodels: ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert KEY not in done.stderr + done.stdout
    return str(done.stderr).removeprefix("apimodels: ").strip()


BAD_ARGUMENTS: list[tuple[list[str], str]] = [
    (["generate"], "Missing argument 'PROMPT'"),
    (["generate", "a fox", "--frob"], "--frob"),
    (["frobnicate"], "frobnicate"),
    (["generate", " "], "PROMPT is empty: say what to paint; nothing was sent"),
    (["generate", "a fox", "--size", "1024x"], "--size '1024x': give pixels"),
    (["generate", "a fox", "-n", "0"], "-n 0: give at least 1"),
    (["generate", "a fox", "-n", "two"], "-n two: give a whole number"),
    (["generate", "a fox", "--format", "gif"], "--format gif: give png, jpeg or webp"),
    (["generate", "a fox", "--quality", "a b"], "--quality"),
    (["generate", "a fox", "--timeout", "-1"], "--timeout -1: give a number from 0 on"),
    (["generate", "a fox", "--timeout", "nan"], "--timeout nan: give a number from 0 on"),
    (["generate", "a fox", "--mask", "mask.png"], "--mask: give the image it belongs to"),
    (["generate", "a fox", "--image", "none.png"], "--image 'none.png': no such file"),
    (["generate", "a fox", "--image", "http://127.0.0.1:9/a", "--image", "none.png"], "--image 'none.png'"),
    (["generate", "a fox", "-o", "a-file/inside"], "--output a-file/inside"),
    (["wait", "an-id", "-o", "a-file/inside"], "--output a-file/inside"),
    (["wait", ""], "ID is empty: give the id of a task; nothing was sent"),
    (["wait", "an-id", " "], "ID is empty"),
    (["wait"], "give the ID of a task, or --from"),
    (["wait", "an-id", "--from", "."], "give either IDs or --from"),
    (["wait", "an-id", "another", "-o", "cat.png"], "--output cat.png: several tasks have several pictures"),
    (["wait", "--from", "none.jsonl"], "--from none.jsonl: no such file or folder"),
    (["wait", "--from", "a-file"], "--from a-file is empty: give a results.jsonl, or a folder that has one"),
    (["wait", "--from", "notes.txt"], "--from notes.txt, line 2: no JSON object"),
    (["create", " "], "PROMPT is empty"),
    (["upload", ""], "FILE is empty"),
    (["upload", "none.png"], "FILE 'none.png': no such file"),
    (["open", ""], "ID is empty"),
    (["completion", "tcsh"], "SHELL tcsh: give bash, zsh or fish"),
    (["generate", "a fox", "-n", "2", "-o", "cat.png"], "cat.png is the file of one picture, and -n asks for 2"),
    (["generate", "a fox", "--name", "{produkt}"], "--name '{produkt}': there is no {produkt}; there are {id}"),
    (["generate", "a fox", "--name", "x", "-o", "cat.png"], "give either --output cat.png or --name"),
    (["generate", "a fox", "-o", "a{b}.png"], "--output 'a{b}': there is no {b}"),
    (["generate", "a fox", "--extra", "[1]"], '--extra: give a JSON object, as {"style": "ink"}'),
    (["models", "--local", "--base-url", "http://127.0.0.1:9"], "give either --local or --base-url"),
    (["status", " "], "ID is empty"),
    (["gateway", "--port", "70000"], "--port 70000: give a whole number from 0 to 65535"),
    (["gateway", "--port", "0", "--latency", "soon"], "soon"),
    (["gateway", "--port", "0", "--api-key", "two words"], "key"),
]


def test_a_bad_argument_is_said_in_the_words_of_the_command_line(apimodels: Any, here: Any) -> None:
    (apimodels.folder / "a-file").touch()
    (apimodels.folder / "notes.txt").write_text('{"task_id": "a"}\nno\n')

    endings = apimodels.all(*(arguments for arguments, _ in BAD_ARGUMENTS), settings=here)

    for done, (arguments, words) in zip(endings, BAD_ARGUMENTS, strict=True):
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert words in line(done)


def test_an_image_and_a_mask_of_different_sizes_are_refused(
    apimodels: Any, here: Any, picture: Callable[..., str]
) -> None:
    image, mask = picture("image.png", (64, 64)), picture("mask.png", (32, 32))

    done = apimodels("generate", "a fox", "--image", image, "--mask", mask, settings=here)

    assert done.returncode == 2
    assert "32x32" in line(done)


def test_a_folder_that_cannot_be_written_costs_nothing(apimodels: Any) -> None:
    with LocalGateway(latency="0/0") as gateway:
        settings = {"APIMODELS_BASE_URL": gateway.base_url, "APIMODELS_API_KEY": gateway.api_key}
        (apimodels.folder / "taken").touch()

        done = apimodels("generate", "a fox", "-o", "taken", settings=settings)

        assert done.returncode == 2
        assert "taken" in line(done)
        assert float(apimodels("balance", settings=settings).stdout) == 10.0


def test_no_key_is_said_with_the_ways_to_give_one(apimodels: Any) -> None:
    done = apimodels("balance")

    assert done.returncode == 3
    assert "APIMODELS_API_KEY" in line(done)
    assert "api_key=" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="about the modes of files")
def test_credentials_that_others_can_read_are_refused_in_one_line(apimodels: Any) -> None:
    (apimodels.folder / ".apimodels").mkdir()
    file = apimodels.folder / ".apimodels" / "credentials"
    file.write_text(f"{KEY}\n")
    file.chmod(0o644)

    done = apimodels("balance")

    assert done.returncode == 3
    assert "others can read it" in line(done)


def test_plain_http_to_elsewhere_is_warned_of(apimodels: Any) -> None:
    # TEST-NET is routed nowhere; the proxy, here on this machine, is what refuses.
    settings = {
        "APIMODELS_BASE_URL": "http://192.0.2.1/v1",
        "APIMODELS_API_KEY": KEY,
        "http_proxy": "http://127.0.0.1:9",
    }

    done = apimodels("balance", settings=settings)

    warning, error = done.stderr.splitlines()
    assert warning.startswith("apimodels: warning: ")
    assert "unprotected" in warning
    assert done.returncode == 9
    assert error.startswith("apimodels: ")


def test_a_key_that_is_not_accepted(apimodels: Any, here: Any) -> None:
    done = apimodels("balance", settings={**here, "APIMODELS_API_KEY": KEY})

    assert done.returncode == 5
    assert "401" in line(done)


def test_a_refused_request(apimodels: Any, here: Any) -> None:
    done = apimodels("generate", "a fox", "-m", "no-such-model", settings=here)

    assert done.returncode == 4
    assert "no-such-model" in line(done)


def test_credits_that_do_not_suffice(apimodels: Any) -> None:
    with LocalGateway(balance=0.0) as gateway:
        settings = {"APIMODELS_BASE_URL": gateway.base_url, "APIMODELS_API_KEY": gateway.api_key}

        done = apimodels("generate", "a fox", settings=settings)

    assert done.returncode == 6
    assert "402" in line(done)


def test_a_task_that_the_server_does_not_know(apimodels: Any, here: Any) -> None:
    for done in apimodels.all(("status", "no-such-task"), ("wait", "no-such-task"), settings=here):
        assert done.returncode == 7
        assert "take it up" not in line(done)


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, '{"code": 500, "msg": "oh"}'), (429, '{"code": 429, "msg": "slow down"}'), (200, "<html>")],
)
def test_a_server_that_cannot(apimodels: Any, server: Any, status: int, body: str) -> None:
    done = apimodels("status", "an-id", settings=server.says(body, status))

    assert done.returncode == 8
    assert line(done)


def test_the_words_of_a_server_reach_no_terminal_as_commands(apimodels: Any, server: Any) -> None:
    words = json.dumps({"code": 400, "msg": "no\n\x1b]0;gotcha\x07way \ud800"})

    done = apimodels("status", "an-id", settings=server.says(words, 400))

    assert line(done).startswith(r"no\n\x1b]0;gotcha\x07way \ud800")


def test_nobody_there(apimodels: Any) -> None:
    settings = {"APIMODELS_BASE_URL": "http://127.0.0.1:9/api/v1", "APIMODELS_API_KEY": KEY}

    done = apimodels("models", settings=settings)

    assert done.returncode == 9
    assert line(done)


def test_a_create_of_unknown_fate_is_shouted(apimodels: Any, server: Any) -> None:
    done = apimodels("generate", "a fox", settings=server.says('{"code": 500, "msg": "oh"}', 500))

    assert done.returncode == 10
    assert "may be accepted and billed" in line(done)


def test_with_json_an_error_is_one_object_on_stderr_that_names_the_task(apimodels: Any, here: Any) -> None:
    done = apimodels("generate", "brownout", "--json", settings=here)

    assert (done.returncode, done.stdout) == (11, "")
    told = json.loads(done.stderr)
    assert set(told) == {"error", "message", "task_id", "exit_code"}
    assert (told["error"], told["exit_code"]) == ("GenerationFailedError", 11)
    assert "UPSTREAM_BUSY" in told["message"]
    status = json.loads(apimodels("status", told["task_id"], "--json", settings=here).stdout)
    assert status["state"] == "failed"


@pytest.mark.parametrize(
    ("arguments", "error", "code"),
    [
        (["generate", "--json"], "UsageError", 2),
        (["generate", "--json", "a fox", "-n", "two"], "UsageError", 2),
        (["frobnicate", "--json"], "UsageError", 2),
        (["status", "no-such-task", "--json"], "TaskNotFoundError", 7),
        (["balance", "--json", "--base-url", "ftp://nowhere"], "ConfigurationError", 3),
        (["ledger", "show", "none.db", "--json"], "LedgerError", 16),
        (["batch", "none.txt", "--json"], "UsageError", 2),
    ],
)
def test_every_error_is_such_an_object(apimodels: Any, here: Any, arguments: list[str], error: str, code: int) -> None:
    done = apimodels(*arguments, settings=here)

    told = json.loads(done.stderr)
    assert (done.returncode, done.stdout) == (code, "")
    assert (told["error"], told["exit_code"]) == (error, code)
    assert told["task_id"] == ("no-such-task" if code == 7 else None)
    assert not re.search(r"Input should|pydantic|NoneType|base_url", told["message"])


def test_moderation_has_its_own_code_for_wait_as_well(apimodels: Any, here: Any) -> None:
    first = apimodels("generate", "contraband", "--json", settings=here)

    again = apimodels("wait", json.loads(first.stderr)["task_id"], settings=here)

    assert (first.returncode, again.returncode) == (12, 12)
    assert "CONTENT_MODERATION" in line(again)


def test_a_wait_that_takes_too_long_says_how_to_go_on(apimodels: Any, slow: Any) -> None:
    done = apimodels("generate", "a fox", "--timeout", "0.2", "-o", "my pictures", "--json", settings=slow)

    assert (done.returncode, done.stdout) == (13, "")
    told = json.loads(done.stderr)
    assert told["message"].replace("processing", "pending") == (
        f"task {told['task_id']} is still pending after 0.2 s; it is not lost, take it up again with: "
        f"apimodels wait {told['task_id']} -o 'my pictures'"
    )


def test_a_local_task_that_takes_too_long_is_not_promised_to_go_on(
    apimodels: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Latency, "draw", lambda *_: 3600.0)
    done = apimodels("generate", "a fox", "--timeout", "0", "--local")

    assert done.returncode == 13
    assert line(done).endswith("ends with the local gateway, which was started for this command only")


def test_a_picture_that_cannot_be_saved_says_how_to_try_again(apimodels: Any, server: Any) -> None:
    data = {"taskId": "made", "state": "completed", "resultUrls": ["ftp://127.0.0.1/picture.png"]}

    done = apimodels("generate", "a fox", settings=server.says(json.dumps({"code": 200, "data": data})))

    assert done.returncode == 14
    assert line(done).endswith("take it up again with: apimodels wait made")


def test_an_error_after_the_create_brings_the_task_id(apimodels: Any, server: Any) -> None:
    server.first = json.dumps({"code": 200, "data": {"taskId": "made"}}), 200
    server.later = '{"code": 401, "msg": "the key was withdrawn"}', 401

    done = apimodels("generate", "a fox", settings=server.settings)

    assert done.returncode == 5
    assert "(task made); it is not lost, take it up again with: apimodels wait made" in line(done)


class TestInterrupted:
    """Ctrl-C, and SIGTERM from those who have no keyboard."""

    pytestmark = pytest.mark.skipif(os.name != "posix", reason="about POSIX signals")

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
    def test_while_waiting_it_says_the_id_and_how_to_take_it_up(
        self, apimodels: Any, server: Any, number: signal.Signals
    ) -> None:
        body = json.dumps({"code": 200, "data": {"taskId": "made", "state": "processing"}})
        process = apimodels.start("generate", "a fox", "-o", "out", "--json", settings=server.says(body))
        assert server.looked.wait(60)

        process.send_signal(number)
        out, err = process.communicate(timeout=30)

        assert process.returncode == 130
        assert json.loads(err) == {
            "error": "Interrupted",
            "message": "interrupted; task made is not lost, take it up again with: apimodels wait made -o out",
            "task_id": "made",
            "exit_code": 130,
        }
        assert out == ""

    def test_while_submitting_it_waits_for_the_id(self, apimodels: Any, server: Any) -> None:
        server.may_answer.clear()
        body = json.dumps({"code": 200, "data": {"taskId": "made", "state": "pending"}})
        process = apimodels.start("generate", "a fox", settings=server.says(body))
        assert server.asked.wait(60)

        process.send_signal(signal.SIGINT)
        server.may_answer.set()
        _, err = process.communicate(timeout=30)

        assert process.returncode == 130
        assert err.endswith("apimodels wait made\n")

    def test_a_create_that_never_answers_is_not_passed_over(self, apimodels: Any, server: Any) -> None:
        server.may_answer.clear()
        process = apimodels.start("generate", "a fox", settings=server.settings)
        assert server.asked.wait(60)

        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)

        assert process.returncode == 130
        unknown, interrupted = err.splitlines()
        assert "may be accepted and billed" in unknown
        assert interrupted == "apimodels: interrupted"


def test_a_reader_that_goes_away_is_no_traceback(apimodels: Any, here: Any) -> None:
    process = apimodels.start("models", settings=here)
    process.stdout.close()

    _, err = process.communicate(timeout=30)

    assert process.returncode == 1
    assert "Traceback" not in err
    assert "Exception ignored" not in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full disk")
def test_a_full_disk_behind_stdout_is_one_line(apimodels: Any, here: Any) -> None:
    with Path("/dev/full").open("w") as full:
        process = apimodels.start("models", settings=here, stdout=full)
        _, err = process.communicate(timeout=30)

    assert process.returncode == 1
    assert err == "apimodels: No space left on device\n"


BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
sys.argv = ["apimodels", *{arguments}]
from apimodels_async.cli import main
sys.exit(main())
"""


def without(apimodels: Any, blocked: set[str], *arguments: str) -> Any:
    """A command where some libraries are not installed."""
    apimodels.line = (*apimodels.line[:3], "-c", BLOCKED.format(blocked=blocked, arguments=list(arguments)))
    return apimodels()


@pytest.mark.parametrize("blocked", ["typer", "rich"])
def test_without_the_extra_cli_it_says_how_to_get_it(apimodels: Any, blocked: str) -> None:
    done = without(apimodels, {blocked}, "models")

    assert done.returncode == 3
    assert 'pip install "apimodels-async[cli]"' in line(done)


@pytest.mark.parametrize("arguments", [["gateway"], ["listen"], ["generate", "a fox", "--local"]])
def test_without_the_extra_gateway_it_says_how_to_get_it(apimodels: Any, arguments: list[str]) -> None:
    done = without(apimodels, {"starlette", "uvicorn", "PIL"}, *arguments)

    assert done.returncode == 3
    assert 'pip install "apimodels-async[gateway]"' in line(done)


def test_a_fault_of_the_program_keeps_its_traceback(apimodels: Any) -> None:
    done = without(apimodels, {"apimodels_async.cli.app", "attrs"}, "models")

    assert done.returncode == 1
    assert "Traceback" in done.stderr
