"""``apimodels open``: pictures, their folder, or the server's page, in what the desktop has for them."""

import webbrowser
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from apimodels_async._settings import DEFAULT_BASE_URL
from apimodels_async.catalogue import RECORDS_PAGE
from apimodels_async.cli import exit_codes
from apimodels_async.cli.failures import CommandFailed, is_empty
from apimodels_async.cli.options import ServerChoice, remote, takes
from apimodels_async.cli.screen import Screen
from apimodels_async.cli.session import base_url_of, converse
from apimodels_async.client import AsyncImagesClient
from apimodels_async.models import Task, TaskState

__all__ = ["open_"]

_PAGE = "index.html"


@takes(server=remote)
def open_(
    what: Annotated[
        str | None,
        typer.Argument(metavar="ID|FILE|FOLDER", help="A task, a picture, or a folder of pictures."),
    ] = None,
    *,
    server: ServerChoice,
) -> None:
    """Open a task's pictures, a file, a folder, or, without an argument, the server's page with your tasks.

    Of a folder with an index.html, that page is opened. Prints what it opens, one a line.
    """
    if what is not None and not what.strip():
        raise is_empty("ID", "give a task, a file or a folder")
    screen = Screen()
    if what is None:
        targets = [_page(base_url_of(server))]
    elif Path(what).exists():
        targets = [_local(Path(what))]
    else:
        with screen.busy("asking"):
            targets = _links(converse(lambda client: _ask(client, what), server))
    screen.lines(targets)
    if not all(webbrowser.open(each) for each in targets):
        raise CommandFailed("there is no browser to open it with", exit_codes.UNEXPECTED)


async def _ask(client: AsyncImagesClient, task_id: str) -> Task:
    return await client.get(task_id)


def _page(base_url: str) -> str:
    if base_url == DEFAULT_BASE_URL:
        return RECORDS_PAGE
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc}/"


def _local(path: Path) -> str:
    page = path / _PAGE
    return (page if page.is_file() else path).absolute().as_uri()


def _links(task: Task) -> list[str]:
    if task.state != TaskState.COMPLETED:
        raise CommandFailed(
            f"task {task.id} is {task.state or 'of no known state'} and has no pictures: apimodels wait {task.id}",
            exit_codes.USAGE,
            task_id=task.id,
        )
    # Nothing else is handed to the desktop, which has a program for nearly every kind of link.
    links = [url for url in task.result_urls if urlsplit(url).scheme in {"http", "https"}]
    if not links:
        raise CommandFailed(
            f"task {task.id} has no link that can be opened: apimodels wait {task.id} saves its pictures",
            exit_codes.USAGE,
            task_id=task.id,
        )
    return links
