"""What runs in a Dask worker: one shard a task, and the end of the worker."""

import asyncio
from functools import partial
from typing import Any

from distributed import WorkerPlugin
from distributed.core import Status

from apimodels_async.errors import ConfigurationError
from apimodels_async.ledger.postgres.store import PostgresLedger
from apimodels_async.shards.process import LEDGER, Process, run_shard
from apimodels_async.shards.report import ShardEnd, ShardReport
from apimodels_async.shards.work import ANSWERS

PLUGIN = "apimodels"


def identity(ledger: PostgresLedger) -> str:
    """What tells a ledger from others and is no secret: the server's number and the database's name."""
    [(number, name)] = ledger.database.select("SELECT system_identifier, current_database() FROM apimodels.place")
    return f"{number}/{name}"


def work_on(number: int, ledger: str, options: dict[str, Any]) -> ShardReport:
    """Make what is left of one shard, with the key and the ledger of this worker's own environment.

    Args:
        number: of the shard.
        ledger: the identity of the driver's ledger.
        options: for `run_shard`.

    Raises:
        ConfigurationError: the environment has no key or no ledger, or another ledger than the driver's.
    """
    if Process.here().is_ending:
        return ShardReport(number, ShardEnd.STOPPED, {})
    opened = Process.here().ledger(None, options["ttl"])
    found = identity(opened)
    if found != ledger:
        raise ConfigurationError(f"{LEDGER} of a worker is another ledger ({found}) than the driver's ({ledger})")
    return run_shard(opened, number, **options)


def drain(session: str) -> None:
    """Let the shards of a driver's session go that run in this worker, without waiting for that."""
    Process.here().drain(session, within=0.0)


class DrainOnClose(WorkerPlugin):
    """Lets a worker that is asked to end (SIGTERM, a scale-down) end in good order.

    Nothing more is sent, the answers to what was sent are waited for, and the shards are let go.

    A worker below a nanny is killed a few seconds later whatever it is doing. That loses nothing, but what it was
    sending becomes unknown.
    """

    name = PLUGIN
    idempotent = True  # another driver that registers it must not end the work of the first

    async def teardown(self, worker: Any) -> None:
        """Called by a worker when it closes, or when the plugin is replaced."""
        if worker.status == Status.running:
            return
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, partial(Process.here().drain, within=ANSWERS))
        await loop.run_in_executor(None, Process.here().close)
