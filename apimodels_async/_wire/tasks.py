"""JSON ⇄ models: what is written into a request, and what an answer means. Pure, and the only cattrs converter.

The contract is the vendor's page: an envelope ``{"code": 200, "msg": …, "data": {…}}`` whose code decides, not
the status line; camel-case fields; epoch milliseconds. Everything is read tolerantly, because a field in an odd
shape must not cost anybody a picture that is paid for.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from apimodels_async._secret import Secret
from apimodels_async._wire.bodies import write_body
from apimodels_async._wire.pictures import to_data_uri
from apimodels_async.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ContentPolicyError,
    GenerationFailedError,
    InsufficientCreditsError,
    ProtocolError,
    RateLimitError,
    ServerError,
    TaskNotFoundError,
)
from apimodels_async.models import GenerationRequest, Task, TaskState

if TYPE_CHECKING:
    from cattrs import Converter


class RawResponse(NamedTuple):
    """One HTTP answer, read whole.

    Attributes:
        status: the HTTP status.
        body: the bytes of the body.
        request_id: the header by which the vendor finds the request again.
        retry_after: seconds the server asks to be left alone.
        cut: whether `body` is only the beginning of one that was too long to be read.
    """

    status: int
    body: bytes
    request_id: str | None = None
    retry_after: float | None = None
    cut: bool = False


# --- tolerant readers of single fields


def _text(value: object, _: object) -> str | None:
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


_STATES = frozenset(TaskState)


def _state(value: object, _: object) -> TaskState | str:
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in _STATES:
        return TaskState(word)
    return "" if value is None else str(value)


def _links(value: object, _: object) -> tuple[str, ...]:
    links = cast("list[object]", value) if isinstance(value, list) else [value]
    return tuple(link for link in links if isinstance(link, str) and link)


def _moment(value: object, _: object) -> datetime | None:
    """Epoch milliseconds, as a number or in digits. Ten digits are seconds: no task is older than 1973."""
    try:
        number = 0.0 if isinstance(value, bool) else float(cast("Any", value))
        return None if number <= 0 else datetime.fromtimestamp(number / 1000 if number > 1e11 else number, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _flag(value: object, _: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _as_it_is(value: Any, _: object) -> Any:
    return value


@cache
def _converter() -> "Converter":
    """Made on first use, cattrs with it: that would be a good part of what importing this package costs."""
    from cattrs import Converter  # noqa: PLC0415
    from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override  # noqa: PLC0415

    converter = Converter()
    converter.register_unstructure_hook(
        GenerationRequest,
        make_dict_unstructure_fn(
            GenerationRequest,
            converter,
            _cattrs_omit_if_default=True,
            image=override(omit=True),
            images=override(omit=True),
            mask=override(omit=True),
            extra_body=override(omit=True),
        ),
    )
    converter.register_structure_hook(
        Task,
        make_dict_structure_fn(
            Task,
            converter,
            id=override(rename="taskId", struct_hook=_text),
            state=override(struct_hook=_state),
            result_urls=override(rename="resultUrls", struct_hook=_links),
            model=override(struct_hook=_text),
            create_time=override(rename="createTime", struct_hook=_moment),
            complete_time=override(rename="completeTime", struct_hook=_moment),
            fail_code=override(rename="failCode", struct_hook=_text),
            fail_msg=override(rename="failMsg", struct_hook=_text),
            retryable=override(struct_hook=_flag),
            raw=override(struct_hook=_as_it_is),
            _cattrs_detailed_validation=False,  # no hook fails, so nobody needs to be told which
        ),
    )
    return converter


@cache
def _task_hook() -> Callable[[dict[str, Any], type[Task]], Task]:
    return _converter().get_structure_hook(Task)


# --- requests


def create_body(
    request: GenerationRequest,
    model: str,
    pictures: Mapping[str, str | bytes | Sequence[str | bytes]],
    callback_url: Secret[str] | None = None,
) -> bytes:
    """The JSON of a create. `pictures` are the request's by field name: URLs, and bytes, which go as base64."""
    fields: dict[str, Any] = _converter().unstructure(request)
    if callback_url is not None:
        fields["callback_url"] = callback_url.reveal()
    extra = request.extra_body or {}
    return write_body({"model": model, **fields, **pictures, **extra}, pictures.keys() - extra.keys())


# --- answers


def read_task(answer: RawResponse, *, task_id: str | None = None, model: str | None = None) -> Task:
    """The task in the answer to a create or a query.

    Args:
        answer: the answer.
        task_id: the id that was asked for; ``None`` for a create, whose answer brings it.
        model: the model id, where the answer does not tell.

    Raises:
        APIError: a refusal that names no task; to a query, any refusal. It carries `task_id`.
        ProtocolError: no task can be found in the answer.
    """
    try:
        payload = _payload(answer, task_id)
    except APIError as refusal:
        # A task id beside a refusal: the server did take the job, so a create must hold on to it.
        if task_id is not None or refusal.task_id is None:
            raise
        payload = _object(answer)
    found: object = payload.get("data")
    data = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    pictures = _openai_pictures(payload) or _openai_pictures(data)
    if pictures is not None:
        named = _text(data.get("taskId") or payload.get("taskId"), None)
        return _openai_task(payload, pictures, task_id or named, model)
    if not data:
        raise _outside("an answer without a task", answer, task_id)
    return _task(data, answer, task_id, model)


def _task(data: dict[str, Any], answer: RawResponse, asked: str | None, model: str | None) -> Task:
    fields = {"state": TaskState.PENDING if asked is None else "", **data}
    fields["taskId"] = data.get("taskId") or asked
    fields["model"] = data.get("model") or model
    task = structured(fields, raw=data)
    if task.id is None:
        raise _outside("an answer without a task id", answer, asked)
    if asked is not None and task.id != asked:
        raise _outside(f"asked about task {asked}, answered about {task.id}", answer, asked)
    return task


def structured(fields: Mapping[str, Any], *, raw: Mapping[str, Any]) -> Task:
    """A task of fields under the vendor's names, ``state`` among them. Those in an odd shape are left out."""
    return _task_hook()({**fields, "raw": raw}, Task)


def _openai_pictures(payload: Mapping[str, object]) -> tuple[str, ...] | None:
    """The pictures in OpenAI's shape, ``{"created": …, "data": [{"url": …, "b64_json": …}]}``."""
    data = payload.get("data")
    if not isinstance(data, list):
        return None
    found: list[str] = []
    for entry in cast("list[object]", data):
        if isinstance(entry, dict):
            picture = cast("dict[str, object]", entry)
            url, b64 = picture.get("url"), picture.get("b64_json")
            if isinstance(url, str) and url:
                found.append(url)
            elif isinstance(b64, str) and b64:
                found.append(to_data_uri(b64))
    return tuple(found) or None


def _openai_task(payload: dict[str, Any], pictures: tuple[str, ...], task_id: str | None, model: str | None) -> Task:
    return Task(
        id=task_id,
        state=TaskState.COMPLETED,
        result_urls=pictures,
        model=model,
        complete_time=_moment(payload.get("created"), None),
        raw=payload,
    )


def read_models(answer: RawResponse) -> list[str]:
    """The ids in the answer to ``GET /models``.

    Raises:
        APIError: a refusal.
        ProtocolError: no list of models.
    """
    data: object = _payload(answer).get("data")
    if not isinstance(data, list):
        raise _outside("an answer without a list of models", answer)
    entries = cast("list[object]", data)
    ids = [cast("dict[str, object]", entry).get("id") for entry in entries if isinstance(entry, dict)]
    return [id_ for id_ in ids if isinstance(id_, str)]


def read_balance(answer: RawResponse) -> float:
    """US dollars in the answer to ``GET /balance``.

    Raises:
        APIError: a refusal.
        ProtocolError: no balance.
    """
    try:
        found = _payload(answer)["data"]["balance"]
        balance = math.nan if isinstance(found, bool) else float(found)
    except (KeyError, TypeError, ValueError, OverflowError):
        balance = math.nan
    if not math.isfinite(balance):
        raise _outside("an answer without a balance", answer)
    return balance


def read_public_url(answer: RawResponse) -> str:
    """The hosted link in the answer to ``POST /files``.

    Raises:
        APIError: a refusal.
        ProtocolError: no link.
    """
    try:
        url = _payload(answer)["data"]["publicUrl"]
    except (KeyError, TypeError):
        url = None
    if not isinstance(url, str):
        raise _outside("an answer without publicUrl", answer)
    return url


# --- the envelope

_BY_CODE: dict[int, type[APIError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: InsufficientCreditsError,
    404: TaskNotFoundError,
    429: RateLimitError,
}
_HINTS = {
    401: "check the API key: https://apimodels.app/console/api-keys",
    402: "add credits: https://apimodels.app/console/credits",
}


def _object(answer: RawResponse) -> dict[str, Any]:
    """The answer's JSON object, or an empty one where it is anything else."""
    try:
        payload: object = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", payload) if isinstance(payload, dict) else {}


def _payload(answer: RawResponse, task_id: str | None = None) -> dict[str, Any]:
    """The answer's JSON object, unless it is a refusal.

    The envelope's code decides where there is one, else the status line.
    """
    payload = _object(answer)
    code = _code(payload.get("code"))
    if code == 200 or (code is None and payload and answer.status // 100 == 2):
        return payload
    # Without a JSON object the status has to say enough by itself. A query takes an odd 4xx for some proxy's page.
    clear = answer.status in _BY_CODE or answer.status // 100 in ((3, 5) if task_id is not None else (3, 4, 5))
    if not payload and not clear:
        raise _outside(f"HTTP {answer.status} without the JSON that the contract promises", answer, task_id)
    raise _refusal(answer, payload, code, task_id)


def _code(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _refusal(answer: RawResponse, payload: dict[str, Any], code: int | None, task_id: str | None) -> APIError:
    deciding = code if code is not None and 400 <= code <= 599 else answer.status
    kind = ServerError if 500 <= deciding <= 599 else _BY_CODE.get(deciding, APIError)
    msg = _words(payload)
    data: object = payload.get("data")
    named = _text(cast("dict[str, object]", data).get("taskId"), None) if isinstance(data, dict) else None
    shown = msg or "no reason given"
    where = f"HTTP {answer.status}" if code in (None, answer.status) else f"code {code}, HTTP {answer.status}"
    hint = f"; {_HINTS[deciding]}" if deciding in _HINTS else ""
    if answer.status // 100 == 3:
        hint = "; redirects of the API are not followed: check base_url"
    return kind(
        f"{shown} ({where}{f', request {answer.request_id}' if answer.request_id else ''}){hint}",
        status=answer.status,
        code=code,
        msg=msg,
        request_id=answer.request_id,
        task_id=task_id or named,
        body=_body_text(answer),
        retry_after=answer.retry_after,
        from_api=bool(payload),
    )


def _words(payload: dict[str, Any]) -> str:
    """The server's own words, under the names that are seen: the contract's ``msg`` first."""
    error: object = payload.get("error")
    inner = cast("dict[str, object]", error) if isinstance(error, dict) else {"message": error}
    for candidate in (
        payload.get("msg"),
        payload.get("message"),
        inner.get("message"),
        payload.get("detail"),
    ):
        if isinstance(candidate, str) and candidate.strip():
            return candidate.strip()
    return ""


def _body_text(answer: RawResponse) -> str:
    return answer.body.decode("utf-8", "replace")


def _outside(what: str, answer: RawResponse, task_id: str | None = None) -> ProtocolError:
    text = _body_text(answer)
    start = text[:200].strip()
    what = "an answer that is too long to be read" if answer.cut else what
    return ProtocolError(
        f"{what} (HTTP {answer.status}): {start!r}{'…' if len(text) > 200 else ''}",
        body=text,
        status=answer.status,
        task_id=task_id,
    )


def lacks_links(task: Task) -> bool:
    """Whether a task is completed and yet brings nothing."""
    return task.state == TaskState.COMPLETED and not task.result_urls


def is_over(task: Task) -> bool:
    """Whether a task has ended, and brings what it promised."""
    return task.is_terminal and not lacks_links(task)


_MODERATION = r"(?i)moderat|content.?policy|safety|nsfw"


def failure(task: Task) -> GenerationFailedError:
    """The error for a failed task: `ContentPolicyError` where its code or its words speak of moderation."""
    refused = re.search(_MODERATION, f"{task.fail_code} {task.fail_msg}")
    kind = ContentPolicyError if refused else GenerationFailedError
    code = f" ({task.fail_code})" if task.fail_code else ""
    return kind(f"task {task.id} failed{code}: {task.fail_msg or 'no reason given'}", task=task)


def missing_links(task: Task) -> ProtocolError:
    """A completed task that brings no picture, however often it is asked."""
    return ProtocolError(
        f"task {task.id} is completed, but its answer has no resultUrls",
        body=json.dumps(dict(task.raw), ensure_ascii=False),
        status=200,
        task_id=task.id,
    )
