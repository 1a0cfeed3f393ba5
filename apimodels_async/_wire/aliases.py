"""Other names and words for what the contract says, put into the contract's own. Pure.

The vendor forwards some models to kie.ai, and clients of the vendor read further spellings: a task that is paid for
must not be lost over a name.
"""

from collections.abc import Mapping
from typing import Any, cast

from apimodels_async._wire.parsing import json_value
from apimodels_async.models import TaskState

_WORDS: Mapping[TaskState, str] = {
    TaskState.PENDING: "pending wait waiting queueing queuing",
    TaskState.PROCESSING: "processing generating",
    TaskState.COMPLETED: "completed success succeeded done finished",
    TaskState.FAILED: "failed fail error cancelled canceled expired",
}
_STATES = {word: state for state, words in _WORDS.items() for word in words.split()}
_LINK_STARTS = ("http://", "https://", "data:")
_LINK_NAMES = ("url", "resultUrl")


def read_state(value: object) -> TaskState | str:
    """The state that a word stands for, in any case; an unknown word as it is, and ``""`` for ``None``."""
    word = value.strip().lower() if isinstance(value, str) else ""
    return _STATES.get(word, "" if value is None else str(value))


def state_word(data: Mapping[str, object]) -> object:
    """What stands for the state: ``state``, or a text under ``status``."""
    state, status = data.get("state"), data.get("status")
    return status if state in (None, "") and isinstance(status, str) else state


def id_value(data: Mapping[str, object]) -> object:
    """What stands for the task id: ``taskId``, or ``task_id``."""
    return data.get("taskId") or data.get("task_id")


def canonical(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a task under the contract's names."""
    fields = {**data, "taskId": id_value(data), "resultUrls": _links_value(data)}
    fields["state"] = state_word(data)
    if data.get("failMsg") in (None, ""):
        fields["failMsg"] = error_words(data.get("error"))
    return fields


def error_words(error: object) -> str | None:
    """The words of an ``error``: it is a text, or an object with a ``message``."""
    words = cast("dict[str, object]", error).get("message") if isinstance(error, dict) else error
    return words.strip() or None if isinstance(words, str) else None


def _links_value(data: Mapping[str, Any]) -> object:
    """``resultUrls``, or where it holds nothing those in ``resultJson``, which is JSON or a text of JSON."""
    if read_links(data.get("resultUrls")):
        return data["resultUrls"]
    result: object = data.get("resultJson")
    result = json_value(result) if isinstance(result, str) else result
    return cast("dict[str, object]", result).get("resultUrls") if isinstance(result, dict) else result


def read_links(value: object) -> tuple[str, ...]:
    """The links in a list, a single text, a JSON list in a text, or objects with a ``url`` or ``resultUrl``."""
    if value is None:
        return ()
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        value = json_value(value)
    entries = cast("list[object]", value) if isinstance(value, list) else [value]
    return tuple(link for link in map(_link, entries) if link)


def _link(entry: object) -> str | None:
    if not isinstance(entry, dict):
        return entry if isinstance(entry, str) else None
    found = (cast("dict[str, object]", entry).get(name) for name in _LINK_NAMES)
    return next((url for url in found if isinstance(url, str) and url.lower().startswith(_LINK_STARTS)), None)
