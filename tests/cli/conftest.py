"""Runs commands as a user types them, with nothing of this machine's settings."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from apimodels_async.cli.app import run
from apimodels_async.gateway import LocalGateway

PATIENCE = 45.0
"""Seconds after which a test stops waiting for a word."""

Settings = Mapping[str, str]


class Command:
    """Runs `apimodels` in a folder of its own, without a key unless `settings` bring one.

    Called, it runs in this process: an interpreter takes half a second to start, and most commands less. What needs a
    process of its own (signals, a terminal, stdin, a stdout that goes away, an extra that is missing) is started.
    """

    line = (sys.executable, "-W", "error", "-m", "apimodels_async.cli")

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[subprocess.Popen[str]] = []

    def environment(self, settings: Settings | None) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("APIMODELS_")}
        environment |= {"HOME": str(self.folder), "USERPROFILE": str(self.folder), "TERM": "xterm", "COLUMNS": "100"}
        return environment | dict(settings or {})

    def start(self, *arguments: str, settings: Settings | None = None, **options: Any) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        process = subprocess.Popen(
            [*self.line, *arguments],
            cwd=self.folder,
            env=self.environment(settings),
            text=True,
            encoding="utf-8",
            **pipes | options,
        )
        self._running.append(process)
        return process

    def __call__(self, *arguments: str, settings: Settings | None = None) -> subprocess.CompletedProcess[str]:
        if self.line != Command.line:  # an interpreter that was prepared in another way
            process = self.start(*arguments, settings=settings)
            out, err = process.communicate(timeout=PATIENCE)
            return subprocess.CompletedProcess(arguments, process.returncode, out, err)
        with (
            mock.patch.dict(os.environ, self.environment(settings), clear=True),
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(_stream()) as stdout,
            contextlib.redirect_stderr(_stream()) as stderr,
        ):
            code = run(arguments)
        return subprocess.CompletedProcess(arguments, code, _text(stdout), _text(stderr))

    def all(self, *commands: Sequence[str], settings: Settings | None = None) -> list[subprocess.CompletedProcess[str]]:
        """Several commands, one after another."""
        return [self(*arguments, settings=settings) for arguments in commands]

    def end_all(self) -> None:
        for process in self._running:
            with process:  # closes its pipes
                if process.poll() is None:
                    process.kill()


def _stream() -> io.TextIOWrapper:
    """As stdout and stderr are in a pipe: bytes, with an encoding."""
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace", newline="", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    data: bytes = stream.buffer.getvalue()  # type: ignore[attr-defined]
    return data.decode()


@pytest.fixture(scope="session", autouse=True)
def hangups_are_heard() -> None:
    """Processes inherit that hangups are ignored, where the tests were started with ``nohup``."""
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def apimodels(tmp_path: Path) -> Iterator[Command]:
    command = Command(tmp_path)
    yield command
    command.end_all()


def at(gateway: LocalGateway) -> dict[str, str]:
    """The settings for a gateway."""
    return {"APIMODELS_BASE_URL": gateway.base_url, "APIMODELS_API_KEY": gateway.api_key}


@pytest.fixture
def here(gateway: LocalGateway) -> Settings:
    """The settings for a gateway that is done within tenths of a second."""
    return at(gateway)


@pytest.fixture(scope="session")
def slow() -> Iterator[Settings]:
    """The settings for a gateway whose tasks take twenty seconds, two of them pending."""
    with LocalGateway(latency="20/20") as gateway:
        yield at(gateway)


class Scripted:
    """A server that says `first` to creates, once `may_answer` is set, and `later` to all questions."""

    def __init__(self) -> None:
        self.first = self.later = ("{}", 200)
        self.asked = threading.Event()
        self.looked = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()
        script = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                script.looked.set()
                self._answer(*script.later)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                script.asked.set()
                assert script.may_answer.wait(PATIENCE)
                self._answer(*script.first)

            def _answer(self, body: str, status: int) -> None:
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body.encode())))
                    self.end_headers()
                    self.wfile.write(body.encode())
                except OSError:
                    pass  # the client is gone, as some tests want

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.settings = {
            "APIMODELS_BASE_URL": f"http://127.0.0.1:{self._server.server_port}/api/v1",
            "APIMODELS_API_KEY": "sk_scripted",
        }

    def says(self, body: str, status: int = 200) -> Settings:
        self.first = self.later = (body, status)
        return self.settings

    def close(self) -> None:
        self.may_answer.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Scripted]:
    scripted = Scripted()
    yield scripted
    scripted.close()


@pytest.fixture
def picture(tmp_path: Path) -> Callable[..., str]:
    """Draws a file and gives its name."""
    from PIL import Image

    def draw(name: str, size: tuple[int, int] = (256, 256), colour: str = "white") -> str:
        Image.new("RGB", size, colour).save(tmp_path / name)
        return name

    return draw
