"""One answer of the API, and its envelope ``{"code": 200, "msg": …, "data": {…}}``. Pure.

The envelope's code decides, not the status line.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from apimodels_async._wire import pages
from apimodels_async._wire.parsing import json_object
from apimodels_async._wire.refusals import refusal
from apimodels_async.errors import APIError, ConfigurationError, ProtocolError


class RawResponse(NamedTuple):
    """One HTTP answer, read whole.

    Attributes:
        status: the HTTP status.
        body: the bytes of the body.
        request_id: the header by which the vendor finds the request again.
        retry_after: the value of ``Retry-After`` in seconds.
        cut: whether `body` is only the start of a body that was too long to be read.
        url: of the request.
        server: the value of the ``Server`` header.
        via: the proxy in between, and the environment variable that names it.
        location: the value of the ``Location`` header.
        payload: the body as a JSON object, empty if it is not one; ``None`` if it was not parsed yet.
    """

    status: int
    body: bytes
    request_id: str | None = None
    retry_after: float | None = None
    cut: bool = False
    url: str = ""
    server: str = ""
    via: str = ""
    location: str = ""
    payload: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")


def object_of(answer: RawResponse) -> dict[str, Any]:
    """The answer's JSON object, or an empty one where the body is anything else."""
    return json_object(answer.body) if answer.payload is None else answer.payload


def payload_of(answer: RawResponse, task_id: str | None = None) -> dict[str, Any]:
    """The answer's JSON object, unless it is a refusal.

    The envelope's code decides where there is one, else the status line. To a query, a refusal without a JSON object
    is the page of a proxy, and passes; only redirects, 429 and 5xx say enough by themselves.

    Args:
        answer: the answer.
        task_id: the id that was asked for, where this answers a query.

    Raises:
        APIError: a refusal.
        ProtocolError: neither an object nor a refusal.
    """
    payload = object_of(answer)
    code = envelope_code(payload)
    if code == 200 or (answer.status // 100 == 2 and payload and (code is None or _is_success(code, payload))):
        return payload
    clear = answer.status == 429 or answer.status // 100 in ((3, 5) if task_id is not None else (3, 4, 5))
    if not payload and not clear:
        raise unexpected(f"HTTP {answer.status} without the JSON that the contract promises", answer, task_id)
    raise refusal(
        payload,
        status=answer.status,
        code=code,
        request_id=answer.request_id,
        retry_after=answer.retry_after,
        body=answer.text,
        task_id=task_id,
        url=answer.url,
        server=answer.server,
        via=answer.via,
        location=answer.location,
    )


def _is_success(code: int, payload: Mapping[str, object]) -> bool:
    """Whether a code other than 200 stands for success: some servers write 0, or 201 for what they made."""
    return (code == 0 or code // 100 == 2) and bool(payload.get("data"))


def read_payload(answer: RawResponse) -> dict[str, Any]:
    """The JSON object of an answer to anything but a create request or a query.

    Raises:
        ConfigurationError: 404: there is no API at the base URL.
        APIError: another refusal.
        ProtocolError: neither an object nor a refusal.
    """
    try:
        return payload_of(answer)
    except APIError as error:
        if 404 in (error.status, error.code):
            raise ConfigurationError(str(error)) from error
        raise


def envelope_code(payload: Mapping[str, object]) -> int | None:
    """The ``code`` of an envelope, if it is a number."""
    value = payload.get("code")
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def unexpected(what: str, answer: RawResponse, task_id: str | None = None) -> ProtocolError:
    """The error for an answer outside the contract: `what` it is, and how it begins."""
    text = answer.text
    what = "an answer that is too long to be read" if answer.cut else what
    shown = repr(pages.title(text) or text[:200].strip())
    origin = f", by {answer.server[:200]}" if answer.server else ""
    origin += f", through the proxy {answer.via}" if answer.via else ""
    return ProtocolError(
        f"{what} (HTTP {answer.status}{origin}): {shown}{'…' if len(text) > 200 else ''}",
        body=text,
        status=answer.status,
        task_id=task_id,
    )
