"""The exception by which a request is refused."""

import json
from collections.abc import Mapping

__all__ = ["Refusal", "quoted"]

_LONG = 80


class Refusal(Exception):  # noqa: N818  (an answer, not an error of the gateway)
    """The request is refused.

    Attributes:
        code: the HTTP status, and the envelope's ``code``.
        message: the envelope's ``msg``.
        headers: headers of the answer.
    """

    def __init__(self, code: int, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.headers = headers


def quoted(value: object) -> str:
    """`value` as it stood in the request, cut short if it is long."""
    if isinstance(value, str):
        value = value[: _LONG + 1]
    text = json.dumps(value)
    return text if len(text) <= _LONG else f"{text[:_LONG]}..."
