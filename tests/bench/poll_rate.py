"""Who is asked first when the poll rate binds: the batch's own order beside asking in turn, in virtual time.

The real batch and its scheduler, on trio's clock that jumps whenever everybody sleeps, against a vendor in memory.
Thousands of tasks are alive at once, started over time, of models that take 10, 50 and 150 seconds (medians,
log-normal); a task that is seen to be done makes room for another. What counts is the lag: seconds between the end of
a task and the look that finds it.

The test `tests/batch/test_poll_rate.py` does the same with a tenth of the tasks.
"""

import logging
import random
import statistics
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import httpx

from apimodels_async import AsyncImagesClient, GenerationRequest
from apimodels_async.pacing import AdaptivePacing, Pacing

if __name__ == "__main__":  # the vendor is the tests' own
    sys.path.insert(0, str(Path(__file__).parents[2]))

try:
    import trio
    import trio.testing

    from tests.bench.rows import Row, at_most, show
    from tests.support.vendor import Vendor
except ModuleNotFoundError as missing:
    raise SystemExit(f"this measurement needs trio and pytest: {missing}") from missing

ALIVE, RATE = 2000, 50.0
MODELS = {"quick": 10.0, "usual": 50.0, "slow": 150.0}
SPREAD = 0.43
STARTED_OVER = 150.0
"""Seconds in which the first tasks are started, evenly."""
SETTLED = 300.0
"""Seconds after which lags count."""
GOAL = 0.8


class InTurn:
    """Ask about the task that was looked at longest ago, always."""

    def next_delay(self, key: str, elapsed: float) -> float:
        return 0.02

    def observe(self, key: str, duration: float) -> None:
        pass

    def urgency(self, key: str, looked_at: float, elapsed: float) -> float:
        return elapsed - looked_at


class Crowd(Vendor):
    """A vendor whose tasks take what their model takes."""

    def alive(self) -> int:
        return 0  # counting them takes longer than all the rest


def mean_lag(pacing: Pacing, *, alive: int, rate: float, seconds: float, seed: int = 1) -> float:
    """Of all tasks whose end is seen between `SETTLED` and `seconds`."""
    vendor = Crowd(
        seed=seed, duration=lambda draw, prompt: MODELS[prompt] * draw.lognormvariate(0.0, SPREAD), latency=0.05
    )
    draw = random.Random(seed)
    lags: list[float] = []
    began = 0.0

    async def requests() -> AsyncIterator[GenerationRequest]:
        for _ in range(alive):
            await anyio.sleep(STARTED_OVER / alive)
            yield _any()
        while anyio.current_time() < began + seconds:
            yield _any()

    def _any() -> GenerationRequest:
        model = draw.choice(list(MODELS))
        return GenerationRequest(model, model=model)

    async def work() -> None:
        nonlocal began
        began = anyio.current_time()
        http = httpx.AsyncClient(transport=vendor.transport)
        async with (
            AsyncImagesClient("sk_x", base_url="https://api.example/v1", http_client=http, pacing=pacing) as client,
            client.batch(requests(), max_in_flight=alive, poll_rate=rate, wait_timeout=None) as batch,
        ):
            async for outcome in batch:
                now = anyio.current_time()
                if now >= began + seconds:
                    break
                if now >= began + SETTLED and outcome.task is not None:
                    lags.append(now - vendor.created[str(outcome.task.id)][1])

    trio.run(work, clock=trio.testing.MockClock(autojump_threshold=0))
    return statistics.fmean(lags)


def rows() -> Iterator[Row]:
    logging.getLogger("apimodels_async").setLevel(logging.ERROR)  # that the batches are left is meant
    turn, urgent = (mean_lag(each, alive=ALIVE, rate=RATE, seconds=700.0) for each in (InTurn(), AdaptivePacing()))
    what = (
        f"{ALIVE:,} tasks of {', '.join(f'{each:g}' for each in MODELS.values())} s at {RATE:g} queries a second: lag"
    )
    yield at_most(what, "asking in turn", urgent / turn, GOAL, told=f"{urgent:.1f} s : {turn:.1f} s")


if __name__ == "__main__":
    show(rows())
