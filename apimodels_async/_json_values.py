"""Values as JSON has them. Pure."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeGuard, cast

from apimodels_async._reprs import brief, shorten_link
from apimodels_async._text import visible


def json_value(value: object) -> Any:  # noqa: PLR0911  (one for each kind of value)
    """A value as JSON has it. A number that is not finite, which JSON cannot say, becomes ``None``."""
    match value:
        case None | bool() | int():
            return value
        case str():
            return str(value)  # also the members of text enums
        case float():
            return value if math.isfinite(value) else None
        case datetime():
            return value.isoformat()
        case Mapping():
            return {str(name): json_value(each) for name, each in cast("Mapping[object, object]", value).items()}
        case list() | tuple():
            return [json_value(each) for each in cast("Sequence[object]", value)]
        case _:
            return str(value)


def _is_several(picture: object) -> TypeGuard[Sequence[object]]:
    return isinstance(picture, Sequence) and not isinstance(picture, str | bytes | bytearray | memoryview)


def picture_value(picture: object) -> str | list[str]:
    """A picture as text: its URL or path, or what it is; a sequence of pictures as a list."""
    if _is_several(picture):
        return [str(picture_value(each)) for each in picture]
    if isinstance(picture, str | os.PathLike):
        return shorten_link(os.fsdecode(cast("str | os.PathLike[str]", picture)))
    return brief(picture)


def error_value(error: Exception | None) -> dict[str, Any] | None:
    """An error's class, message and task id."""
    if error is None:
        return None
    return {"class": type(error).__name__, "message": str(error), "task_id": getattr(error, "task_id", None)}


def json_bytes(value: object, *, indent: int | None = None) -> bytes:
    """A value as JSON in UTF-8, with a line end: readable in any script, and nothing in it acts on a terminal.

    Control characters, directions, ends of lines and half characters are written as JSON's own escapes.
    """
    return visible(json.dumps(value, ensure_ascii=False, indent=indent, default=str)).encode() + b"\n"
