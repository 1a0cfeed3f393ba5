"""Runs the command line in forks of this process, which has imported all of it: a fork costs a tenth of a start.

One order a line comes on standard input, as JSON; one line goes back for each, with how the process ended. The shim
that this process was started with (LD_PRELOAD) makes a folder of the fork a full disk.
"""

import ctypes
import gc
import json
import os
import pkgutil
import runpy
import select
import signal
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

COMMAND = "apimodels_async.cli"


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
        print(json.dumps({"code": os.waitstatus_to_exitcode(status) if in_time else None}), flush=True)


if __name__ == "__main__":
    main()
