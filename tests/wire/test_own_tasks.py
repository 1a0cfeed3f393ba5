"""A task as plain JSON values, and read back from them."""

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimodels_async._wire.converter import task_from_dict
from apimodels_async.models import Task, TaskState

TASK = Task(
    id="t-1",
    state=TaskState.COMPLETED,
    result_urls=("https://a/1", "data:image/png;base64,AAAA"),
    model="m",
    create_time=datetime(2026, 11, 26, 3, 5, 0, 123000, UTC),
    complete_time=datetime(2026, 11, 26, 3, 6, tzinfo=UTC),
    fail_code="C",
    fail_msg="why",
    retryable=True,
    raw={"taskId": "t-1", "more": [{"deep": None}]},
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
moments = st.none() | st.datetimes(timezones=st.just(UTC))
texts = st.none() | st.text(min_size=1)
tasks = st.builds(
    Task,
    id=texts,
    state=st.sampled_from(TaskState) | st.text(),
    result_urls=st.lists(st.text(min_size=1)).map(tuple),
    model=texts,
    create_time=moments,
    complete_time=moments,
    fail_code=texts,
    fail_msg=texts,
    retryable=st.none() | st.booleans(),
    raw=st.dictionaries(st.text(), json_values),
)


def test_a_task_is_written_with_every_field_it_has() -> None:
    written = TASK.to_dict()

    assert list(written) == [each.name for each in attrs.fields(Task)]
    assert written == {
        "id": "t-1",
        "state": "completed",
        "result_urls": ["https://a/1", "data:image/png;base64,AAAA"],
        "model": "m",
        "create_time": "2026-11-26T03:05:00.123000+00:00",
        "complete_time": "2026-11-26T03:06:00+00:00",
        "fail_code": "C",
        "fail_msg": "why",
        "retryable": True,
        "raw": {"taskId": "t-1", "more": [{"deep": None}]},
    }
    assert type(written["state"]) is str


@given(tasks)
def test_a_task_comes_back_from_json_as_it_was(task: Task) -> None:
    back = task_from_dict(json.loads(json.dumps(task.to_dict(), allow_nan=False)))

    assert back == task
    assert back.raw == task.raw
    assert type(back.state) is (TaskState if task.state in frozenset(TaskState) else str)


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (float("nan"), None),
        (float("-inf"), None),
        ((1, 2), [1, 2]),
        (Colour.RED, "red"),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00+00:00"),
        ({1: b"x"}, {"1": "b'x'"}),
    ],
)
def test_what_json_cannot_say_is_written_as_something_it_can(value: object, written: object) -> None:
    task = Task(id="t", state="pending", raw={"odd": value})

    assert task.to_dict()["raw"] == {"odd": written}
    json.dumps(task.to_dict(), allow_nan=False)


def test_what_is_written_does_not_change_with_the_task_that_was_written() -> None:
    TASK.to_dict()["raw"]["more"].append("another")

    assert TASK.raw == {"taskId": "t-1", "more": [{"deep": None}]}


def test_fields_left_out_are_empty_and_others_are_ignored() -> None:
    assert task_from_dict({"id": "t", "state": "resting", "later": 1}) == Task(id="t", state="resting")


@pytest.mark.parametrize(
    "broken",
    [{}, {"id": "t"}, {"state": "pending"}, {"id": "t", "state": "pending", "create_time": "soon"}],
)
def test_what_is_no_task_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises((KeyError, ValueError, TypeError)):
        task_from_dict(broken)
