"""The tools: what each does with the client, and what it reports. Schemas are made of the signatures in `server`."""

import base64
import mimetypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from apimodels_async._threads import FILES
from apimodels_async._wire.tasks import failure, is_over
from apimodels_async.cli.mcp.inputs import checked_picture
from apimodels_async.cli.mcp.payments import PaidRequests
from apimodels_async.client import AsyncImagesClient
from apimodels_async.errors import GenerationFailedError, WaitTimeoutError
from apimodels_async.models import GenerationRequest, Task, TaskState

__all__ = ["Finished", "ImageTools"]

_PAID_BEFORE = "an earlier call has paid for it"
LARGEST_SHOWN = 3 << 20
"""Bytes of a picture that is sent to the agent; of a larger one it gets the path only."""


class Finished(NamedTuple):
    """What a tool has done.

    Attributes:
        task: as last seen.
        key: of its entry in the ledger, if it has one.
        paid: US dollars that this call has committed.
        files: where its pictures are.
        shown: the pictures as base64, each with its media type.
        note: what the agent can do next.
    """

    task: Task
    key: str | None
    paid: float = 0.0
    files: Sequence[Path] = ()
    shown: Sequence[tuple[str, str]] = ()
    note: str = ""


class ImageTools:
    """What the tools do.

    Args:
        client: of the server.
        payments: keeps the budget.
        model: of requests that name none.
        directory: where pictures are saved.
        folders: of which files may be given.
    """

    def __init__(
        self, client: AsyncImagesClient, payments: PaidRequests, model: str, directory: Path, folders: Sequence[Path]
    ) -> None:
        self._model = model
        self._client = client
        self._payments = payments
        self._directory = directory
        self._folders = (directory, *folders)

    async def make(self, prompt: str, *, key: str | None, wait_seconds: float, **fields: Any) -> Finished:
        """Create a task, unless an earlier call did, wait for it for a while, and return its pictures.

        Raises:
            ApimodelsError, ValueError, TypeError: as `PaidRequests.task_of`, `wait` and `download` raise.
        """
        for name in ("image", "mask"):
            if fields.get(name) is not None:
                fields[name] = checked_picture(fields[name], self._folders, name)
        if fields.get("images") is not None:
            fields["images"] = [
                checked_picture(each, self._folders, f"images[{at}]") for at, each in enumerate(fields["images"])
            ]
        given = {name: value for name, value in fields.items() if value is not None}
        given.setdefault("model", self._model)
        request = GenerationRequest(prompt, **given)
        key, task, paid = await self._payments.task_of(request, key)
        files = await self._payments.saved_files(key)
        if files:
            return await self._finished(task, key, paid, files, _PAID_BEFORE)
        return await self._complete(task, key, paid, wait_seconds)

    async def wait(self, task_id: str, wait_seconds: float) -> Finished:
        """Wait for a task for a while. Costs nothing.

        Raises:
            ApimodelsError: as `AsyncImagesClient.wait`.
        """
        entry = await self._payments.entry_of(task_id)
        key = None if entry is None else entry.key
        task = await self._ended(Task(id=task_id, state=""), key, wait_seconds)
        if task.state == TaskState.COMPLETED:
            return Finished(task, key, note="it is completed: download brings its pictures")
        return Finished(task, key, note=_still_running(task) if not is_over(task) else "it failed, and is not billed")

    async def download(self, task_id: str) -> Finished:
        """Save and return the pictures of a completed task. Costs nothing.

        Raises:
            ApimodelsError: as `AsyncImagesClient.get` and `download`.
        """
        entry = await self._payments.entry_of(task_id)
        if entry is not None and entry.task is not None:
            files = await self._payments.saved_files(entry.key)
            if files:
                return await self._finished(entry.task, entry.key, 0.0, files, "")
        task = await self._client.get(task_id)
        key = None if entry is None else entry.key
        files = await self._payments.save(self._client, key, task, self._directory)
        return await self._finished(task, key, 0.0, files, "")

    async def balance(self) -> float:
        """US dollars on the account.

        Raises:
            ApimodelsError: as `AsyncImagesClient.balance`.
        """
        return await self._client.balance()

    async def _complete(self, task: Task, key: str, paid: float, wait_seconds: float) -> Finished:
        task = await self._ended(task, key, wait_seconds)
        if not is_over(task):
            return Finished(task, key, paid, note=_still_running(task))
        if task.state == TaskState.FAILED:
            error = failure(task)
            raise GenerationFailedError(
                f"{error} It is not billed. The same call returns this failure: give another key to try again.",
                task=task,
            ) from error
        files = await self._payments.save(self._client, key, task, self._directory)
        return await self._finished(task, key, paid, files, "" if paid else _PAID_BEFORE)

    async def _ended(self, task: Task, key: str | None, wait_seconds: float) -> Task:
        """Wait for a while; what has ended is recorded."""
        try:
            task = await self._client.wait(task, timeout=wait_seconds)
        except WaitTimeoutError as error:
            return error.task
        if key is not None:
            await self._payments.ended(key, task)
        return task

    async def _finished(self, task: Task, key: str | None, paid: float, files: Sequence[Path], note: str) -> Finished:
        shown = await FILES.run(lambda: [_shown(path) for path in files if path.stat().st_size <= LARGEST_SHOWN])
        if len(shown) < len(files):
            note = "; ".join(filter(None, [note, "a picture is too large to be shown here: see its file"]))
        return Finished(task, key, paid, files, shown, note)


def _still_running(task: Task) -> str:
    return f"it is still running: call wait with the task_id {task.id}; it is paid for already"


def _shown(path: Path) -> tuple[str, str]:
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return base64.b64encode(path.read_bytes()).decode("ascii"), media_type
