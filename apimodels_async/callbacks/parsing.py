"""Parsing of what the server posts to a callback URL: `parse_callback`. Pure.

The body can come from any caller who knows the URL. Its structure is parsed strictly (one JSON object, a task id), so
that malformed input goes no further. Single fields are parsed leniently, as everywhere: the end of a task must not be
missed because of an unreadable date.
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from attrs import evolve, field, fields, frozen

from apimodels_async._json_values import json_value
from apimodels_async._reprs import safe_repr
from apimodels_async._wire.aliases import id_value
from apimodels_async._wire.converter import structured
from apimodels_async.errors import ProtocolError
from apimodels_async.models import Task, TaskState

DEEPEST = 64
"""Maximum nesting of lists and objects. Real callbacks have five levels; Python's parser fails at about a thousand."""
MOST_VALUES = 1_000_000
"""Maximum commas and brackets in a callback; pictures in base64 have none."""
LONGEST_ID = 256
"""Maximum characters of a task id."""


class UnreadableCallbackError(ProtocolError, ValueError):
    """The body is not a callback. The attribute `body` holds it as text."""


@frozen(kw_only=True)
class Callback:
    """The content of a callback. Any caller who knows the URL can have sent it: only a query of your own is proof.

    Attributes:
        task_id: the task that has ended, as the callback says.
        state: `TaskState.COMPLETED` or `TaskState.FAILED`; an unknown state is kept as received.
        result_urls: links to the pictures; empty if the task failed or the links could not be parsed.
        model: the model that ran the task.
        param: the request as the server understood it.
        fail_code: the server's code for a failure.
        fail_msg: the server's message for a failure.
        cost_time: how long the task took, in seconds as everywhere in this package; the server sends milliseconds.
        create_time: when the server accepted the task (aware, UTC).
        complete_time: when the task ended (aware, UTC).
        confirmed: whether `state`, `result_urls` and the related fields come from a query of ours.
        raw: the ``data`` object as received. Not part of equality.
        body: the bytes as received. Not part of equality.
    """

    task_id: str
    state: TaskState | str
    result_urls: tuple[str, ...] = ()
    model: str | None = None
    param: Mapping[str, Any] | None = field(default=None, repr=False)
    fail_code: str | None = None
    fail_msg: str | None = None
    cost_time: float | None = None
    create_time: datetime | None = None
    complete_time: datetime | None = None
    confirmed: bool = False
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)
    body: bytes = field(default=b"", eq=False, repr=False)

    __repr__ = safe_repr

    @property
    def task(self) -> Task:
        """The callback as a `Task`, as `AsyncImagesClient.download` accepts it."""
        return Task(id=self.task_id, **_shared(self))

    @property
    def is_terminal(self) -> bool:
        """Whether the task has ended, according to the callback."""
        return self.task.is_terminal

    def to_dict(self) -> dict[str, Any]:
        """All fields by name as values that ``json.dumps`` takes, but for `body`. See `Task.to_dict`."""
        about_the_task = self.task.to_dict()
        shared = {name: about_the_task[name] for name in _SHARED}
        own = {"cost_time": self.cost_time, "param": json_value(self.param), "confirmed": self.confirmed}
        return {"task_id": self.task_id, **shared, **own}


_SHARED = tuple(each.name for each in fields(Callback) if each.name in {field.name for field in fields(Task)})
"""The fields that a callback has in common with a task."""


def _shared(value: Callback | Task) -> dict[str, Any]:
    return {name: getattr(value, name) for name in _SHARED}


def parse_callback(body: bytes | str) -> Callback:
    """Parse the body of a callback.

    ``param`` and ``resultJson`` may be JSON strings, as the vendor documents, or plain JSON objects. The envelope may
    be missing. A field that cannot be parsed is left out, except ``taskId``, which is required.

    Args:
        body: as it was posted, UTF-8.

    Raises:
        UnreadableCallbackError: not a JSON object, or it contains ``NaN``, half a surrogate pair or a duplicate name,
            is nested too deeply, or has no task id. It is a `ProtocolError` and a `ValueError`.
        TypeError: neither bytes nor text.
    """
    if not isinstance(body, (bytes, bytearray, memoryview, str)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"body is a {type(body).__name__}: give the bytes or the text that was posted")
    try:
        content = body.encode() if isinstance(body, str) else bytes(body)
        payload = _json(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        # Not chained: a UnicodeError holds the whole text a second time.
        raise _unreadable(_reason(error), body) from None
    if not isinstance(payload, dict):
        raise _unreadable("no JSON object", body)
    envelope = cast("dict[str, Any]", payload)
    inner = _object(envelope.get("data"))
    data = inner if inner is not None and id_value(inner) is not None else envelope
    task = structured(_fields(data), raw=data)
    if task.id is None or len(task.id) > LONGEST_ID or not task.id.isprintable() or not task.id.strip():
        raise _unreadable("no taskId", body)
    return Callback(
        task_id=task.id,
        param=_object(data.get("param")),
        cost_time=_seconds(data.get("costTime")),
        body=content,
        **_shared(task),
    )


def as_confirmed(callback: Callback, task: Task) -> Callback:
    """Return the callback with its fields replaced by those of a queried task."""
    queried = {**_shared(task), "model": task.model or callback.model, "raw": callback.raw}
    return evolve(callback, confirmed=True, **queried)


def _fields(data: dict[str, Any]) -> dict[str, Any]:
    result = data.get("resultJson")
    if isinstance(result, str) and result.lstrip()[:1] in ("{", "[", '"'):
        try:
            result = _json(result)
        except (ValueError, RecursionError):
            result = None
    return {"state": "", **data, "resultJson": result}


def _object(value: object) -> dict[str, Any] | None:
    """Return a JSON object, given as such or as a JSON string; ``None`` for anything else."""
    if isinstance(value, str):
        try:
            value = _json(value)
        except (ValueError, RecursionError):
            return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _seconds(milliseconds: object) -> float | None:
    try:
        number = math.nan if isinstance(milliseconds, bool) else float(cast("Any", milliseconds)) / 1000
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


# --- JSON, strictly


def _json(text: str) -> object:
    """Parse a JSON text.

    Raises:
        ValueError: not JSON, or a value that could not be stored or sent again.
        RecursionError: nested far too deeply.
    """
    if len(text) > MOST_VALUES and sum(text.count(sign) for sign in ",[{") > MOST_VALUES:
        raise ValueError(f"more than {MOST_VALUES} values")  # millions of empty lists would hold the loop up
    value: object = json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_once_each)
    if text.count("[") + text.count("{") > DEEPEST:
        _check_depth(value)
    if re.search(r"\\u[dD][89abAB]|\\u[dD][c-fC-F]", text):
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair can be neither stored nor sent
    return value


def _refuse(word: str) -> object:
    raise ValueError(f"{word} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number beyond all bounds")
    return number


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name twice in one object")  # parsers disagree about which one counts
    return found


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for each in level
            if isinstance(each, (dict, list))
            for inner in (cast("dict[str, object]", each).values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
    raise ValueError(f"deeper than {DEEPEST} levels")


def _reason(error: Exception) -> str:
    match error:
        case RecursionError():
            return f"deeper than {DEEPEST} levels"
        case UnicodeError():
            return "no text in UTF-8"
        case json.JSONDecodeError():
            return f"no JSON: {error.msg} at {error.pos}"
        case _:
            return str(error)


def _unreadable(what: str, body: bytes | str) -> UnreadableCallbackError:
    text = body.encode("utf-8", "replace") if isinstance(body, str) else bytes(body)
    return UnreadableCallbackError(f"not a callback: {what}", body=text.decode("utf-8", "replace"))
