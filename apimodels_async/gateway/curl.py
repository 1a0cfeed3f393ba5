"""The curl lines that do what a request of the log, or a callback, did. Pure."""

import json
import shlex
from typing import cast

from apimodels_async._text import visible

__all__ = ["create_line", "post_line", "request_line"]

_PICTURES = ("image", "images", "mask")
_PLACEHOLDER = "BASE64_ENCODED_IMAGE"


def request_line(method: str, url: str, *, key: str | None, content_type: str = "", body: str | None = None) -> str:
    """The line for any request.

    Args:
        method: its method.
        url: the whole URL.
        key: the API key as it is to be written; ``None`` if the request needs none.
        content_type: of the body; empty if there was none.
        body: the body; ``None`` if it was too long to keep, or no text.
    """
    parts = ["curl", *(() if method == "GET" else ("-X", method)), _quoted(url)]
    lines = [" ".join(parts)]
    if key is not None:
        lines.append(f'-H "Authorization: Bearer {key}"')
    if content_type.startswith("multipart/form-data"):
        lines.append("-F file=@picture.png")
    elif content_type:
        lines.append(f"-H {_quoted(f'Content-Type: {content_type}')}")
        lines.append("--data-binary @body" if body is None else f"-d {_quoted(body)}")
    return " \\\n  ".join(lines)


def create_line(base_url: str, request: str, *, key: str) -> str:
    """The line for a create request, from its record, in which pictures are only mentioned."""
    fields = cast("dict[str, object]", json.loads(request))
    body = json.dumps({name: _replaced(name, value) for name, value in fields.items()}, ensure_ascii=False)
    return request_line(
        "POST", f"{base_url}/images/generations", key=key, content_type="application/json", body=visible(body)
    )


def post_line(url: str, body: bytes) -> str:
    """The line that posts a callback again."""
    return request_line("POST", url, key=None, content_type="application/json", body=body.decode())


def _replaced(name: str, value: object) -> object:
    if name not in _PICTURES:
        return value
    if isinstance(value, list):
        return [_replaced(name, each) for each in cast("list[object]", value)]
    return _PLACEHOLDER if isinstance(value, str) and value.startswith("<") else value


def _quoted(text: str) -> str:
    """`text` as one word of a shell. What cannot be seen is a JSON escape already, or becomes one."""
    return shlex.quote(visible(text))
