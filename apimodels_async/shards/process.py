"""What one process works on shards with: a client and a ledger, made from its own environment and kept."""

import atexit
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import anyio

from apimodels_async.errors import ConfigurationError
from apimodels_async.ledger.opening import database_url
from apimodels_async.ledger.postgres.store import TTL, PostgresLedger
from apimodels_async.shards.report import ShardEnd, ShardReport
from apimodels_async.shards.work import ShardWork
from apimodels_async.sync.client import ImagesClient

if TYPE_CHECKING:
    from collections.abc import Callable

LEDGER = "APIMODELS_LEDGER"
"""The environment variable with the URL of the ledger."""


def run_shard(
    ledger: PostgresLedger | str | None,
    number: int,
    *,
    client: ImagesClient | None = None,
    download_to: str | os.PathLike[str] | None = None,
    take_over: bool = False,
    ttl: float = TTL,
    session: str = "",
    **options: Any,
) -> ShardReport:
    """Make what is left of one shard of a ledger, and return when that is done. Blocking; for an engine's tasks.

    It may be run again at any time, here or elsewhere, also while it is still running: each create request is sent at
    most once, and what was accepted is only asked about.

    Args:
        ledger: a ledger, or its ``postgresql://`` URL; by default that in ``APIMODELS_LEDGER``. One that is named by
            its URL is opened once in a process, and kept.
        number: of the shard, as in ``PostgresLedger.shards``.
        client: a client; by default one for this process, which takes its key from the environment.
        download_to: a directory that all processes share, or the URL of a store.
        take_over: whether to take the shard from another process that is alive.
        ttl: seconds without a sign of life after which others may take over what this process was sending.
        session: a name for those shards that `drain` may end together.
        options: ``max_in_flight``, ``retry_failed``, ``poll_rate``, ``wait_timeout``, ``outage_timeout`` and
            ``sidecar``, as for ``client.batch``. Budget and create rate are the ledger's own, for all processes.

    Raises:
        ConfigurationError: no key, no ledger, or an extra is missing.
        LedgerError: the ledger cannot be used: run the shard again later.
    """
    process = Process.here()
    opened = ledger if isinstance(ledger, PostgresLedger) else process.ledger(ledger, ttl)
    work = {"download_to": download_to, **options}
    return process.run(client or process.client(), opened, number, options=work, take_over=take_over, session=session)


class Process:
    """The client and the ledgers of this process, and the shards it works on."""

    _lock = threading.Lock()
    _here: "Process | None" = None

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._turn = threading.Condition()
        self._client: ImagesClient | None = None
        self._ledgers: dict[str, PostgresLedger] = {}
        self._running: dict[object, tuple[str, Callable[[], None]]] = {}
        self._drained: set[str] = set()
        self._ending = False
        atexit.register(self.close)

    @classmethod
    def here(cls) -> "Process":
        """That of this process; a process that was forked has another."""
        with cls._lock:
            if cls._here is None or not cls._here.is_this:
                cls._here = cls()
            return cls._here

    @property
    def is_this(self) -> bool:
        """Whether it was made in this process, and not before a fork."""
        return self._pid == os.getpid()

    @property
    def is_ending(self) -> bool:
        """Whether it begins no more shards."""
        return self._ending

    def client(self) -> ImagesClient:
        """The client, made from the environment when it is needed first.

        Raises:
            ConfigurationError: there is no key.
        """
        with self._turn:
            if self._client is None:
                self._client = ImagesClient()
            return self._client

    def ledger(self, url: str | None, ttl: float) -> PostgresLedger:
        """The ledger at a URL, opened when it is needed first.

        Raises:
            ConfigurationError: no URL is given, and none is in the environment.
            LedgerError: it cannot be opened.
        """
        url = url or os.environ.get(LEDGER, "")
        if not url or database_url(url) is None:
            raise ConfigurationError(f"set {LEDGER} to the ledger's postgresql:// URL in each worker's environment")
        with self._turn:
            if url not in self._ledgers:
                self._ledgers[url] = PostgresLedger(url, ttl=ttl)
            return self._ledgers[url]

    def run(
        self,
        client: ImagesClient,
        ledger: PostgresLedger,
        number: int,
        *,
        options: dict[str, Any],
        take_over: bool,
        session: str,
    ) -> ShardReport:
        """Work on a shard in the client's event loop, until it is done or drained."""
        portal, inner = client._portal, client._async  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        stop = anyio.Event()
        mark = object()
        with self._turn:
            if self._ending or session in self._drained:
                return ShardReport(number, ShardEnd.STOPPED, {})
            self._running[mark] = (session, lambda: portal.run(stop.set))
        try:
            work = ShardWork(inner, ledger, number, options=options, stop=stop)
            return portal.call(work.run(take_over=take_over))
        finally:
            with self._turn:
                del self._running[mark]
                self._turn.notify_all()

    def drain(self, session: str | None = None, *, within: float | None = None) -> bool:
        """Send nothing more, and return when the shards of a session, or all, are let go; whether that was in time.

        Args:
            session: which shards; ``None`` for all, now and later, because the process is about to end.
            within: seconds; ``None`` for no limit.
        """
        ends = None if within is None else time.monotonic() + within
        with self._turn:
            if session is None:
                self._ending = True
            else:
                self._drained.add(session)
            stops = [stop for its, stop in self._running.values() if session in (None, its)]
        for stop in stops:
            stop()
        with self._turn:
            while any(session in (None, its) for its, _ in self._running.values()):
                left = None if ends is None else ends - time.monotonic()
                if left is not None and left <= 0.0:
                    return False
                self._turn.wait(left)
        return True

    def close(self) -> None:
        """End the runs of this process in its ledgers, so that no other waits for their leases."""
        if self.is_this:
            for ledger in self._ledgers.values():
                ledger.close()
