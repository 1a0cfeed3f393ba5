"""A batch that is left loses no task, also none that the server accepts later."""

import threading

import anyio
import anyio.to_thread
import pytest

from apimodels_async import AsyncImagesClient
from tests.support.picture_server import KEY, PictureServer, held

pytestmark = pytest.mark.anyio


async def test_a_task_that_is_accepted_after_the_batch_was_cancelled_is_kept() -> None:
    answered = threading.Event()
    with PictureServer() as server:
        server.create(held(answered, server.accepted()))
        async with AsyncImagesClient(KEY, base_url=server.base_url, model="m", timeout=60.0) as client:
            async with anyio.create_task_group() as group:
                group.start_soon(client.generate_many, ["a", "b"])
                assert await anyio.to_thread.run_sync(server.wait_until, lambda: server.posts == 2, 60.0)
                group.cancel_scope.cancel()
            assert client.detached == []
            answered.set()
        assert {task.id for task in client.detached} == set(server.created) == {"task-1", "task-2"}
