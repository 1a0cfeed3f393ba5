"""What an answer means: a task, the models, a balance, a link; and what a task's end means. Pure.

The contract is the vendor's page: camel-case fields, epoch milliseconds.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from attrs import evolve

from apimodels_async._text import printable, shorten
from apimodels_async._wire.aliases import error_words, id_value, is_failure, read_state, state_word, task_fields
from apimodels_async._wire.answer import RawResponse, object_of, payload_of, read_payload, unexpected
from apimodels_async._wire.converter import moment, structured, text
from apimodels_async._wire.data_uris import to_data_uri
from apimodels_async._wire.parsing import json_object
from apimodels_async._wire.refusals import refusal_codes
from apimodels_async.errors import (
    APIError,
    BadRequestError,
    ContentPolicyError,
    GenerationFailedError,
    ProtocolError,
)
from apimodels_async.models import Task, TaskState

_ID = r"[A-Za-z0-9_.:-]{1,200}"
"""What may be an id where nothing says so."""
_BESIDE = ("state", "status", "failCode", "failMsg", "error", "resultUrls", "resultJson")
_NOTHING_SAID = frozenset({"success", "ok"})


def read_task(answer: RawResponse, *, task_id: str | None = None, model: str | None = None) -> Task:
    """The task in the answer to a create request or a query.

    Args:
        answer: the answer.
        task_id: the id that was asked for; ``None`` for a create request, whose answer brings it.
        model: the model id, used if the response has none.

    Raises:
        APIError: a refusal that names no task; to a query, any refusal but that of a failed task. It carries `task_id`.
        ProtocolError: no task can be found in the answer.
    """
    try:
        payload = payload_of(answer, task_id)
    except APIError as refusal:
        payload = object_of(answer)
        # A task id beside a refusal: the server did take the job, so a create request must hold on to it.
        accepted = task_id is None and refusal.task_id is not None
        if not accepted and not _is_failed(payload, refusal, task_id):
            raise
    pictures = _openai_pictures(payload)
    if pictures is not None:
        inner: object = payload.get("data")
        named = id_value(cast("dict[str, Any]", inner)) if isinstance(inner, dict) else None
        return _openai_task(payload, pictures, task_id or text(named or id_value(payload)), model)
    return _task(_fields(payload, answer, task_id), answer, task_id, model)


def _fields(payload: dict[str, Any], answer: RawResponse, asked: str | None) -> dict[str, Any]:
    """What an answer says of a task, under its own names."""
    found = task_fields(payload)
    if not isinstance(found, dict):
        found = {"taskId": found} if asked is None and _is_id(found) else {}
    fields = cast("dict[str, Any]", found)
    if fields and state_word(fields) in (None, "") and state_word(payload):  # beside the envelope's data
        return {**{name: payload[name] for name in _BESIDE if name in payload}, **fields}
    if not fields and (id_value(payload) or (asked is not None and state_word(payload))):
        fields = payload  # no envelope
    if not fields:
        raise unexpected("an answer without a task", answer, asked)
    return fields


def _is_id(value: object) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and re.fullmatch(_ID, value) is not None)


def _task(data: dict[str, Any], answer: RawResponse, asked: str | None, model: str | None) -> Task:
    named = id_value(data) or id_value(object_of(answer)) or asked
    if named is None and isinstance(data.get("id"), str):  # in a query's answer it may be that of something else
        named = data["id"]
    fields = {**data, "taskId": named, "model": data.get("model") or model}
    if "state" not in data and not isinstance(data.get("status"), str):
        fields["state"] = TaskState.PENDING if asked is None else ""
    task = structured(fields, raw=data)
    if task.result_urls and not isinstance(task.state, TaskState):
        task = evolve(task, state=TaskState.COMPLETED)  # an unknown word: the links decide
    if task.id is None and not (task.state is TaskState.COMPLETED and task.result_urls):
        raise unexpected("an answer without a task id", answer, asked)
    if asked is not None and task.id != asked:
        raise unexpected(f"asked about task {asked}, answered about {printable(shorten(str(task.id)))}", answer, asked)
    if not isinstance(task.state, TaskState) and is_failure(data):  # the same where it says why it failed
        task = evolve(task, state=TaskState.FAILED)
    if task.state is TaskState.FAILED and task.fail_msg is None:
        return evolve(task, fail_msg=_reason(data, object_of(answer)))
    return task


def _reason(data: Mapping[str, object], payload: Mapping[str, object]) -> str | None:
    """The words beside a failure that has none of its own."""
    told = (error_words(each.get(name)) for each in (data, payload) for name in ("message", "msg", "error"))
    return next((words for words in told if words and words.lower() not in _NOTHING_SAID), None)


def _is_failed(payload: Mapping[str, object], refusal: APIError, asked: str | None) -> bool:
    """Whether the refusal of a query says in fact that the task has failed; code 501 says so even without its id."""
    data = payload.get("data")
    if asked is None or not isinstance(data, dict):
        return False
    task = cast("dict[str, object]", data)
    named = text(id_value(task))
    is_about_it = named == asked or (named is None and (refusal.code or refusal.status) == 501)
    return is_about_it and read_state(state_word(task)) == TaskState.FAILED


def odd_state(task: Task) -> str | None:
    """The unknown word for the state of a task that counts as completed because it has links."""
    if task.state != TaskState.COMPLETED or task.id is None:
        return None
    word = state_word(task.raw)
    if word in (None, ""):
        return None
    return None if isinstance(read_state(word), TaskState) else str(word)


def _openai_entries(payload: Mapping[str, object]) -> list[object]:
    """What stands for pictures in OpenAI's shape, ``{"created": …, "data": [{"url": …, "b64_json": …}]}``.

    The shape may stand in an envelope.
    """
    data = payload.get("data")
    inner = cast("dict[str, object]", data).get("data") if isinstance(data, dict) else data
    return cast("list[object]", inner) if isinstance(inner, list) else []


def _openai_pictures(payload: Mapping[str, object]) -> tuple[str, ...] | None:
    found: list[str] = []
    for entry in _openai_entries(payload):
        if isinstance(entry, dict):
            picture = cast("dict[str, object]", entry)
            url, b64 = picture.get("url"), picture.get("b64_json")
            if isinstance(url, str) and url:
                found.append(url)
            elif isinstance(b64, str) and b64:
                found.append(to_data_uri(b64))
    return tuple(found) or None


def has_links_alone(payload: Mapping[str, object]) -> bool:
    """Whether it has the pictures of a task in OpenAI's shape, each as a link and none inside of it."""
    pictures = _openai_pictures(payload) or ()
    inside = any(picture.startswith("data:") for picture in pictures)
    return bool(pictures) and len(pictures) == len(_openai_entries(payload)) and not inside


def _openai_task(payload: dict[str, Any], pictures: tuple[str, ...], task_id: str | None, model: str | None) -> Task:
    return Task(
        id=task_id,
        state=TaskState.COMPLETED,
        result_urls=pictures,
        model=model,
        complete_time=moment(payload.get("created")),
        raw=payload,
    )


def read_models(answer: RawResponse) -> list[str]:
    """The ids in the answer to ``GET /models``.

    Raises:
        ConfigurationError: there is no API at the base URL.
        APIError: a refusal.
        ProtocolError: no list of models.
    """
    data: object = read_payload(answer).get("data")
    if isinstance(data, dict):
        data = cast("dict[str, object]", data).get("models")
    if not isinstance(data, list):
        raise unexpected("an answer without a list of models", answer)
    entries = cast("list[object]", data)
    objects = [cast("dict[str, object]", entry) for entry in entries if isinstance(entry, dict)]
    found = [entry.get("id") or entry.get("name") for entry in objects] if objects else entries
    ids = [id_ for id_ in found if isinstance(id_, str)]
    if entries and not ids:
        raise unexpected("a list of models without their ids", answer)
    return ids


def read_balance(answer: RawResponse) -> float:
    """US dollars in the answer to ``GET /balance``.

    Raises:
        ConfigurationError: there is no API at the base URL.
        APIError: a refusal.
        ProtocolError: no balance.
    """
    try:
        found = read_payload(answer)["data"]["balance"]
        balance = math.nan if isinstance(found, bool) else float(found)
    except (KeyError, TypeError, ValueError, OverflowError):
        balance = math.nan
    if not math.isfinite(balance):
        raise unexpected("an answer without a balance", answer)
    return balance


class Announcement(NamedTuple):
    """What the server says about a file that was announced.

    Attributes:
        upload_url: where its bytes are PUT.
        public_url: where it can be fetched then.
        max_body: bytes of a request's body that the server takes, if it says so, else 0: the embedded gateway does.
    """

    upload_url: str
    public_url: str
    max_body: int = 0


def read_announcement(answer: RawResponse) -> Announcement:
    """The links in the answer to the announcement of a file, ``POST /files`` with JSON.

    Raises:
        ConfigurationError: there is no API at the base URL.
        APIError: a refusal.
        ProtocolError: no links.
    """
    found: object = read_payload(answer).get("data")
    data = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    upload_url, public_url, max_body = data.get("uploadUrl"), data.get("publicUrl"), data.get("maxBody")
    if not isinstance(upload_url, str) or not isinstance(public_url, str) or not upload_url or not public_url:
        raise unexpected("an answer without uploadUrl and publicUrl", answer)
    says = isinstance(max_body, int) and not isinstance(max_body, bool)
    return Announcement(upload_url, public_url, cast("int", max_body) if says else 0)


def read_public_url(answer: RawResponse) -> str:
    """The hosted link in the answer to ``POST /files``.

    Raises:
        ConfigurationError: there is no API at the base URL.
        APIError: a refusal.
        ProtocolError: no link.
    """
    try:
        url = read_payload(answer)["data"]["publicUrl"]
    except (KeyError, TypeError):
        url = None
    if not isinstance(url, str):
        raise unexpected("an answer without publicUrl", answer)
    return url


def lacks_links(task: Task) -> bool:
    """Whether a task is completed and yet brings nothing."""
    return task.state == TaskState.COMPLETED and not task.result_urls


def is_over(task: Task) -> bool:
    """Whether a task has ended, and brings what it promised."""
    return task.is_terminal and not lacks_links(task)


_MODERATION = r"(?i)moderat|content.?policy|safety|nsfw"
_REFUSED_BY_MODERATION = r"(?i)moderat|content.?policy|safety (system|filter|check)|nsfw"
"""Stricter: a refusal may also be about a parameter whose name has one of the words in it."""


def is_moderation(refusal: APIError) -> bool:
    """Whether a 400 or 422 to a create request comes from moderation, by its ``failCode`` or its words."""
    if not isinstance(refusal, BadRequestError):
        return False
    codes = refusal_codes(json_object(refusal.body.encode("utf-8", "replace")))
    return bool(re.search(_MODERATION, codes) or re.search(_REFUSED_BY_MODERATION, refusal.msg))


def failure(task: Task) -> GenerationFailedError:
    """The error for a failed task: `ContentPolicyError` where its code or its words speak of moderation."""
    refused = re.search(_MODERATION, f"{task.fail_code} {task.fail_msg}")
    kind = ContentPolicyError if refused else GenerationFailedError
    code = f" ({task.fail_code})" if task.fail_code else ""
    words = printable(f"task {task.id} failed{code}: {task.fail_msg or 'no reason given'}")
    return kind(words, task=task)


def missing_links(task: Task) -> ProtocolError:
    """A completed task that brings no picture, however often it is asked."""
    return ProtocolError(
        f"task {printable(str(task.id))} is completed, but its answer has no resultUrls",
        body=json.dumps(dict(task.raw), ensure_ascii=False),
        status=200,
        task_id=task.id,
    )
