"""``apimodels status``: a task that was submitted before."""

from typing import Annotated

import typer

from apimodels_async.cli.failures import is_empty
from apimodels_async.cli.options import AsJson, ServerChoice, remote, takes
from apimodels_async.cli.screen import Screen, task_view
from apimodels_async.cli.session import converse
from apimodels_async.client import AsyncImagesClient
from apimodels_async.models import Task

__all__ = ["status"]


@takes(server=remote)
def status(
    task_id: Annotated[str, typer.Argument(metavar="ID", help="The task's id.")],
    *,
    server: ServerChoice,
    as_json: AsJson = False,
) -> None:
    """Say how a task is doing.

    Ends with 0 whenever the server knows the task, also if that has failed.
    """
    if not task_id.strip():
        raise is_empty("ID", "give the id of a task")

    async def ask(client: AsyncImagesClient) -> Task:
        return await client.get(task_id)

    screen = Screen()
    with screen.busy("asking"):
        task = converse(ask, server)
    view = task_view(task)
    if as_json:
        screen.json(view)
        return
    links = view.pop("result_urls")
    known = {name: value for name, value in view.items() if value is not None}
    screen.pairs(known | {f"picture {index}": link for index, link in enumerate(links)})
