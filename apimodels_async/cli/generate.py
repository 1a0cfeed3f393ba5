"""``apimodels generate``: from a prompt to pictures on the disk."""

import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from apimodels_async.cli import exit_codes
from apimodels_async.cli.extra import Extra, Set, extra_body
from apimodels_async.cli.failures import CommandFailed, in_words_of_the_command_line
from apimodels_async.cli.options import DEFAULT_MODEL, AsJson, Local, Model, Output, Timeout
from apimodels_async.cli.screen import Screen
from apimodels_async.cli.session import converse
from apimodels_async.cli.task_run import TaskRun
from apimodels_async.models import GenerationRequest

__all__ = ["generate"]


class FormatChoice(StrEnum):
    """The file formats there are."""

    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"


def generate(
    prompt: Annotated[
        str, typer.Argument(metavar="PROMPT", help="What to paint; - reads it from stdin.", show_default=False)
    ],
    *,
    model: Model = DEFAULT_MODEL,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help='Pixels, as "1024x1024"; "2K" or "auto" with a few models.')
    ] = None,
    n: Annotated[int | None, typer.Option("-n", help="How many pictures.")] = None,
    image: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE|URL", help="A picture to edit; several, each with its own --image, are fused."),
    ] = None,
    mask: Annotated[str | None, typer.Option(metavar="FILE", help="Which part of the picture to replace.")] = None,
    aspect_ratio: Annotated[
        str | None, typer.Option(metavar="W:H", help='As "16:9"; "auto" with a few models.')
    ] = None,
    resolution: Annotated[str | None, typer.Option(metavar="1K|2K|4K", help="How large.")] = None,
    quality: Annotated[
        str | None, typer.Option(metavar="low|medium|high|auto", help="How well; a few models take other words.")
    ] = None,
    output_format: Annotated[FormatChoice | None, typer.Option("--format", help="The pictures' file format.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed asks for the same picture.")] = None,
    callback_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", envvar="APIMODELS_CALLBACK_URL", help="Where the server calls when it is done; see `listen`."
        ),
    ] = None,
    extra: Extra = None,
    settings: Set = None,
    timeout: Timeout = 600.0,
    output: Output = Path(),
    as_json: AsJson = False,
    local: Local = False,
) -> None:
    """Make pictures from PROMPT, and save them.

    Prints the saved files, one a line.
    """
    pictures = image or []
    request = _request(
        _from_stdin() if prompt == "-" else prompt,
        model=model,
        size=size,
        n=n,
        image=pictures[0] if len(pictures) == 1 else None,
        images=pictures if len(pictures) > 1 else None,
        mask=mask,
        aspect_ratio=aspect_ratio,
        resolution=resolution,
        quality=quality,
        output_format=output_format and output_format.value,
        seed=seed,
        callback_url=callback_url or None,
        extra_body=extra_body(extra, settings),
    )
    screen = Screen()
    run = TaskRun(directory=output, local=local, timeout=timeout)
    with run.explained(screen, as_json=as_json), screen.busy("starting") as run.activity:
        converse(partial(run.generate, request=request), local=local)
    run.report(screen, as_json=as_json)


def _from_stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode().strip()
    except UnicodeDecodeError as error:
        raise CommandFailed("PROMPT on stdin is not UTF-8", exit_codes.USAGE) from error


def _request(prompt: str, **fields: Any) -> GenerationRequest:
    try:
        return GenerationRequest(prompt, **fields)
    except (TypeError, ValueError) as error:
        raise CommandFailed(in_words_of_the_command_line(error), exit_codes.USAGE) from error
