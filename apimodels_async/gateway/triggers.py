"""Words in a prompt that make things go wrong, so that a program's handling of that can be tried.

Whole words count, in any case: "CONTRABAND!" does, "contrabands" does not.

`WORDS` make the task fail. The first word of the table that is in the prompt decides. Such a task is accepted, takes
its time like any other, fails at the end of it and is not billed.

`ODD_WORDS` make its call, or the create's answer, go astray, whatever becomes of the task itself. They add up.
"""

import re
from collections.abc import Mapping
from enum import Enum

from attrs import frozen

__all__ = ["LATENESS", "ODD_WORDS", "WORDS", "Failure", "Oddity", "failure_of", "oddities_of"]


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


LATENESS = 10_000
"""Milliseconds from the end of a task to a call that comes late."""


class Oddity(Enum):
    """What can be odd about a call, or about the answer to a create."""

    LATE = "the call comes 10 s late"
    TWICE = "the call comes again after a 2xx"
    EARLY = "the answer to the create waits for the first attempt of the call"
    NEVER = "there is no call"
    LOST = "the create is accepted, and the connection closed without an answer"


ODD_WORDS: Mapping[str, Oddity] = {
    "latecomer": Oddity.LATE,
    "doppelganger": Oddity.TWICE,
    "harbinger": Oddity.EARLY,
    "absentee": Oddity.NEVER,
    "castaway": Oddity.LOST,
}
"""The words and what they do."""


def _spoken(prompt: str) -> set[str]:
    return set(re.findall(r"\w+", prompt.lower()))


def failure_of(prompt: str) -> Failure | None:
    """How a task with this prompt fails, or ``None`` when it does not."""
    spoken = _spoken(prompt)
    return next((failure for word, failure in WORDS.items() if word in spoken), None)


def oddities_of(prompt: str) -> frozenset[Oddity]:
    """What is odd about the call, or the answer, of a task with this prompt."""
    return frozenset(ODD_WORDS[word] for word in _spoken(prompt) & ODD_WORDS.keys())
