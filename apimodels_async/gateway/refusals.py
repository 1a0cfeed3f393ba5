"""The gateway's one way to say no."""

import json

__all__ = ["Refusal", "quoted"]

_LONG = 80


class Refusal(Exception):  # noqa: N818  (an answer, not an error of the gateway)
    """The gateway says no.

    Attributes:
        code: the HTTP status, and the envelope's ``code``.
        message: the envelope's ``msg``.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def quoted(value: object) -> str:
    """`value` as it stood in the request, cut short where it is long."""
    text = json.dumps(value)
    return text if len(text) <= _LONG else f"{text[:_LONG]}..."
