"""A task is created, asked for, and ends."""

import base64
import io
import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from apimodels_async.gateway.store import Store

CREATED = 1_705_123_450_000


def test_a_task_is_pending_then_processing_then_completed_by_the_clock(desk: Any) -> None:
    created = desk.create(n=2)
    assert created == {"taskId": created["taskId"], "state": "pending", "model": "grok-image/grok-4.2-image"}
    assert re.fullmatch("cl[a-z0-9]{23}", created["taskId"])

    assert desk.query(created["taskId"])["state"] == "pending"
    desk.clock.advance(10)
    assert desk.query(created["taskId"])["state"] == "processing"
    desk.clock.advance(5)
    assert desk.query(created["taskId"]) == {
        "taskId": created["taskId"],
        "state": "completed",
        "model": "grok-image/grok-4.2-image",
        "modelType": "TEXT_TO_IMAGE",
        "resultUrls": [f"http://gateway.test/results/{created['taskId']}-{index}.png" for index in range(2)],
        "createTime": CREATED,
        "completeTime": CREATED + 15_000,
    }


def test_every_answer_is_in_the_envelope(desk: Any) -> None:
    answer = desk.ask("POST", "/images/generations", json={"model": "sparkpix-image-edit", "prompt": "a cat"})
    assert answer.headers["content-type"] == "application/json"
    assert {**answer.json(), "data": None} == {"code": 200, "msg": "success", "data": None}


def test_a_short_model_id_stands_for_the_full_one(desk: Any) -> None:
    assert desk.create(model="grok-4.2-image")["model"] == "grok-image/grok-4.2-image"


def test_the_alias_of_the_base_url_is_the_same_api(desk: Any) -> None:
    task_id = desk.create()["taskId"]
    answer = desk.ask("GET", "http://gateway.test/v1/images/generations", params={"task_id": task_id})
    assert answer.json()["data"]["taskId"] == task_id


def test_durations_are_drawn_from_the_latency_with_the_given_generator(opened: Callable[..., Any]) -> None:
    class Median:
        def lognormvariate(self, mean: float, _: float) -> float:
            return float(2.718281828459045**mean)

        def getrandbits(self, bits: int) -> int:
            return int(2**bits - 1)

    desk = opened(latency="6/60", rng=Median())
    task_id = desk.create()["taskId"]
    desk.clock.advance(5.9)
    assert desk.query(task_id)["state"] == "processing"
    desk.clock.advance(0.2)
    desk.picture(desk.query(task_id)["resultUrls"][0])
    assert desk.painter.calls[0]["seed"] == 2**32 - 1


@pytest.mark.parametrize(
    ("word", "code", "message", "retryable"),
    [
        ("contraband", "CONTENT_MODERATION", "Content policy violation", False),
        ("brownout", "UPSTREAM_BUSY", "The upstream provider is busy", True),
        ("standstill", "TIMEOUT", "The upstream provider did not answer in time", True),
    ],
)
def test_a_documented_word_makes_the_task_fail_when_its_time_is_up(
    desk: Any, word: str, code: str, message: str, *, retryable: bool
) -> None:
    task_id = desk.create(f"a crate of {word}")["taskId"]
    desk.clock.advance(14)
    assert desk.query(task_id)["state"] == "processing"
    desk.clock.advance(1)
    assert desk.query(task_id) == {
        "taskId": task_id,
        "state": "failed",
        "model": "grok-image/grok-4.2-image",
        "modelType": "TEXT_TO_IMAGE",
        "failMsg": message,
        "failCode": code,
        "retryable": retryable,
    }
    assert desk.ask("GET", f"http://gateway.test/results/{task_id}-0.png").status_code == 404


def test_a_synchronous_model_answers_when_the_task_has_ended(desk: Any) -> None:
    data = desk.create(model="sparkpix-image", n=2)
    assert desk.clock() * 1000 == CREATED + 15_000
    assert data["state"] == "completed"
    assert data["completeTime"] == CREATED + 15_000
    assert len(data["resultUrls"]) == 2
    assert data == desk.query(data["taskId"])


def test_a_synchronous_model_fails_in_the_answer_to_the_create(desk: Any) -> None:
    data = desk.create("contraband", model="sparkpix-image")
    assert (data["state"], data["failCode"]) == ("failed", "CONTENT_MODERATION")
    assert "resultUrls" not in data


def test_gpt_image_2_all_given_a_size_answers_in_openais_shape(desk: Any) -> None:
    body = {"model": "gpt-image-2-all", "prompt": "a cat", "size": "1024x768", "n": 2}
    answer = desk.ask("POST", "/images/generations", json=body).json()
    assert set(answer) == {"created", "data"}
    assert answer["created"] == CREATED // 1000 + 15
    assert len(answer["data"]) == 2
    for picture in answer["data"]:
        content = base64.b64decode(picture["b64_json"], validate=True)
        assert Image.open(io.BytesIO(content)).size == (1024, 768)
        assert desk.ask("GET", picture["url"]).content == content
    assert answer["data"][0] != answer["data"][1]


def test_gpt_image_2_all_fails_as_openai_does_and_in_the_envelope(desk: Any) -> None:
    body = {"prompt": "brownout", "model": "gpt-image-2-all", "size": "1024x1024"}
    answer = desk.ask("POST", "/images/generations", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "upstream_busy")
    data = answer.json()["data"]
    assert (data["state"], data["failCode"]) == ("failed", "UPSTREAM_BUSY")


def test_gpt_image_2_all_without_a_size_is_a_task_like_any_other(desk: Any) -> None:
    assert desk.create(model="gpt-image-2-all")["state"] == "pending"


def test_an_unknown_task_is_404_and_a_query_for_none_is_400(desk: Any) -> None:
    for url, code in {
        "/images/generations?task_id=clnone": 404,
        "/images/generations?task_id=%00%ff": 404,
        "/images/generations": 400,
        "/images/generations?task_id=": 400,
    }.items():
        answer = desk.ask("GET", url)
        assert answer.status_code == answer.json()["code"] == code
        assert "task_id" in answer.json()["msg"]
        assert answer.json()["data"] is None


def test_a_task_id_is_never_the_same_even_for_the_same_generator(opened: Callable[..., Any]) -> None:
    ids = [opened(rng=random.Random(1)).create()["taskId"] for _ in range(2)]
    assert ids[0] != ids[1]


def test_links_start_where_the_client_says_the_gateway_is(opened: Callable[..., Any]) -> None:
    desk = opened(allowed_hosts=["images.example"])
    task_id = desk.finish()["taskId"]

    def link(host: str) -> str:
        answer = desk.ask("GET", f"/images/generations?task_id={task_id}", headers={"Host": host})
        url: str = answer.json()["data"]["resultUrls"][0]
        return url

    assert link("images.example:8080") == f"http://images.example:8080/results/{task_id}-0.png"
    assert link("[::1]:8787") == f"http://[::1]:8787/results/{task_id}-0.png"
    assert link("") == f"http://gateway.test/results/{task_id}-0.png"


@pytest.mark.parametrize("path", ["/nothing", "/images", "/models/", "/images/generations/x"])
def test_an_unknown_path_is_404_in_the_envelope(desk: Any, path: str) -> None:
    answer = desk.ask("GET", path)
    assert (answer.status_code, answer.json()) == (404, {"code": 404, "msg": "Not Found", "data": None})


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("DELETE", "/images/generations"),
        ("POST", "/models"),
        ("POST", "/balance"),
        ("GET", "/files"),
        ("POST", "http://gateway.test/results/x"),
        ("GET", "http://gateway.test/uploads/x"),
        ("POST", "http://gateway.test/openapi.json"),
    ],
)
def test_a_wrong_method_is_405_in_the_envelope_and_says_what_would_be_right(desk: Any, method: str, url: str) -> None:
    answer = desk.ask(method, url)
    assert (answer.status_code, answer.json()["code"], answer.json()["data"]) == (405, 405, None)
    assert method not in answer.headers["allow"].split(", ")


def test_the_models_are_those_of_the_catalogue(desk: Any) -> None:
    answer = desk.ask("GET", "/models").json()
    assert set(answer) == {"data"}
    assert {model["id"] for model in answer["data"]} >= {
        "grok-image/grok-4.2-image",
        "grok-imagine/grok-imagine-image",
        "grok-imagine-pro/grok-imagine-image-pro",
        "gpt-image-2-lite",
        "sparkpix-image",
    }


def test_head_answers_like_get_without_the_body(desk: Any) -> None:
    for url in ("/models", "/balance", "http://gateway.test/openapi.json"):
        head, get = desk.ask("HEAD", url), desk.ask("GET", url)
        assert (head.status_code, head.headers["content-length"]) == (200, get.headers["content-length"])


def test_a_fault_of_the_gateway_is_500_in_the_envelope_without_its_details(
    opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def spill(*_: object) -> int:
        raise ZeroDivisionError("secret paint")

    monkeypatch.setattr(Store, "balance", spill)
    desk = opened()
    answer = desk.ask("GET", "/balance")
    assert answer.status_code == answer.json()["code"] == 500
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_a_gateway_can_put_its_refusals_into_the_envelope_alone(opened: Callable[..., Any]) -> None:
    desk = opened(errors_in_envelope=True, balance=0.0)
    create = {"model": "sparkpix-image", "prompt": "a cat"}
    for answer, code in [
        (desk.ask("POST", "/images/generations", json={}), 400),
        (desk.ask("GET", "/models", headers={"Authorization": "Bearer no"}), 401),
        (desk.ask("POST", "/images/generations", json=create), 402),
        (desk.ask("GET", "/images/generations?task_id=clnone"), 404),
    ]:
        assert (answer.status_code, answer.json()["code"], answer.json()["data"]) == (200, code, None)
    assert desk.ask("GET", "http://gateway.test/results/clnone-0.png").status_code == 404
