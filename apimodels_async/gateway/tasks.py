"""A task's states, as pure rules of the clock.

Everything about a task is settled when it is made: when it starts, when it ends, and how. Nothing runs in between, so
ten thousand tasks in flight are ten thousand rows and nothing else; a query is answered from the times and the clock:

    created ──pending──▶ started ──processing──▶ ended ──completed or failed, for good

All times are epoch milliseconds.
"""

import json
from enum import StrEnum

from attrs import frozen

from apimodels_async.gateway.triggers import Failure

__all__ = ["DAY", "QUEUED_PART", "RETENTION", "State", "TaskRecord", "result_urls", "schedule", "state_of", "task_data"]

QUEUED_PART = 0.1
"""The part of a task's duration that it is pending."""

DAY = 24 * 3600 * 1000
RETENTION = 7 * DAY
"""Milliseconds that a picture is kept after its task has ended, or a hosted file after its upload, unless the gateway
is configured otherwise."""

Json = dict[str, object]


class State(StrEnum):
    """The states of the contract."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


_DIALECT = {
    State.PENDING: "waiting",
    State.PROCESSING: "generating",
    State.COMPLETED: "success",
    State.FAILED: "fail",
}
"""The words of kie.ai, to which some models are forwarded."""


@frozen(kw_only=True)
class TaskRecord:
    """One task as it was settled when it was made.

    Attributes:
        id: the task id.
        model: the model's full id.
        n: how many pictures it makes.
        output_format: "png", "jpeg" or "webp".
        created: when it was accepted, epoch ms.
        started: when it stops being pending, epoch ms.
        ended: when it completes or fails, epoch ms.
        failure: how it fails; ``None`` if it completes.
        edit: whether it works on pictures.
        dialect: whether its states are reported in the words of another family of services.
        over: whether it was seen to have ended: then it has, whatever the clock says later.
    """

    id: str
    model: str
    n: int
    output_format: str
    created: int
    started: int
    ended: int
    failure: Failure | None
    edit: bool = False
    dialect: bool = False
    over: bool = False


def schedule(created: int, duration: float) -> tuple[int, int]:
    """When a task made at `created` (epoch ms) that takes `duration` seconds starts and ends (epoch ms)."""
    return created + round(duration * 1000 * QUEUED_PART), created + round(duration * 1000)


def state_of(task: TaskRecord, now: int) -> State:
    """The task's state at `now` (epoch ms)."""
    if task.over or now >= task.ended:
        return State.COMPLETED if task.failure is None else State.FAILED
    return State.PROCESSING if now >= task.started else State.PENDING


def result_urls(task: TaskRecord, origin: str) -> list[str]:
    """The URLs of the task's pictures. `origin` is where the gateway's links start."""
    return [f"{origin}/results/{task.id}-{index}.{task.output_format}" for index in range(task.n)]


def task_data(task: TaskRecord, state: State, origin: str) -> Json:
    """The ``data`` of a query's answer in this state. `origin` is where the links to the pictures start."""
    kind = "IMAGE_TO_IMAGE" if task.edit else "TEXT_TO_IMAGE"
    word = _DIALECT[state] if task.dialect else state.value
    data: Json = {"taskId": task.id, "state": word, "model": task.model, "modelType": kind}
    if state is State.COMPLETED:
        urls = result_urls(task, origin)
        data |= {"resultJson": json.dumps({"resultUrls": urls})} if task.dialect else {"resultUrls": urls}
        data["createTime"] = task.created
        data["completeTime"] = task.ended
    elif state is State.FAILED and task.failure is not None:
        data["failMsg"] = task.failure.message
        data["failCode"] = task.failure.code
        data["retryable"] = task.failure.retryable
    return data
