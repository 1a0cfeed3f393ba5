"""Legacy-style code, read by the type checkers alone: what they infer is what is there."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import assert_type

import apimodels_async
from apimodels_async import GenerationRequest, ImagesClient, Outcome, Task, TaskState
from apimodels_async.models import BatchStats
from apimodels_async.sync import Batch
from apimodels_async.sync import ImagesClient as TheSame


class Shop:
    """A class with a client in it, as legacy code has them."""

    def __init__(self) -> None:
        self.client = ImagesClient(model="grok-image/grok-4.2-image", timeout=30)
        self.ids: list[str] = []

    def order(self, prompt: str) -> str:
        task = self.client.create(prompt, size="1024x1024", quality="high")
        assert_type(task, Task)
        assert_type(task.id, str | None)
        self.ids.append(task.id or "")
        return task.id or ""

    def pick_up(self, task_id: str, folder: str) -> list[Path]:
        task = self.client.wait(task_id, timeout=None)
        assert_type(task.state, TaskState | str)
        files = self.client.download(task, folder)
        assert_type(files, list[Path])
        return files

    def close(self) -> None:
        assert_type(self.client.close(), None)


def rows(path: str) -> Iterator[GenerationRequest]:
    with sqlite3.connect(path) as database:
        for prompt, size in database.execute("select prompt, size from wishes"):
            yield GenerationRequest(str(prompt), size=str(size))


def all_wishes(path: str) -> int:
    with ImagesClient() as client:
        assert_type(client, ImagesClient)
        with client.batch(rows(path), download_to="pictures", budget=5.0) as batch:
            assert_type(batch, Batch)
            for outcome in batch:
                assert_type(outcome, Outcome)
                assert_type(outcome.error, Exception | None)
                assert_type(outcome.files, tuple[Path, ...])
            assert_type(next(batch), Outcome)
            assert_type(batch.stats, BatchStats)
        assert_type(batch.detached, list[Task])
        assert_type(client.detached, list[Task])
        return batch.stats.completed


def at_once(prompts: list[str]) -> list[Task]:
    client = apimodels_async.ImagesClient()
    with ThreadPoolExecutor() as executor:
        futures = [executor.submit(client.generate, prompt) for prompt in prompts]
        assert_type(futures, list[Future[Task]])
        return [future.result() for future in futures]


def account() -> str:
    with TheSame() as client:
        assert_type(client.models(), list[str])
        assert_type(client.balance(), float)
        assert_type(client.upload(b"\x89PNG"), str)
        assert_type(client.generate_many(["a boat"]), list[Outcome])
        assert_type(client.get("cl1"), Task)
        return f"{client.balance():.2f}"


def mistakes(client: ImagesClient) -> None:
    """Each is one: a checker that sees nothing wrong complains of the comment instead."""
    client.generat("a boat")  # type: ignore[attr-defined]
    client.create("a boat", quality=1)  # type: ignore[arg-type]
    client.wait()  # type: ignore[call-arg]
    apimodels_async.ImageClient()  # type: ignore[attr-defined]
