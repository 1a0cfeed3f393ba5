"""A client that is closed under running calls: each ends at once, says why, and leaves nothing open."""

import gc
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import anyio
import anyio.lowlevel
import httpx
import pytest

from apimodels_async import (
    ApimodelsError,
    AsyncImagesClient,
    ConfigurationError,
    SubmissionUnknownError,
    Task,
    TaskState,
)
from apimodels_async._create import closing
from apimodels_async._http import lanes, transport
from apimodels_async.pacing import FixedPacing
from tests.support.picture_server import KEY, PictureServer, enveloped, head, silent
from tests.support.pictures import PNG
from tests.support.server import FaultServer

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("lane")]

TRIALS = 30
AT_ONCE = 5
CLOSED = "this client was closed while it was being used"
CLOSED_ON_A_TASK = f"{CLOSED} (task task-1)"

ExpectedCallback = Callable[[AsyncImagesClient], Awaitable[object]]


@pytest.fixture
def server() -> Iterator[PictureServer]:
    with PictureServer() as running:
        running.create(running.accepted())
        running.query(silent())
        running.play("/a", silent(head(200, ("Content-Length", "5000")) + PNG))
        yield running
    gc.collect()  # a connection that was left behind warns now, and a warning is an error


async def errors_of(images: AsyncImagesClient, call: ExpectedCallback, pause: float) -> list[ApimodelsError]:
    """How several calls end when the client is closed after a pause."""
    ended: list[ApimodelsError] = []

    begun: list[None] = []

    async def run() -> None:
        begun.append(None)
        try:
            await call(images)
        except ApimodelsError as error:
            ended.append(error)

    async with anyio.create_task_group() as group:
        for _ in range(AT_ONCE):
            group.start_soon(run)
        while len(begun) < AT_ONCE:
            await anyio.lowlevel.checkpoint()
        await anyio.sleep(pause)
        await images.aclose()
    return ended


@pytest.fixture(autouse=True)
def _a_call_that_does_not_end_is_not_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a test of closing waits for a call that would only be left behind, and fails."""
    for module in (transport, lanes):
        monkeypatch.setattr(module, "CLOSING", 24 * 3600.0)


async def test_queries_are_cut_off_wherever_they_are(server: PictureServer) -> None:
    for trial in range(1, TRIALS):
        images = AsyncImagesClient(KEY, base_url=server.base_url)
        ended = await errors_of(images, lambda images: images.get("task-1"), trial / 1000)
        assert [(type(error), str(error), error.task_id) for error in ended] == [
            (ConfigurationError, CLOSED_ON_A_TASK, "task-1")
        ] * AT_ONCE
        assert server.all_closed()


async def test_downloads_are_cut_off_wherever_they_are(server: PictureServer, tmp_path: Path) -> None:
    task = Task(id="task-1", state=TaskState.COMPLETED, result_urls=(f"{server.origin}/a",))
    for trial in range(1, TRIALS, 3):
        images = AsyncImagesClient(KEY, base_url=server.base_url)
        ended = await errors_of(images, lambda images: images.download(task, tmp_path), trial / 1000)
        assert [(type(error), str(error), error.task_id) for error in ended] == [
            (ConfigurationError, CLOSED_ON_A_TASK, "task-1")
        ] * AT_ONCE
        assert server.all_closed()
    assert not os.listdir(tmp_path)  # noqa: PTH208


async def test_a_query_that_is_still_connecting_is_cut_off() -> None:
    with FaultServer(listening=False) as server, ExitStack() as stack:
        server._listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", server.port))
        images = AsyncImagesClient(KEY, base_url=server.base_url)
        ended = await errors_of(images, lambda images: images.get("task-1"), 0.1)
    gc.collect()
    assert [str(error) for error in ended] == [CLOSED_ON_A_TASK] * AT_ONCE


async def test_waits_that_are_asleep_are_woken(server: PictureServer) -> None:
    server.query(enveloped({"taskId": "task-1", "state": "pending"}))
    images = AsyncImagesClient(KEY, base_url=server.base_url, pacing=FixedPacing(0.05))
    ended = await errors_of(images, lambda images: images.wait("task-1", pacing=FixedPacing(3600.0)), 0.3)
    assert [(str(error), error.task_id) for error in ended] == [(CLOSED_ON_A_TASK, "task-1")] * AT_ONCE


async def test_a_create_that_was_sent_is_unknown_and_not_a_fault_of_the_set_up(
    server: PictureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "GRACE", 0.1)
    server.create(silent())
    images = AsyncImagesClient(KEY, base_url=server.base_url, model="m")
    ended = await errors_of(images, lambda images: images.create("a cat"), 0.3)
    assert [type(error) for error in ended] == [SubmissionUnknownError] * AT_ONCE
    assert server.all_closed()


async def test_a_client_of_the_callers_own_is_not_closed_but_the_calls_end(server: PictureServer) -> None:
    async with httpx.AsyncClient() as own:
        images = AsyncImagesClient(KEY, base_url=server.base_url, http_client=own)
        ended = await errors_of(images, lambda images: images.get("task-1"), 0.1)
        assert not own.is_closed
    assert [(str(error), error.task_id) for error in ended] == [(CLOSED_ON_A_TASK, "task-1")] * AT_ONCE


async def test_closing_twice_and_from_two_tasks_ends(server: PictureServer) -> None:
    images = AsyncImagesClient(KEY, base_url=server.base_url)

    async def get() -> None:
        with pytest.raises(ConfigurationError):
            await images.get("task-1")

    async with anyio.create_task_group() as group:
        group.start_soon(get)
        await anyio.sleep(0.1)
        group.start_soon(images.aclose)
        await images.aclose()
    assert server.all_closed()


async def test_closing_while_being_cancelled_leaves_nothing_open(server: PictureServer) -> None:
    images = AsyncImagesClient(KEY, base_url=server.base_url)

    async def get() -> None:
        with pytest.raises(ConfigurationError):
            await images.get("task-1")

    async with anyio.create_task_group() as group:
        group.start_soon(get)
        await anyio.sleep(0.1)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await images.aclose()
    assert server.all_closed()
