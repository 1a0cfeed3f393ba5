"""Runs the command line in forks of a process that has imported all of it: a fork costs a tenth of a start.

Run as a script, it is that process. One order a line comes on standard input, as JSON; one line goes back for each,
with how the fork ended. The shim that it was started with (LD_PRELOAD) makes a folder of the fork a full disk.
"""

import ctypes
import gc
import json
import os
import pkgutil
import runpy
import select
import signal
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
COMMAND = "apimodels_async.cli"


class Forge:
    """A process that has imported the command line, and forks for each command."""

    def __init__(self, shim: Path) -> None:
        paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": paths, "LD_PRELOAD": str(shim)},
        )

    def run(self, order: dict[str, Any]) -> int | None:
        """Run a command and return its exit code; ``None`` if it had to be killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        code: int | None = json.loads(self._process.stdout.readline())["code"]
        return code

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        assert self._process.wait(60) == 0
        self._process.stdout.close()


def import_everything() -> None:
    """Import every module of the package whose dependencies are there."""
    package = import_module("apimodels_async")
    for module in pkgutil.walk_packages(package.__path__, "apimodels_async.", onerror=lambda _: None):
        if not module.name.endswith("__main__"):
            with suppress(ImportError):
                import_module(module.name)


def run(order: dict[str, Any]) -> None:
    """Be the command, in a fork. Ends as a process of its own would, whatever is raised."""
    os.chdir(order["folder"])
    os.environ.update(order["environment"])
    output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, file in enumerate((nothing, output, output)):
        os.dup2(file, number)
    if order["full"] is not None:
        full = order["full"]
        ctypes.CDLL(None).full_disk_begin(
            os.fsencode(full["folder"]),
            ctypes.c_long(full["call"]),
            full["errno"],
            full["half"],
            os.fsencode(full["report"]),
        )
    sys.argv = [COMMAND, *order["arguments"]]
    runpy.run_module(COMMAND, run_name="__main__", alter_sys=True)


def main() -> None:
    """Fork for each order, and wait for the fork."""
    import_everything()
    gc.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            run(order)
            return
        process = os.pidfd_open(pid)
        in_time = bool(select.select([process], [], [], order["seconds"])[0])
        if not in_time:
            os.kill(pid, signal.SIGKILL)
        os.close(process)
        _, status = os.waitpid(pid, 0)
        try:
            print(json.dumps({"code": os.waitstatus_to_exitcode(status) if in_time else None}), flush=True)
        except BrokenPipeError:  # the proof was interrupted
            os._exit(1)


if __name__ == "__main__":
    main()
