"""The call that tells the end of a task, as pure rules: what it says, and when it is tried again.

The vendor's page: one POST; if no 2xx answers within 10 s, three more attempts after 1, 2 and 4 s; then a background
job "keeps retrying for up to 30 minutes until your endpoint returns 2xx".

All times are epoch milliseconds.
"""

import json
from random import Random

from attrs import evolve, frozen

from apimodels_async.gateway.tasks import Task, result_urls
from apimodels_async.gateway.triggers import LATENESS, Oddity

__all__ = ["BACKGROUND", "INTERVAL", "RETRIES", "SPREAD", "Call", "Progress", "after", "beginning", "body_of"]

RETRIES = (1_000, 2_000, 4_000)
"""Milliseconds from a failed attempt to the next one, for the first of them."""
BACKGROUND = 30 * 60 * 1000
"""Milliseconds that the background job goes on once those are used up."""
INTERVAL, SPREAD = 30_000, 5_000
"""Milliseconds between two attempts of the background job, and how far each may lie off, either way. The page does not
say; calls that failed together should not come back together."""


@frozen(kw_only=True)
class Progress:
    """How far a call has come.

    Attributes:
        due: when it is tried next; ``None`` when it is over.
        owed: how many 2xx it still has to get: 1, or 2 where two calls were ordered. What is over and still owes some
            was given up.
        failures: attempts that failed since the last 2xx.
        until: when the background job ends; ``None`` before it has begun.
    """

    due: int | None
    owed: int = 1
    failures: int = 0
    until: int | None = None


@frozen(kw_only=True)
class Call:
    """The call of a task.

    Attributes:
        task: the task.
        url: where to call.
        origin: where the links to the pictures start.
        request: the create's body as JSON.
        progress: how far it has come.
    """

    task: Task
    url: str
    origin: str
    request: str
    progress: Progress


def beginning(ended: int, oddities: frozenset[Oddity]) -> Progress | None:
    """How the call of a task begins that ends at `ended`; ``None`` if there is to be none."""
    if Oddity.NEVER in oddities:
        return None
    return Progress(due=ended + LATENESS * (Oddity.LATE in oddities), owed=1 + (Oddity.TWICE in oddities))


def after(progress: Progress, *, succeeded: bool, now: int, rng: Random) -> Progress:
    """How far a call has come after one more attempt, which ended `now`."""
    if succeeded:
        owed = progress.owed - 1
        return Progress(due=now if owed else None, owed=owed)
    failed = evolve(progress, failures=progress.failures + 1)
    if progress.failures < len(RETRIES):
        return evolve(failed, due=now + RETRIES[progress.failures])
    until = now + BACKGROUND if progress.until is None else progress.until
    due = now + round(INTERVAL + rng.uniform(-SPREAD, SPREAD))
    return evolve(failed, due=due if due <= until else None, until=until)


def body_of(call: Call) -> bytes:
    """What is posted. ``param`` and ``resultJson`` are JSON inside of JSON, as on the page.

    "When state=failed, resultJson is typically null or {"resultUrls":[]}": both are sent, so that both are met with:
    null where another try is of no use, the empty list where it may be.
    """
    task, failure = call.task, call.task.failure
    urls = result_urls(task, call.origin) if failure is None else []
    data: dict[str, object] = {
        "taskId": task.id,
        "model": task.model,
        "state": "completed" if failure is None else "failed",
        "param": call.request,
        "resultJson": None if failure is not None and not failure.retryable else json.dumps({"resultUrls": urls}),
        "failCode": None if failure is None else failure.code,
        "failMsg": None if failure is None else failure.message,
        "costTime": task.ended - task.created,
        "completeTime": task.ended,
        "createTime": task.created,
    }
    return json.dumps({"code": 200, "msg": "success", "data": data}).encode()
