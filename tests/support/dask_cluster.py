"""A Dask cluster of processes on this machine, whose workers can be killed and started again."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.postgres import free_port

QUIET = {
    "DASK_LOGGING__DISTRIBUTED": "warning",
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "30s",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "60s",
}
_PROGRAM = "import sys; from distributed.cli.dask_{0} import main; sys.exit(main())"


class DaskCluster:
    """A scheduler and workers, each a process without a nanny, as a supervisor would start them.

    Args:
        environment: of the workers alone, such as their key.
        threads: of each worker.
    """

    def __init__(self, environment: dict[str, str], *, threads: int = 8) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="apimodels-dask-"))
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self.workers: list[subprocess.Popen[bytes]] = []
        self._environment = {**self.base(), **environment}
        self._threads = threads
        self._log = (self.folder / "log").open("ab")
        self._scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", self.address.rpartition(":")[2], "--no-dashboard",
            environment=self.base(),
        )  # fmt: skip

    @staticmethod
    def base() -> dict[str, str]:
        """This process's environment, without what only workers may know."""
        return {name: value for name, value in os.environ.items() if not name.startswith("APIMODELS_")} | QUIET

    def _start(
        self, what: str, *arguments: str, environment: dict[str, str], group: int | None = None
    ) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-c", _PROGRAM.format(what), *arguments],
            env=environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
            group=group,
        )  # fmt: skip

    def start_worker(self, group: int | None = None) -> "subprocess.Popen[bytes]":
        """Start one more worker, as root perhaps in another group of users; it registers soon."""
        worker = self._start(
            "worker", self.address, "--no-nanny", "--nthreads", str(self._threads), "--no-dashboard",
            "--local-directory", str(self.folder), "--death-timeout", "120", environment=self._environment,
            group=group,
        )  # fmt: skip
        self.workers.append(worker)
        return worker

    def client(self) -> Any:
        """A client of it, when the scheduler is there."""
        distributed: Any = import_module("distributed")
        return distributed.Client(self.address, timeout=60, set_as_default=False)

    def log(self) -> str:
        """What the processes have written."""
        return (self.folder / "log").read_text(errors="replace")

    def end(self, worker: "subprocess.Popen[bytes]", how: int = signal.SIGKILL, within: float = 60.0) -> int:
        """Send a worker a signal, and return its exit code when it has ended."""
        worker.send_signal(how)
        code = worker.wait(within)
        self.workers.remove(worker)
        return code

    def end_scheduler(self) -> None:
        """Kill the scheduler."""
        self._scheduler.kill()
        self._scheduler.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for process in (*self.workers, self._scheduler):
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
        self._log.close()


def wait_until(true: Any, within: float = 60.0, what: str = "it") -> None:
    """Return when `true()` is."""
    ends = time.monotonic() + within
    while not true():
        assert time.monotonic() < ends, f"{what} did not happen within {within} s"
        time.sleep(0.05)
