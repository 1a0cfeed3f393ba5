"""Checks of option values, in the words of the command line."""

import json
import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import typer

__all__ = ["BadValue", "json_object", "number", "one_of", "whole"]


class BadValue(typer.BadParameter):
    """A value that an option cannot have. The message says which value, and what would be right."""


def whole(least: int | None = None, most: int | None = None) -> Callable[[Any], int]:
    """A parser of whole numbers from `least` to `most`."""

    def parse(value: Any) -> int:
        try:
            found = int(value)
        except ValueError:
            raise BadValue(f"{value}: give a whole number{_from(least, most)}") from None
        if not _within(found, least, most):
            raise BadValue(f"{value}: give a whole number{_from(least, most)}")
        return found

    return parse


def number(least: float | None = None, *, above: bool = False) -> Callable[[Any], float]:
    """A parser of numbers from `least` on, or `above` it."""

    def parse(value: Any) -> float:
        wanted = "" if least is None else f" above {least:g}" if above else f" from {least:g} on"
        try:
            found = float(value)
        except ValueError:
            raise BadValue(f"{value}: give a number{wanted}") from None
        if math.isnan(found) or (least is not None and (found < least or (above and found == least))):
            raise BadValue(f"{value}: give a number{wanted}")
        return found

    return parse


def one_of(*choices: str) -> Callable[[Any], str]:
    """A parser of some words."""

    def parse(value: Any) -> str:
        if value not in choices:
            raise BadValue(f"{value}: give {_either(choices)}")
        return cast("str", value)

    return parse


def json_object(option: str, text: str | None) -> dict[str, Any]:
    """The fields in an option's JSON object; none without the option.

    Raises:
        BadValue: it is none.
    """
    if text is None:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadValue(f'{option}: give a JSON object, as {{"style": "ink"}}')
    return cast("dict[str, Any]", found)


def _within(found: int, least: int | None, most: int | None) -> bool:
    return (least is None or found >= least) and (most is None or found <= most)


def _from(least: int | None, most: int | None) -> str:
    if most is not None:
        return f" from {least} to {most}"
    return "" if least is None else f" from {least} on"


def _either(choices: Sequence[str]) -> str:
    return f"{', '.join(choices[:-1])} or {choices[-1]}"
