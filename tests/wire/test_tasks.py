"""What an answer to a create request or a query means when it brings a task."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apimodels_async._wire import tasks
from apimodels_async._wire.answer import RawResponse
from apimodels_async._wire.tasks import read_task
from apimodels_async.errors import APIError, BadRequestError, ProtocolError
from apimodels_async.models import Task, TaskState

PENDING = b"""{
"code": 200,
"msg": "success",
"data": {
"taskId": "clxxx...",
"state": "pending"
}
}"""
COMPLETED = b"""{
"code": 200,
"msg": "success",
"data": {
"taskId": "clxxx...",
"state": "completed",
"resultUrls": ["https://r2.apimodels.app/images/xxx.jpeg"],
"createTime": 1705123450000,
"completeTime": 1705123465000
}
}"""
FAILED = b"""{
"code": 200,
"msg": "success",
"data": {
"taskId": "clxxx...",
"state": "failed",
"failMsg": "Content policy violation"
}
}"""


def answer(payload: object, status: int = 200) -> RawResponse:
    return RawResponse(status, json.dumps(payload).encode())


def task_of(data: object, **asked: str) -> Task:
    return read_task(answer({"code": 200, "msg": "success", "data": data}), **asked)


# --- the page, word for word


def test_the_pages_answer_to_a_create_is_a_pending_task() -> None:
    assert read_task(RawResponse(200, PENDING)) == Task(id="clxxx...", state=TaskState.PENDING)


def test_the_pages_completed_answer_has_its_links_and_its_times() -> None:
    assert read_task(RawResponse(200, COMPLETED), task_id="clxxx...") == Task(
        id="clxxx...",
        state=TaskState.COMPLETED,
        result_urls=("https://r2.apimodels.app/images/xxx.jpeg",),
        create_time=datetime(2024, 1, 13, 5, 24, 10, tzinfo=UTC),
        complete_time=datetime(2024, 1, 13, 5, 24, 25, tzinfo=UTC),
    )


def test_the_pages_failed_answer_is_a_failed_task_with_the_servers_words() -> None:
    assert read_task(RawResponse(200, FAILED), task_id="clxxx...") == Task(
        id="clxxx...", state=TaskState.FAILED, fail_msg="Content policy violation"
    )


# --- fields


def test_unknown_fields_survive_in_raw() -> None:
    data = {"taskId": "t", "state": "pending", "modelType": "image", "cost": {"usd": 0.03}, "raw": 1, "id": None}

    task = task_of(data)

    assert task.raw == data
    assert task == Task(id="t", state=TaskState.PENDING)


@pytest.mark.parametrize(
    ("state", "read"),
    [
        ("pending", TaskState.PENDING),
        ("Processing", TaskState.PROCESSING),
        (" COMPLETED ", TaskState.COMPLETED),
        ("failed", TaskState.FAILED),
        ("wait", TaskState.PENDING),
        ("Waiting", TaskState.PENDING),
        ("queueing", TaskState.PENDING),
        ("QUEUING", TaskState.PENDING),
        ("generating", TaskState.PROCESSING),
        ("success", TaskState.COMPLETED),
        ("Succeeded", TaskState.COMPLETED),
        ("DONE", TaskState.COMPLETED),
        ("finished", TaskState.COMPLETED),
        ("fail", TaskState.FAILED),
        ("error", TaskState.FAILED),
        ("Cancelled", TaskState.FAILED),
        ("canceled", TaskState.FAILED),
        ("expired", TaskState.FAILED),
        ("FAILURE", TaskState.FAILED),
        ("aborted", TaskState.FAILED),
        ("rejected", TaskState.FAILED),
        ("timeout", TaskState.FAILED),
        ("GENERATE_FAILED", TaskState.FAILED),
        ("create-task-failed", TaskState.FAILED),
        ("SENSITIVE_WORD_ERROR", TaskState.FAILED),
        ("unfailed", "unfailed"),
        ("upscaling", "upscaling"),
        ("Queued", "Queued"),
        ("", ""),
        (None, ""),
        (7, "7"),
        (True, "True"),
        (["completed"], "['completed']"),
    ],
)
def test_a_state_is_one_of_the_four_or_the_servers_own_word(state: object, read: str) -> None:
    task = task_of({"taskId": "t", "state": state})

    assert task.state == read
    assert isinstance(task.state, TaskState) is isinstance(read, TaskState)
    assert task.is_terminal is (read in ("completed", "failed"))


@pytest.mark.parametrize("state", ["baked", "", None, 7])
def test_an_unknown_state_with_links_is_completed_and_a_running_one_is_not(state: object) -> None:
    data = {"taskId": "t", "state": state, "resultUrls": ["https://a/1"]}

    assert task_of(data, task_id="t").state is TaskState.COMPLETED
    assert tasks.odd_state(task_of(data)) == (str(state) if state else None)
    assert task_of({**data, "state": "processing"}).state is TaskState.PROCESSING
    assert tasks.odd_state(task_of({**data, "state": "success"})) is None


@pytest.mark.parametrize(
    ("data", "read"),
    [
        ({"taskId": "t", "status": "success"}, TaskState.COMPLETED),
        ({"taskId": "t", "state": None, "status": "fail"}, TaskState.FAILED),
        ({"taskId": "t", "state": "pending", "status": "done"}, TaskState.PENDING),
        ({"taskId": "t", "status": 200}, ""),
    ],
)
def test_a_state_may_be_called_status(data: object, read: str) -> None:
    assert task_of(data, task_id="t").state == read


@pytest.mark.parametrize(
    ("error", "words"), [("no", "no"), ({"message": "no"}, "no"), ({"code": 1}, None), ([], None), (" ", None)]
)
def test_the_words_of_a_failure_may_be_called_error(error: object, words: str | None) -> None:
    assert task_of({"taskId": "t", "state": "failed", "error": error}).fail_msg == words
    assert task_of({"taskId": "t", "state": "failed", "failMsg": "", "error": error}).fail_msg == words
    assert task_of({"taskId": "t", "state": "failed", "failMsg": "mine", "error": error}).fail_msg == "mine"


@pytest.mark.parametrize(
    "reason",
    [{"failCode": "UPSTREAM"}, {"failMsg": "it broke"}, {"failCode": 503}, {"failMsg": {"message": "it broke"}}],
)
def test_an_unknown_state_with_the_reason_of_a_failure_is_failed(reason: dict[str, object]) -> None:
    assert task_of({"taskId": "t", "state": "halted", **reason}, task_id="t").state is TaskState.FAILED
    assert task_of({"taskId": "t", "state": "processing", **reason}, task_id="t").state is TaskState.PROCESSING
    links = {"resultUrls": ["https://a/1"]}
    assert task_of({"taskId": "t", "state": "halted", **reason, **links}).state is TaskState.COMPLETED


@pytest.mark.parametrize(
    "nothing",
    [{"failCode": 0}, {"failCode": "0"}, {"failCode": 200}, {"failCode": ""}, {"failMsg": ""}, {"failMsg": []}],
)
def test_an_unknown_state_without_one_is_not_failed(nothing: dict[str, object]) -> None:
    assert task_of({"taskId": "t", "state": "halted", **nothing}, task_id="t").state == "halted"


DONE = {"taskId": "t", "state": "completed", "resultUrls": ["https://a/1"]}


@pytest.mark.parametrize(
    "payload",
    [
        {"code": 200, "data": [DONE]},
        {"code": 200, "data": json.dumps(DONE)},
        {"code": 200, "data": {"code": 200, "data": DONE}},
        {"code": 200, "data": {"task": DONE}},
        {"code": 201, "msg": "created", "data": DONE},
        {"code": 0, "msg": "ok", "data": DONE},
        {"code": "0", "data": DONE},
        {"state": "completed", "resultUrls": ["https://a/1"]},
        {"code": 200, "state": "completed", "resultUrls": ["https://a/1"], "data": {"taskId": "t"}},
    ],
    ids=json.dumps,
)
def test_a_task_is_found_in_every_envelope(payload: object) -> None:
    task = read_task(answer(payload), task_id="t")

    assert (task.id, task.state, task.result_urls) == ("t", TaskState.COMPLETED, ("https://a/1",))


@pytest.mark.parametrize(
    "data",
    [
        "t",
        {"id": "t"},
        {"id": "t", "state": "pending"},
        [{"taskId": "t"}],
        '{"taskId": "t"}',
        {"data": {"taskId": "t"}},
    ],
    ids=json.dumps,
)
def test_the_id_of_a_new_task_is_found_in_every_shape(data: object) -> None:
    task = task_of(data)

    assert (task.id, task.state) == ("t", TaskState.PENDING)


def test_a_query_is_not_about_what_else_has_an_id() -> None:
    assert task_of({"id": "row-7", "state": "processing"}, task_id="t").id == "t"


def test_a_synchronous_models_pictures_are_a_task_without_an_id() -> None:
    task = task_of({"state": "completed", "resultUrls": ["https://a/1"]})

    assert (task.id, task.state, task.result_urls) == (None, TaskState.COMPLETED, ("https://a/1",))


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({"data": {"taskId": "t", "state": "failed", "message": "why"}}, "why"),
        ({"data": {"taskId": "t", "state": "failed", "errorMessage": "why"}}, "why"),
        ({"data": {"taskId": "t", "state": "failed", "failMsg": {"message": "why"}}}, "why"),
        ({"msg": "why", "data": {"taskId": "t", "state": "failed"}}, "why"),
        ({"msg": "success", "data": {"taskId": "t", "state": "failed"}}, None),
    ],
)
def test_the_words_of_a_failure_are_looked_for(payload: dict[str, object], words: str | None) -> None:
    assert read_task(answer({"code": 200, **payload}), task_id="t").fail_msg == words


def test_a_create_that_tells_no_state_is_pending_and_a_query_is_of_no_known_state() -> None:
    assert task_of({"taskId": "t"}).state is TaskState.PENDING
    assert task_of({"taskId": "t"}, task_id="t").state == ""


@pytest.mark.parametrize(
    ("moment", "read"),
    [
        (1705123450000, datetime(2024, 1, 13, 5, 24, 10, tzinfo=UTC)),
        (1705123450123, datetime(2024, 1, 13, 5, 24, 10, 123000, tzinfo=UTC)),
        (1705123450000.0, datetime(2024, 1, 13, 5, 24, 10, tzinfo=UTC)),
        ("1705123450000", datetime(2024, 1, 13, 5, 24, 10, tzinfo=UTC)),
        (1705123450, datetime(2024, 1, 13, 5, 24, 10, tzinfo=UTC)),
        ("1705123450", datetime(2024, 1, 13, 5, 24, 10, tzinfo=UTC)),
        ("2024-01-13T05:24:10.000Z", datetime(2024, 1, 13, 5, 24, 10, tzinfo=UTC)),
        ("2024-01-13T06:24:10+01:00", datetime(2024, 1, 13, 5, 24, 10, tzinfo=UTC)),
        ("2024-01-13 05:24:10", datetime(2024, 1, 13, 5, 24, 10, tzinfo=UTC)),
        ("2024-13-01", None),
        ("0001-01-01T00:00:00+14:00", None),
        (None, None),
        ("", None),
        ("yesterday", None),
        ([], None),
        ({}, None),
        (10**30, None),
        (10**400, None),
        (float("nan"), None),
        (float("inf"), None),
        (float("-inf"), None),
    ],
)
def test_epoch_milliseconds_become_aware_datetimes_and_oddities_become_none(
    moment: object, read: datetime | None
) -> None:
    task = task_of({"taskId": "t", "state": "completed", "createTime": moment, "completeTime": moment})

    assert task.create_time == task.complete_time == read
    assert read is None or (task.create_time is not None and task.create_time.tzinfo is UTC)


@pytest.mark.parametrize(
    ("links", "read"),
    [
        (["https://a/1", "https://a/2"], ("https://a/1", "https://a/2")),
        ("https://a/1", ("https://a/1",)),
        (["https://a/1", None, 7, "", {"url": "x"}], ("https://a/1",)),
        ([], ()),
        (None, ()),
        (7, ()),
        ({"0": "https://a/1"}, ()),
        ('["https://a/1", "https://a/2"]', ("https://a/1", "https://a/2")),
        ('["https://a/1"', ()),
        ([{"url": "https://a/1"}, {"resultUrl": "https://a/2", "name": "sky"}], ("https://a/1", "https://a/2")),
        ({"url": "https://a/1"}, ("https://a/1",)),
        ('[{"url": "https://a/1"}]', ("https://a/1",)),
        ([{"url": None}, {"url": ["https://a/1"]}, {"url": "a.png"}], ()),
        (["data:image/png;base64,iVBORw0KGgo="], ("data:image/png;base64,iVBORw0KGgo=",)),
        ([["https://a/1"], ["https://a/2"]], ("https://a/1", "https://a/2")),
        ('{"resultUrls": ["https://a/1"]}', ("https://a/1",)),
        ([{"url": " https://a/1"}], ("https://a/1",)),
        (['{"url": "https://a/1"}'], ("https://a/1",)),
        ("https://a/1, https://a/2,3.png", ("https://a/1", "https://a/2,3.png")),
        ("HTTPS://a/1", ("HTTPS://a/1",)),
        (["N/A", "null", "a.png", "/a/1", "C:\\a.png"], ()),
        ("null", ()),
        (["[" * 100_000], ()),
        ([[[[[["https://a/1"]]]]]], ()),
    ],
)
def test_links_are_read_from_a_list_or_a_single_text(links: object, read: tuple[str, ...]) -> None:
    assert task_of({"taskId": "t", "state": "completed", "resultUrls": links}).result_urls == read


@pytest.mark.parametrize(
    "result",
    [
        '{"resultUrls": ["https://a/1"]}',
        {"resultUrls": ["https://a/1"]},
        '{"resultUrls": [{"url": "https://a/1"}], "x": 1}',
        '["https://a/1"]',
        "https://a/1",
        '"https://a/1"',
        '{"url": "https://a/1"}',
        '{"resultUrl": "https://a/1"}',
        '"{\\"resultUrls\\": [\\"https://a/1\\"]}"',
    ],
)
def test_links_may_stand_in_a_result_json(result: object) -> None:
    data = {"taskId": "t", "state": "success", "resultJson": result}

    assert task_of(data).result_urls == ("https://a/1",)
    assert task_of({**data, "resultUrls": []}).result_urls == ("https://a/1",)
    assert task_of({**data, "resultUrls": "https://a/2"}).result_urls == ("https://a/2",)


@pytest.mark.parametrize("result", ["", "{", "null", "7", '{"resultUrls": null}', None, 7, "[" * 100_000])
def test_a_result_json_without_links_has_none(result: object) -> None:
    assert task_of({"taskId": "t", "state": "success", "resultJson": result}).result_urls == ()


@pytest.mark.parametrize(
    ("value", "read"),
    [("UPSTREAM_BUSY", "UPSTREAM_BUSY"), (503, "503"), ("", None), (None, None), (True, None), ([], None), (1.5, None)],
)
def test_a_failures_code_and_words_are_text_or_none(value: object, read: str | None) -> None:
    task = task_of({"taskId": "t", "state": "failed", "failCode": value, "failMsg": value})

    assert (task.fail_code, task.fail_msg) == (read, read)


@pytest.mark.parametrize(("value", "read"), [(True, True), (False, False), (None, None), ("true", None), (1, None)])
def test_retryable_is_a_truth_value_or_none(value: object, read: bool | None) -> None:
    assert task_of({"taskId": "t", "state": "failed", "retryable": value}).retryable is read


@pytest.mark.parametrize(
    ("told", "read"), [("a/b", "a/b"), (None, "mine"), ("", "mine"), ([], "mine"), ({"a": 1}, None)]
)
def test_the_model_is_what_the_server_tells_else_what_was_asked_for(told: object, read: str | None) -> None:
    assert task_of({"taskId": "t", "model": told}, model="mine").model == read
    assert task_of({"taskId": "t"}, model="mine").model == "mine"


def test_a_synchronous_models_create_is_completed_at_once() -> None:
    task = task_of({"taskId": "t", "state": "completed", "resultUrls": ["https://a/1"]})

    assert task.is_terminal
    assert task.result_urls == ("https://a/1",)


# --- ids


def test_a_number_is_taken_for_an_id() -> None:
    assert task_of({"taskId": 12345}).id == "12345"


@pytest.mark.parametrize("id_", [None, "", [], {}, 0.0, False, True, ["t"], {"id": "t"}, 1.5])
def test_a_create_without_a_usable_id_is_outside_the_contract(id_: object) -> None:
    with pytest.raises(ProtocolError, match="without a task id") as error:
        task_of({"taskId": id_, "state": "pending"})

    assert error.value.task_id is None
    assert '"state": "pending"' in error.value.body
    assert error.value.status == 200


def test_a_query_without_an_id_is_about_the_task_that_was_asked_for() -> None:
    assert task_of({"state": "processing"}, task_id="t").id == "t"
    assert task_of({"taskId": None, "state": "processing"}, task_id="t").id == "t"


def test_an_answer_about_another_task_is_outside_the_contract_and_names_the_one_asked_for() -> None:
    with pytest.raises(ProtocolError, match="asked about task mine, answered about theirs") as error:
        task_of({"taskId": "theirs", "state": "completed"}, task_id="mine")

    assert error.value.task_id == "mine"


@pytest.mark.parametrize("status", [200, 400, 402, 429, 500, 503, 302])
@pytest.mark.parametrize("code", [None, 400, 402, 429, 500, "500"])
def test_a_task_id_beside_a_refusal_of_a_create_is_an_accepted_task(status: int, code: object) -> None:
    payload = {"code": code, "msg": "no", "data": {"taskId": "t", "state": "pending"}}

    assert read_task(answer(payload, status)) == Task(id="t", state=TaskState.PENDING)


def test_a_task_id_beside_a_refusal_of_a_query_is_a_refusal_about_that_task() -> None:
    with pytest.raises(BadRequestError) as error:
        read_task(answer({"code": 400, "data": {"taskId": "t", "state": "pending"}}), task_id="t")

    assert error.value.task_id == "t"


@pytest.mark.parametrize(
    "payload",
    [
        {"code": 200, "data": {"task_id": "t", "state": "waiting"}},
        {"code": 200, "taskId": "t", "state": "waiting"},
        {"code": 200, "taskId": "t", "data": {"state": "waiting"}},
        {"task_id": "t", "status": "waiting", "data": None},
        {"code": 500, "msg": "oh", "task_id": "t"},
        {"code": 501, "data": {"task_id": "t"}},
    ],
)
def test_a_task_id_is_found_under_each_name_and_in_each_place(payload: object) -> None:
    task = read_task(answer(payload))

    assert (task.id, task.state) == ("t", TaskState.PENDING)


@pytest.mark.parametrize(
    "payload",
    [
        {"code": 501, "msg": "generation failed", "data": {"taskId": "t", "state": "fail", "failMsg": "no"}},
        {"code": 501, "data": {"state": "failed", "failMsg": "no"}},
        {"code": 400, "data": {"task_id": "t", "status": "failed", "error": "no"}},
    ],
)
def test_a_refusal_of_a_query_that_brings_the_failed_task_is_that_task(payload: object) -> None:
    for status in (200, 501):
        task = read_task(answer(payload, status), task_id="t")

        assert (task.id, task.state, task.fail_msg) == ("t", TaskState.FAILED, "no")


@pytest.mark.parametrize(
    "payload",
    [
        {"code": 501, "data": {"taskId": "u", "state": "fail"}},
        {"code": 500, "data": {"state": "fail"}},
        {"code": 501, "data": {"taskId": "t", "state": "generating"}},
        {"code": 501, "data": None},
    ],
)
def test_a_refusal_of_a_query_without_its_failed_task_is_a_refusal(payload: object) -> None:
    with pytest.raises(APIError) as error:
        read_task(answer(payload, 501), task_id="t")
    assert error.value.task_id == "t"


# --- no task at all


@pytest.mark.parametrize(
    "data", [None, {}, [], "t", 7, "no such task", True, [{}], [[]], [{"url": ""}], [{"url": 7, "b64_json": 7}]]
)
def test_an_answer_without_a_task_is_outside_the_contract(data: object) -> None:
    for asked in ({"task_id": "t"},) if data in ("t", 7) else ({}, {"task_id": "t"}):
        with pytest.raises(ProtocolError, match="without a task") as error:
            task_of(data, **asked)

        assert error.value.task_id == asked.get("task_id")
        assert '"success"' in error.value.body


# --- OpenAI's shape


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(80)).decode()


def test_openais_shape_is_a_completed_task_without_an_id() -> None:
    payload = {"created": 1705123465, "data": [{"url": "https://a/1", "b64_json": PNG}, {"b64_json": PNG}]}

    task = read_task(answer(payload), model="gpt-image-2-all")

    assert task == Task(
        id=None,
        state=TaskState.COMPLETED,
        result_urls=("https://a/1", f"data:image/png;base64,{PNG}"),
        model="gpt-image-2-all",
        complete_time=datetime(2024, 1, 13, 5, 24, 25, tzinfo=UTC),
    )
    assert task.raw == payload


def test_openais_shape_inside_the_envelope_is_understood_as_well() -> None:
    task = task_of({"created": 1, "data": [{"url": "https://a/1"}]})

    assert (task.state, task.result_urls) == (TaskState.COMPLETED, ("https://a/1",))


def test_a_picture_whose_base64_is_broken_is_kept_for_the_download_to_judge() -> None:
    for broken in ("A", "\u00e9" * 100, "\ud800", "!!!!"):
        task = read_task(answer({"data": [{"b64_json": broken}]}))

        assert task.result_urls == (f"data:application/octet-stream;base64,{broken}",)


def test_entries_without_a_picture_are_passed_over() -> None:
    assert read_task(answer({"data": [None, {}, {"url": None}, {"url": "https://a/1"}, 3]})).result_urls == (
        "https://a/1",
    )


# --- failures and missing links


@pytest.mark.parametrize(
    ("code", "msg", "moderated"),
    [
        ("CONTENT_MODERATION", None, True),
        (None, "Content policy violation", True),
        (None, "content_policy", True),
        (None, "flagged by the safety system", True),
        ("NSFW", "no", True),
        ("UPSTREAM_BUSY", "try later", False),
        ("TIMEOUT", None, False),
        (None, None, False),
    ],
)
def test_a_failure_is_one_of_moderation_where_its_code_or_words_say_so(
    code: str | None, msg: str | None, moderated: bool
) -> None:
    task = Task(id="t", state=TaskState.FAILED, fail_code=code, fail_msg=msg)

    error = tasks.failure(task)

    assert (type(error).__name__ == "ContentPolicyError") is moderated
    assert error.task is task
    assert "task t failed" in str(error)
    assert (msg or "no reason given") in str(error)
    assert code is None or f"({code})" in str(error)
    assert "None" not in str(error)


def test_a_completed_task_without_links_is_an_error_with_the_whole_answer() -> None:
    task = task_of({"taskId": "t", "state": "completed", "odd": "\u00e9\ud800"})

    error = tasks.missing_links(task)

    assert (error.task_id, error.status) == ("t", 200)
    assert json.loads(error.body) == task.raw


# --- anything at all

NAMES = [
    "code", "msg", "message", "error", "detail", "data", "taskId", "state", "resultUrls", "model", "createTime",
    "completeTime", "failCode", "failMsg", "retryable", "created", "url", "id", "raw", "b64_json", "status", "task_id",
    "resultJson", "resultUrl",
]  # fmt: skip
WORDS = st.sampled_from(["t", "pending", "completed", "failed", "200", "500", "\ud800", "\x00", "https://a/1"])
NUMBERS = st.sampled_from([200, 200, 400, 429, 500, 0, -1, 10**400, 1e308, float("nan"), float("inf"), 1705123450000])
LEAVES = st.none() | st.booleans() | NUMBERS | st.integers() | st.floats() | WORDS | st.text(max_size=8)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=12,
)
DATA = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8)
PAYLOADS = st.fixed_dictionaries(
    {}, optional={"code": VALUES, "msg": VALUES, "data": DATA | st.lists(DATA, max_size=3) | VALUES, "error": VALUES}
)
STATUSES = st.integers(100, 599)
ASKED = st.sampled_from([None, "t"])


def read_or_refuse(body: bytes, status: int, asked: str | None) -> Task | APIError | ProtocolError:
    try:
        return read_task(RawResponse(status, body), task_id=asked, model="m")
    except (APIError, ProtocolError) as error:
        return error


def check_any(body: bytes, status: int, asked: str | None) -> None:
    """A task that is one, or one of the two errors that say why there is none."""
    found = read_or_refuse(body, status, asked)
    if isinstance(found, Task):
        check_task(found, asked)
    else:
        assert found.status == status
        assert found.body == body.decode("utf-8", "replace")
        assert not asked or found.task_id in (asked, None)
        assert str(found)


def check_task(task: Task, asked: str | None) -> None:
    assert task.id is None or (task.id and isinstance(task.id, str))
    assert task.id is not None or task.result_urls
    assert asked is None or task.id == asked
    assert isinstance(task.state, str)
    assert all(link and isinstance(link, str) for link in task.result_urls)
    assert all(moment is None or moment.tzinfo is UTC for moment in (task.create_time, task.complete_time))
    for text in (task.model, task.fail_code, task.fail_msg):
        assert text is None or isinstance(text, str)
    assert task.retryable in (None, True, False)
    assert isinstance(task.raw, dict)
    assert repr(task)
    assert tasks.missing_links(task).task_id == task.id
    assert tasks.failure(task).task is task


@settings(max_examples=150)
@given(st.binary(max_size=200), STATUSES, ASKED)
@example(b"", 200, None)
@example(b"null", 200, None)
@example(b"{", 200, "t")
@example(b"\xff\xfe{\x00}\x00", 200, None)
@example(b"\xef\xbb\xbf" + PENDING, 200, None)
@example(b'"\\ud800"', 200, None)
@example(b"[" * 100_000, 200, None)
@example(b'{"data":' * 100_000, 500, "t")
@example(b"1" * 10_000, 200, None)
@example(COMPLETED[:-7], 200, "clxxx...")
def test_any_bytes_are_a_task_or_a_refusal_or_outside_the_contract(body: bytes, status: int, asked: str | None) -> None:
    check_any(body, status, asked)


@settings(max_examples=150)
@given(PAYLOADS, STATUSES | st.just(200), ASKED)
def test_any_json_is_a_task_or_a_refusal_or_outside_the_contract(
    payload: dict[str, Any], status: int, asked: str | None
) -> None:
    check_any(json.dumps(payload).encode(), status, asked)


@pytest.mark.parametrize("name", ["taskId", "state", "resultUrls", "model", "createTime", "failMsg", "retryable", "x"])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_json_nested_to_any_depth_is_a_task_or_outside_the_contract(name: str, opening: bytes, closing: bytes) -> None:
    for depth in (*range(100, 900, 100), *range(900, 1000)):
        nested = opening * depth + b"1" + closing * depth
        body = b'{"code":200,"data":{"taskId":"t","state":"pending","%s":%s}}' % (name.encode(), nested)
        check_any(body, 200, None)


@pytest.mark.parametrize("cut", range(len(COMPLETED)))
def test_a_truncated_answer_is_outside_the_contract(cut: int) -> None:
    with pytest.raises(ProtocolError, match="without the JSON that the contract promises") as error:
        read_task(RawResponse(200, COMPLETED[:cut]), task_id="clxxx...")

    assert error.value.body == COMPLETED[:cut].decode()
    assert error.value.task_id == "clxxx..."


@pytest.mark.parametrize("id_", [True, 1.5, ["t"], {"id": "t"}])
def test_an_answer_to_a_query_with_an_unusable_id_still_names_the_task_asked_for(id_: object) -> None:
    with pytest.raises(ProtocolError) as error:
        read_task(answer({"code": 200, "data": {"taskId": id_, "state": "pending"}}), task_id="t")
    assert error.value.task_id == "t"


@pytest.mark.parametrize(
    "payload",
    [
        {"code": 200, "data": {"taskId": "t", "data": [{"url": "https://a/1"}]}},
        {"taskId": "t", "data": [{"url": "https://a/1"}]},
    ],
)
def test_a_task_id_beside_openais_shape_is_kept(payload: object) -> None:
    assert read_task(answer(payload)).id == "t"


@pytest.mark.parametrize("moment", [True, 0, -1])
def test_a_time_that_is_none_is_none(moment: object) -> None:
    assert read_task(answer({"code": 200, "data": {"taskId": "t", "createTime": moment}})).create_time is None
