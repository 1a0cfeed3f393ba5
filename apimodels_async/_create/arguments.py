"""Checks of what the client's methods are called with. Pure."""

from collections.abc import Mapping
from typing import Any

from attrs import evolve, fields

from apimodels_async._arguments import ArgumentError, check_type, path_text
from apimodels_async._validators import check_text
from apimodels_async.models import GenerationRequest, Task

_FIELDS = tuple(each.name for each in fields(GenerationRequest) if each.name != "prompt")


def request_of(prompt: str | GenerationRequest, arguments: Mapping[str, Any]) -> GenerationRequest:
    """Return the request of `create` or `generate`, from those `arguments` of the method that are request fields."""
    given = {name: arguments[name] for name in _FIELDS if arguments[name] is not None}
    return evolve(prompt, **given) if isinstance(prompt, GenerationRequest) else GenerationRequest(prompt, **given)


def may_be_requests(requests: object) -> bool:
    """Whether this can be read as several requests: it is an iterable, and not clearly a single one, such as a text."""
    is_single = isinstance(requests, (str, bytes, bytearray, memoryview, Mapping, GenerationRequest))
    return not is_single and (hasattr(requests, "__iter__") or hasattr(requests, "__aiter__"))


def check_requests(requests: object) -> None:
    """Raise a TypeError for what is clearly not a list of requests."""
    if not may_be_requests(requests):
        kind = type(requests).__name__
        raise TypeError(
            f"requests is a {kind}: give a list of prompts or of GenerationRequest; a single one goes to generate"
        )


def check_ledger(ledger: object) -> None:
    """Raise a TypeError for what is neither a ledger nor the name of one."""
    if ledger is not None and not callable(getattr(ledger, "apply", None)):
        path_text(ledger, "ledger", "give a path, a postgresql:// URL or a ledger that is open")


def check_task(task: object) -> None:
    """Raise a TypeError for what is no task, such as the id of one."""
    check_type(task, Task, "task", "give a Task, which get(task_id) returns")


def checked_id(task_id: object) -> str:
    """Return a task's id, or raise an error if it cannot be one."""
    if not isinstance(task_id, str):
        raise TypeError(f"task_id is a {type(task_id).__name__}: give the id that create brought")
    if not task_id.strip():
        raise ArgumentError("task_id", "is empty: give the id that create brought")
    return task_id


def check_key(key: object, ledger: object) -> None:
    """Raise an error for a key without its ledger, or one that a ledger cannot keep."""
    check_ledger(ledger)
    if key is None:
        return
    if ledger is None:
        raise ArgumentError("key", "give the ledger it is a key of as well")
    check_text("key", key)
