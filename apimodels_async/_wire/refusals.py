"""The error for an answer that is a refusal, in the server's words. Pure."""

from collections.abc import Mapping
from typing import Any, cast

from apimodels_async._text import printable
from apimodels_async._wire import pages
from apimodels_async._wire.aliases import error_words, id_value
from apimodels_async._wire.converter import text
from apimodels_async.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    InsufficientCreditsError,
    RateLimitError,
    RequestTooLargeError,
    ServerError,
    ServerTimeoutError,
    TaskNotFoundError,
)

_BY_CODE: dict[int, type[APIError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: InsufficientCreditsError,
    404: TaskNotFoundError,
    422: BadRequestError,
    429: RateLimitError,
}
_OF_ANY_SENDER: dict[int, type[APIError]] = {413: RequestTooLargeError, 524: ServerTimeoutError}
"""Those that mean the same on the page of a proxy."""
_HINTS = {
    401: "check the API key: https://apimodels.app/console/api-keys",
    402: "add credits: https://apimodels.app/console/credits",
    455: "the service is being maintained: try again later",
    505: "the server has switched this off: take another model",
}
_HINTS_WITHOUT_JSON = {
    407: "a proxy on the way wants a name and a password: put them into its URL, http://name:password@host:port",
}
_OF_THE_CONTRACT = frozenset({"msg", "data", "error", "failCode", "failMsg", "taskId", "task_id"})
"""Fields, besides a numeric ``code``, of which each refusal of the API has at least one. The JSON of gateways
(``{"message": "no Route matched"}``, ``{"detail": "Not Found"}``) has none."""
MAINTENANCE = 455
"""A code of kie.ai: maintenance. Nothing is taken, and it passes."""
_TOO_LARGE = (
    "the request is too large for this address or for a proxy on the way: send smaller pictures, or upload them first "
    "(client.upload) and give their URLs, or use base_url='https://api.apimodels.app/v1', which takes 100 MB"
)
_SILENT = (
    "a proxy in front of the server gave up after about 100 s without an answer, and the work may go on: for models "
    "that take longer use base_url='https://apimodels.app/api/v1' or less work a request, such as n=1"
)
_LONGEST_LOCATION = 200
_HINTS_FOR_ALL = {
    413: _TOO_LARGE,
    524: _SILENT,
}


def is_of_api(payload: Mapping[str, object], code: int | None) -> bool:
    """Whether the JSON of a refusal is the API's own; `code`: of its envelope, if there is one."""
    return code is not None or not _OF_THE_CONTRACT.isdisjoint(payload)


def refusal(
    payload: dict[str, Any],
    *,
    status: int,
    code: int | None,
    request_id: str | None,
    retry_after: float | None,
    body: str,
    task_id: str | None,
    url: str,
    server: str,
    via: str,
    location: str,
) -> APIError:
    """The error for a refusal.

    Without the API's JSON it may be the page of a proxy, and 400, 401, 402 and 404 say nothing about the request. The
    JSON of a gateway has the class that its status says, and is not the API's word either.

    Args:
        payload: the response's JSON object, empty if it has none.
        status: the HTTP status.
        code: the code of the envelope, if there is one.
        request_id: by which the vendor can find the request.
        retry_after: the value of ``Retry-After`` in seconds.
        body: the whole answer as text.
        task_id: the id that was asked for, where this answers a query; else the one that stands in `payload`.
        url: that was asked.
        server: as the answer's header names it.
        via: the proxy on the way.
        location: where a redirect leads.
    """
    deciding = code if code is not None and 400 <= code <= 599 else status
    is_json, from_api = bool(payload), is_of_api(payload, code)
    kind = _kind(deciding, is_json=is_json, query=task_id is not None)
    msg = printable(_message(payload) if is_json else pages.title(body))
    where = f"HTTP {status}" if code in (None, status) else f"code {code}, HTTP {status}"
    if request_id:
        where += f", request {request_id}"
    if not from_api:
        where += f", {pages.origin(body, server)}{f', through the proxy {via}' if via else ''}"
    words = msg or ("no reason given" if is_json else pages.phrase(status))
    nowhere = deciding == 404 and task_id is None and not (from_api and "model" in msg.lower())
    hint = _hint(deciding, status, is_json=is_json, nowhere=nowhere, url=url, location=location)
    return kind(
        f"{words} ({where}){f'; {hint}' if hint else ''}",
        status=status,
        code=code,
        msg=msg,
        request_id=request_id,
        task_id=task_id or _named(payload),
        body=body,
        retry_after=retry_after,
        from_api=from_api,
    )


def _kind(deciding: int, *, is_json: bool, query: bool) -> type[APIError]:
    if deciding in _OF_ANY_SENDER:
        return _OF_ANY_SENDER[deciding]
    if 500 <= deciding <= 599 or (deciding == MAINTENANCE and is_json):
        return ServerError
    if (not is_json and deciding != 429) or (deciding == 404 and not query):
        return APIError
    return _BY_CODE.get(deciding, APIError)


def _hint(deciding: int, status: int, *, is_json: bool, nowhere: bool, url: str, location: str) -> str:
    if status // 100 == 3:
        led = f" from {url}" if url else ""
        led += f" to {location[:_LONGEST_LOCATION]}" if location else ""
        return f"redirects of the API are not followed{led and f' (here{led})'}: check base_url"
    if nowhere:
        return f"nothing is served at {url or 'that URL'}: check base_url"
    if deciding in _HINTS_FOR_ALL:
        return _HINTS_FOR_ALL[deciding]
    return (_HINTS if is_json else _HINTS_WITHOUT_JSON).get(deciding, "")


def _data_of(payload: dict[str, Any]) -> dict[str, object]:
    data: object = payload.get("data")
    return cast("dict[str, object]", data) if isinstance(data, dict) else {}


def _named(payload: dict[str, Any]) -> str | None:
    """The task id that a refusal names."""
    return text(id_value(_data_of(payload)) or id_value(payload))


def _message(payload: dict[str, Any]) -> str:
    """The server's own words, under the names that are seen: the contract's ``msg`` first."""
    data = _data_of(payload)
    for candidate in (
        *map(payload.get, ("msg", "message", "error", "detail", "errors", "failMsg")),
        *map(data.get, ("failMsg", "error", "message", "msg")),
        text(data.get("failCode")),
        payload.get("data") if isinstance(payload.get("data"), str) else None,
    ):
        if words := error_words(candidate):
            return words
    return ""


def refusal_codes(payload: dict[str, Any]) -> str:
    """What else says why in a refusal: ``failCode`` and ``failMsg``, and the ``code`` of an ``error``."""
    error: object = payload.get("error")
    inner = cast("dict[str, object]", error) if isinstance(error, dict) else {}
    fields = [source.get(name) for source in (_data_of(payload), payload) for name in ("failCode", "failMsg")]
    return " ".join(value for value in (*fields, inner.get("code")) if isinstance(value, str))
