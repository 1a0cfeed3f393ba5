"""One request, and all of them together, use no more than the limits say."""

import asyncio
import json
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from apimodels_async.gateway import limits
from apimodels_async.gateway.create_request import picture_source
from apimodels_async.gateway.limits import BodyBudget, ByteBudget
from apimodels_async.gateway.refusals import Refusal

CREATE = ("POST", "/images/generations")
MODEL = "sparkpix-image-edit"


# --- the budget


def test_bytes_that_are_in_use_are_waited_for_in_order() -> None:
    async def main() -> list[str]:
        budget = ByteBudget(10)
        order: list[str] = []

        async def take(name: str, size: int) -> None:
            reservation = await budget.reserve(size)
            order.append(name)
            assert budget.in_use <= 10
            await asyncio.sleep(0)
            reservation.release()
            reservation.release()

        await asyncio.gather(take("a", 8), take("b", 8), take("c", 1), take("d", 2))
        assert budget.in_use == 0
        return order

    assert asyncio.run(main()) == ["a", "b", "c", "d"]


def test_who_waits_too_long_is_refused_and_told_to_try_again() -> None:
    async def main() -> Refusal:
        budget = ByteBudget(10)
        held = await budget.reserve(6)
        with pytest.raises(Refusal) as caught:
            await budget.reserve(6, 0.01)
        after = asyncio.create_task(budget.reserve(10))
        await asyncio.sleep(0)
        held.release()
        (await after).release()
        assert budget.in_use == 0
        return caught.value

    refusal = asyncio.run(main())
    assert refusal.code == 429
    assert refusal.headers == {"Retry-After": "1"}


def test_one_who_stops_waiting_leaves_nothing_reserved() -> None:
    async def main() -> None:
        budget = ByteBudget(10)
        held = await budget.reserve(10)
        waiting = [asyncio.create_task(budget.reserve(10)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        held.release()  # the first in line is cancelled and served at the same time
        waiting[1].cancel()
        ends = await asyncio.gather(*waiting[:2], return_exceptions=True)
        assert [type(end) for end in ends] == [asyncio.CancelledError] * 2
        (await waiting[2]).release()
        assert budget.in_use == 0

    asyncio.run(main())


def test_more_than_there_is_takes_all_of_it() -> None:
    async def main() -> int:
        budget = ByteBudget(10)
        await budget.reserve(1000)
        return budget.in_use

    assert asyncio.run(main()) == 10


def test_small_bodies_do_not_wait_behind_large_ones() -> None:
    async def main() -> None:
        budget = BodyBudget()
        await budget.reserve(50 << 20)
        await budget.reserve(50 << 20)
        large = asyncio.create_task(budget.reserve(50 << 20))
        for size in (1000, 500_000, 1 << 20):
            await asyncio.wait_for(budget.reserve(size), 5)
        assert not large.done()
        large.cancel()

    asyncio.run(main())


# --- JSON


@pytest.mark.parametrize(
    "text",
    [
        '{"model": "%s", "prompt": "a", "x": 1e999}',
        '{"model": "%s", "prompt": "a", "x": [{"y": -1e400}]}',
    ],
)
def test_a_number_that_json_could_not_write_again_is_refused(desk: Any, text: str) -> None:
    answer = desk.ask(*CREATE, content=text % MODEL)
    assert (answer.status_code, answer.json()["msg"]) == (400, "the body is not valid JSON")


@pytest.mark.parametrize("padding", [0, 40_000])
@pytest.mark.parametrize("depth", [*range(60, 68), *range(955, 990, 3), 5000])
def test_deep_json_is_refused_and_never_a_fault(desk: Any, depth: int, padding: int) -> None:
    body = f'{{"model": "{MODEL}", "prompt": "a", "pad": "{"x" * padding}", "deep": {"[" * depth}{"]" * depth}}}'
    answer = desk.ask(*CREATE, content=body)
    assert answer.status_code == (200 if depth < limits.MAX_DEPTH else 400), answer.text


def test_a_million_values_are_refused_before_they_are_made(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for values in (b"[],", b"{},", b"1,"):
        body = b'{"prompt": "a", "x": [' + values * 1_000_000 + b"0]}"
        with monkeypatch.context() as patch:
            patch.setattr("json.loads", None)
            answer = desk.ask(*CREATE, content=body)
        assert answer.status_code == 400
        assert "100000 values" in answer.json()["msg"]


def test_a_prompt_has_100000_characters_at_most(desk: Any) -> None:
    assert desk.create("ä" * 100_000)["state"] == "pending"
    answer = desk.ask(*CREATE, json={"model": MODEL, "prompt": "a " * 50_001})
    assert (answer.status_code, answer.json()["msg"]) == (400, "prompt: give at most 100000 characters")


def test_a_long_extra_text_is_recorded_by_its_length(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []
    dumps = json.dumps

    def noted(value: Any, **options: Any) -> str:
        if isinstance(value, dict) and "prompt" in value:
            threads.append(threading.current_thread().name)
            assert value["extra"] == ["<48000000 characters>", "short"]
        return dumps(value, **options)

    monkeypatch.setattr("apimodels_async.gateway.create_request.json.dumps", noted)
    body = dumps({"model": MODEL, "prompt": "a", "extra": ["x" * 48_000_000, "short"]})
    assert desk.ask(*CREATE, content=body).status_code == 200
    assert threads == ["apimodels-gateway-reader"]


# --- bodies and pictures


def test_base64_may_have_white_space_anywhere(desk: Any, b64: Callable[..., str]) -> None:
    spaced = "\n".join(b64()) + " \t"
    assert desk.create("an edit", image=f"data:image/png;base64,{spaced}")["state"] == "pending"


def test_white_space_in_base64_takes_no_more_memory_than_the_text() -> None:
    value = "ab " * 3_000_000
    tracemalloc.start()
    try:
        assert len(picture_source("image", value).content) == 4_500_000
        assert tracemalloc.get_traced_memory()[1] < 3 * len(value)  # split into words, it took 24 times as much
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("field", ["image_url", "callback_url"])
def test_a_url_has_10000_characters_at_most(desk: Any, field: str) -> None:
    body = {"model": MODEL, "prompt": "a", field: f"http://127.0.0.1:9/{'a' * limits.MAX_URL}"}
    answer = desk.ask(*CREATE, json=body)
    assert answer.status_code == 400
    assert answer.json()["msg"].startswith(field)
    assert len(answer.content) < 500


def test_a_form_has_1000_parts_at_most(desk: Any) -> None:
    part = '--b\r\nContent-Disposition: form-data; name="x{}"; filename="x"\r\n\r\nx\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    form = "".join(map(part.format, range(limits.MAX_PARTS + 1))) + "--b--\r\n"
    answer = desk.ask("POST", "/files", content=form.encode(), headers=kind)
    assert (answer.status_code, answer.json()["msg"]) == (400, "the form has more than 1000 parts")


def test_the_pictures_of_a_request_have_64_mb_together(
    desk: Any, png: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apimodels_async.gateway.loading.MAX_PICTURE_BYTES", 3 * len(png()))
    url = desk.ask("POST", "/files", files={"file": png()}).json()["data"]["publicUrl"]
    assert desk.ask(*CREATE, json={"model": MODEL, "prompt": "a", "image_urls": [url] * 3}).status_code == 200
    answer = desk.ask(*CREATE, json={"model": MODEL, "prompt": "a", "image_urls": [url] * 4})
    assert answer.status_code == 400
    assert answer.json()["msg"].startswith("image_urls[3]: the pictures have more than ")


def test_a_body_that_stops_coming_is_refused(opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apimodels_async.gateway.requests.BODY_SILENCE", 0.05)

    async def stalls() -> Any:
        yield b"{"
        await asyncio.sleep(60)

    answer = opened().ask(*CREATE, content=stalls())
    assert (answer.status_code, answer.json()["msg"]) == (400, "the body is incomplete: it was not received in time")


def test_a_body_that_drips_is_refused(opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apimodels_async.gateway.requests.BODY_TIME", 0.2)

    async def drips() -> Any:
        while True:
            yield b" "
            await asyncio.sleep(0.005)

    answer = opened().ask(*CREATE, content=drips())
    assert (answer.status_code, answer.json()["msg"]) == (400, "the body is incomplete: it was not received in time")


def test_the_guide_lists_the_limits() -> None:
    assert (limits.MAX_BODY, limits.MAX_PICTURE_BYTES) == (50 << 20, 64 << 20)
    assert limits.MAX_KEPT_PIXELS == 2 * 4096 * 4096
