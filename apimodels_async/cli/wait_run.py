"""Several tasks at once, from their ids to the files on the disk."""

import contextlib
from collections.abc import Callable, Generator, Sequence
from typing import Any

import anyio
import anyio.to_thread
from attrs import define, field

from apimodels_async._download.destination import Place
from apimodels_async._download.downloader import GivenName
from apimodels_async._download.names import Naming, PictureName, split_suffix
from apimodels_async._wire import tasks as wire
from apimodels_async.cli import exit_codes
from apimodels_async.cli.failures import CommandFailed, one_line, still_running, words_of
from apimodels_async.cli.naming import digits_of, filled
from apimodels_async.cli.open_tasks import OpenTask, OpenTasks
from apimodels_async.cli.output import Target, make_usable
from apimodels_async.cli.screen import Activity, Screen, task_view
from apimodels_async.client import AsyncImagesClient
from apimodels_async.errors import (
    ApimodelsError,
    AuthenticationError,
    GenerationFailedError,
    LedgerError,
    ResultExpiredError,
    TaskNotFoundError,
    WaitTimeoutError,
)
from apimodels_async.models import Task, TaskState

__all__ = ["WaitRun"]

_AT_ONCE = 256
"""Tasks that are waited for at once; the others follow."""
_OVER = (GenerationFailedError, ResultExpiredError, TaskNotFoundError)
"""After these, waiting again brings nothing."""
_FOR_ALL = (AuthenticationError, LedgerError)
"""After these, no other task would fare better."""
_BY_LINE = "{line}-{id}"


@define(kw_only=True, eq=False)
class WaitRun:
    """What the command knows of its tasks.

    Attributes:
        tasks: all of them.
        target: where the pictures go.
        name: what they are called, if not by their ids.
        timeout: of each wait, seconds.
        way_back: the command that goes on with the tasks that are left.
        screen: the streams.
        as_json: whether the result is a JSON object.
        opened: where the tasks were found, if not on the command line.
        activity: what is shown.
    """

    tasks: list[OpenTask]
    target: Target
    name: str | None
    timeout: float
    way_back: Callable[[Sequence[OpenTask]], str]
    screen: Screen
    as_json: bool
    opened: OpenTasks | None = None
    activity: Activity = field(factory=lambda: Activity("looking for open tasks"))
    _done: dict[str, dict[str, Any]] = field(factory=dict[str, dict[str, Any]])
    _errors: dict[str, ApimodelsError] = field(factory=dict[str, ApimodelsError])
    _fatal: Exception | None = None

    async def make(self, client: AsyncImagesClient) -> None:
        """Wait for all of them, and save their pictures.

        Raises:
            AuthenticationError, LedgerError: for all of them.
            OSError: the files cannot be printed.
        """
        if not self.tasks:
            return
        make_usable(self.target)
        self._show()
        room = anyio.CapacityLimiter(_AT_ONCE)
        async with anyio.create_task_group() as group:
            for open_task in self.tasks:
                group.start_soon(self._one, client, open_task, room, group.cancel_scope)
        if self._fatal is not None:
            raise self._fatal

    async def _one(
        self, client: AsyncImagesClient, open_task: OpenTask, room: anyio.CapacityLimiter, everything: anyio.CancelScope
    ) -> None:
        async with room:
            try:
                await self._wait_and_save(client, open_task)
            except Exception as error:  # noqa: BLE001  (raised by `make`, and not in a group)
                if isinstance(error, _FOR_ALL) or not isinstance(error, ApimodelsError):
                    self._fatal = error
                    everything.cancel()
                    return
                self._errors[open_task.id] = error
                if not self.as_json:
                    self.screen.say(f"task {one_line(open_task.id)}: {self._words(error)}")
        self._show()

    def _words(self, error: ApimodelsError) -> str:
        if isinstance(error, WaitTimeoutError):
            words = still_running(error, self.timeout).removeprefix(f"task {error.task_id} ")
            return one_line(words.removeprefix("is "))
        return one_line(words_of(error))

    async def _wait_and_save(self, client: AsyncImagesClient, open_task: OpenTask) -> None:
        task = await client.wait(open_task.id, timeout=self.timeout)
        if task.state == TaskState.FAILED:
            await self._end(open_task, task, [], [])
            raise wire.failure(task)
        given = self._given(open_task, task)
        saved = await client._downloader.download(task, self.target.pictures, None, given)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        files = [picture.path for picture in saved]
        await self._end(open_task, task, files, [picture.sha256 for picture in saved])
        self._done[open_task.id] = {**task_view(task), "files": [str(path) for path in files]}
        if self._printing:
            await anyio.to_thread.run_sync(self.screen.paths, files, abandon_on_cancel=True)

    @property
    def _printing(self) -> bool:
        """Whether paths are printed as they come: where a terminal shows how far it is, they come at the end."""
        return not self.as_json and not (self.screen.for_people and self.screen.notes.is_terminal)

    async def _end(self, open_task: OpenTask, task: Task, files: list[Place], sums: list[str]) -> None:
        if self.opened is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self.opened.end, open_task, task, files, sums)

    def _given(self, open_task: OpenTask, task: Task) -> GivenName | None:
        """The name of a task's pictures. What an earlier run may have saved by that name already is not saved twice."""
        if open_task.name is not None:
            return GivenName(PictureName(*split_suffix(open_task.name)), again=True)
        name = self.name or (None if open_task.line is None else _BY_LINE)
        if name is None:
            return None
        known = {"line": open_task.line, "prompt": open_task.prompt}
        digits = digits_of(0 if self.opened is None else self.opened.last_line)
        return GivenName(Naming(filled(name, known, digits=digits)).name(task), again=self.opened is not None)

    def _show(self) -> None:
        ended = len(self._done) + len(self._errors)
        self.activity.words = f"waiting for {_many(len(self.tasks))}, {ended} ended"

    # --- the end

    @contextlib.contextmanager
    def explained(self) -> Generator[None]:
        """Say what ends the block early together with how to go on; and write down what is known by then."""
        try:
            yield
        except KeyboardInterrupt:
            raise CommandFailed(self._left("interrupted"), exit_codes.INTERRUPTED) from None
        except ApimodelsError as error:
            message = self._left(str(error)) if self.tasks else str(error)
            raise CommandFailed(message, exit_codes.code_of(error), cause=error) from error
        finally:
            if self.opened is not None:
                self.opened.close()

    def _views(self) -> list[dict[str, Any]]:
        """The tasks that brought their pictures, in the order in which they were asked for."""
        return [self._done[task.id] for task in self.tasks if task.id in self._done]

    def _open(self) -> list[OpenTask]:
        over = {task_id for task_id, error in self._errors.items() if isinstance(error, _OVER)}
        return [task for task in self.tasks if task.id not in self._done and task.id not in over]

    def _left(self, why: str) -> str:
        left = self._open()
        if not left:
            return why
        are, them = ("is", "it") if len(left) == 1 else ("are", "them")
        return (
            f"{why}; {_many(len(left))} {are} still open and not lost, take {them} up again with: {self.way_back(left)}"
        )

    def report(self) -> None:
        """Report the results.

        Raises:
            CommandFailed: not every task brought its pictures.
        """
        if not self._printing and not self.as_json:
            self.screen.paths([file for view in self._views() for file in view["files"]])
        if self._errors:
            codes = {exit_codes.code_of(error) for error in self._errors.values()}
            code = codes.pop() if len(codes) == 1 and not self._done else exit_codes.SOME_FAILED
            first = next(iter(self._errors.values()))
            cause = first if code != exit_codes.SOME_FAILED else None
            words = f"{len(self._errors)} of {_many(len(self.tasks))} brought no picture"
            raise CommandFailed(self._left(words), code, cause=cause, task_id=first.task_id)
        if self.as_json:
            self.screen.json({"tasks": self._views()})
        elif not self.tasks and self.opened is not None:
            self.screen.say(f"no task of {self.opened.source} is open")
        else:
            self.screen.note(f"{_many(len(self.tasks))} in {self.activity.elapsed:.1f} s")


def _many(tasks: int) -> str:
    return "1 task" if tasks == 1 else f"{tasks} tasks"
