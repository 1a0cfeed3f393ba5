"""The error for an answer that is a refusal, in the server's words. Pure."""

from typing import Any, cast

from apimodels_async.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    InsufficientCreditsError,
    RateLimitError,
    ServerError,
    TaskNotFoundError,
)

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


def refusal(
    payload: dict[str, Any],
    *,
    status: int,
    code: int | None,
    request_id: str | None,
    retry_after: float | None,
    body: str,
    task_id: str | None,
) -> APIError:
    """The error for a refusal.

    Args:
        payload: the answer's JSON object, empty where there is none.
        status: of HTTP.
        code: of the envelope, where there is one.
        request_id: by which the vendor finds the request again.
        retry_after: seconds the server asks to be left alone.
        body: the whole answer as text.
        task_id: the id that was asked for; else the one that stands in `payload`.
    """
    deciding = code if code is not None and 400 <= code <= 599 else status
    kind = ServerError if 500 <= deciding <= 599 else _BY_CODE.get(deciding, APIError)
    msg = _message(payload)
    where = f"HTTP {status}" if code in (None, status) else f"code {code}, HTTP {status}"
    hint = f"; {_HINTS[deciding]}" if deciding in _HINTS else ""
    if status // 100 == 3:
        hint = "; redirects of the API are not followed: check base_url"
    return kind(
        f"{msg or 'no reason given'} ({where}{f', request {request_id}' if request_id else ''}){hint}",
        status=status,
        code=code,
        msg=msg,
        request_id=request_id,
        task_id=task_id or _named(payload),
        body=body,
        retry_after=retry_after,
    )


def _named(payload: dict[str, Any]) -> str | None:
    """The task id that a refusal names."""
    data: object = payload.get("data")
    named = cast("dict[str, object]", data).get("taskId") if isinstance(data, dict) else None
    return str(named) if isinstance(named, str | int) and not isinstance(named, bool) and named != "" else None


def _message(payload: dict[str, Any]) -> str:
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
