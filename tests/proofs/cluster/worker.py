"""One plain run, as a process that may be killed at any moment: DSN FOLDER TTL BACKEND on the command line."""

import logging
import sys

import anyio

from apimodels_async import AsyncImagesClient
from apimodels_async.ledger import PostgresLedger
from apimodels_async.shards.together import PlainRun


async def main(dsn: str, folder: str, ttl: float) -> None:
    with PostgresLedger(dsn, ttl=ttl) as ledger:
        async with AsyncImagesClient() as client:
            options = {"download_to": folder, "max_in_flight": 16}
            await PlainRun(client, ledger, options, stop=anyio.Event(), on_report=lambda _: None).run(3)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    anyio.run(main, sys.argv[1], sys.argv[2], float(sys.argv[3]), backend=sys.argv[4])
