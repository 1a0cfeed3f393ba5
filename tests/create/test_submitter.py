"""How a create request is sent, in virtual time: its turn of the rate, and what no exception may cost."""

import sys
from collections.abc import Callable
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import anyio
import httpx
import pytest

from apimodels_async import (
    AsyncImagesClient,
    BadRequestError,
    GenerationRequest,
    RateLimitError,
    SubmissionUnknownError,
    Task,
)
from apimodels_async._clock import loop_clock
from apimodels_async._create import submitter
from apimodels_async._create.background import BackgroundJobs
from tests.support.envelopes import envelope
from tests.support.virtual import Server, accepted, in_turn, no_jitter, refusal, run, success, virtually

# --- the rate


@virtually
async def test_a_retry_after_429_takes_its_turn_of_the_create_rate(anyio_backend: str) -> None:
    answers = iter(range(5))

    async def busy_then_free(request: httpx.Request) -> httpx.Response:
        return refusal(429) if next(answers, None) is not None else await accepted(request)

    server = Server(post=busy_then_free, get=in_turn(lambda: refusal(500)))
    async with server.client(max_retries=10) as client:
        client._engine.submitter._uniform = no_jitter
        client._engine.create_rate.add(2.0)
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(client.create, "a cat")

    assert len(server.posts) == 8
    assert server.posts == pytest.approx([0.5 * number for number in range(8)])


@virtually
async def test_a_create_that_waits_for_its_turn_is_not_sent_when_its_caller_leaves(anyio_backend: str) -> None:
    server = Server()
    async with server.client() as client:
        client._engine.create_rate.add(0.1)
        await client.create("a cat")
        with anyio.move_on_after(5.0) as scope:
            await client.create("a dog")
        assert scope.cancelled_caught
        await anyio.sleep(60.0)

    assert len(server.posts) == 1


# --- what was meant


@pytest.mark.parametrize(
    ("model", "words", "meant"),
    [
        ("grok-4.2-imgae", "Invalid model: grok-4.2-imgae", "did you mean model='grok-4.2-image'?"),
        ("grok-4.2-imgae", "prompt is too long", None),
        ("a-model-of-next-year", "Invalid model: a-model-of-next-year", None),
        ("grok-4.2-image", "model is overloaded", None),
    ],
)
@virtually
async def test_a_refused_model_that_looks_like_a_listed_one_is_named(
    anyio_backend: str, model: str, words: str, meant: str | None
) -> None:
    async def refused(request: httpx.Request) -> httpx.Response:
        return httpx.Response(400, json=envelope(400, words))

    async with Server(post=refused).client() as client:
        with pytest.raises(BadRequestError, match=words) as raised:
            await client.create("a cat", model=model)

    assert raised.value.msg == words
    assert ("did you mean" in str(raised.value)) is (meant is not None)
    assert meant is None or str(raised.value).endswith(meant)


# --- exceptions after the first byte


class _Sending(httpx.AsyncBaseTransport):
    """Reports that the first byte leaves, and then raises what it is given."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.requests = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        about = {"request": SimpleNamespace(method=request.method.encode())}
        await request.extensions["trace"]("http11.send_request_headers.started", about)
        raise self.error


class _OddError(BaseException):
    """What some libraries derive from the root."""


def caught_by(anyio_backend: str, transport: httpx.AsyncBaseTransport) -> BaseException:
    """What a create request over a transport raises."""

    async def create() -> BaseException:
        async with (
            httpx.AsyncClient(transport=transport) as http,
            AsyncImagesClient("sk", base_url="http://127.0.0.1/v1", model="m", http_client=http) as client,
        ):
            try:
                await client.create("a cat")
            except BaseException as error:  # noqa: BLE001  (whatever comes is looked at)
                return error
            raise AssertionError("nothing was raised")

    return run(anyio_backend, create)


@pytest.mark.parametrize(
    "error",
    [AttributeError("half imported"), MemoryError(), SystemExit(3), _OddError("odd"), RecursionError("deep")],
    ids=lambda error: type(error).__name__,
)
def test_whatever_is_raised_after_the_first_byte_is_an_unknown_outcome(
    anyio_backend: str, error: BaseException
) -> None:
    transport = _Sending(error)
    caught = caught_by(anyio_backend, transport)

    assert isinstance(caught, SubmissionUnknownError)
    assert caught.__cause__ is error
    assert "console/records" in str(caught)
    assert transport.requests == 1


@pytest.mark.parametrize("error", [AttributeError("half imported"), RecursionError("deep"), SystemExit(3)])
@virtually
async def test_an_answer_that_cannot_be_read_for_a_foreign_reason_is_an_unknown_outcome(
    anyio_backend: str, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(*_: object, **__: object) -> Task:
        raise error

    monkeypatch.setattr(submitter, "read_task", fail)
    server = Server()
    async with server.client() as client:
        with pytest.raises(SubmissionUnknownError, match="unexpected") as caught:
            await client.create("a cat")

    assert caught.value.__cause__ is error
    assert len(server.posts) == 1


@virtually
async def test_in_a_batch_a_foreign_exception_after_the_first_byte_counts_as_billed(
    anyio_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> Task:
        raise AttributeError("partially initialized module 'aiohttp'")

    monkeypatch.setattr(submitter, "read_task", fail)
    server = Server()
    request = GenerationRequest("a cat", model="gpt-image-2-lite")
    async with server.client() as client, client.batch([request], budget=1.0) as batch:
        outcomes = [outcome async for outcome in batch]
        stats = batch.stats

    assert [type(outcome.error) for outcome in outcomes] == [SubmissionUnknownError]
    assert stats.unknown == 1
    assert stats.spent > 0.0


# --- a transport that sends twice


class _Retrying(httpx.AsyncBaseTransport):
    """What some programs put below their clients: it sends again whatever failed, whatever it was."""

    def __init__(self, outcome: Callable[[], httpx.Response]) -> None:
        self.outcome = outcome
        self.sent = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        last: Exception | None = None
        for _ in range(3):
            try:
                about: dict[str, Any] = {"request": SimpleNamespace(method=request.method.encode())}
                await request.extensions["trace"]("http11.send_request_headers.started", about)
                self.sent += 1
                answer = self.outcome()
                if answer.status_code < 500:
                    return answer
            except Exception as error:  # noqa: BLE001  (that is how they are)
                last = error
        assert last is not None
        raise last


def lost() -> httpx.Response:
    raise httpx.ReadError("the connection was reset")


@pytest.mark.parametrize("outcome", [lost, partial(refusal, 502)], ids=["lost", "502"])
def test_a_transport_that_sends_again_is_stopped_before_the_second_first_byte(
    anyio_backend: str, outcome: Callable[[], httpx.Response]
) -> None:
    transport = _Retrying(outcome)
    caught = caught_by(anyio_backend, transport)

    assert transport.sent == 1
    assert isinstance(caught, SubmissionUnknownError)
    assert "a transport that sends again by itself was stopped" in str(caught)


def test_a_transport_that_could_send_again_and_does_not_is_used_as_it_is(anyio_backend: str) -> None:
    transport = _Retrying(lambda: success(taskId="t", state="pending"))

    async def create() -> Task:
        async with (
            httpx.AsyncClient(transport=transport) as http,
            AsyncImagesClient("sk", base_url="http://127.0.0.1/v1", model="m", http_client=http) as client,
        ):
            return await client.create("a cat")

    assert run(anyio_backend, create).id == "t"
    assert transport.sent == 1


@virtually
async def test_a_429_is_still_sent_again_by_us(anyio_backend: str) -> None:
    server = Server(post=in_turn(partial(refusal, 429)))
    async with server.client(max_retries=2) as client:
        with pytest.raises(RateLimitError):
            await client.create("a cat")

    assert len(server.posts) == 3


def test_a_half_imported_trio_in_another_thread_is_not_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    """httpcore imports trio; while a thread does, the module is there, and its names are not."""
    half = ModuleType("trio")

    async def job() -> int | None:
        jobs = BackgroundJobs()
        jobs.bind()
        work = jobs.start(_three)
        await work.ended.wait()
        return work.result

    async def main() -> tuple[int | None, float]:
        monkeypatch.setitem(sys.modules, "trio", half)
        return await job(), loop_clock()()

    result, now = anyio.run(main, backend="asyncio")

    assert result == 3
    assert now > 0


async def _three() -> int:
    return 3
