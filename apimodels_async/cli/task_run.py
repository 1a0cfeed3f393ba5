"""One task, from its create request to the files on the disk, which can say at any moment how to take it up again."""

import contextlib
import shlex
from collections.abc import Generator
from pathlib import Path

import anyio.to_thread
import typer
from attrs import define, field

from apimodels_async._create.uploads import UploadProgress
from apimodels_async._wire import tasks
from apimodels_async.cli import exit_codes
from apimodels_async.cli.failures import CommandFailed, in_words_of_the_command_line, one_line
from apimodels_async.cli.notes import note_task
from apimodels_async.cli.output import make_usable
from apimodels_async.cli.screen import Activity, Screen, task_view
from apimodels_async.cli.session import server_of, show_uploads
from apimodels_async.client import AsyncImagesClient
from apimodels_async.errors import (
    ApimodelsError,
    GenerationFailedError,
    ResultExpiredError,
    TaskNotFoundError,
    WaitTimeoutError,
)
from apimodels_async.models import GenerationRequest, Task, TaskState

__all__ = ["TaskRun"]

_OVER = (GenerationFailedError, ResultExpiredError, TaskNotFoundError)
"""After these, waiting again brings nothing."""


@define(kw_only=True)
class TaskRun:
    """What a command knows of its task.

    Attributes:
        directory: where the pictures go.
        timeout: of the wait, seconds.
        local: whether the server is a gateway that ends with the command.
        activity: what the spinner shows.
        task: the task as last seen.
        files: what was saved.
    """

    directory: Path
    timeout: float
    local: bool = False
    activity: Activity = field(factory=lambda: Activity(""))
    task: Task | None = None
    files: list[Path] = field(factory=list[Path])
    _client: AsyncImagesClient | None = None

    async def generate(self, client: AsyncImagesClient, request: GenerationRequest) -> None:
        """Submit a request, wait for it, and save its pictures."""
        self._client = client
        make_usable(self.directory)
        self.activity.words = "submitting"
        show_uploads(client, self._show_upload)
        try:
            self.task = await client.create(request)
        except (TypeError, ValueError) as error:
            raise CommandFailed(in_words_of_the_command_line(error), exit_codes.USAGE) from error
        await self._note(client, self.task, request.prompt)
        await self._wait_and_save(client, self.task)

    async def fetch(self, client: AsyncImagesClient, task_id: str) -> None:
        """Wait for a task, and save its pictures."""
        make_usable(self.directory)
        self.task = Task(id=task_id, state="")
        await self._note(client, self.task)
        await self._wait_and_save(client, self.task)

    async def _wait_and_save(self, client: AsyncImagesClient, task: Task) -> None:
        self.activity.task_id = task.id
        self.activity.words = f"waiting for the picture ({task.state})" if task.state else "waiting for the picture"
        self.task = task = await client.wait(task, timeout=self.timeout, on_change=self._show)
        if task.state == TaskState.FAILED:
            raise tasks.failure(task)
        self.activity.words = "saving"
        self.files = await client.download(task, self.directory)

    async def _note(self, client: AsyncImagesClient, task: Task, prompt: str | None = None) -> None:
        """Note the id beside the pictures, or say it at once where it cannot be noted."""
        if self.local or task.id is None:
            return  # the gateway and its tasks end with the command; a task without an id has its picture with it
        try:
            await anyio.to_thread.run_sync(note_task, self.directory, task, server_of(client), prompt)
        except OSError as error:
            words = f"the id of task {task.id} cannot be noted in {self.directory} ({error.strerror or error})"
            typer.echo(f"apimodels: {one_line(words)}", err=True)

    def _show_upload(self, progress: UploadProgress) -> None:
        sent, size = progress.sent / 1e6, progress.size / 1e6
        still = f"sending {progress.argument}: {sent:.1f} of {size:.1f} MB"
        self.activity.words = still if sent < size else "submitting"

    def _show(self, task: Task) -> None:
        self.task = task
        if not task.is_terminal:
            self.activity.words = f"waiting for the picture ({task.state})"

    @contextlib.contextmanager
    def explained(self, screen: Screen, *, as_json: bool) -> Generator[None]:
        """Say what ends the block early together with what has become of the task.

        With `as_json`, the task as last seen is printed all the same.
        """
        try:
            yield
        except KeyboardInterrupt:
            self._find_detached()
            raise CommandFailed(self._with_way_back("interrupted"), exit_codes.INTERRUPTED) from None
        except ApimodelsError as error:
            raise CommandFailed(self._explanation(error), exit_codes.code_of(error)) from error
        finally:
            if as_json and self.task is not None:
                screen.json({**task_view(self.task), "files": [str(path) for path in self.files]})

    def report(self, screen: Screen, *, as_json: bool) -> None:
        """Say what was saved."""
        made = "1 picture" if len(self.files) == 1 else f"{len(self.files)} pictures"
        screen.note(f"{made} in {self.activity.elapsed:.1f} s")
        if not as_json:
            screen.paths(self.files)

    def _find_detached(self) -> None:
        if self.task is None and self._client is not None and self._client.detached:
            self.task = self._client.detached[-1]

    def _explanation(self, error: ApimodelsError) -> str:
        message = str(error)
        if isinstance(error, WaitTimeoutError):
            self.task = error.task
            message = f"task {error.task_id} is still {error.task.state or 'running'} after {self.timeout:g} s"
        return message if isinstance(error, _OVER) else self._with_way_back(message)

    def _with_way_back(self, message: str) -> str:
        if self.task is None or self.task.id is None:
            return message
        task = "it" if self.task.id in message else f"task {self.task.id}"
        if self.local:
            return f"{message}; {task} ends with the local gateway, which was started for this command only"
        command = ["apimodels", "wait", self.task.id]
        if self.directory != Path():
            command += ["-o", str(self.directory)]
        return f"{message}; {task} is not lost, take it up again with: {shlex.join(command)}"
