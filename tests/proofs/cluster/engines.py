"""The two ways to run workers: plain runs that a supervisor starts again, and Dask workers below a driver."""

import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

from apimodels_async.ledger import PostgresLedger
from tests.support.dask_cluster import DaskCluster


class Engine(Protocol):
    """Runs workers until the work is done."""

    def tend(self) -> bool:
        """Start what has ended, and return whether there is work left."""
        ...

    def workers(self) -> "list[subprocess.Popen[bytes]]":
        """The processes that are running."""
        ...


class Plain:
    """Plain runs of the same work, each in its own process, on asyncio and on trio by turns."""

    def __init__(
        self,
        stack: ExitStack,
        ledger: PostgresLedger,
        dsn: str,
        folder: Path,
        *,
        workers: int,
        ttl: float,
        environment: dict[str, str],
        groups: Iterator[int] | None = None,
    ) -> None:
        self._ledger = ledger
        command = [sys.executable, "-m", "tests.proofs.cluster.worker", dsn, str(folder), str(ttl)]
        log = stack.enter_context((folder.parent / "log").open("ab"))

        backends = itertools.cycle(("asyncio", "trio"))

        def start() -> "subprocess.Popen[bytes]":
            group = None if groups is None else next(groups)
            return subprocess.Popen(
                [*command, next(backends)], env=os.environ | environment, stdin=subprocess.DEVNULL, stderr=log,
                group=group,
            )  # fmt: skip

        self._start = start
        self._workers = [start() for _ in range(workers)]
        stack.callback(self._end)

    def tend(self) -> bool:
        """See `Engine`."""
        left = not all(state.finished for state in self._ledger.shards()) or not self._ledger.shards()
        for at, worker in enumerate(self._workers):
            if worker.poll() is not None and left:
                self._workers[at] = self._start()
        return left

    def workers(self) -> "list[subprocess.Popen[bytes]]":
        """See `Engine`."""
        return self._workers

    def _end(self) -> None:
        for worker in self._workers:
            worker.send_signal(signal.SIGCONT)
            worker.kill()
            worker.wait()


class Dask:
    """Dask workers, and a driver in a thread that is run again when it ends early.

    Each worker has four shards and 32 requests in flight, as many requests as a plain run with its two shards has.
    """

    def __init__(
        self,
        stack: ExitStack,
        ledger: PostgresLedger,
        dsn: str,
        folder: Path,
        *,
        workers: int,
        ttl: float,
        environment: dict[str, str],
        groups: Iterator[int] | None = None,
    ) -> None:
        self._ledger, self._number, self._ttl, self._folder = ledger, workers, ttl, folder
        self._cluster = stack.enter_context(DaskCluster({**environment, "APIMODELS_LEDGER": dsn}))
        self._client: Any = stack.enter_context(self._cluster.client())
        self._groups = groups
        for _ in range(workers):
            self._start_worker()
        self._dsn = dsn
        self.error: BaseException | None = None
        self._driver = threading.Thread(target=self._drive, daemon=True)
        self._driver.start()

    def _start_worker(self) -> None:
        self._cluster.start_worker(None if self._groups is None else next(self._groups))

    def _drive(self) -> None:
        from apimodels_async.dask import make_pictures

        try:
            for _ in make_pictures(
                self._client, self._dsn, download_to=str(self._folder), ttl=self._ttl, max_in_flight=8,
                worker_timeout=None,
            ):  # fmt: skip
                pass
        except Exception as error:  # noqa: BLE001  (shown, and tried again)
            self.error = error

    def tend(self) -> bool:
        """See `Engine`."""
        for worker in list(self._cluster.workers):
            if worker.poll() is not None:
                self._cluster.workers.remove(worker)
        while len(self._cluster.workers) < self._number:
            self._start_worker()
        states = self._ledger.shards()
        left = not states or not all(state.finished for state in states)
        if left and not self._driver.is_alive():
            print("the driver is run again:", self.error, flush=True)
            self._driver = threading.Thread(target=self._drive, daemon=True)
            self._driver.start()
        return left

    def workers(self) -> "list[subprocess.Popen[bytes]]":
        """See `Engine`."""
        return self._cluster.workers
