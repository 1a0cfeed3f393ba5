"""The webhook that reports the end of a task, as pure rules: its body, and when it is sent again.

The vendor's page: one POST; if no 2xx is received within 10 s, three more attempts after 1, 2 and 4 s; then a
background job "keeps retrying for up to 30 minutes until your endpoint returns 2xx".

All times are epoch milliseconds.
"""

import json
from random import Random

from attrs import evolve, frozen

from apimodels_async.gateway.tasks import TaskRecord, result_urls
from apimodels_async.gateway.triggers import LATENESS, Behaviour

__all__ = [
    "BACKGROUND",
    "INTERVAL",
    "RETRIES",
    "SPREAD",
    "DeliveryProgress",
    "Webhook",
    "first_progress",
    "next_progress",
    "webhook_body",
]

RETRIES = (1_000, 2_000, 4_000)
"""Milliseconds from a failed attempt to the next one, for the first failures."""
BACKGROUND = 30 * 60 * 1000
"""Milliseconds that the background job continues after those."""
INTERVAL, SPREAD = 30_000, 5_000
"""Milliseconds between two attempts of the background job, and how far each may deviate, either way. The page does not
say; deliveries that failed together should not be repeated together."""


@frozen(kw_only=True)
class DeliveryProgress:
    """The state of a webhook's delivery.

    Attributes:
        due: when the next attempt is made; ``None`` when the delivery has ended.
        owed: how many 2xx are still to be received: 1, or 2 where two deliveries were requested. A delivery that has
            ended with some owed was given up.
        failures: attempts that failed since the last 2xx.
        until: when the background job ends; ``None`` before it has begun.
    """

    due: int | None
    owed: int = 1
    failures: int = 0
    until: int | None = None


@frozen(kw_only=True)
class Webhook:
    """The webhook of a task.

    Attributes:
        task: the task.
        url: where it is posted.
        origin: where the links to the pictures start.
        request: the create request's body as JSON.
        progress: the state of its delivery.
    """

    task: TaskRecord
    url: str
    origin: str
    request: str
    progress: DeliveryProgress


def first_progress(ended: int, behaviours: frozenset[Behaviour]) -> DeliveryProgress | None:
    """The delivery of a new task that ends at `ended`; ``None`` if nothing is to be sent."""
    if Behaviour.NEVER in behaviours:
        return None
    return DeliveryProgress(
        due=ended + LATENESS * (Behaviour.LATE in behaviours), owed=1 + (Behaviour.TWICE in behaviours)
    )


def next_progress(progress: DeliveryProgress, *, succeeded: bool, now: int, rng: Random) -> DeliveryProgress:
    """The state of a delivery after one more attempt, which ended `now`."""
    if succeeded:
        owed = progress.owed - 1
        return DeliveryProgress(due=now if owed else None, owed=owed)
    failed = evolve(progress, failures=progress.failures + 1)
    if progress.failures < len(RETRIES):
        return evolve(failed, due=now + RETRIES[progress.failures])
    until = now + BACKGROUND if progress.until is None else progress.until
    due = now + round(INTERVAL + rng.uniform(-SPREAD, SPREAD))
    return evolve(failed, due=due if due <= until else None, until=until)


def webhook_body(webhook: Webhook) -> bytes:
    """The body. ``param`` and ``resultJson`` are JSON inside of JSON, as on the page.

    "When state=failed, resultJson is typically null or {"resultUrls":[]}": both are sent, so that a receiver meets
    both: null where the failure is not retryable, the empty list where it is.
    """
    task, failure = webhook.task, webhook.task.failure
    urls = result_urls(task, webhook.origin) if failure is None else []
    data: dict[str, object] = {
        "taskId": task.id,
        "model": task.model,
        "state": "completed" if failure is None else "failed",
        "param": webhook.request,
        "resultJson": None if failure is not None and not failure.retryable else json.dumps({"resultUrls": urls}),
        "failCode": None if failure is None else failure.code,
        "failMsg": None if failure is None else failure.message,
        "costTime": task.ended - task.created,
        "completeTime": task.ended,
        "createTime": task.created,
    }
    return json.dumps({"code": 200, "msg": "success", "data": data}).encode()
