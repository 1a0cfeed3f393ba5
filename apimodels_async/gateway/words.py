"""Words in a prompt that make a task fail, so that a program's handling of failures can be tried.

Whole words count, in any case: "CONTRABAND!" does, "contrabands" does not. The first word of the table that is in
the prompt decides. Such a task is accepted, takes its time like any other, fails at the end of it and is not billed.
"""

import re
from collections.abc import Mapping

from attrs import frozen

__all__ = ["WORDS", "Failure", "failure_of"]


@frozen
class Failure:
    """How a task fails.

    Attributes:
        code: the answer's ``failCode``.
        message: the answer's ``failMsg``.
        retryable: the answer's ``retryable``: whether the same request may succeed another time.
    """

    code: str
    message: str
    retryable: bool


WORDS: Mapping[str, Failure] = {
    "contraband": Failure("CONTENT_MODERATION", "Content policy violation", retryable=False),
    "brownout": Failure("UPSTREAM_BUSY", "The upstream provider is busy", retryable=True),
    "standstill": Failure("TIMEOUT", "The upstream provider did not answer in time", retryable=True),
}
"""The words and what they do."""


def failure_of(prompt: str) -> Failure | None:
    """How a task with this prompt fails, or ``None`` when it does not."""
    spoken = set(re.findall(r"\w+", prompt.lower()))
    return next((failure for word, failure in WORDS.items() if word in spoken), None)
