"""The cattrs converter, and the only one: tasks from the vendor's JSON and from our own, requests to the vendor's.

Pure. Everything of the vendor's is read tolerantly, because a field in an odd shape must not lose a picture that is
paid for.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple, cast

from apimodels_async._wire.aliases import canonical, read_state
from apimodels_async.models import GenerationRequest, Task, TaskState

# --- readers of single fields, as cattrs calls them: with the value and the type


def text(value: object, _: object = None) -> str | None:
    """Text that is not empty; a whole number is written out."""
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def moment(value: object, _: object = None) -> datetime | None:
    """Epoch milliseconds, as a number or in digits, or ISO 8601. Ten digits are seconds: no task is older than 1973."""
    if isinstance(value, str) and "-" in value[1:]:
        return _iso_moment(value)
    try:
        number = 0.0 if isinstance(value, bool) else float(cast("Any", value))
        return None if number <= 0 else datetime.fromtimestamp(number / 1000 if number > 1e11 else number, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _iso_moment(value: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(value.strip())
        return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


_STATES = frozenset(TaskState)


def _state(value: object, _: object) -> TaskState | str:
    return read_state(value)


def _flag(value: object, _: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _as_it_is(value: Any, _: object) -> Any:
    return value


# --- and as `Task.to_dict` writes them


def _written_state(value: str, _: object) -> TaskState | str:
    return TaskState(value) if value in _STATES else value


def _written_moment(value: str | None, _: object) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


class _Hooks(NamedTuple):
    """What cattrs compiles for us."""

    request: Callable[[GenerationRequest], dict[str, Any]]
    vendors_task: Callable[[Mapping[str, Any], type[Task]], Task]
    own_task: Callable[[Mapping[str, Any], type[Task]], Task]


@cache
def _hooks() -> _Hooks:
    """Made on first use, and cattrs is imported then: it would be a good part of what importing this package costs."""
    from cattrs import Converter  # noqa: PLC0415
    from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override  # noqa: PLC0415

    converter = Converter()
    as_it_is = override(struct_hook=_as_it_is)
    return _Hooks(
        request=make_dict_unstructure_fn(
            GenerationRequest,
            converter,
            _cattrs_omit_if_default=True,
            image=override(omit=True),
            images=override(omit=True),
            mask=override(omit=True),
            extra_body=override(omit=True),
        ),
        vendors_task=make_dict_structure_fn(
            Task,
            converter,
            id=override(rename="taskId", struct_hook=text),
            state=override(struct_hook=_state),
            result_urls=override(rename="resultUrls", struct_hook=_as_it_is),
            model=override(struct_hook=text),
            create_time=override(rename="createTime", struct_hook=moment),
            complete_time=override(rename="completeTime", struct_hook=moment),
            fail_code=override(rename="failCode", struct_hook=text),
            fail_msg=override(rename="failMsg", struct_hook=text),
            retryable=override(struct_hook=_flag),
            raw=as_it_is,
            _cattrs_detailed_validation=False,  # no hook fails, so nothing has to be said about which
        ),
        own_task=make_dict_structure_fn(
            Task,
            converter,
            id=as_it_is,
            state=override(struct_hook=_written_state),
            model=as_it_is,
            create_time=override(struct_hook=_written_moment),
            complete_time=override(struct_hook=_written_moment),
            fail_code=as_it_is,
            fail_msg=as_it_is,
            retryable=as_it_is,
            raw=as_it_is,
            _cattrs_detailed_validation=False,
        ),
    )


def prepare() -> None:
    """Make what is made on first use."""
    _hooks()


def structured(fields: Mapping[str, Any], *, raw: Mapping[str, Any]) -> Task:
    """A task of fields under the vendor's names or their aliases, ``state`` among them.

    Fields in an odd shape are left out.
    """
    named = canonical(fields)
    named["raw"] = raw
    return _hooks().vendors_task(named, Task)


def task_from_dict(fields: Mapping[str, Any]) -> Task:
    """The reverse of `Task.to_dict`. Other fields are ignored; those left out, but for the first two, are empty.

    Raises:
        ValueError, KeyError, TypeError: the value is not a task.
    """
    return _hooks().own_task(fields, Task)


def request_fields(request: GenerationRequest) -> dict[str, Any]:
    """The fields of a request that are given, by the vendor's names; its pictures and ``extra_body`` are left out."""
    return _hooks().request(request)
