"""What the vendor's other pages and clients use, besides the contract."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from apimodels_async.catalogue import MODELS

CREATE = ("POST", "/images/generations")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_every_model_of_the_catalogue_is_accepted(desk: Any, model: Any) -> None:
    for name in {model.id, model.short_id}:
        assert desk.ask(*CREATE, json={"model": name, "prompt": "a", "size": "auto"}).status_code == 200


def test_an_unknown_model_is_refused_in_the_vendors_words(desk: Any) -> None:
    answer = desk.ask(*CREATE, json={"model": "nobody/nothing", "prompt": "a"})
    assert (answer.status_code, answer.json()["code"], answer.json()["data"]) == (400, 400, None)
    told, _, supported = answer.json()["msg"].partition(" Supported models: ")
    assert told == "Invalid model: nobody/nothing."
    assert supported.split(", ") == [model.id for model in MODELS]


def test_any_model_is_accepted_where_that_was_asked_for(opened: Callable[..., Any]) -> None:
    desk = opened(any_model=True)
    assert desk.create(model="brand/new-image:v2")["model"] == "brand/new-image:v2"
    assert desk.create(model="grok-4.2-image")["model"] == "grok-image/grok-4.2-image"
    assert desk.ask(*CREATE, json={"model": "no name", "prompt": "a"}).status_code == 400


def test_a_task_is_found_by_its_id_alone(desk: Any) -> None:
    task = desk.finish()
    for kind in ("images", "video", "audio"):
        answer = desk.ask("GET", f"/{kind}/generations", params={"task_id": task["taskId"]})
        assert answer.json()["data"] == task
        assert desk.ask("GET", f"/{kind}/generations").json()["msg"] == "task_id is required"
    assert desk.ask("POST", "/video/generations", json={}).status_code == 405


def test_the_type_of_a_task_says_whether_it_works_on_pictures(desk: Any, b64: Callable[..., str]) -> None:
    assert desk.finish()["modelType"] == "TEXT_TO_IMAGE"
    assert desk.finish(image=b64())["modelType"] == "IMAGE_TO_IMAGE"


@pytest.mark.parametrize("model", ["gpt-image-2-lite", "sparkpix-image", "sparkpix-image-edit"])
def test_models_that_answer_synchronously(desk: Any, model: str) -> None:
    assert desk.create(model=model)["state"] == "completed"


@pytest.mark.parametrize("path", ["/images/generations-sync", "/images/edit"])
def test_older_paths_answer_synchronously(desk: Any, path: str, b64: Callable[..., str]) -> None:
    body = {"model": "grok-4.2-image", "prompt": "a fox", "image": b64()}
    data = desk.ask("POST", path, json=body).json()["data"]
    assert (data["state"], data["modelType"]) == ("completed", "IMAGE_TO_IMAGE")
    assert desk.picture(data["resultUrls"][0]).size == (48, 32)


def test_the_callback_url_has_another_spelling_too(desk: Any) -> None:
    answer = desk.ask(*CREATE, json={"model": "sparkpix-image", "prompt": "a", "callBackUrl": "ftp://x/"})
    assert answer.json()["msg"].startswith("callback_url: ")
    data = desk.create(callBackUrl="http://127.0.0.1:9/hook")
    row = desk._portal.call(
        desk.app.state.store.ask, lambda store: store.db.execute("SELECT task_id, origin FROM calls").fetchall()
    )
    assert row == [(data["taskId"], "http://gateway.test")]


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({"size": "auto"}, (1024, 1024)),
        ({"size": "2K"}, (2048, 2048)),
        ({"size": "4k", "aspect_ratio": "16:9"}, (4096, 2304)),
        ({"aspect_ratio": "auto"}, (1024, 1024)),
        ({"aspect_ratio": "match_input_image"}, (1024, 1024)),
        ({"aspect_ratio": "2.35:1"}, (1024, 436)),
        ({"aspect_ratio": "custom", "width": 256, "height": 1440}, (256, 1440)),
        ({"resolution": "512"}, (512, 512)),
        ({"resolution": "0.5k"}, (512, 512)),
        ({"quality": "max"}, (1024, 1024)),
    ],
)
def test_the_values_that_the_vendors_pages_use(desk: Any, fields: dict[str, Any], size: tuple[int, int]) -> None:
    desk.finish(**fields)
    assert desk.painter.calls[-1]["size"] == size


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("width", {"aspect_ratio": "custom"}),
        ("width", {"aspect_ratio": "custom", "width": 250, "height": 256}),
        ("height", {"aspect_ratio": "custom", "width": 256, "height": 1456}),
        ("aspect_ratio", {"aspect_ratio": "0.5:0"}),
        ("size", {"size": "8K"}),
        ("response_format", {"response_format": "png"}),
    ],
)
def test_what_no_page_means_is_refused_by_its_field(desk: Any, field: str, fields: dict[str, Any]) -> None:
    answer = desk.ask(*CREATE, json={"model": "sparkpix-image", "prompt": "a", **fields})
    assert answer.status_code == 400
    assert answer.json()["msg"].startswith(field)


@pytest.mark.parametrize(
    "size",
    ["1000x1000", "3856x2160", "3840x1024", "512x512", "3840x2176"],
)
def test_gpt_image_2_all_takes_the_sizes_of_its_page(desk: Any, size: str) -> None:
    answer = desk.ask(*CREATE, json={"model": "gpt-image-2-all", "prompt": "a", "size": size})
    assert answer.status_code == 400
    assert answer.json()["msg"].startswith("size: gpt-image-2-all takes ")


@pytest.mark.parametrize(
    ("model", "fields", "dollars"),
    [
        ("gpt-image-2-lite", {"size": "1600x1600"}, 0.015),
        ("gpt-image-2-lite", {"size": "2560x1440"}, 0.025),
        ("gpt-image-2-lite", {"size": "3840x2160"}, 0.025),
        ("gpt-image-2-all", {"size": "1024x1024", "quality": "low"}, 0.005),
        ("gpt-image-2-all", {"size": "2048x1024", "quality": "auto"}, 0.04),
        ("gpt-image-2-all", {"size": "3840x2160", "quality": "high", "n": 2}, 0.46),
    ],
)
def test_the_bill_follows_the_published_rule(
    opened: Callable[..., Any], model: str, fields: dict[str, Any], dollars: float
) -> None:
    desk = opened(paint=lambda **_: b"paint")
    desk.ask(*CREATE, json={"model": model, "prompt": "a", **fields})
    assert desk.balance() == pytest.approx(10 - dollars)


def test_the_states_of_another_family_on_request(desk: Any) -> None:
    task_id = desk.create("a dialect of cats", n=2)["taskId"]
    assert desk.query(task_id)["state"] == "waiting"
    desk.clock.advance(10)
    assert desk.query(task_id)["state"] == "generating"
    desk.clock.advance(5)
    done = desk.query(task_id)
    assert done["state"] == "success"
    assert "resultUrls" not in done
    assert len(json.loads(done["resultJson"])["resultUrls"]) == 2
    assert desk.finish("contraband in dialect")["state"] == "fail"
