"""Five hundred creates, a fifth of whose answers are lost: ``python tests/proofs/lost_answers.py [TASKS]``.

The gateway accepts each, closes the connection where the prompt says so, and calls back when the task has ended.
"""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

from apimodels_async import AsyncImagesClient
from apimodels_async.gateway import LocalGateway
from tests.support.served import receiving

PRICE = 0.03
MODEL = "grok-image/grok-4.2-image"


class Result(NamedTuple):
    """What came of it.

    Attributes:
        requests: how many.
        lost: creates that got no answer.
        paid: tasks that the gateway has billed.
        tasks: task ids that came back.
        pictures: files on the disk.
        wrong: outcomes without a picture.
        seconds: of it all.
    """

    requests: int
    lost: int
    paid: int
    tasks: int
    pictures: int
    wrong: list[str]
    seconds: float


async def run(number: int, folder: str) -> Result:
    """Make that many pictures."""
    prompts = [f"castaway {each}" if each % 5 == 0 else f"island {each}" for each in range(number)]
    began = time.monotonic()
    with LocalGateway(latency="0.5/1", balance=1000.0) as gateway, receiving() as receiver:
        async with AsyncImagesClient(
            gateway.api_key, base_url=gateway.base_url, model=MODEL, callbacks=receiver
        ) as client:
            outcomes = await client.generate_many(prompts, download_to=folder)
            files = [file for outcome in outcomes for file in outcome.files]
            paid = round((1000.0 - await client.balance()) / PRICE)
    return Result(
        requests=number,
        lost=sum("castaway" in prompt for prompt in prompts),
        paid=paid,
        tasks=len({outcome.task.id for outcome in outcomes if outcome.task is not None}),
        pictures=sum(map(os.path.isfile, files)),
        wrong=[repr(outcome.error) for outcome in outcomes if not outcome.ok],
        seconds=time.monotonic() - began,
    )


def main() -> int:
    """Do it, and say what came of it."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(run(number, folder))
    print(*(f"{name}: {value}" for name, value in result._asdict().items()), sep="\n")
    whole = result.requests == result.paid == result.tasks == result.pictures and not result.wrong
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
