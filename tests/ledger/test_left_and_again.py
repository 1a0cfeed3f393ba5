"""A batch that is left and run again at once waits for what is still on its way, and asks nobody to decide."""

import threading
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from apimodels_async import AsyncImagesClient
from apimodels_async.ledger import SqliteLedger
from apimodels_async.pacing import FixedPacing
from tests.support.picture_server import KEY, PictureServer, held, picture

pytestmark = pytest.mark.anyio


async def test_requests_on_their_way_are_waited_for_and_their_tasks_returned(tmp_path: Path) -> None:
    answered = threading.Event()
    with PictureServer() as server:
        server.create(held(answered, server.accepted()))
        server.query(server.completed(server.play("/a.png", picture())))
        async with AsyncImagesClient(
            KEY, base_url=server.base_url, model="m", timeout=60.0, pacing=FixedPacing(0.01)
        ) as client:
            async with anyio.create_task_group() as group, client.batch(["a", "b"], ledger=tmp_path / "l.db"):
                assert await anyio.to_thread.run_sync(server.wait_until, lambda: server.posts == 2, 60.0)
                group.cancel_scope.cancel()
            async with (
                client.batch(["a", "b"], ledger=tmp_path / "l.db") as again,
                anyio.create_task_group() as group,
            ):
                outcomes = []

                async def take() -> None:
                    outcomes.extend([outcome async for outcome in again])

                group.start_soon(take)
                await anyio.wait_all_tasks_blocked()
                answered.set()

        assert [outcome.error for outcome in outcomes] == [None, None]
        assert server.posts == 2
        assert again.stats.unknown == 0


async def test_a_ledger_is_one_by_all_its_names(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    (tmp_path / "l.db").symlink_to(tmp_path / "folder" / "l.db")
    with PictureServer() as server:
        server.create(server.accepted())
        async with AsyncImagesClient(KEY, base_url=server.base_url, model="m") as client:
            tasks = [
                await client.create("a", ledger=tmp_path / name, key="k")
                for name in ("folder/l.db", "link/l.db", "l.db", "folder/../l.db")
            ]

    assert {task.id for task in tasks} == {"task-1"}
    assert server.posts == 1


async def test_two_clients_of_one_ledger_wait_for_each_other(tmp_path: Path) -> None:
    answered = threading.Event()
    got: list[str | None] = []
    with PictureServer() as server, SqliteLedger(tmp_path / "l.db") as ledger:
        server.create(held(answered, server.accepted()))

        async def create(client: AsyncImagesClient) -> None:
            got.append((await client.create("a", ledger=ledger, key="k")).id)

        async with (
            AsyncImagesClient(KEY, base_url=server.base_url, model="m", timeout=60.0) as first,
            AsyncImagesClient(KEY, base_url=server.base_url, model="m", timeout=60.0) as second,
            anyio.create_task_group() as group,
        ):
            group.start_soon(create, first)
            assert await anyio.to_thread.run_sync(server.wait_until, lambda: server.posts == 1, 60.0)
            group.start_soon(create, second)
            await anyio.wait_all_tasks_blocked()
            answered.set()

    assert got == ["task-1", "task-1"]
    assert server.posts == 1
