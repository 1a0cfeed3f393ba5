"""OpenAI's shape: forms with pictures, errors, and which requests are OpenAI's."""

import re
from collections.abc import Mapping

from starlette.datastructures import Headers

from apimodels_async.gateway.multipart import form_parts
from apimodels_async.gateway.refusals import Refusal

__all__ = ["EDITS", "error_object", "form_fields", "speaks_openai", "task_error"]

EDITS = "/images/edits"
"""The path of OpenAI's edits, below every prefix."""

_CLIENTS = re.compile("openai|ai-sdk", re.IGNORECASE)
"""The names by which clients of OpenAI's shape introduce themselves."""
_NUMBERS = frozenset({"n", "seed", "width", "height"})
_TYPES = {401: "authentication_error", 402: "insufficient_quota", 429: "rate_limit_error"}
_CODES = {401: "invalid_api_key", 402: "insufficient_quota", 429: "rate_limit_exceeded"}


def speaks_openai(path: str, headers: Headers) -> bool:
    """Whether a request comes from OpenAI's own client or one like it, or goes to a path that only those have."""
    named = _CLIENTS.search(headers.get("user-agent", ""))
    return path.endswith(EDITS) or "x-stainless-lang" in headers or named is not None


def error_object(code: int, message: str, *, error_code: str | None = None) -> dict[str, object]:
    """The ``error`` of an answer."""
    kind = _TYPES.get(code, "invalid_request_error" if code < 500 else "server_error")
    return {"message": message, "type": kind, "param": None, "code": error_code or _CODES.get(code)}


def task_error(fail_code: str) -> tuple[int, str]:
    """The HTTP status, and the ``code`` of the ``error``, for a task that has failed."""
    return (400, "moderation_blocked") if fail_code == "CONTENT_MODERATION" else (500, fail_code.lower())


def form_fields(body: bytes, boundary: bytes) -> Mapping[str, object]:
    """The form of an edit as the fields of a create request.

    Raises:
        Refusal: it is not a form, or has no image.
    """
    texts, files = form_parts(body, boundary)
    fields: dict[str, object] = {}
    for name, text in texts:
        plain = name.removesuffix("[]")
        number = plain in _NUMBERS and text.isascii() and text.removeprefix("-").isdecimal() and len(text) < 20
        fields[plain] = int(text) if number else text
    images = [data for name, data in files if name in {"image", "image[]"}]
    if not images:
        raise Refusal(400, "image is missing: send one or more form fields image[] with files in them")
    fields["images"] = images
    for name, data in files:
        if name == "mask":
            fields["mask"] = data
    return fields
