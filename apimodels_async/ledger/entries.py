"""What a ledger holds of one request, how it may change, and what it means for a later run. Pure.

`Step` says what is certain about an entry, and `FOLLOWS` which step may come after which. A crash leaves an entry at
the step that was written last; ``sending`` then means the same as ``unknown``.
"""

import json
from collections.abc import Mapping
from enum import Enum, StrEnum
from functools import cache
from typing import Any, NamedTuple

from attrs import fields

from apimodels_async._json_values import json_value
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
    """The pictures are on the disk, and their sha256 sums are known."""
    FAILED = "failed"
    """The task failed, which is not billed."""
    REJECTED = "rejected"
    """The server refused, and nothing was started."""
    UNKNOWN = "unknown"
    """The server may have accepted it. Only a person can decide."""
    ABANDONED = "abandoned"
    """A person decided that it is no longer wanted."""


IN_WORDS: Mapping[Step, str] = {
    Step.INTENT: "not sent yet",
    Step.SENDING: "cut off while being sent",
    Step.CREATED: "under way at the server",
    Step.DONE: "completed, not saved",
    Step.SAVED: "completed and saved",
    Step.FAILED: "failed",
    Step.REJECTED: "refused by the server",
    Step.UNKNOWN: "unknown",
    Step.ABANDONED: "abandoned by you",
}
"""What each step is called before people, in the order of an entry's life."""

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


@cache
def steps_before(step: Step) -> frozenset[Step]:
    """The steps from which an entry may move to `step`. It may also stay there, except at ``sending``.

    A second mark at ``sending`` would mean a second create request for the same entry.
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
        key: its name within the ledger.
        digest: sha256 of the request's content; two entries with the same content differ in their keys.
        model: the model id it was sent with.
        request: its fields as they are sent, pictures as digests, without the callback URL.
        step: how far it is.
        task: the task, once there is one.
        files: where its pictures are.
        error: why it failed, was rejected or is unknown, in words.
        changed: when it was written last, epoch seconds.
        intent_id: of the callback that its last create request ordered, if it did: it leads to a task whose id was
            lost.
        server: the service that it belongs to, as `server_identity` names it; ``None`` in a ledger of an older version
            that no run has opened since.
        attempt: of its last mark at ``sending``, where several processes share the ledger.
        name: what its pictures are called, if a name was chosen: ``{index}`` stands for the number of a picture.
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
    server: str | None = None
    attempt: int | None = None
    name: str | None = None


class Plan(Enum):
    """What a run has to do about a request."""

    SUBMIT = "send it"
    WATCH = "the server has it: only query it"
    REPORT_UNKNOWN = "only a person can decide"
    RETURN = "it has ended: return its outcome"


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
            return Plan.RETURN


def is_open_to_decision(entry: Entry) -> bool:
    """Whether a person can decide about an entry.

    Its outcome is unknown, the server does not know its task, or a person has decided about it already and no run has
    acted on that yet: a decision may be a slip. An ``error`` at ``intent`` or ``created`` says which of these it is.
    """
    match entry.step:
        case Step.SENDING | Step.UNKNOWN | Step.ABANDONED:
            return True
        case Step.INTENT:
            return entry.error is not None
        case Step.CREATED:
            return entry.error is not None or is_by_hand(entry)
        case _:
            return False


def is_by_hand(entry: Entry) -> bool:
    """Whether the task id of an entry came from a person, and no run has seen it at the server yet."""
    return entry.step is Step.CREATED and entry.task is not None and entry.task.state == ""


def key_of(digest: str, occurrence: int) -> str:
    """The key of the `occurrence`-th request (from 0) with this content in one input."""
    return f"{digest[:32]}#{occurrence}"


_TASK_FIELDS = tuple(each.name for each in fields(Task) if each.name not in ("raw", "result_urls"))


def task_fields(task: Task) -> dict[str, Any]:
    """A task as a ledger keeps it: without `Task.raw`, and without the pictures that came inside the answer.

    An answer may quote the request, with its pictures and the token in its callback URL.
    """
    kept = {name: json_value(getattr(task, name)) for name in _TASK_FIELDS}
    kept["result_urls"] = [url for url in task.result_urls if not url.startswith("data:")]
    return kept


def task_to_json(task: Task) -> str:
    """`task_fields` as text."""
    return json.dumps(task_fields(task))


def task_from_json(text: str) -> Task:
    """The reverse of `task_to_json`. A field that an older version did not keep has its default.

    Raises:
        ValueError, KeyError, TypeError: the text is not a task.
    """
    return task_from_dict(json.loads(text))
