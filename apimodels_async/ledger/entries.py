"""What a ledger holds of one request, how it may change, and what it means for a later run. Pure.

What the steps of an entry's life say, and what may follow, stands beside `Step` and in `FOLLOWS`.
A crash leaves an entry where it was written last. ``sending`` is then as good as ``unknown``.
"""

import json
from collections.abc import Mapping
from enum import Enum, StrEnum
from typing import Any, NamedTuple

from attrs import evolve

from apimodels_async._wire.converter import task_from_dict
from apimodels_async.models import Task


class Step(StrEnum):
    """How far an entry is: what is certain about it."""

    INTENT = "intent"
    """Nothing was sent."""
    SENDING = "sending"
    """The first byte may have left."""
    CREATED = "created"
    """The server accepted it, and the task id is known."""
    DONE = "done"
    """Completed: the links are known."""
    SAVED = "saved"
    """The pictures are on the disk, and their sums are known."""
    FAILED = "failed"
    """The task failed, which is not billed."""
    REJECTED = "rejected"
    """The server refused, and nothing was started."""
    UNKNOWN = "unknown"
    """The server may have accepted it. Only a person can decide."""
    ABANDONED = "abandoned"
    """A person decided that nobody wants it any more."""


FOLLOWS: Mapping[Step, frozenset[Step]] = {
    Step.INTENT: frozenset({Step.SENDING, Step.REJECTED}),
    Step.SENDING: frozenset(
        {Step.INTENT, Step.CREATED, Step.REJECTED, Step.UNKNOWN, Step.ABANDONED}  # intent: provably not taken
    ),
    Step.CREATED: frozenset({Step.DONE, Step.FAILED}),
    Step.DONE: frozenset({Step.SAVED}),
    Step.SAVED: frozenset({Step.DONE}),  # a file is gone or torn: it is downloaded again
    Step.FAILED: frozenset({Step.SENDING}),  # tried once more
    Step.REJECTED: frozenset({Step.SENDING}),
    Step.UNKNOWN: frozenset({Step.INTENT, Step.ABANDONED, Step.CREATED}),  # by `resolve`, or found by its callback
    Step.ABANDONED: frozenset({Step.INTENT}),
}
"""What may come after each step."""


def steps_before(step: Step) -> frozenset[Step]:
    """From where an entry may come to `step`, or stay there.

    There is no staying at ``sending``: whoever finds an entry there would be the second to send it.
    """
    before = frozenset(each for each, following in FOLLOWS.items() if step in following)
    return before if step is Step.SENDING else before | {step}


class SavedFile(NamedTuple):
    """A picture on the disk.

    Attributes:
        path: where it was saved.
        sha256: of its bytes, in hexadecimal.
    """

    path: str
    sha256: str


class Entry(NamedTuple):
    """One request of a ledger.

    Attributes:
        key: names it within the ledger.
        digest: of the request's content; two entries with the same content differ in their keys.
        model: the model id it was sent with.
        request: its fields as they are sent, pictures as digests, no callback URL.
        step: how far it is.
        task: the task, once there is one.
        files: where its pictures are.
        error: why it failed, was rejected or is unknown, in words.
        changed: when it was written last, epoch seconds.
        intent_id: of the callback that its last create ordered, if it did: the way to a task whose id was lost.
    """

    key: str
    digest: str
    model: str
    request: Mapping[str, Any]
    step: Step
    task: Task | None = None
    files: tuple[SavedFile, ...] = ()
    error: str | None = None
    changed: float = 0.0
    intent_id: str | None = None


class Plan(Enum):
    """What a run has to do about a request."""

    SUBMIT = "send it"
    WATCH = "the server has it: only ask"
    REPORT_UNKNOWN = "only a person can decide"
    HAND_OVER = "it has ended: tell how"


def plan(step: Step | None) -> Plan:
    """What to do about a request whose entry is at `step` (``None``: it has no entry)."""
    match step:
        case None | Step.INTENT | Step.REJECTED:
            return Plan.SUBMIT
        case Step.CREATED:
            return Plan.WATCH
        case Step.SENDING | Step.UNKNOWN:
            return Plan.REPORT_UNKNOWN
        case Step.DONE | Step.SAVED | Step.FAILED | Step.ABANDONED:
            return Plan.HAND_OVER


def key_of(digest: str, occurrence: int) -> str:
    """The key of the `occurrence`-th request (from 0) with this content in one input."""
    return f"{digest[:32]}#{occurrence}"


def task_to_json(task: Task) -> str:
    """A task as a ledger keeps it: without pictures in it, and without `Task.raw`.

    An answer may quote the request, with its pictures and the token in its callback URL.
    """
    links = tuple(url for url in task.result_urls if not url.startswith("data:"))
    fields = evolve(task, result_urls=links, raw={}).to_dict()
    del fields["raw"]
    return json.dumps(fields)


def task_from_json(text: str) -> Task:
    """The reverse of `task_to_json`.

    Raises:
        ValueError, KeyError, TypeError: it is none.
    """
    return task_from_dict(json.loads(text))
