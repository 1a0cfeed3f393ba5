"""What a callback says, read: tolerant of odd fields, strict about what holds it together."""

import contextlib
import json
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimodels_async import ProtocolError, Task, TaskState
from apimodels_async.callbacks import Callback, UnreadableCallbackError, parse_callback
from tests.callbacks.conftest import body_of
from tests.support.envelopes import envelope


def body(**data: Any) -> bytes:
    return json.dumps(envelope(**data)).encode()


def test_a_callback_of_far_too_many_values_is_not_parsed() -> None:
    with pytest.raises(UnreadableCallbackError, match="more than 1000000 values"):
        parse_callback(b'{"taskId": "t", "x": [' + b"[]," * 600_000 + b"[]]}")


def test_the_pages_callback_is_read_whole() -> None:
    callback = parse_callback(body_of("clxxx"))

    assert callback == Callback(
        task_id="clxxx",
        state=TaskState.COMPLETED,
        result_urls=("https://r2.example/1.png",),
        model="grok-image/grok-4.2-image",
        param={"prompt": "a cat", "n": 1},
        cost_time=12.345,
        create_time=datetime(2024, 1, 13, 5, 24, 10, tzinfo=UTC),
        complete_time=datetime(2024, 1, 13, 5, 24, 25, tzinfo=UTC),
    )
    assert callback.is_terminal
    assert callback.raw["costTime"] == 12345
    assert json.loads(callback.body)["data"] == callback.raw


def test_it_is_a_task_as_well() -> None:
    assert parse_callback(body_of("a")).task == Task(
        id="a",
        state=TaskState.COMPLETED,
        result_urls=("https://r2.example/1.png",),
        model="grok-image/grok-4.2-image",
        create_time=datetime(2024, 1, 13, 5, 24, 10, tzinfo=UTC),
        complete_time=datetime(2024, 1, 13, 5, 24, 25, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    "result", [None, '{"resultUrls": []}', '{"resultUrls": null}', "null", "", {}, [], 7], ids=repr
)
def test_a_failed_task_has_no_link_whatever_the_result_looks_like(result: object) -> None:
    callback = parse_callback(body_of(state="failed", failCode="TIMEOUT", failMsg="too slow", resultJson=result))

    assert callback.result_urls == ()
    assert (callback.state, callback.fail_code, callback.fail_msg) == (TaskState.FAILED, "TIMEOUT", "too slow")


@pytest.mark.parametrize(
    "data",
    [
        {"resultJson": {"resultUrls": ["https://a/u"]}},
        {"resultJson": '{"resultUrls": ["https://a/u"], "more": 1}'},
        {"resultJson": '{"resultUrls": "https://a/u"}'},
        {"resultJson": '{"resultUrls": ["https://a/u", null, 7, ""]}'},
        {"resultUrls": ["https://a/u"]},
        {"resultUrls": ["https://a/u"], "resultJson": "broken"},
        {"resultUrls": ["https://a/u"], "resultJson": "{}"},
        {"resultJson": '["https://a/u"]'},
        {"resultJson": "https://a/u"},
        {"resultJson": json.dumps(json.dumps({"resultUrls": ["https://a/u"]}))},
    ],
    ids=json.dumps,
)
def test_links_are_found_in_every_shape(data: dict[str, Any]) -> None:
    assert parse_callback(body(taskId="a", state="completed", **data)).result_urls == ("https://a/u",)


BROKEN = [
    "{",
    "[",
    "null",
    "7",
    "[1]",
    '{"a": NaN}',
    '{"a": 1e999}',
    '{"a": "\\ud800"}',
    '{"a": 1, "a": 2}',
    "[" * 99_999,
]


@pytest.mark.parametrize("text", BROKEN, ids=lambda text: text[:18])
@pytest.mark.parametrize("field", ["param", "resultJson"])
def test_what_cannot_be_read_inside_is_left_out(field: str, text: str) -> None:
    callback = parse_callback(body(taskId="a", state="completed", **{field: text}))

    assert callback.task_id == "a"
    assert (callback.param, callback.result_urls) == (None, ())


@pytest.mark.parametrize(
    ("field", "value", "attribute"),
    [
        ("costTime", "soon", "cost_time"),
        ("costTime", -1, "cost_time"),
        ("costTime", True, "cost_time"),
        ("costTime", 10**400, "cost_time"),
        ("createTime", "yesterday", "create_time"),
        ("completeTime", {}, "complete_time"),
        ("completeTime", 1e300, "complete_time"),
        ("model", [], "model"),
        ("failCode", {"a": 1}, "fail_code"),
        ("failMsg", "", "fail_msg"),
    ],
)
def test_a_field_in_an_odd_shape_is_left_out(field: str, value: Any, attribute: str) -> None:
    odd: dict[str, Any] = {field: value}
    callback = parse_callback(body_of(**odd))

    assert getattr(callback, attribute) is None
    assert callback.raw[field] == value


def test_numbers_may_come_as_text_and_seconds_too() -> None:
    callback = parse_callback(body_of(costTime="1500", createTime="1705123450000", completeTime=1705123465, taskId=17))

    assert (callback.task_id, callback.cost_time) == ("17", 1.5)
    assert callback.create_time == datetime(2024, 1, 13, 5, 24, 10, tzinfo=UTC)
    assert callback.complete_time == datetime(2024, 1, 13, 5, 24, 25, tzinfo=UTC)


@pytest.mark.parametrize(
    "body",
    [
        b'{"taskId": "a", "state": "completed"}',
        b'{"code": 200, "data": "{\\"taskId\\": \\"a\\", \\"state\\": \\"completed\\"}"}',
        b'\xef\xbb\xbf{"data": {"taskId": "a", "state": " Completed "}, "new": []}',
        b'{"data": null, "taskId": "a", "state": "completed"}',
    ],
)
def test_the_envelope_may_be_missing_or_odd(body: bytes) -> None:
    callback = parse_callback(body)

    assert (callback.task_id, callback.state) == ("a", TaskState.COMPLETED)


def test_text_is_as_good_as_bytes() -> None:
    assert parse_callback(body_of().decode()) == parse_callback(body_of())


@pytest.mark.parametrize("state", ["paused", "", None])
def test_an_unknown_state_is_kept_and_ends_nothing(state: str | None) -> None:
    callback = parse_callback(body_of(state=state))

    assert callback.state == (state or "")
    assert not callback.is_terminal


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b'"a"',
        b"[]",
        b"{}",
        b'{"data": {}}',
        b'{"data": {"taskId": null}}',
        b'{"data": {"taskId": ""}}',
        b'{"data": {"taskId": "  "}}',
        b'{"data": {"taskId": "a\\nb"}}',
        b'{"data": {"taskId": ["a"]}}',
        b'{"data": {"taskId": true}}',
        b'{"data": {"taskId": "%s"}}' % (b"a" * 257),
        b'{"data": {"taskId": "a", "x": NaN}}',
        b'{"data": {"taskId": "a", "x": -Infinity}}',
        b'{"data": {"taskId": "a", "x": 1e400}}',
        b'{"data": {"taskId": "a", "x": "\\ud800"}}',
        b'{"data": {"taskId": "\\uDC00"}}',
        b'{"data": {"taskId": "a", "taskId": "b"}}',
        b'{"data": {"taskId": "a", "x": %s}}' % (b"[" * 65 + b"]" * 65),
        b'{"data": {"taskId": "a", "x": %s}}' % (b"[" * 100_000 + b"]" * 100_000),
        b'{"data": {"taskId": "a", "x": %s}}' % (b'{"a":' * 100_000),
        b'{"data": {"taskId": "a", "x": %s}}' % (b"1" * 5000),
        b'{"data": {"taskId": "\xff"}}',
        '{"data": {"taskId": "a"}}'.encode("utf-16"),
        body_of()[:-1],
    ],
    ids=lambda body: repr(body[:60]),
)
def test_what_is_not_a_callback_is_refused_with_its_body(body: bytes) -> None:
    with pytest.raises(UnreadableCallbackError, match="not a callback") as caught:
        parse_callback(body)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, ProtocolError)
    assert caught.value.body == body.decode("utf-8", "replace")


def test_half_a_surrogate_pair_in_a_text_is_refused() -> None:
    with pytest.raises(UnreadableCallbackError, match="UTF-8"):
        parse_callback('{"taskId": "\ud800"}')


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert parse_callback(b'{"taskId": "a", "failMsg": "\\ud83d\\ude00"}').fail_msg == "\N{GRINNING FACE}"


@pytest.mark.parametrize("body", [None, 5, {"taskId": "a"}])
def test_what_is_neither_bytes_nor_text_is_a_type_error(body: Any) -> None:
    with pytest.raises(TypeError, match="bytes or the text"):
        parse_callback(body)


def test_brackets_in_a_text_are_no_levels() -> None:
    assert parse_callback(body_of(failMsg="[" * 1000)).fail_msg == "[" * 1000


@given(st.binary() | st.text())
def test_it_raises_nothing_but_its_own_error(body: bytes | str) -> None:
    with contextlib.suppress(UnreadableCallbackError):
        parse_callback(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
NAMES = ["taskId", "state", "model", "param", "resultJson", "resultUrls", "failCode", "costTime", "createTime"]


@given(st.dictionaries(st.sampled_from(NAMES), json_values | json_values.map(json.dumps)), st.booleans())
def test_whatever_the_fields_hold_what_comes_out_is_sound(data: dict[str, Any], wrapped: bool) -> None:
    text = json.dumps({"data": data} if wrapped else data)
    try:
        callback = parse_callback(text)
    except UnreadableCallbackError:
        return
    assert callback.task_id
    assert all(isinstance(url, str) for url in callback.result_urls)
    json.dumps(dict(callback.raw), allow_nan=False, ensure_ascii=False).encode()
    json.dumps(callback.param, allow_nan=False, ensure_ascii=False).encode()
    assert repr(callback)


@given(st.integers(1, 400))
def test_how_deep_is_too_deep_does_not_depend_on_the_stack(levels: int) -> None:
    text = '{"taskId": "a", "x": ' + "[" * levels + "]" * levels + "}"
    if levels < 64:
        assert parse_callback(text).task_id == "a"
    else:
        with pytest.raises(UnreadableCallbackError, match="64 levels"):
            parse_callback(text)
    assert sys.getrecursionlimit() > 400
