"""Clients on a ledger in PostgreSQL: several at once, on asyncio and trio, at one rate."""

import json
from collections import Counter
from typing import Any

import anyio
import httpx
import pytest

pytest.importorskip("psycopg")

from apimodels_async import AsyncImagesClient, LedgerError, SubmissionUnknownError
from apimodels_async.ledger import PostgresLedger
from apimodels_async.ledger import run as ledger_run
from apimodels_async.pacing import FixedPacing
from tests.support.virtual import success

pytestmark = [pytest.mark.postgres, pytest.mark.anyio]

MODEL = "grok-image/grok-4.2-image"


class Service:
    """A server in memory, with its books.

    Attributes:
        taken: tasks by prompt.
        when: the loop's time of each create request.
    """

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()
        self.when: list[float] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return success(
                taskId=request.url.params["task_id"], state="completed", resultUrls=["https://p.example/a.png"]
            )
        self.when.append(anyio.current_time())
        prompt = json.loads(request.content)["prompt"]
        self.taken[prompt] += 1
        await anyio.sleep(0.01)
        return success(taskId=f"{prompt.replace(' ', '-')}-{self.taken[prompt]}", state="pending")

    def client(self) -> AsyncImagesClient:
        http = httpx.AsyncClient(transport=httpx.MockTransport(self))
        return AsyncImagesClient(
            "sk_test", base_url="https://api.example/v1", model=MODEL, http_client=http, pacing=FixedPacing(0.01)
        )


@pytest.fixture
def service() -> Service:
    return Service()


async def test_two_batches_of_the_same_requests_make_each_once_and_both_return_all(
    service: Service, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_run, "LOOK_EVERY", 0.01)
    prompts = [f"p{number}" for number in range(30)]
    outcomes: list[Any] = []

    async def make(order: list[str]) -> None:
        async with service.client() as client:
            outcomes.append(await client.generate_many(order, ledger=postgres))

    async with anyio.create_task_group() as group:
        group.start_soon(make, prompts)
        group.start_soon(make, prompts[::-1])

    assert service.taken == Counter(prompts)
    assert [sum(outcome.ok for outcome in each) for each in outcomes] == [30, 30]


async def test_a_key_creates_once_in_all_replicas(
    service: Service, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_run, "LOOK_EVERY", 0.01)
    ids: list[str | None] = []

    async def create() -> None:
        async with service.client() as client:
            try:
                ids.append((await client.create("a fox", ledger=postgres, key="order-1")).id)
            except LedgerError:  # the other one was quicker by a moment: the same call again returns its task
                ids.append((await client.create("a fox", ledger=postgres, key="order-1")).id)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(create)

    assert service.taken == {"a fox": 1}
    assert set(ids) == {"a-fox-1"}


async def test_what_a_dead_replica_was_sending_is_unknown(service: Service, postgres: str) -> None:
    with PostgresLedger(postgres) as dead:
        async with service.client() as client:
            await client.create("a fox", ledger=dead, key="order-1")
        dead.database.execute("UPDATE apimodels.entry SET step = 'sending', attempt = 9, task_id = NULL, task = NULL")
        dead.database.execute("UPDATE apimodels.run SET seen = seen - interval '1 hour'")
        async with service.client() as client:
            with pytest.raises(SubmissionUnknownError):
                await client.create("a fox", ledger=postgres, key="order-1")
    assert service.taken == {"a fox": 1}


async def test_all_clients_share_one_rate(service: Service, postgres: str) -> None:
    rate = 20.0
    with PostgresLedger(postgres) as ledger:
        ledger.set_terms(create_rate=rate)

    async def make(name: str) -> None:
        async with service.client() as client:
            outcomes = await client.generate_many([f"{name}-{number}" for number in range(20)], ledger=postgres)
            assert all(outcome.ok for outcome in outcomes)

    async with anyio.create_task_group() as group:
        for name in "abc":
            group.start_soon(make, name)

    assert len(service.when) == 60
    busiest = max(sum(start <= when < start + 1.0 for when in service.when) for start in service.when)
    assert busiest <= 1.2 * rate + 1


async def test_the_budget_of_the_ledger_stops_a_batch(service: Service, postgres: str) -> None:
    with PostgresLedger(postgres) as ledger:
        ledger.set_terms(budget=5 * 0.03)
    async with service.client() as client:
        outcomes = await client.generate_many([f"p{number}" for number in range(20)], ledger=postgres, max_in_flight=2)

    assert sum(outcome.ok for outcome in outcomes) == 5
    assert service.taken.total() == 5
    assert any("budget of the ledger is used up" in str(outcome.error) for outcome in outcomes)


async def test_a_restored_copy_is_refused_before_anything_is_sent(service: Service, postgres: str) -> None:
    with PostgresLedger(postgres) as ledger:
        ledger.database.execute("UPDATE apimodels.place SET timeline = '00000009'")
    async with service.client() as client:
        with pytest.raises(LedgerError, match="accept-failover"):
            await client.generate_many(["a fox"], ledger=postgres)
    assert service.taken.total() == 0
