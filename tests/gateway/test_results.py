"""Pictures are painted when they are asked for, once, and are there for 7 days."""

import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from apimodels_async.gateway.results import PIECE

DAY = 24 * 3600


def test_the_gateways_own_painter_paints_nothing_before_it_is_asked_for(
    opened: Callable[..., Any], painter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apimodels_async.gateway.painter.paint", painter)
    desk = opened(paint=None)
    first, _, _ = desk.finish(n=3)["resultUrls"]
    assert painter.calls == []
    desk.ask("GET", first)
    assert [call["index"] for call in painter.calls] == [0]


def test_another_painter_has_painted_all_of_a_task_when_it_is_completed(desk: Any) -> None:
    desk.create(n=3)
    assert desk.painter.calls == []
    desk.finish(n=3)
    assert [call["index"] for call in desk.painter.calls] == [0, 1, 2]


def test_the_painter_is_told_what_was_asked_for(desk: Any) -> None:
    _, second = desk.ended("a lighthouse", model="grok-4.2-image", size="64x48", n=2, seed=7)
    assert desk.picture(second).size == (64, 48)
    assert desk.painter.calls == [
        {
            "prompt": "a lighthouse",
            "model": "grok-image/grok-4.2-image",
            "seed": 7,
            "index": 1,
            "size": (64, 48),
            "output_format": "png",
            "images": [],
            "mask": None,
        }
    ]


def test_a_picture_is_painted_once_and_kept(desk: Any) -> None:
    (url,) = desk.finish()["resultUrls"]
    first, second = desk.ask("GET", url), desk.ask("GET", url)
    assert first.content == second.content
    assert len(desk.painter.calls) == 1


def test_a_seed_that_nobody_gave_stays_the_same_for_the_task(desk: Any) -> None:
    task = desk.finish(n=2)
    for url in task["resultUrls"]:
        desk.ask("GET", url)
    first, second = desk.painter.calls
    assert first["seed"] == second["seed"]
    assert first["index"] != second["index"]


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_the_answer_says_honestly_what_it_is(desk: Any, kind: str) -> None:
    (url,) = desk.finish(size="64x48", output_format=kind)["resultUrls"]
    assert url.endswith(f"-0.{kind}")
    answer = desk.ask("GET", url)
    assert answer.headers["content-type"] == f"image/{kind}"
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert Image.open(io.BytesIO(answer.content)).format == kind.upper()
    head = desk.ask("HEAD", url)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == f"image/{kind}"
    assert head.headers["content-length"] == answer.headers["content-length"]


def test_a_link_needs_no_key(desk: Any) -> None:
    (url,) = desk.finish()["resultUrls"]
    assert desk.ask("GET", url, headers={"Authorization": ""}).status_code == 200


def test_without_a_stand_in_the_gateways_own_painter_paints(opened: Callable[..., Any]) -> None:
    desk = opened(paint=None)
    first, second = (desk.picture(url) for url in desk.finish(size="96x64", n=2)["resultUrls"])
    assert first.format == second.format == "PNG"
    assert first.size == second.size == (96, 64)
    assert first.tobytes() != second.tobytes()


def test_what_is_not_there_is_404(desk: Any) -> None:
    task_id = desk.ended(n=2)[0].rpartition("/")[2].partition("-")[0]
    pending = desk.create()["taskId"]
    for name in (
        f"{task_id}-2.png",
        f"{task_id}--1.png",
        f"{task_id}-0.jpeg",
        f"{task_id}-00.png",
        f"{task_id}-0",
        task_id,
        "clnone-0.png",
        f"{pending}-0.png",
        "%00",
    ):
        answer = desk.ask("GET", f"http://gateway.test/results/{name}")
        assert (answer.status_code, answer.json()["code"], answer.json()["data"]) == (404, 404, None)
    assert desk.painter.calls == []


def test_a_picture_is_gone_after_7_days_and_the_task_is_not(desk: Any) -> None:
    task = desk.finish()
    (url,) = task["resultUrls"]
    desk.clock.advance(7 * DAY - 1)
    assert desk.ask("GET", url).status_code == 200
    desk.clock.advance(1)
    assert desk.ask("GET", url).status_code == 404
    assert desk.query(task["taskId"]) == task


def test_many_who_ask_at_once_get_one_painting(opened: Callable[..., Any], painter: Any) -> None:
    asked = threading.Event()

    def slow(**order: Any) -> bytes:
        assert asked.wait(60)
        picture: bytes = painter(**order)
        return picture

    desk = opened(paint=slow)
    (url,) = desk.ended()
    requests = [desk.start("GET", url) for _ in range(8)]
    assert desk.balance() == 9.97  # a round through the loop, so that all of them have asked
    asked.set()
    answers = [request.result(60) for request in requests]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len(painter.calls) == 1


def test_one_who_hangs_up_does_not_take_the_picture_from_the_others(opened: Callable[..., Any], painter: Any) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(**order: Any) -> bytes:
        begun.set()
        assert go_on.wait(60)
        picture: bytes = painter(**order)
        return picture

    desk = opened(paint=slow)
    (url,) = desk.ended()
    first, second = desk.start("GET", url), desk.start("GET", url)
    assert begun.wait(5)
    first.cancel()
    assert desk.balance() == 9.97  # a round through the loop, so that the news has got around
    go_on.set()
    assert second.result(5).status_code == 200
    assert len(painter.calls) == 1


def test_two_pictures_at_most_are_painted_at_the_same_time(opened: Callable[..., Any], painter: Any) -> None:
    lock = threading.Lock()
    busy: list[int] = [0]
    most: list[int] = [0]
    both = threading.Barrier(2, timeout=5)

    def watched(**order: Any) -> bytes:
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        both.wait()
        with lock:
            busy[0] -= 1
        picture: bytes = painter(**order)
        return picture

    desk = opened(paint=watched)
    urls = desk.ended(n=6)
    answers = [desk.start("GET", url) for url in urls]
    assert {answer.result().status_code for answer in answers} == {200}
    assert most == [2]


def test_a_picture_that_the_painter_refuses_fails_its_task_which_is_not_billed(
    opened: Callable[..., Any], painter: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def moody(**order: Any) -> bytes:
        picture: bytes = painter(**order)
        if order["index"] == 1:
            raise RuntimeError("secret mood")
        return picture

    desk = opened(paint=moody)
    task = desk.finish(n=3)
    assert (task["state"], task["failCode"], task["retryable"]) == ("failed", "GENERATION_FAILED", False)
    assert "secret" not in task["failMsg"]
    assert "secret mood" in caplog.text
    assert desk.balance() == 10.0
    assert desk.query(task["taskId"]) == task
    assert desk.ask("GET", f"http://gateway.test/results/{task['taskId']}-0.png").status_code == 404
    assert [call["index"] for call in painter.calls] == [0, 1]


def test_a_refused_picture_that_was_asked_for_first_fails_its_task_too(opened: Callable[..., Any]) -> None:
    asked: list[int] = []

    def refuse(**order: Any) -> bytes:
        asked.append(order["index"])
        raise RuntimeError("no")

    desk = opened(paint=refuse)
    (url,) = desk.ended()
    assert [desk.ask("GET", url).status_code for _ in range(3)] == [404] * 3
    assert asked == [0]
    assert desk.balance() == 10.0


def test_a_synchronous_answer_says_that_the_painter_refused(opened: Callable[..., Any]) -> None:
    def refuse(**_: Any) -> bytes:
        raise RuntimeError("no")

    desk = opened(paint=refuse)
    assert desk.create(model="sparkpix-image")["state"] == "failed"
    assert desk.balance() == 10.0


def test_a_refused_task_stays_failed_and_unbilled_over_a_restart(reopened: Callable[..., Any], tmp_path: Path) -> None:
    def refuse(**_: Any) -> bytes:
        raise RuntimeError("no")

    with reopened(store=tmp_path / "store", paint=refuse) as desk:
        task = desk.finish()
    with reopened(store=tmp_path / "store") as desk:
        assert desk.query(task["taskId"]) == task
        assert desk.balance() == 10.0


def test_a_large_picture_is_served_in_pieces(opened: Callable[..., Any]) -> None:
    large = bytes(range(256)) * 12_345
    desk = opened(paint=lambda **_: large)
    (url,) = desk.finish()["resultUrls"]
    answer = desk.ask("GET", url)
    assert answer.content == large
    assert int(answer.headers["content-length"]) == len(large) > PIECE
    head = desk.ask("HEAD", url)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(large)))
