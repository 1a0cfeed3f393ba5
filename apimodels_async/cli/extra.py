"""``--set``: single request fields that no other option has, beside those of ``--extra``."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn, TypeAlias

import typer

from apimodels_async.cli import exit_codes
from apimodels_async.cli.failures import CommandFailed
from apimodels_async.cli.options import REQUEST
from apimodels_async.cli.values import json_object

__all__ = ["Set", "extra_body"]

Set: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        rich_help_panel=REQUEST,
        help="One request field, after those of --extra; JSON, or else text. Can be repeated.",
    ),
]


def extra_body(extra: str | None, settings: Sequence[str] | None) -> dict[str, Any] | None:
    """The fields that both options give, or ``None``. They are merged over all others.

    Args:
        extra: a JSON object.
        settings: fields as ``name=value``; a value that is not JSON is text.

    Raises:
        CommandFailed: one of them cannot be read.
    """
    fields: dict[str, Any] = dict(json_object("--extra", extra) or {})
    for setting in settings or ():
        name, equals, value = setting.partition("=")
        if not equals or not name.strip():
            raise CommandFailed(f"--set {setting!r}: give NAME=VALUE, as background=transparent", exit_codes.USAGE)
        try:
            fields[name.strip()] = json.loads(value, parse_constant=_refuse)
        except (ValueError, RecursionError):
            fields[name.strip()] = value
    return fields or None


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON value")
