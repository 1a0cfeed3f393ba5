"""Completed tasks draw the balance down, and what cannot be paid is refused."""

from collections.abc import Callable
from typing import Any


def test_a_task_is_paid_when_it_completes(desk: Any) -> None:
    desk.create(n=2)
    desk.clock.advance(14.9)
    assert desk.balance() == 10.0
    desk.clock.advance(0.1)
    assert desk.balance() == 9.94


def test_a_failed_task_is_not_paid(desk: Any) -> None:
    desk.finish("contraband")
    assert desk.balance() == 10.0


def test_a_synchronous_task_is_paid_when_it_answers(desk: Any) -> None:
    desk.create(model="sparkpix-image")
    assert desk.balance() == 9.992


def test_sums_of_small_prices_come_out_even(opened: Callable[..., Any]) -> None:
    desk = opened(balance=0.08)
    for _ in range(10):
        desk.finish(model="gpt-image-2-lite")
    assert desk.balance() == 0.0


def test_what_cannot_be_paid_is_402_with_both_figures(opened: Callable[..., Any]) -> None:
    desk = opened(balance=0.05)
    body = {"model": "grok-4.2-image", "prompt": "a cat", "n": 2}
    answer = desk.ask("POST", "/images/generations", json=body)
    assert (answer.status_code, answer.json()["code"], answer.json()["data"]) == (402, 402, None)
    assert "$0.06" in answer.json()["msg"]
    assert "$0.05" in answer.json()["msg"]


def test_tasks_in_flight_hold_what_they_will_cost(opened: Callable[..., Any]) -> None:
    desk = opened(balance=0.06)
    create = ("POST", "/images/generations")
    desk.create()
    desk.create("contraband")
    refused = desk.ask(*create, json={"model": "grok-4.2-image", "prompt": "a cat"})
    assert refused.status_code == 402
    assert "$0 is available" in refused.json()["msg"]
    desk.clock.advance(15)
    assert desk.create()["state"] == "pending"
    assert desk.ask(*create, json={"model": "grok-4.2-image", "prompt": "a cat"}).status_code == 402


def test_the_price_follows_the_size(desk: Any) -> None:
    desk.finish(model="gpt-image-2-lite", resolution="4K")
    assert desk.balance() == 9.975
