"""What a call says, and when it is tried again, as the page has it."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimodels_async.gateway.tasks import TaskRecord
from apimodels_async.gateway.triggers import FAILURE_TRIGGERS, Behaviour, Failure
from apimodels_async.gateway.webhooks import (
    BACKGROUND,
    INTERVAL,
    SPREAD,
    DeliveryProgress,
    Webhook,
    first_progress,
    next_progress,
    webhook_body,
)

CREATED, ENDED = 1_705_123_450_000, 1_705_123_465_000


def told(failure: Failure | None = None) -> dict[str, Any]:
    task = TaskRecord(
        id="clxxx",
        model="grok-image/grok-4.2-image",
        n=2,
        output_format="png",
        created=CREATED,
        started=CREATED + 1500,
        ended=ENDED,
        failure=failure,
    )
    request = '{"model": "grok-4.2-image", "prompt": "a fox"}'
    url = "http://127.0.0.1/"
    webhook = Webhook(task=task, url=url, origin="http://here", request=request, progress=DeliveryProgress(due=ENDED))
    body: dict[str, Any] = json.loads(webhook_body(webhook))
    return body


def test_the_body_is_the_pages() -> None:
    assert told() == {
        "code": 200,
        "msg": "success",
        "data": {
            "taskId": "clxxx",
            "model": "grok-image/grok-4.2-image",
            "state": "completed",
            "param": '{"model": "grok-4.2-image", "prompt": "a fox"}',
            "resultJson": '{"resultUrls": ["http://here/results/clxxx-0.png", "http://here/results/clxxx-1.png"]}',
            "failCode": None,
            "failMsg": None,
            "costTime": 15_000,
            "completeTime": ENDED,
            "createTime": CREATED,
        },
    }


def test_the_fields_are_in_the_pages_order() -> None:
    assert list(told()["data"]) == [
        *("taskId", "model", "state", "param", "resultJson", "failCode", "failMsg"),
        *("costTime", "completeTime", "createTime"),
    ]


@pytest.mark.parametrize(
    ("word", "result"),
    [("contraband", None), ("brownout", '{"resultUrls": []}'), ("standstill", '{"resultUrls": []}')],
)
def test_a_failed_task_has_no_link_and_says_why(word: str, result: str | None) -> None:
    failure = FAILURE_TRIGGERS[word]
    data = told(failure)["data"]
    assert (data["state"], data["resultJson"]) == ("failed", result)
    assert (data["failCode"], data["failMsg"]) == (failure.code, failure.message)
    assert (data["costTime"], data["completeTime"]) == (15_000, ENDED)


def test_a_call_begins_when_the_task_ends() -> None:
    assert first_progress(ENDED, frozenset()) == DeliveryProgress(due=ENDED)
    assert first_progress(ENDED, frozenset({Behaviour.EARLY, Behaviour.LOST})) == DeliveryProgress(due=ENDED)
    assert first_progress(ENDED, frozenset({Behaviour.LATE, Behaviour.TWICE})) == DeliveryProgress(
        due=ENDED + 10_000, owed=2
    )
    assert first_progress(ENDED, frozenset({Behaviour.NEVER, Behaviour.TWICE})) is None


def test_it_is_tried_again_after_1_2_and_4_seconds_and_then_in_the_background_for_30_minutes() -> None:
    progress, now, waits = DeliveryProgress(due=ENDED), ENDED, list[int]()
    while progress.due is not None:
        now = progress.due
        progress = next_progress(progress, succeeded=False, now=now, rng=Random(1))
        waits.append((progress.due or now) - now)
    assert waits[:3] == [1_000, 2_000, 4_000]
    assert waits.pop() == 0
    assert all(INTERVAL - SPREAD <= wait <= INTERVAL + SPREAD for wait in waits[3:])
    assert BACKGROUND - INTERVAL - SPREAD < sum(waits[3:]) <= BACKGROUND
    assert (progress.owed, progress.failures) == (1, len(waits) + 1)


def test_a_2xx_ends_it_at_any_time() -> None:
    for failures in range(6):
        progress = DeliveryProgress(due=ENDED, failures=failures, until=ENDED)
        assert next_progress(progress, succeeded=True, now=ENDED, rng=Random()) == DeliveryProgress(due=None, owed=0)


def test_a_second_call_begins_as_if_it_were_the_first() -> None:
    progress = DeliveryProgress(due=ENDED, owed=2, failures=5, until=ENDED + 1)
    assert next_progress(progress, succeeded=True, now=ENDED, rng=Random()) == DeliveryProgress(due=ENDED, owed=1)


def test_what_is_due_since_the_gateway_was_off_is_tried_once_before_it_is_given_up() -> None:
    progress = DeliveryProgress(due=ENDED, failures=7, until=ENDED + BACKGROUND)
    later = next_progress(progress, succeeded=False, now=ENDED + 10 * BACKGROUND, rng=Random())
    assert (later.due, later.owed, later.failures) == (None, 1, 8)


@given(st.lists(st.booleans(), max_size=100), st.integers(1, 2), st.randoms())
def test_a_call_ends_whatever_happens(outcomes: list[bool], owed: int, rng: Random) -> None:
    progress = DeliveryProgress(due=ENDED, owed=owed)
    for succeeded in outcomes:
        if progress.due is None:
            break
        now = progress.due
        progress = next_progress(progress, succeeded=succeeded, now=now, rng=rng)
        assert progress.due is None or progress.due >= now
        assert progress.owed >= 0
        assert (progress.owed == 0) <= (progress.due is None)
    assert progress.failures <= 4 + BACKGROUND // (INTERVAL - SPREAD)
