"""Programs: which are needed, how they are started in a namespace, and how all of them are ended."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

PACKAGES = {
    "ip": "iproute2",
    "ss": "iproute2",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "nginx": "nginx-light",
    "haproxy": "haproxy",
    "tinyproxy": "tinyproxy",
    "dnsmasq": "dnsmasq-base",
    "openssl": "openssl",
}
"""Each program that is used, and the Debian package that brings it."""
START = 15.0
"""Seconds within which a program must be ready."""
END = 5.0
"""Seconds within which a program must have ended after SIGTERM; then it is killed."""


class LabError(Exception):
    """The lab itself does not work: nothing is said about the SDK."""


def missing_packages() -> list[str]:
    """The Debian packages that have to be installed first."""
    return sorted({package for program, package in PACKAGES.items() if shutil.which(program) is None})


def run(*command: str) -> str:
    """Run a short program to its end, and return what it printed.

    Raises:
        LabError: it failed, or took longer than `START`.
    """
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=START, check=False)
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(command)}: still running after {START:g} s") from error
    if ended.returncode:
        raise LabError(f"{' '.join(command)}: {(ended.stderr or ended.stdout).strip()}")
    return ended.stdout


class Program:
    """One running program with whatever it starts: a process group of its own, and a file for what it prints."""

    def __init__(self, command: Sequence[str], output: Path, env: dict[str, str] | None = None) -> None:
        self.command = list(command)
        self.output = output
        with output.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=env,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def said(self) -> str:
        """The end of what it printed."""
        return self.output.read_text(encoding="utf-8", errors="replace")[-2000:].strip()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group of a program that is running; later its number may be another's."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """End the whole group at once. May be called twice."""
        if self.running:
            self.signal(signal.SIGKILL)
            self.process.wait(END)

    def end(self) -> None:
        """Ask it to end, and kill it if it does not. May be called twice."""
        if self.running:
            self.signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(END)
        self.kill()

    def wait_until(self, ready: Callable[[], bool], seconds: float = START) -> None:
        """Wait until it is ready.

        Raises:
            LabError: it ended instead, or is not ready after `seconds`.
        """
        until = time.monotonic() + seconds
        while not ready():
            if not self.running:
                raise LabError(f"{self.command} has ended: {self.said()}")
            if time.monotonic() > until:
                raise LabError(f"{self.command} is not ready after {seconds:g} s: {self.said()}")
            time.sleep(0.05)
