"""The driver: gives the shards of a ledger to the workers of a Dask cluster, and passes on their reports."""

import contextlib
import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import distributed
from distributed import Client
from distributed.client import FuturesCancelledError
from distributed.scheduler import KilledWorker

from apimodels_async._download.destination import place_of
from apimodels_async._download.names import OF_A_SHARD, Naming
from apimodels_async.dask.worker import DrainOnClose, drain, identity, work_on
from apimodels_async.errors import ApimodelsError, LedgerError
from apimodels_async.ledger.postgres.store import TTL, PostgresLedger
from apimodels_async.models import UNSET, Unset
from apimodels_async.shards.dividing import divide, report_of
from apimodels_async.shards.report import ShardEnd, ShardReport, open_steps

if TYPE_CHECKING:
    from apimodels_async.ledger.postgres.shards import ShardState

logger: logging.Logger = logging.getLogger("apimodels_async")

_Future: TypeAlias = Any  # distributed.Future, whose methods have no types
_distributed: Any = distributed
IN_FLIGHT = 4
"""Shards at once for each worker."""
LEFT_FIRST = 1
"""The priority of shards that a worker has begun and left: the tasks in them are paid."""
LOOK = 1.0
"""Seconds between two looks at the workers and at shards that other processes hold."""
LEAVING = 10.0
"""Seconds for which the workers' answers are waited for when the driver leaves."""
DEATHS = 30
"""How often one shard may take its worker with it (Dask counts four deaths as one of these)."""
REFUSALS = 5
"""How often one shard may end because the ledger could not be used."""


_SCHEDULER_GONE = "the scheduler is gone, or has lost the shards: run this again; what was sent is in the ledger"


@contextlib.contextmanager
def _scheduler_errors() -> Generator[None]:
    """What distributed raises when the connection to the scheduler breaks becomes an error of ours."""
    try:
        yield
    except (OSError, FuturesCancelledError) as error:
        raise ApimodelsError(_SCHEDULER_GONE) from error


class NoWorkersError(ApimodelsError):
    """The scheduler has no workers."""


def make_pictures(
    client: Client,
    ledger: PostgresLedger | str,
    *,
    download_to: str | None = None,
    shards_in_flight: int = IN_FLIGHT,
    max_in_flight: int = 64,
    retry_failed: int = 0,
    poll_rate: float | None = None,
    wait_timeout: float | Unset | None = UNSET,
    outage_timeout: float | None = 300.0,
    sidecar: bool = False,
    name: str | None = None,
    ttl: float = TTL,
    worker_timeout: float | None = 60.0,
) -> Iterator[ShardReport]:
    """Make all pictures of a ledger on the workers of a Dask cluster, and iterate over the reports on its shards.

    Each worker takes its key from ``APIMODELS_API_KEY`` and the ledger from ``APIMODELS_LEDGER``, in an environment of
    its own: neither goes through the scheduler. Workers may be killed at any moment, and come and go: a shard whose
    worker has died is run again, and its requests are sent at most once all the same. Run it again to go on after the
    scheduler or this process has died.

    Leaving the loop early lets the workers send nothing more; what they have sent is in the ledger.

    Args:
        client: of the cluster; not an asynchronous one.
        ledger: the ledger, loaded; or its URL. The workers' is compared with it.
        download_to: a directory that all workers share, or the URL of a store. Pictures are not saved without it.
        shards_in_flight: for each worker; each takes a thread. The shards of a worker that has died go to threads that
            are free, so give a worker twice as many (``--nthreads``), or they wait until another shard has ended.
        max_in_flight: tasks at once in each shard.
        retry_failed: as for ``client.batch``. Budget and create rate are the ledger's own
            (`PostgresLedger.set_terms`), for all workers together.
        poll_rate: queries a second, for each worker.
        wait_timeout: seconds for each task; ``None`` for no limit.
        outage_timeout: seconds for which the server may accept no create request.
        sidecar: write a ``.json`` beside the pictures of each task.
        name: what the pictures are called, as for ``client.batch``, without ``{line}``: workers do not know the lines.
        ttl: seconds without a sign of life after which the shards of a process are taken over.
        worker_timeout: seconds for which a scheduler without workers is waited for; ``None`` for no limit.

    Returns:
        The report on each shard, in order of completion; also on those that other runs on this ledger finish.

    Raises:
        NoWorkersError: no worker is there, for `worker_timeout`.
        ConfigurationError: a worker lacks a key, a ledger or an extra.
        LedgerError: the ledger cannot be used.
        ApimodelsError: the scheduler has lost the shards.
    """
    if client.asynchronous:
        raise TypeError("client is asynchronous: give a distributed.Client that is not")
    if shards_in_flight < 1:
        raise ValueError(f"shards_in_flight={shards_in_flight}: give 1 or more")
    if name is not None:
        Naming(name, fields=OF_A_SHARD)
    options: dict[str, Any] = {
        "download_to": None if download_to is None else str(place_of(download_to, "download_to")),
        "max_in_flight": max_in_flight,
        "retry_failed": retry_failed,
        "poll_rate": poll_rate,
        "outage_timeout": outage_timeout,
        "sidecar": sidecar,
        "name": name,
        "ttl": ttl,
    }
    if not isinstance(wait_timeout, Unset):
        options["wait_timeout"] = wait_timeout
    return _reports(client, ledger, options, shards_in_flight, worker_timeout)


def _reports(
    client: Client,
    ledger: PostgresLedger | str,
    options: dict[str, Any],
    shards_in_flight: int,
    worker_timeout: float | None,
) -> Iterator[ShardReport]:
    with contextlib.ExitStack() as stack:
        opened = stack.enter_context(PostgresLedger(ledger, ttl=options["ttl"])) if isinstance(ledger, str) else ledger
        driver = _Driver(client, opened, options, shards_in_flight, worker_timeout)
        try:
            yield from driver.reports()
        finally:
            driver.leave()


class _Driver:
    def __init__(
        self,
        client: Client,
        ledger: PostgresLedger,
        options: dict[str, Any],
        shards_in_flight: int,
        worker_timeout: float | None,
    ) -> None:
        self._client: Any = client  # most of its methods have no types
        self._ledger = ledger
        self._session = uuid.uuid4().hex
        self._options = {**options, "session": self._session}
        self._each = shards_in_flight
        self._steps = open_steps(download=options["download_to"] is not None, retry_failed=options["retry_failed"] > 0)
        self._patience = worker_timeout
        self._without_since: float | None = None
        self._running: dict[_Future, int] = {}
        self._waiting: dict[int, float] = {}  # shards that others hold or have let go, and when to look again
        self._left: list[int] = []  # those that a worker has begun meanwhile, and left
        self._todo: list[int] = []
        self._ended: set[int] = set()
        self._finished = self._shards = 0
        self._deaths: Counter[int] = Counter()
        self._refusals: Counter[int] = Counter()
        self._no_more = False

    def reports(self) -> Iterator[ShardReport]:
        while not (threads := self._threads()):
            time.sleep(LOOK / 4)
        states = divide(self._ledger, len(threads), self._steps)
        self._shards = len(states)
        by_begun = sorted(states, key=lambda state: not state.begun)
        self._todo = [state.number for state in by_begun if not state.finished]
        for state in states:
            if state.finished:
                yield self._end(report_of(self._ledger, state))
        if self._todo:
            with _scheduler_errors():
                self._client.register_plugin(DrainOnClose())
        self._identity = identity(self._ledger)
        while self._running or ((self._left or self._todo or self._waiting) and not self._no_more):
            self._submit(len(self._threads()))
            for future in self._done():
                report = self._result(future, self._running.pop(future))
                # Not left to the garbage collector: Dask runs again what is still wanted when its worker dies.
                future.release()
                if report is not None:
                    yield self._end(report)
            yield from map(self._end, self._elsewhere())

    def leave(self) -> None:
        """Let what is running go: it sends nothing more."""
        if not self._running:
            return
        # In a thread, because a scheduler that is gone, or a worker that is frozen, answers late or never.
        letting_go = threading.Thread(target=self._let_go, name="apimodels driver", daemon=True)
        letting_go.start()
        letting_go.join(LEAVING)

    def _let_go(self) -> None:
        with contextlib.suppress(Exception):
            self._client.run(drain, self._session, on_error="ignore")
        with contextlib.suppress(Exception):
            self._client.cancel(list(self._running))

    # --- workers

    def _threads(self) -> dict[str, int]:
        """The number of threads of each worker.

        Raises:
            NoWorkersError: there has been none for too long.
        """
        with _scheduler_errors():
            threads: dict[str, int] = self._client.nthreads()
        if threads:
            self._without_since = None
            return threads
        now = time.monotonic()
        address = self._client.scheduler.address if self._client.scheduler is not None else "the scheduler"
        if self._without_since is None:
            self._without_since = now
            logger.warning("no workers at %s: waiting for some; `dask worker %s` starts one", address, address)
        if self._patience is not None and now - self._without_since >= self._patience:
            raise NoWorkersError(
                f"no workers at {address} for {self._patience:g} s: start some with `dask worker {address}`, and run "
                f"this again; what was sent is in the ledger"
            )
        return threads

    # --- shards

    def _submit(self, workers: int) -> None:
        places = workers * self._each
        # Beyond the places: a shard that was left behind must not wait until one of the others has ended.
        while self._left and len(self._running) < 2 * places and not self._no_more:
            self._start(self._left.pop(0), priority=LEFT_FIRST)
        while self._todo and len(self._running) < places and not self._no_more:
            self._start(self._todo.pop(0))

    def _start(self, number: int, priority: int = 0) -> None:
        with _scheduler_errors():
            future = self._client.submit(
                work_on, number, self._identity, self._options,
                key=f"apimodels-shard-{number}-{uuid.uuid4().hex[:8]}", pure=False, priority=priority,
            )  # fmt: skip
        self._running[future] = number

    def _done(self) -> list[_Future]:
        if not self._running:
            time.sleep(LOOK)
            return []
        with _scheduler_errors(), self._client.as_current(), contextlib.suppress(TimeoutError):
            _distributed.wait(list(self._running), timeout=LOOK, return_when="FIRST_COMPLETED")
        return [future for future in self._running if future.done()]

    def _result(self, future: _Future, number: int) -> ShardReport | None:
        """The report of a shard that has ended; ``None`` if it is to be run again or watched."""
        if future.status == "cancelled":
            raise ApimodelsError(_SCHEDULER_GONE)
        error = None if future.status == "finished" else future.exception()
        match error:
            case None:
                report: ShardReport = future.result()
                return self._judge(report)
            case KilledWorker():
                self._deaths[number] += 1
                if self._deaths[number] >= DEATHS:
                    raise ApimodelsError(f"shard {number} has taken its worker with it {4 * DEATHS} times") from error
            case LedgerError():
                self._refusals[number] += 1
                if self._refusals[number] >= REFUSALS:
                    raise error
                logger.warning("shard %d is run again: %s", number, error)
                self._waiting[number] = time.monotonic() + LOOK
                return None
            case _:
                raise error
        self._left.append(number)
        return None

    def _judge(self, report: ShardReport) -> ShardReport | None:
        match report.end:
            case ShardEnd.FINISHED | ShardEnd.OPEN:
                self._no_more = self._no_more or (report.end is ShardEnd.OPEN and report.not_sent > 0)
                return report
            case ShardEnd.HELD | ShardEnd.LOST | ShardEnd.STOPPED:
                self._waiting[report.number] = time.monotonic() + LOOK
        return None

    def _elsewhere(self) -> Iterator[ShardReport]:
        """The reports on shards that others held and have finished; those that are free again are to be run."""
        now = time.monotonic()
        if not any(when <= now for when in self._waiting.values()):
            return
        states: dict[int, ShardState] = {state.number: state for state in self._ledger.shards()}
        for number in [number for number, when in self._waiting.items() if when <= now]:
            state = states.get(number)
            self._waiting[number] = now + LOOK
            if state is None or not state.held:
                del self._waiting[number]
            if state is not None and state.finished:
                yield report_of(self._ledger, state)
            elif state is not None and not state.held:
                self._left.append(number)

    def _end(self, report: ShardReport) -> ShardReport:
        if report.number not in self._ended:
            self._ended.add(report.number)
            self._finished += report.end is ShardEnd.FINISHED
        return report._replace(finished=self._finished, shards=self._shards)
