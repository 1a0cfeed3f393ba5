"""``--extra`` and ``--set``: request fields that no other option has."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn, TypeAlias, cast

import typer

from apimodels_async.cli import exit_codes
from apimodels_async.cli.failures import CommandFailed

__all__ = ["Extra", "Set", "extra_body"]

Extra: TypeAlias = Annotated[
    str | None,
    typer.Option("--extra", metavar="JSON", help='Request fields as a JSON object, as {"background": "transparent"}.'),
]
Set: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
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
    fields: dict[str, Any] = {} if extra is None else _object(extra)
    for setting in settings or ():
        name, equals, value = setting.partition("=")
        if not equals or not name.strip():
            raise CommandFailed(f"--set {setting!r}: give NAME=VALUE, as background=transparent", exit_codes.USAGE)
        try:
            fields[name.strip()] = _parsed(value)
        except (ValueError, RecursionError):
            fields[name.strip()] = value
    return fields or None


def _object(extra: str) -> dict[str, Any]:
    try:
        value = _parsed(extra)
    except (ValueError, RecursionError) as error:
        raise CommandFailed(f"--extra: not JSON: {error}", exit_codes.USAGE) from None
    if not isinstance(value, dict):
        raise CommandFailed('--extra: give a JSON object, as {"background": "transparent"}', exit_codes.USAGE)
    return cast("dict[str, Any]", value)


def _parsed(text: str) -> object:
    return json.loads(text, parse_constant=_refuse)


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON value")
