"""``apimodels status`` and ``apimodels wait``: tasks that were ordered before."""

from functools import partial
from typing import Annotated, TypeAlias

import typer

from apimodels_async.cli import exit_codes
from apimodels_async.cli.failures import CommandFailed
from apimodels_async.cli.options import AsJson, Output, Timeout
from apimodels_async.cli.output import output_place
from apimodels_async.cli.screen import Screen, task_view
from apimodels_async.cli.session import converse
from apimodels_async.cli.task_run import TaskRun
from apimodels_async.client import AsyncImagesClient
from apimodels_async.models import Task

__all__ = ["status", "wait"]


def _not_empty(task_id: str) -> str:
    if not task_id.strip():
        raise CommandFailed("ID is empty: give the id of a task", exit_codes.USAGE)
    return task_id


TaskId: TypeAlias = Annotated[
    str, typer.Argument(metavar="ID", help="The task's id.", show_default=False, callback=_not_empty)
]


def status(task_id: TaskId, as_json: AsJson = False) -> None:
    """Say how a task is doing.

    Ends with 0 whenever the server knows the task, also if that has failed.
    """

    async def ask(client: AsyncImagesClient) -> Task:
        return await client.get(task_id)

    screen = Screen()
    with screen.busy("asking"):
        task = converse(ask, local=False)
    view = task_view(task)
    if as_json:
        screen.json(view)
        return
    links = view.pop("result_urls")
    known = {name: value for name, value in view.items() if value is not None}
    screen.pairs(known | {f"picture {index}": link for index, link in enumerate(links)})


def wait(task_id: TaskId, output: Output = ".", timeout: Timeout = 600.0, as_json: AsJson = False) -> None:
    """Wait for a task, and save its pictures.

    Takes up what was interrupted. Prints the saved files, one a line.
    """
    screen = Screen()
    run = TaskRun(output=output_place(output), timeout=timeout)
    with run.explained(screen, as_json=as_json), screen.busy("asking") as run.activity:
        converse(partial(run.fetch, task_id=task_id), local=False)
    run.report(screen, as_json=as_json)
