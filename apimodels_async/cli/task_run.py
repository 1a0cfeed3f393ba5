"""One task, from its create request to the files on the disk, which can say at any moment how to take it up again."""

import contextlib
from collections.abc import Generator, Sequence
from pathlib import Path

import anyio.to_thread
from attrs import define, field

from apimodels_async._create.uploads import UploadProgress
from apimodels_async._download.destination import Place, name_of
from apimodels_async._wire import tasks
from apimodels_async._wire.picture_formats import recognise
from apimodels_async.cli import exit_codes, stdout
from apimodels_async.cli.failures import CommandFailed, in_words_of_the_command_line, still_running, words_of
from apimodels_async.cli.naming import filled, of_request
from apimodels_async.cli.notes import note_end, note_task
from apimodels_async.cli.options import ServerChoice
from apimodels_async.cli.output import Target, make_usable
from apimodels_async.cli.resuming import wait_command
from apimodels_async.cli.screen import Activity, Screen, task_view
from apimodels_async.cli.session import server_of, show_uploads
from apimodels_async.cli.stderr import current
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

_ALSO = {".jpg": ".jpeg", ".tiff": ".tif"}
"""Another suffix of the same format."""
_OVER = (GenerationFailedError, ResultExpiredError, TaskNotFoundError)
"""After these, waiting again brings nothing."""


@define(kw_only=True)
class TaskRun:
    """What a command knows of its task.

    Attributes:
        target: where the pictures go.
        server: which server.
        timeout: of the wait, seconds.
        name: what the pictures are called, if not by the task's id.
        activity: what the spinner shows.
        task: the task as last seen.
        files: what was saved.
    """

    target: Target
    server: ServerChoice
    timeout: float
    name: str | None = None
    activity: Activity = field(factory=lambda: Activity(""))
    task: Task | None = None
    files: Sequence[Place] = ()
    _client: AsyncImagesClient | None = None

    async def generate(self, client: AsyncImagesClient, request: GenerationRequest) -> None:
        """Submit a request, wait for it, and save its pictures."""
        task = await self._submit(client, request)
        await self._wait_and_save(client, task)

    async def create(self, client: AsyncImagesClient, request: GenerationRequest) -> None:
        """Submit a request. Pictures that come inside the answer are saved: no task could be waited for."""
        task = await self._submit(client, request)
        if task.id is None:
            await self._save(client, task)

    async def _submit(self, client: AsyncImagesClient, request: GenerationRequest) -> Task:
        self._client = client
        make_usable(self.target)
        self.activity.words = "submitting"
        show_uploads(client, self._show_upload)
        if self.name is not None:
            self.name = filled(self.name, of_request(request))
        try:
            self.task = await client.create(request)
        except (TypeError, ValueError) as error:
            raise CommandFailed(in_words_of_the_command_line(error), exit_codes.USAGE) from error
        await self._note(client, self.task, request.prompt)
        return self.task

    async def fetch(self, client: AsyncImagesClient, task_id: str) -> None:
        """Wait for a task, and save its pictures."""
        make_usable(self.target)
        self.task = Task(id=task_id, state="")
        await self._note(client, self.task)
        await self._wait_and_save(client, self.task)

    async def _wait_and_save(self, client: AsyncImagesClient, task: Task) -> None:
        self.activity.task_id = task.id
        self.activity.words = f"waiting for the picture ({task.state})" if task.state else "waiting for the picture"
        self.task = task = await client.wait(task, timeout=self.timeout, on_change=self._show)
        if task.state == TaskState.FAILED:
            await self._note_end(task)
            raise tasks.failure(task)
        await self._save(client, task)

    async def _save(self, client: AsyncImagesClient, task: Task) -> None:
        self.activity.words = "saving"
        self.files = await client.download(task, self.target.pictures, name=self.name)
        await self._note_end(task)

    async def _note_end(self, task: Task) -> None:
        if not self.server.local and task.id is not None:
            with contextlib.suppress(OSError):  # then it is asked about once more
                await anyio.to_thread.run_sync(note_end, self.target.folder, task, self.files)

    async def _note(self, client: AsyncImagesClient, task: Task, prompt: str | None = None) -> None:
        """Note the id beside the pictures, or say it at once where it cannot be noted."""
        if self.server.local or task.id is None:
            return  # the gateway and its tasks end with the command; a task without an id has its picture with it
        try:
            await anyio.to_thread.run_sync(note_task, self.target.folder, task, server_of(client), prompt)
        except OSError as error:
            words = f"the id of task {task.id} cannot be noted in {self.target.folder} ({error.strerror or error})"
            current().warn(words)

    def _show_upload(self, progress: UploadProgress) -> None:
        sent, size = progress.sent / 1e6, progress.size / 1e6
        still = f"sending {progress.argument}: {sent:.1f} of {size:.1f} MB"
        self.activity.words = still if sent < size else "submitting"

    def _show(self, task: Task) -> None:
        self.task = task
        if not task.is_terminal:
            self.activity.words = f"waiting for the picture ({task.state})"

    @contextlib.contextmanager
    def explained(self) -> Generator[None]:
        """Say what ends the block early together with what has become of the task."""
        try:
            yield
        except KeyboardInterrupt:
            self._find_detached()
            task_id = None if self.task is None else self.task.id
            message = self._with_way_back("interrupted")
            raise CommandFailed(message, exit_codes.INTERRUPTED, task_id=task_id) from None
        except ApimodelsError as error:
            message = self._explanation(error)
            task_id = None if self.task is None else self.task.id
            raise CommandFailed(message, exit_codes.code_of(error), cause=error, task_id=task_id) from error

    def report(self, screen: Screen, *, as_json: bool) -> None:
        """Say what was saved."""
        self._warn_of_format()
        with self._written():
            self._print(screen, as_json=as_json)

    @contextlib.contextmanager
    def _written(self) -> Generator[None]:
        """Say where the task is if stdout takes nothing, such as on a full disk."""
        try:
            yield
            stdout.flush()
        except OSError as error:
            what = f"stdout cannot be written ({error.strerror or error})"
            saved = f"; saved: {', '.join(map(str, self.files))}" if self.files else ""
            task_id = None if self.task is None else self.task.id
            message = f"{what}{saved}" if saved else self._with_way_back(what)
            raise CommandFailed(message, exit_codes.UNEXPECTED, task_id=task_id) from error

    def print_id(self, screen: Screen) -> None:
        """Print the task's id."""
        with self._written():
            screen.lines([] if self.task is None else [self.task.id])

    def _print(self, screen: Screen, *, as_json: bool) -> None:
        if as_json:
            if self.task is not None:
                screen.json({**task_view(self.task), "files": [str(path) for path in self.files]})
            return
        made = "1 picture" if len(self.files) == 1 else f"{len(self.files)} pictures"
        screen.note(f"{made} in {self.activity.elapsed:.1f} s")
        if len(self.files) == 1 and self.target.file not in {None, name_of(self.files[0])}:
            screen.note(f"{self.target.given} is there already, and was not replaced")
        screen.paths(self.files)

    def _warn_of_format(self) -> None:
        """Say so if a file that was named does not hold what its name says."""
        first = self.files[0] if self.files else None
        if self.target.file is None or not isinstance(first, Path):
            return
        with contextlib.suppress(OSError), first.open("rb") as file:
            found = recognise(file.read(64))
            if found is not None and first.suffix.lower() not in {found.suffix, _ALSO.get(found.suffix)}:
                current().warn(f"{first} holds a picture in the format {found.label}: --format asks for another")

    def _find_detached(self) -> None:
        if self.task is None and self._client is not None and self._client.detached:
            self.task = self._client.detached[-1]

    def _explanation(self, error: ApimodelsError) -> str:
        message = words_of(error)
        if isinstance(error, WaitTimeoutError):
            self.task = error.task
            message = still_running(error, self.timeout)
        return message if isinstance(error, _OVER) else self._with_way_back(message)

    def _with_way_back(self, message: str) -> str:
        if self.task is None or self.task.id is None:
            return message
        task = "it" if self.task.id in message else f"task {self.task.id}"
        if self.server.local:
            return f"{message}; {task} ends with the local gateway, which was started for this command only"
        command = wait_command([self.task.id], self.target.given, self.server)
        return f"{message}; {task} is not lost, take it up again with: {command}"
