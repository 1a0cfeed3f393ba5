"""A gateway in a process of its own, as a user starts it, and what it costs."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

KEY = "sk_localdevelopment"
MODEL = "sparkpix-image-edit"
MOST_MEMORY = 1000
"""MB that a gateway may take at most."""
MOST_WAIT = 1.0
"""Seconds in which a small request is answered, whatever else goes on."""
_PATIENCE = 120.0


def peak_memory(pid: int | str = "self") -> int:
    """The most memory that a process has had, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) >> 10
    raise RuntimeError("the system does not tell the peak of a process's memory: run this on Linux")


def memory(pid: int) -> int:
    """The memory that a process has now, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) >> 10
    return 0


class Answer(NamedTuple):
    """What the gateway answered."""

    status: int
    body: bytes

    @property
    def data(self) -> Any:
        """The data in the envelope."""
        return json.loads(self.body)["data"]


PEAKS: list[int] = []
"""The most memory of each gateway that has ended, in MB."""


class Gateway:
    """``apimodels gateway`` on a free port.

    Args:
        folder: for its store and its log.
        *options: of the command.
        program: a program in its place, which prints its base URL.
        files: how many file descriptors it may have.
    """

    def __init__(self, folder: Path, *options: str, program: str | None = None, files: int | None = None) -> None:
        self.store = folder / "store.sqlite3"
        self._log = folder / "log.txt"
        usual = ("--port", "0", "--store", str(self.store), "--latency", "0/0", "--balance", "1000000", "--quiet")
        self._command = (
            [sys.executable, "-m", "apimodels_async", "gateway", *usual, *options]
            if program is None
            else [sys.executable, "-c", program, str(self.store), *options]
        )
        if files is not None:
            self._command = ["prlimit", f"--nofile={files}", *self._command]
        self.port = 0

    def __enter__(self) -> Self:
        self._written = self._log.open("ab")
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}
        self.process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=self._written, env=environment, text=True
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "export APIMODELS_BASE_URL=" in line:
                self.port = int(line.rpartition(":")[2].partition("/")[0])
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()

    @property
    def started(self) -> bool:
        """Whether it answers."""
        return bool(self.port)

    @property
    def origin(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has said so far on stderr."""
        return self._log.read_text("utf-8", "replace")

    def end(self, number: int = signal.SIGTERM) -> float:
        """End it by a signal, and return how many seconds that took."""
        if self.process.poll() is None:
            PEAKS.append(peak_memory(self.process.pid))
        began = time.monotonic()
        self.process.send_signal(number)
        try:
            self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._written.close()
        return time.monotonic() - began

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, *, wait: float = 180.0
    ) -> Answer:
        """One request on a connection of its own. A body that is no bytes is sent as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=wait)
        try:
            return exchanged(connection, method, path, body, headers)
        finally:
            connection.close()

    def create(self, prompt: str = "a cat", **fields: Any) -> Answer:
        """One create request."""
        return self.ask("POST", "/api/v1/images/generations", {"model": MODEL, "prompt": prompt, **fields})


def exchanged(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """One request on a connection, and its answer."""
    sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    usual = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    connection.request(method, path, sent, {**usual, **(headers or {})})
    answer = connection.getresponse()
    return Answer(answer.status, answer.read())


class SmallRequests:
    """Sends small requests all the time, in a process of its own, which what the attack computes does not hold up."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.slowest = 0.0
        self.count = 0
        self.refused = ""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.proofs.hostile.small_requests", str(self._gateway.port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *error: object) -> None:
        said, _ = self._process.communicate()
        self.slowest, self.count, self.refused = json.loads(said)

    def wrong(self) -> list[str]:
        """What was wrong with the answers."""
        slow = self.slowest > MOST_WAIT
        return [self.refused, f"a small request was answered after {self.slowest:.1f} s" if slow else ""]
