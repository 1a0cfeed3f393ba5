"""Other names, words and shapes for what the contract says, put into the contract's own. Pure.

The vendor forwards some models to kie.ai, and clients of the vendor read further spellings: a task that is paid for
must not be lost over a name.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from apimodels_async._wire.parsing import json_value
from apimodels_async.models import TaskState

_WORDS: Mapping[TaskState, str] = {
    TaskState.PENDING: "pending wait waiting queueing queuing",
    TaskState.PROCESSING: "processing generating",
    TaskState.COMPLETED: "completed success succeeded done finished",
    TaskState.FAILED: (
        "failed fail failure error errored cancelled canceled aborted rejected expired timeout timed_out terminated"
    ),
}
_STATES = {word: state for state, words in _WORDS.items() for word in words.split()}
_FAILURE = re.compile(r".*[_-](failed|failure|error)")
"""The end of a longer word, as ``GENERATE_FAILED``."""
_LINK = re.compile(r"[a-z][a-z0-9+.-]*://|data:", re.IGNORECASE)
"""How a URL begins. What other schemes name is not fetched, and the error says so."""
_LINK_NAMES = ("url", "resultUrl", "result_url")
_LISTS_OF_LINKS = ("resultUrls", "result_urls")
_RESULTS = (*_LISTS_OF_LINKS, "resultJson", "result_json")
"""Where a task has its links, in this order."""
_BETWEEN_LINKS = re.compile(r"\s*[\s,]\s*(?=https?://)", re.IGNORECASE)
_DEEPEST = 4
"""How often JSON is looked for inside of JSON, and an answer inside of an answer."""
_NO_FAILURE = frozenset({None, "", 0, "0", 200, "200"})
"""What stands for no failure where the code of one would stand."""
_ERROR_WORDS = ("message", "msg", "detail", "error", "errorMessage", "error_message", "failMsg", "description")
_SHOWN = 3
"""Errors of a list that are told."""


def read_state(value: object) -> TaskState | str:
    """The state that a word stands for, in any case; an unknown word as it is, and ``""`` for ``None``."""
    word = value.strip().lower() if isinstance(value, str) else ""
    found = _STATES.get(word)
    if found is None:
        return TaskState.FAILED if _FAILURE.fullmatch(word) else "" if value is None else str(value)
    return found


def state_word(data: Mapping[str, object]) -> object:
    """What stands for the state: ``state``, or a text under ``status``."""
    state, status = data.get("state"), data.get("status")
    return status if state in (None, "") and isinstance(status, str) else state


def id_value(data: Mapping[str, object]) -> object:
    """What stands for the task id: ``taskId``, or ``task_id``."""
    return data.get("taskId") or data.get("task_id")


def task_fields(payload: Mapping[str, Any]) -> object:
    """What an answer says of a task: an object, or only an id where it has no more; an empty object for nothing.

    It stands in the envelope's ``data``, which may be JSON in a text, a list of one, or another envelope.
    """
    found: Mapping[str, Any] = payload
    for _ in range(_DEEPEST):
        inner: object = found.get("data") or found.get("task")
        if isinstance(inner, str) and inner.lstrip()[:1] in ("{", "["):
            inner = json_value(inner)
        if isinstance(inner, list):
            inner = _only_task(cast("list[object]", inner))
        if not isinstance(inner, dict):
            break
        found = cast("dict[str, Any]", inner)
        if id_value(found) or state_word(found):
            break
    if found is not payload:
        return found
    only: object = payload.get("data")
    return only if only and isinstance(only, str | int) and not isinstance(only, bool) else {}


def _only_task(found: list[object]) -> dict[str, Any] | None:
    only = cast("dict[str, Any]", found[0]) if len(found) == 1 and isinstance(found[0], dict) else {}
    return only if id_value(only) or state_word(only) else None


def is_failure(data: Mapping[str, object]) -> bool:
    """Whether a task in an unknown state, without links, says why it has failed."""
    code = data.get("failCode")
    told = code if isinstance(code, str | int) else None
    return (told not in _NO_FAILURE and not isinstance(told, bool)) or bool(error_words(data.get("failMsg")))


def canonical(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a task under the contract's names; its links are read."""
    fields = {**data, "taskId": id_value(data), "resultUrls": _task_links(data)}
    fields["state"] = state_word(data)
    words = data.get("failMsg")
    if not isinstance(words, str | int) or words == "":
        fields["failMsg"] = error_words(words) or next(
            (told for name in ("error", "errorMessage", "error_message") if (told := error_words(data.get(name)))), None
        )
    return fields


def error_words(error: object, deep: int = 0) -> str | None:
    """The words of an error: a text, an object with a ``message`` or the like, or a list of errors."""
    if isinstance(error, str):
        return error.strip() or None
    if not error or deep > _DEEPEST:
        return None
    if isinstance(error, dict):
        parts = cast("dict[str, object]", error)
        return next((words for name in _ERROR_WORDS if (words := error_words(parts.get(name), deep + 1))), None)
    if isinstance(error, list):
        errors = cast("list[object]", error)[:_SHOWN]
        each = [error_words(cast("object", one), deep + 1) for one in errors if isinstance(one, dict)]
        return "; ".join(words for words in each if words) or None
    return None


def _task_links(data: Mapping[str, Any]) -> tuple[str, ...]:
    for name in _RESULTS:
        if (value := data.get(name)) is not None and (links := read_links(value)):
            return links
    return ()


def read_links(value: object) -> tuple[str, ...]:
    """The links in a text, a list, objects with a ``url`` or a list of links, and in JSON inside of a text.

    A text that begins otherwise than a link is none.
    """
    return tuple(_links(value, 0))


def _links(value: object, deep: int) -> Iterator[str]:
    if deep > _DEEPEST:
        return
    if isinstance(value, str):
        text = value.strip()
        if text[:1] in ("[", "{", '"'):
            yield from _links(json_value(text), deep + 1)
        elif _LINK.match(text):
            yield from _BETWEEN_LINKS.split(text) if text[:1] in "hH" else (text,)
    elif isinstance(value, list):
        for each in cast("list[object]", value):
            yield from _links(each, deep + 1)
    elif isinstance(value, dict):
        yield from _links_of_object(cast("dict[str, object]", value), deep + 1)


def _links_of_object(value: Mapping[str, object], deep: int) -> Iterator[str]:
    for name in _LINK_NAMES:
        if isinstance(url := value.get(name), str) and (links := tuple(_links(url, deep))):
            yield from links
            return
    for name in _LISTS_OF_LINKS:
        if links := tuple(_links(value.get(name), deep)):
            yield from links
            return
