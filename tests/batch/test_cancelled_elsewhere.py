"""A ``CancelledError`` that comes out of a caller's code has not cancelled the batch, and ends nothing silently."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from apimodels_async import AsyncImagesClient, BatchEvent, GenerationRequest
from apimodels_async.pacing import FixedPacing
from tests.support.picture_server import KEY, PictureServer, as_json

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]


async def of_a_helper() -> None:
    """What a task of the caller's own raises to whoever waits for it when it was cancelled."""
    helper = asyncio.ensure_future(asyncio.sleep(3600.0))
    helper.cancel()
    await helper


@pytest.fixture
def server() -> Iterator[PictureServer]:
    with PictureServer() as running:
        yield running.generate()


def client_of(server: PictureServer, **options: Any) -> AsyncImagesClient:
    return AsyncImagesClient(
        KEY, base_url=server.base_url, model="m", timeout=10.0, pacing=FixedPacing(0.01), **options
    )


async def test_one_from_the_requests_is_raised_and_the_tasks_under_way_are_kept(server: PictureServer) -> None:
    accepted = anyio.Event()

    async def requests() -> AsyncIterator[str]:
        yield "a"
        yield "b"
        await accepted.wait()
        await of_a_helper()

    def seen(event: BatchEvent) -> None:
        if event.kind == "submitted" and server.posts == 2:
            client_loop.call_soon_threadsafe(accepted.set)

    client_loop = asyncio.get_running_loop()
    async with client_of(server) as client:
        with pytest.raises(RuntimeError, match="CancelledError, raised by the requests"):
            await client.generate_many(requests(), on_event=seen)
        assert {task.id for task in client.detached} == set(server.created) == {"task-1", "task-2"}


async def test_one_from_a_plain_iterable_is_raised(server: PictureServer) -> None:
    def requests() -> Iterator[str]:
        yield "a"
        raise asyncio.CancelledError

    async with client_of(server) as client:
        with pytest.raises(RuntimeError, match="raised by the requests"):
            await client.generate_many(requests())


async def test_one_from_a_listener_is_logged(server: PictureServer, caplog: pytest.LogCaptureFixture) -> None:
    async def listener(_: BatchEvent) -> None:
        await of_a_helper()

    async with client_of(server) as client:
        outcomes = await client.generate_many(["a", "b"], on_event=listener)

    assert [outcome.ok for outcome in outcomes] == [True, True]
    assert "the batch's listener failed" in caplog.text


class Odd(BaseException):
    """As ``pytest.fail`` raises one."""


@pytest.mark.parametrize(
    "error", [Odd(), SystemExit(3), BaseExceptionGroup("g", [asyncio.CancelledError()]), asyncio.CancelledError()]
)
@pytest.mark.parametrize("awaited", [False, True])
async def test_whatever_a_listener_raises_is_logged(
    server: PictureServer, caplog: pytest.LogCaptureFixture, error: BaseException, awaited: bool
) -> None:
    def plain(_: BatchEvent) -> None:
        raise error

    async def async_one(_: BatchEvent) -> None:
        raise error

    async with client_of(server) as client:
        outcomes = await client.generate_many(["a", "b"], on_event=async_one if awaited else plain)

    assert [outcome.ok for outcome in outcomes] == [True, True]
    assert "the batch's listener failed" in caplog.text


class CancelledFile:
    async def read(self, _: int = -1) -> bytes:
        await of_a_helper()
        return b""


async def test_one_from_a_picture_is_the_outcome_of_its_request(server: PictureServer) -> None:
    async with client_of(server) as client:
        odd: Any = CancelledFile()
        outcomes = await client.generate_many(["a", GenerationRequest("b", image=odd), "c"])

    assert [outcome.ok for outcome in outcomes] == [True, False, True]
    assert isinstance(outcomes[1].error, RuntimeError)
    assert server.posts == 2


async def test_one_from_a_name_leaves_the_picture_its_tasks_id(server: PictureServer, tmp_path: Path) -> None:
    def name(_: int, __: GenerationRequest) -> str:
        raise asyncio.CancelledError

    async with client_of(server) as client:
        outcomes = await client.generate_many(["a"], download_to=tmp_path, name=name)

    assert [path.name for path in outcomes[0].files] == ["task-1.png"]


class CancelledTransport(httpx.AsyncHTTPTransport):
    """Accepts creates; every query is cancelled somewhere below."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(200, json={"code": 200, "data": {"taskId": "t1", "state": "pending"}})
        await of_a_helper()
        raise AssertionError


async def test_one_from_a_transport_is_a_failed_query(server: PictureServer) -> None:
    async with (
        httpx.AsyncClient(transport=CancelledTransport()) as http,
        client_of(server, http_client=http) as client,
    ):
        outcomes = await client.generate_many(["a"], wait_timeout=0.2)

    assert outcomes[0].task is not None
    assert outcomes[0].task.id == "t1"
    assert "CancelledError, raised by the transport" in str(outcomes[0].error)


async def test_a_batch_that_is_really_cancelled_is_cancelled(server: PictureServer) -> None:
    server.query(as_json({"code": 200, "data": {"taskId": "task-1", "state": "processing"}}))
    async with client_of(server) as client:
        running = asyncio.ensure_future(client.generate_many(["a"]))
        assert await asyncio.to_thread(server.wait_until, lambda: bool(server.queries), 60.0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert [task.id for task in client.detached] == ["task-1"]
