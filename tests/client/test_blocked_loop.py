"""A program that is stopped, or whose event loop is blocked, for longer than any timeout: what has arrived is read."""

import time
from collections.abc import Callable, Iterator

import anyio
import httpx
import pytest

from apimodels_async import AsyncImagesClient, SubmissionUnknownError
from tests.support.picture_server import KEY, PictureServer, drip, enveloped

pytestmark = pytest.mark.anyio

LONG = "n" * 1_000_000
"""So much that the answer takes many reads."""
TIMEOUT = httpx.Timeout(0.5, read=4.0)
"""Seconds for each step of an exchange; the whole exchange gets the sum of the four."""
BLOCKED = 6.5
"""Seconds: longer than a whole exchange may take."""


@pytest.fixture
def server() -> Iterator[PictureServer]:
    with PictureServer() as running:
        yield running


async def block_the_loop(arrived: Callable[[], bool]) -> None:
    """When the server has the request, block the loop for longer than every timeout."""
    while not arrived():  # noqa: ASYNC110  (the server is in a thread)
        await anyio.sleep(0.005)
    time.sleep(BLOCKED)  # noqa: ASYNC251  (this is what is tested)


async def test_the_answer_to_a_create_that_came_while_the_loop_was_blocked_is_read(server: PictureServer) -> None:
    server.create(server.accepted(note=LONG))
    async with (
        AsyncImagesClient(KEY, base_url=server.base_url, model="m", timeout=TIMEOUT, max_retries=0) as client,
        anyio.create_task_group() as group,
    ):
        group.start_soon(block_the_loop, lambda: server.posts == 1)
        task = await client.create("a cat")

    assert [task.id] == server.created


async def test_a_create_whose_answer_never_ends_is_still_cut_off(server: PictureServer) -> None:
    server.create(drip(b"{}" + b" " * 1000))  # a byte every 0.3 s: no single read takes too long
    timeout = httpx.Timeout(0.5)
    async with AsyncImagesClient(KEY, base_url=server.base_url, model="m", timeout=timeout, max_retries=0) as client:
        with anyio.fail_after(60.0), pytest.raises(SubmissionUnknownError, match="no whole answer within 2 s"):
            await client.create("a cat")

    assert server.posts == 1


@pytest.mark.usefixtures("lane")
async def test_the_answer_to_a_query_that_came_while_the_loop_was_blocked_is_read(server: PictureServer) -> None:
    server.query(server.completed("https://r2.example/a.png", note=LONG))
    server.play("/api/v1/balance", enveloped({"balance": 1.0}))
    async with AsyncImagesClient(KEY, base_url=server.base_url, model="m", timeout=TIMEOUT) as client:
        await client.balance()  # what is imported with the first query is no matter here
        async with anyio.create_task_group() as group:
            group.start_soon(block_the_loop, lambda: server.queries > 0)
            task = await client.wait("task-1", timeout=1.0)

    assert task.is_terminal
