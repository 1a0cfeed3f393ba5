"""Several consumers of one batch each get their share, and all of them end."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.batch.test_in_virtual_time import client_of
from tests.support.virtual import virtually

if TYPE_CHECKING:
    from apimodels_async import Outcome


@virtually
async def test_each_outcome_comes_to_one_consumer_and_all_consumers_end(vendor_of: Any, anyio_backend: str) -> None:
    vendor = vendor_of(duration=lambda random, _prompt: random.uniform(1.0, 30.0))
    shares: Counter[int] = Counter()
    seen: list[int] = []
    with anyio.fail_after(1000):
        async with client_of(vendor) as client, client.batch([f"q{number}" for number in range(40)]) as batch:

            async def consume(number: int) -> None:
                async for outcome in batch:
                    shares[number] += 1
                    seen.append(outcome.index)
                    await anyio.sleep(2.0)

            async with anyio.create_task_group() as group:
                for number in range(4):
                    group.start_soon(consume, number)

    assert sorted(seen) == list(range(40))
    assert sorted(shares) == [0, 1, 2, 3]


@virtually
async def test_more_consumers_than_outcomes_all_end(vendor_of: Any, anyio_backend: str) -> None:
    ended: list[list[Outcome]] = []
    with anyio.fail_after(1000):
        async with client_of(vendor_of()) as client, client.batch(["a"]) as batch:

            async def consume() -> None:
                ended.append([outcome async for outcome in batch])

            async with anyio.create_task_group() as group:
                for _ in range(5):
                    group.start_soon(consume)

    assert sorted(len(share) for share in ended) == [0, 0, 0, 0, 1]


@virtually
async def test_without_any_request_all_consumers_end(vendor_of: Any, anyio_backend: str) -> None:
    ended = 0
    with anyio.fail_after(10):
        async with client_of(vendor_of()) as client, client.batch([]) as batch:

            async def consume() -> None:
                nonlocal ended
                async for _ in batch:
                    pytest.fail("there is none")
                ended += 1

            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(consume)

    assert ended == 3


@virtually
async def test_what_reading_raises_comes_to_one_consumer_and_the_others_end(vendor_of: Any, anyio_backend: str) -> None:
    raised: list[str] = []
    outcomes: list[Outcome] = []

    def requests() -> Iterator[str]:
        yield "a"
        raise LookupError("the file is gone")

    with anyio.fail_after(1000):
        async with client_of(vendor_of()) as client, client.batch(list_of(requests())) as batch:

            async def consume() -> None:
                try:
                    outcomes.extend([outcome async for outcome in batch])
                except LookupError as error:
                    raised.append(str(error))

            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(consume)

    assert raised == ["the file is gone"]
    assert len(outcomes) <= 1


async def list_of(requests: Iterator[str]) -> Any:
    """The same, read in the loop: a thread knows nothing of virtual time."""
    for each in requests:
        yield each


@virtually
async def test_a_consumer_that_is_cancelled_takes_no_outcome_with_it(vendor_of: Any, anyio_backend: str) -> None:
    vendor = vendor_of(duration=lambda _random, _prompt: 10.0)
    seen: list[int] = []
    with anyio.fail_after(1000):
        async with client_of(vendor) as client, client.batch(list("abcdef"), max_in_flight=1) as batch:

            async def consume() -> None:
                async for outcome in batch:
                    seen.append(outcome.index)  # noqa: PERF401  (as it comes)

            async with anyio.create_task_group() as group:
                group.start_soon(consume)
                with anyio.move_on_after(25.0):
                    await consume()

    assert sorted(seen) == list(range(6))


@virtually
async def test_leaving_the_block_ends_consumers_that_still_wait(vendor_of: Any, anyio_backend: str) -> None:
    vendor = vendor_of(duration=lambda _random, _prompt: 500.0)
    ended = anyio.Event()
    async with client_of(vendor) as client, anyio.create_task_group() as group:
        async with client.batch(["a", "b"]) as batch:

            async def consume() -> None:
                async for _ in batch:
                    pytest.fail("nothing comes so soon")
                ended.set()

            group.start_soon(consume)
            await anyio.sleep(10)
        with anyio.fail_after(1):
            await ended.wait()
    assert len(batch.detached) == 2
