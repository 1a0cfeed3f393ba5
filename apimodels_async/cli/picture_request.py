"""The options that say which pictures are asked for: those of one request."""

import sys
from typing import Annotated, Any

import typer

from apimodels_async.cli import exit_codes
from apimodels_async.cli.extra import Set, extra_body
from apimodels_async.cli.failures import CommandFailed, in_words_of_the_command_line, is_empty
from apimodels_async.cli.options import DEFAULT_MODEL, REQUEST, Extra, Model
from apimodels_async.cli.values import one_of, whole
from apimodels_async.models import GenerationRequest

__all__ = ["asked"]


def asked(
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="What to paint; - reads it from stdin.")],
    *,
    model: Model = DEFAULT_MODEL,
    size: Annotated[
        str | None,
        typer.Option(rich_help_panel=REQUEST, metavar="WxH", help='Pixels, as "1024x1024"; or "2K", "auto".'),
    ] = None,
    n: Annotated[
        int | None, typer.Option("-n", rich_help_panel=REQUEST, metavar="N", parser=whole(), help="How many pictures.")
    ] = None,
    image: Annotated[
        list[str] | None,
        typer.Option(
            rich_help_panel=REQUEST,
            metavar="FILE|URL",
            help="A picture to edit; several, each with its own --image, are fused.",
        ),
    ] = None,
    mask: Annotated[
        str | None, typer.Option(rich_help_panel=REQUEST, metavar="FILE", help="Which part of the picture to replace.")
    ] = None,
    aspect_ratio: Annotated[str | None, typer.Option(rich_help_panel=REQUEST, metavar="W:H", help='As "16:9".')] = None,
    resolution: Annotated[
        str | None, typer.Option(rich_help_panel=REQUEST, metavar="1K|2K|4K", help="How large.")
    ] = None,
    quality: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=REQUEST,
            metavar="QUALITY",
            help="low, medium, high or auto; a few models take other words.",
        ),
    ] = None,
    output_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            rich_help_panel=REQUEST,
            metavar="FORMAT",
            parser=one_of("png", "jpeg", "webp"),
            help="Of the files: png, jpeg or webp.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=REQUEST, metavar="N", parser=whole(), help="The same seed asks for the same picture."
        ),
    ] = None,
    callback_url: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=REQUEST,
            metavar="URL",
            envvar="APIMODELS_CALLBACK_URL",
            help="Where the server calls when it is done; see `apimodels listen`.",
        ),
    ] = None,
    extra: Extra = None,
    settings: Set = None,
) -> GenerationRequest:
    """The request.

    Raises:
        CommandFailed: it is none.
    """
    pictures = image or []
    return _request(
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
        output_format=output_format,
        seed=seed,
        callback_url=callback_url or None,
        extra_body=extra_body(extra, settings),
    )


def _from_stdin() -> str:
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]  (closed by the shell: <&-)
        raise CommandFailed("PROMPT - reads stdin, and that is closed", exit_codes.USAGE)
    try:
        return sys.stdin.buffer.read().decode().strip()
    except UnicodeDecodeError as error:
        raise CommandFailed("PROMPT on stdin is not UTF-8", exit_codes.USAGE) from error


def _request(prompt: str, **fields: Any) -> GenerationRequest:
    if not prompt.strip():
        raise is_empty("PROMPT", "say what to paint")
    try:
        return GenerationRequest(prompt, **fields)
    except (TypeError, ValueError) as error:
        raise CommandFailed(in_words_of_the_command_line(error), exit_codes.USAGE) from error
