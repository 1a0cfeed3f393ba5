"""One of several workers on a PostgreSQL ledger: takes shards that are not held or finished, until all are finished.

python tests/proofs/shared_worker.py DSN BASE_URL KEY FOLDER TTL SEED
"""

import contextlib
import random
import sys
import time
from pathlib import Path

import anyio

from apimodels_async import AsyncImagesClient
from apimodels_async.errors import ApimodelsError, LedgerError
from apimodels_async.ledger import PostgresLedger
from apimodels_async.ledger.postgres.shards import ShardHeldError, ShardLedger
from apimodels_async.pacing import FixedPacing
from apimodels_async.shards.dividing import divide
from apimodels_async.shards.report import is_finished, open_steps

STEPS = open_steps(download=True, retry_failed=False)


async def make(shard: ShardLedger, base_url: str, key: str, folder: Path) -> bool:
    """Make what is left of a shard, and return whether all of it has ended or is unknown."""
    requests = list(shard.requests())
    async with AsyncImagesClient(key, base_url=base_url, pacing=FixedPacing(0.05)) as client:
        outcomes = await client.generate_many(requests, ledger=shard, download_to=folder, max_in_flight=8)
    return len(outcomes) > 0 and not any(isinstance(outcome.error, LedgerError) for outcome in outcomes)


def work(ledger: PostgresLedger, base_url: str, key: str, folder: Path, uniform: random.Random) -> None:
    """Work until every shard is finished."""
    times = 5
    # As every run does at first: a worker that was stopped may have noted a task of a shard that another has finished
    # since, and been killed before it had saved the pictures.
    divide(ledger, 1, STEPS)
    while left := [state.number for state in ledger.shards() if not state.finished]:
        number = uniform.choice(left)
        take_over = times > 0 and uniform.random() < 0.2
        times -= take_over
        try:
            # A few times from one that is alive, as an engine does that has lost sight of it. Not without end: under a
            # rate, each that takes the last shard over waits for its slots, and would lose it before they come.
            shard = ledger.shard(number, take_over=take_over)
        except ShardHeldError:
            time.sleep(0.1)
            continue
        backend = uniform.choice(["asyncio", "trio"])
        with contextlib.suppress(ApimodelsError):
            made = anyio.run(make, shard, base_url, key, folder, backend=backend)
            if made and not shard.settle() and is_finished(shard.counts(), STEPS):
                shard.finish()
        with contextlib.suppress(LedgerError):
            shard.close()


def main() -> None:
    dsn, base_url, key, folder, ttl, seed = sys.argv[1:]
    with PostgresLedger(dsn, ttl=float(ttl)) as ledger:
        work(ledger, base_url, key, Path(folder), random.Random(int(seed)))


if __name__ == "__main__":
    main()
