"""``apimodels listen``, from outside: what it prints, what it passes on, how it ends."""

import json
import os
import re
import shlex
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from tests.callbacks.conftest import body_of
from tests.cli.test_on_a_terminal import Terminal, plain

pytestmark = pytest.mark.skipif(os.name != "posix", reason="ended by POSIX signals")

SECRET = {"APIMODELS_CALLBACK_SECRET": "a secret that is long enough"}


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.close()


def announced(process: Any) -> str:
    """The URL to give to creates, once it listens."""
    url = ""
    while line := process.stderr.readline():
        if line.startswith("export "):
            url = shlex.split(line)[1].partition("=")[2]
        if "Ctrl-C" in line:
            return url
    raise AssertionError(url)


def post(url: str, body: bytes) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=20) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


class App:
    """An app behind `--forward`."""

    def __init__(self) -> None:
        self.status = 200
        self.got: list[bytes] = []
        app = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                app.got.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(app.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def app() -> Iterator[App]:
    app = App()
    thread = Thread(target=app.server.serve_forever, args=(0.01,))
    thread.start()
    yield app
    app.server.shutdown()
    thread.join()
    app.server.server_close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_pipe_gets_a_line_of_json_for_each_task_and_nothing_else(
    apimodels: Any, here: Any, number: signal.Signals
) -> None:
    process = apimodels.start("listen", "--port", "0")
    url = announced(process)

    done = apimodels("generate", "a fox", "--size", "64x64", settings={**here, "APIMODELS_CALLBACK_URL": url})
    assert done.returncode == 0
    callback = json.loads(process.stdout.readline())
    assert callback["state"] == "completed"
    assert done.stdout.startswith(callback["task_id"])
    assert callback["param"]["prompt"] == "a fox"
    assert {"result_urls", "cost_time", "create_time", "complete_time", "fail_code"} < set(callback)

    assert [post(url, body_of("a")) for _ in range(2)] == [200, 200]
    assert [post(url + "x", body_of("b")), post(url, b"broken")] == [404, 400]
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert [json.loads(line)["task_id"] for line in out.splitlines()] == ["a"]
    assert (process.returncode, err) == (0, "")


def test_a_terminal_gets_words(apimodels: Any, terminal: Terminal) -> None:
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), terminal.theirs)
    process = apimodels.start("listen", "--port", "0", **streams)
    found = re.search(r"^export APIMODELS_CALLBACK_URL=(\S+)", terminal.until("Ctrl-C ends it"), re.MULTILINE)
    assert found

    assert post(found[1], body_of("a")) == 200
    failed = body_of("b", state="failed", failCode="TIMEOUT", failMsg="too \x1b[31mslow", resultJson=None)
    assert post(found[1], failed) == 200
    terminal.until("TIMEOUT")
    process.send_signal(signal.SIGINT)
    assert terminal.wait(process) == 0
    shown = plain(terminal.drain())
    assert re.search(
        r"\d\d:\d\d:\d\d  completed  a  grok-image/grok-4.2-image  12.3 s\r\n +https://r2\.example/1", shown
    )
    assert re.search(r"failed     b  .*\r\n +TIMEOUT: too \[31mslow\r\n", shown)


def test_with_a_secret_the_url_is_the_same_after_a_restart(apimodels: Any) -> None:
    urls: list[str] = []
    for _ in range(2):
        process = apimodels.start("listen", "--port", "0", "--public-url", "https://t.example/x/", settings=SECRET)
        urls.append(announced(process))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert urls[0] == urls[1]
    assert urls[0].startswith("https://t.example/x/listen/")
    assert SECRET["APIMODELS_CALLBACK_SECRET"] not in urls[0]


def test_what_comes_is_passed_on_as_it_is_and_again_until_that_was_taken(apimodels: Any, app: App) -> None:
    process = apimodels.start("listen", "--port", "0", "--forward", app.url)
    url = announced(process)
    app.status = 500

    assert post(url, body_of("a")) == 503
    app.status = 204
    assert post(url, body_of("a")) == 200
    assert post(url, body_of("a")) == 200
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert app.got == [body_of("a")] * 2
    assert [json.loads(line)["forwarded"] for line in out.splitlines()] == [204]
    assert err == "apimodels: task a: its callback was not handled, it will come again (--forward got HTTP 500)\n"


def test_an_app_that_is_not_there_is_waited_for(apimodels: Any) -> None:
    process = apimodels.start("listen", "--port", "0", "--forward", "http://127.0.0.1:1/hook")

    assert post(announced(process), body_of("a")) == 503
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert out == ""
    assert "--forward got no answer: ConnectError" in err


def test_it_ends_when_nobody_reads_any_more(apimodels: Any) -> None:
    process = apimodels.start("listen", "--port", "0", stdout=subprocess.PIPE)
    url = announced(process)
    process.stdout.close()

    assert post(url, body_of("a")) == 503
    assert process.wait(20) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--forward", "http://example.com/hook"), 2, "example.com is another machine.*--forward-anywhere"),
        (("--forward", "127.0.0.1:3000"), 2, r"--forward: give an absolute http\(s\) URL"),
        (("--forward", "http://[::1"), 2, r"--forward: give an absolute http\(s\) URL"),
        (("--public-url", "example.com"), 2, "--public-url: give an absolute"),
        (("--port", "66000"), 2, "65535"),
        (("--host", "256.0.0.1"), 3, "cannot listen on 256.0.0.1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_cannot_be_is_one_line(apimodels: Any, arguments: tuple[str, ...], code: int, words: str) -> None:
    done = apimodels("listen", "--port", "0", *arguments)

    assert done.returncode == code
    assert re.fullmatch(rf"apimodels: .*{words}.*\n", done.stderr)
    assert done.stdout == ""


def test_a_short_secret_is_refused_and_not_shown(apimodels: Any) -> None:
    done = apimodels("listen", settings={"APIMODELS_CALLBACK_SECRET": "canary"})

    assert done.returncode == 3
    assert "canary" not in done.stderr
