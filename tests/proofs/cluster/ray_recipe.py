"""The shard function under Ray: the recipe of the guide, with a ledger, a gateway and three workers of its own."""

import os
import tempfile
from pathlib import Path

from apimodels_async.gateway import LocalGateway
from apimodels_async.ledger import PostgresLedger
from tests.support.postgres import running


def make_with_ray(download_to: str) -> None:
    # --- the recipe
    import ray

    from apimodels_async.ledger import PostgresLedger, run_shard

    def work(number: int) -> object:
        return run_shard(None, number, download_to=download_to)  # key and ledger from the worker's environment

    task = ray.remote(max_retries=-1)(work)  # a shard whose worker has died is run again, however often
    with PostgresLedger(os.environ["APIMODELS_LEDGER"]) as ledger:
        ledger.divide(at_least=16)
        left = [shard.number for shard in ledger.shards() if not shard.finished]
    print(ray.get([task.remote(number) for number in left]))
    # --- end


def main() -> None:
    import ray

    with running() as server, LocalGateway(latency="0.1/0.2", balance=100.0) as gateway:
        dsn = server.database()
        os.environ |= {
            "APIMODELS_API_KEY": gateway.api_key,
            "APIMODELS_BASE_URL": gateway.base_url,
            "APIMODELS_LEDGER": dsn,
        }
        with PostgresLedger(dsn) as ledger, tempfile.TemporaryDirectory() as folder:
            ledger.load([f"a fox {number}" for number in range(60)], model="grok-image/grok-4.2-image")
            ray.init(num_cpus=3, include_dashboard=False)
            make_with_ray(folder)
            ray.shutdown()
            counts = {step.value: number for step, number in ledger.counts().items()}
            assert counts == {"saved": 60}, counts
            assert sum(1 for _ in Path(folder).iterdir()) == 60


if __name__ == "__main__":
    main()
