"""Words in a prompt that cause faults, so that a program's handling of them can be tested.

Whole words count, in any case: "CONTRABAND!" does, "contrabands" does not.

`FAILURE_TRIGGERS` make the task fail. The first word of the table that is in the prompt decides. Such a task is
accepted, takes its time like any other, fails at the end of it and is not billed.

`FAULT_TRIGGERS` make the create request fail, each time, before a task is accepted (`deadair`: after).

`BEHAVIOUR_TRIGGERS` change the webhook, or the answer to the create request, whatever the task's result. They add up.
"""

import re
from collections.abc import Mapping
from enum import Enum

from attrs import frozen

from apimodels_async.gateway.faults import Fault

__all__ = [
    "BEHAVIOUR_TRIGGERS",
    "FAILURE_TRIGGERS",
    "FAULT_TRIGGERS",
    "LATENESS",
    "Behaviour",
    "Failure",
    "behaviours_of",
    "failure_of",
    "fault_of",
]


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


FAILURE_TRIGGERS: Mapping[str, Failure] = {
    "contraband": Failure("CONTENT_MODERATION", "Content policy violation", retryable=False),
    "brownout": Failure("UPSTREAM_BUSY", "The upstream provider is busy", retryable=True),
    "standstill": Failure("TIMEOUT", "The upstream provider did not answer in time", retryable=True),
}
"""The words and what they do."""


LATENESS = 10_000
"""Milliseconds from the end of a task to a webhook that is late."""


class Behaviour(Enum):
    """How a webhook, or the answer to a create request, can differ from the usual."""

    LATE = "the webhook is sent 10 s late"
    TWICE = "the webhook is sent again after a 2xx"
    EARLY = "the answer to the create request waits for the first attempt of the webhook"
    NEVER = "no webhook is sent"
    LOST = "the create request is accepted, and the connection closed without an answer"


BEHAVIOUR_TRIGGERS: Mapping[str, Behaviour] = {
    "latecomer": Behaviour.LATE,
    "doppelganger": Behaviour.TWICE,
    "harbinger": Behaviour.EARLY,
    "absentee": Behaviour.NEVER,
    "castaway": Behaviour.LOST,
}
"""The words and what they do."""


FAULT_TRIGGERS: Mapping[str, Fault] = {
    "turnstile": Fault.RATE_LIMIT,
    "meltdown": Fault.SERVER_ERROR,
    "overweight": Fault.TOO_LARGE,
    "deadair": Fault.SILENCE,
    "guillotine": Fault.DROP,
    "dialect": Fault.STATE,
}
"""The words, and the fault that they cause."""


def _words(prompt: str) -> set[str]:
    return set(re.findall(r"\w+", prompt.lower()))


def failure_of(prompt: str) -> Failure | None:
    """How a task with this prompt fails, or ``None`` if it does not."""
    words = _words(prompt)
    return next((failure for word, failure in FAILURE_TRIGGERS.items() if word in words), None)


def behaviours_of(prompt: str) -> frozenset[Behaviour]:
    """How the webhook, or the answer, of a task with this prompt differs from the usual."""
    return frozenset(BEHAVIOUR_TRIGGERS[word] for word in _words(prompt) & BEHAVIOUR_TRIGGERS.keys())


def fault_of(prompt: str) -> Fault | None:
    """The fault that a create request with this prompt has, or ``None``. The first of the table decides."""
    words = _words(prompt)
    return next((fault for word, fault in FAULT_TRIGGERS.items() if word in words), None)
