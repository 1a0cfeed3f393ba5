"""Faults of the service, by a word in the prompt and by rate."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from apimodels_async.gateway import DEFAULT_API_KEY, LocalGateway
from apimodels_async.gateway.faults import SILENCE, Fault, FaultRates
from apimodels_async.gateway.triggers import FAULT_TRIGGERS, fault_of

CREATE = ("POST", "/images/generations")


def body(word: str) -> dict[str, str]:
    return {"model": "grok-4.2-image", "prompt": f"the {word.upper()}!"}


@pytest.mark.parametrize("word", FAULT_TRIGGERS)
def test_a_whole_word_counts_in_any_case(word: str) -> None:
    assert fault_of(f"a {word.title()}, please") is FAULT_TRIGGERS[word]
    assert fault_of(f"{word}s") is None
    assert set(FAULT_TRIGGERS.values()) == set(Fault)


def test_429_says_when_to_try_again(desk: Any) -> None:
    answer = desk.ask(*CREATE, json=body("turnstile"))
    assert (answer.status_code, answer.json()) == (429, {"code": 429, "msg": "too many requests", "data": None})
    assert answer.headers["retry-after"] == "1"


def test_500_and_413(desk: Any) -> None:
    assert desk.ask(*CREATE, json=body("meltdown")).json() == {"code": 500, "msg": "server error", "data": None}
    answer = desk.ask(*CREATE, json=body("overweight"))
    assert (answer.status_code, answer.headers["content-type"]) == (413, "text/plain; charset=utf-8")
    assert "FUNCTION_PAYLOAD_TOO_LARGE" in answer.text
    assert desk._portal.call(desk.app.state.store.ask, count) == 0


def count(store: Any) -> int:
    return int(store.db.execute("SELECT count(*) FROM tasks").fetchone()[0])


def test_524_comes_after_100_seconds_and_the_task_is_accepted(desk: Any) -> None:
    start = desk.clock()
    answer = desk.ask(*CREATE, json=body("deadair"))
    assert answer.status_code == 524
    assert desk.clock() - start >= SILENCE == 100
    assert "json" not in answer.headers["content-type"]
    assert desk._portal.call(desk.app.state.store.ask, count) == 1


def test_a_dropped_connection_has_no_answer_and_no_task(painter: Any) -> None:
    headers = {"Authorization": f"Bearer {DEFAULT_API_KEY}"}
    with (
        LocalGateway(paint=painter, latency="0/0") as gateway,
        httpx.Client(base_url=gateway.base_url, headers=headers, trust_env=False, timeout=60) as client,
    ):
        with pytest.raises(httpx.TransportError):
            client.post("/images/generations", json=body("guillotine"))
        assert client.get("/balance").json()["data"]["balance"] == 10.0


def test_rates_are_kept(opened: Callable[..., Any]) -> None:
    desk = opened(faults="429:0.2,500:0.1", rng=random.Random(5))
    seen = Counter(desk.ask("GET", "/balance").status_code for _ in range(500))
    assert set(seen) == {200, 429, 500}
    assert 70 <= seen[429] <= 130
    assert 30 <= seen[500] <= 70


def test_the_rate_of_other_states_is_of_tasks(opened: Callable[..., Any]) -> None:
    desk = opened(faults="state:0.5", rng=random.Random(5))
    seen = Counter(desk.query(desk.create()["taskId"])["state"] for _ in range(100))
    assert set(seen) == {"pending", "waiting"}
    assert 30 <= seen["waiting"] <= 70


def test_a_request_without_a_key_is_answered_401_and_not_by_chance(opened: Callable[..., Any]) -> None:
    desk = opened(faults="500:1")
    assert desk.ask("GET", "/balance", headers={"Authorization": "no"}).status_code == 401
    assert desk.ask("GET", "/balance").status_code == 500


@pytest.mark.parametrize("text", ["", " ", "429:0", "429:0.5,500:0.5", " drop : 1 "])
def test_rates_that_make_sense_are_read(text: str) -> None:
    assert sum(FaultRates.parse(text).rates.values()) <= 1


@pytest.mark.parametrize("text", ["429", "418:0.1", "429:x", "429:-1", "429:2", "429:nan", "429:0.6,500:0.6", "0.5"])
def test_rates_that_make_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="faults"):
        FaultRates.parse(text)
