"""The client, the gateway that calls, and the receiver that is called: all real, on real sockets."""

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest

from apimodels_async import AsyncImagesClient, GenerationRequest, SubmissionUnknownError, TaskState
from apimodels_async.callbacks import CallbackReceiver
from apimodels_async.gateway import LocalGateway
from apimodels_async.ledger import SqliteLedger, Step
from tests.support.served import receiving

pytestmark = pytest.mark.anyio
MODEL = "grok-image/grok-4.2-image"


class Counting(httpx.AsyncHTTPTransport):
    """Counts what is sent."""

    def __init__(self) -> None:
        super().__init__(limits=httpx.Limits(max_connections=8))
        self.sent: Counter[str] = Counter()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/images/generations"):
            self.sent[request.method] += 1
        return await super().handle_async_request(request)


@pytest.fixture
def receiver() -> Iterator[CallbackReceiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def transport() -> Counting:
    return Counting()


@pytest.fixture
async def client(gateway: LocalGateway, receiver: CallbackReceiver, transport: Counting) -> Any:
    async with (
        httpx.AsyncClient(transport=transport) as http,
        AsyncImagesClient(
            gateway.api_key, base_url=gateway.base_url, model=MODEL, http_client=http, callbacks=receiver
        ) as client,
    ):
        yield client


async def test_a_picture_takes_one_create_and_one_query(
    client: AsyncImagesClient, transport: Counting, tmp_path: Path
) -> None:
    task = await client.generate("a bell that rings")

    assert task.state == TaskState.COMPLETED
    assert transport.sent == {"POST": 1, "GET": 1}
    [path] = await client.download(task, tmp_path)
    assert path.stat().st_size > 1000


async def test_a_batch_asks_once_for_each(client: AsyncImagesClient, transport: Counting) -> None:
    async with client.batch([f"bell {number}" for number in range(20)]) as batch:
        assert all([outcome.ok async for outcome in batch])

    assert transport.sent == {"POST": 20, "GET": 20}


@pytest.mark.parametrize("word", ["harbinger", "doppelganger"])
async def test_a_call_that_is_early_or_doubled_does_no_harm(
    client: AsyncImagesClient, transport: Counting, word: str
) -> None:
    task = await client.generate(f"a {word} at the door")

    assert task.state == TaskState.COMPLETED
    assert transport.sent["POST"] == 1
    assert transport.sent["GET"] <= 2


async def test_a_task_that_fails_is_called_about_as_well(client: AsyncImagesClient, transport: Counting) -> None:
    task = await client.wait(await client.create("contraband"))

    assert task.state == TaskState.FAILED
    assert transport.sent == {"POST": 1, "GET": 1}


async def test_lost_answers_are_found_and_nothing_is_paid_twice(
    client: AsyncImagesClient, transport: Counting, tmp_path: Path
) -> None:
    prompts = [f"a castaway on island {number}" if number % 5 == 0 else f"island {number}" for number in range(25)]

    outcomes = await client.generate_many(prompts, download_to=tmp_path)

    assert all(outcome.ok and len(outcome.files) == 1 for outcome in outcomes)
    assert transport.sent["POST"] == len({outcome.task.id for outcome in outcomes if outcome.task}) == 25


async def test_a_forged_call_changes_nothing(client: AsyncImagesClient, receiver: CallbackReceiver) -> None:
    body = b'{"data":{"taskId":"forged","state":"completed","resultJson":"{\\"resultUrls\\":[\\"http://evil/x\\"]}"}}'
    base = receiver.issue()[1].rsplit("/", 3)[0]
    async with httpx.AsyncClient() as attacker:
        answers = [await attacker.post(f"{base}/k1/{'A' * 22}/{'B' * 43}", content=body) for _ in range(10)]
    task = await client.generate("an unshaken tower")

    assert {answer.status_code for answer in answers} == {404}
    assert task.state == TaskState.COMPLETED
    assert not any("evil" in url for url in task.result_urls)


async def test_a_later_run_learns_from_the_store_what_became_of_a_lost_answer(
    gateway: LocalGateway, tmp_path: Path
) -> None:
    requests = [GenerationRequest("a castaway with a ledger"), GenerationRequest("dry land")]

    def client_of(receiver: CallbackReceiver) -> AsyncImagesClient:
        return AsyncImagesClient(gateway.api_key, base_url=gateway.base_url, model=MODEL, callbacks=receiver)

    with receiving(store=tmp_path / "calls.db") as receiver:
        async with client_of(receiver) as client:
            outcomes = await client.generate_many(requests[:1], ledger=tmp_path / "run.db", wait_timeout=0.001)
        assert [type(outcome.error) for outcome in outcomes] == [SubmissionUnknownError]
        with SqliteLedger(tmp_path / "run.db") as ledger:
            [entry] = ledger.entries()
        called = threading.Event()
        receiver.subscribe(entry.intent_id or "", lambda _: called.set())
        assert await anyio.to_thread.run_sync(called.wait, 60)  # while no client is there
        receiver.unsubscribe(entry.intent_id or "")
    with receiving(store=tmp_path / "calls.db") as receiver:
        async with client_of(receiver) as client:
            outcomes = await client.generate_many(requests, ledger=tmp_path / "run.db", download_to=tmp_path)

    assert all(outcome.ok and outcome.files for outcome in outcomes)
    with SqliteLedger(tmp_path / "run.db") as ledger:
        assert set(ledger.steps().values()) == {Step.SAVED}
