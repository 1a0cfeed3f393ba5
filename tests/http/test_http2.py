"""Through a caller's own client over HTTP/2: answers that come early, and what proves that nothing was done."""

import json
from collections.abc import Callable
from functools import partial

import httpx
import pytest
from h2.errors import ErrorCodes

from apimodels_async import APIError, AsyncImagesClient, ConnectionFailedError, SubmissionUnknownError
from tests.support.early import EarlyServer
from tests.support.http2 import Http2Connection, Step, speaking_http2
from tests.support.pictures import PNG

pytestmark = pytest.mark.anyio

PICTURE = PNG + bytes(400_000)
PAGE = b"<title>Too large, says the proxy</title>"
ACCEPTED = json.dumps({"code": 200, "data": {"taskId": "task-1", "state": "pending"}}).encode()
NO_ERROR, CANCEL, REFUSED = ErrorCodes.NO_ERROR, ErrorCodes.CANCEL, ErrorCodes.REFUSED_STREAM


def refused(status: int, *, reset: bool = False, goes_away: bool = False, page: bytes = PAGE) -> Step:
    """Answer after the head; then wait, reset the stream, or end the connection in the way of HTTP/2."""

    def begun(connection: Http2Connection, stream: int) -> None:
        connection.answer(stream, status, page)
        if reset:
            connection.state.reset_stream(stream, NO_ERROR)
        if goes_away:
            connection.go_away(stream)

    return begun


def own_client() -> httpx.AsyncClient:
    return httpx.AsyncClient(http1=False, http2=True, trust_env=False, timeout=30.0)


async def create(
    server: EarlyServer, http: httpx.AsyncClient, picture: bytes | None = PICTURE, *, max_retries: int = 0
) -> object:
    client = AsyncImagesClient(
        "sk_test", base_url=server.base_url, model="m", max_retries=max_retries, http_client=http
    )
    async with client:
        return await client.create("a cat", image=picture)


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(refused, id="and waits"),
        pytest.param(partial(refused, reset=True), id="and resets the stream"),
        pytest.param(partial(refused, goes_away=True), id="and goes away"),
    ],
)
@pytest.mark.parametrize("status", [413, 407, 401])
async def test_a_refusal_before_the_body_is_that_refusal(step: Callable[[int], Step], status: int) -> None:
    with EarlyServer(speaking_http2(step(status))) as server:
        async with own_client() as http:
            for _ in range(3):
                with pytest.raises(APIError, match=r"Too large, says the proxy .*by early") as caught:
                    # The next create may meet the connection that is going away, and then was not sent: one retry.
                    await create(server, http, max_retries=1)
                assert (caught.value.status, caught.value.from_api) == (status, False)


async def test_an_upload_that_is_refused_before_it_was_sent_is_that_refusal() -> None:
    with EarlyServer(speaking_http2(refused(413))) as server:
        async with own_client() as http:
            client = AsyncImagesClient("sk_test", base_url=server.base_url, model="m", http_client=http)
            async with client:
                with pytest.raises(APIError, match="Too large, says the proxy"):
                    await client.upload(PICTURE)


async def test_refused_requests_leave_no_open_streams_behind() -> None:
    """A server allows so many streams at once; 300 would be more than any."""

    def begun(connection: Http2Connection, stream: int) -> None:
        if stream < 2 * 150:
            refused(413)(connection, stream)
        else:
            connection.answer(stream, 200, ACCEPTED)

    with EarlyServer(speaking_http2(begun)) as server:
        async with own_client() as http:
            for _ in range(150):
                with pytest.raises(APIError):
                    await create(server, http)
            assert getattr(await create(server, http, None), "id", None) == "task-1"
        assert server.connections == 1


async def test_a_task_that_is_named_early_is_not_lost() -> None:
    with EarlyServer(speaking_http2(refused(200, page=ACCEPTED))) as server:
        async with own_client() as http:
            assert getattr(await create(server, http), "id", None) == "task-1"


@pytest.mark.parametrize("code", [NO_ERROR, CANCEL])
async def test_a_stream_that_is_reset_without_an_answer_is_unknown(code: ErrorCodes) -> None:
    def begun(connection: Http2Connection, stream: int) -> None:
        connection.state.reset_stream(stream, code)

    with EarlyServer(speaking_http2(begun)) as server:
        async with own_client() as http:
            with pytest.raises(SubmissionUnknownError):
                await create(server, http)


@pytest.mark.parametrize("picture", [None, PICTURE], ids=["no picture", "a large one"])
async def test_a_stream_that_the_server_refuses_was_not_sent(picture: bytes | None) -> None:
    def begun(connection: Http2Connection, stream: int) -> None:
        connection.state.reset_stream(stream, REFUSED)

    with EarlyServer(speaking_http2(begun)) as server:
        async with own_client() as http:
            with pytest.raises(ConnectionFailedError, match="nothing reached the server"):
                await create(server, http, picture)


@pytest.mark.parametrize("picture", [None, PICTURE], ids=["no picture", "a large one"])
async def test_a_server_that_goes_away_before_our_stream_has_done_nothing(picture: bytes | None) -> None:
    def begun(connection: Http2Connection, stream: int) -> None:
        if server.connections == 1:
            connection.go_away(0)
        else:
            connection.answer(stream, 200, ACCEPTED)

    with EarlyServer(speaking_http2(begun)) as server:
        async with own_client() as http:
            client = AsyncImagesClient("sk_test", base_url=server.base_url, model="m", http_client=http)
            async with client:
                assert (await client.create("a cat", image=picture)).id == "task-1"
        assert server.connections == 2


async def test_a_server_that_goes_away_after_our_stream_may_have_done_it() -> None:
    def begun(connection: Http2Connection, stream: int) -> None:
        connection.go_away(stream)

    with EarlyServer(speaking_http2(begun)) as server:
        async with own_client() as http:
            with pytest.raises(SubmissionUnknownError):
                await create(server, http)


async def test_a_large_picture_is_sent_whole_when_nothing_is_answered_early() -> None:
    def whole(connection: Http2Connection, stream: int) -> None:
        connection.answer(stream, 200, ACCEPTED)

    with EarlyServer(speaking_http2(lambda *_: None, whole)) as server:
        async with own_client() as http:
            assert getattr(await create(server, http), "id", None) == "task-1"
