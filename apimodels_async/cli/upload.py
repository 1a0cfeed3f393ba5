"""``apimodels upload``: local pictures to the vendor's storage."""

from typing import Annotated

import typer

from apimodels_async.cli import exit_codes
from apimodels_async.cli.failures import CommandFailed, in_words_of_the_command_line, is_empty
from apimodels_async.cli.options import AsJson, ServerChoice, maybe_local, takes
from apimodels_async.cli.screen import Screen
from apimodels_async.cli.session import converse
from apimodels_async.client import AsyncImagesClient

__all__ = ["upload"]


@takes(server=maybe_local)
def upload(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="A picture; several are uploaded in turn.")],
    *,
    server: ServerChoice,
    as_json: AsJson = False,
) -> None:
    """Upload pictures, and print their URLs, one a line.

    The vendor keeps them for 7 days. A URL can be given to `--image` any number of times, where a file would be sent
    each time.
    """
    if not all(file.strip() for file in files):
        raise is_empty("FILE", "give the path of a picture")
    screen = Screen()
    urls: list[str] = []

    async def send(client: AsyncImagesClient) -> None:
        for file in files:
            activity.words = f"uploading {file}"
            try:
                urls.append(await client.upload(file))
            except (TypeError, ValueError) as error:
                raise CommandFailed(in_words_of_the_command_line(error), exit_codes.USAGE) from error

    try:
        with screen.busy("uploading") as activity:
            converse(send, server)
    finally:
        if not as_json:
            screen.lines(urls)  # those that were uploaded before one failed, too
    if as_json:
        screen.json({"urls": urls})
