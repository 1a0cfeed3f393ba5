"""Questions about a picture, as the vendor's MCP server asks them."""

import base64
import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

CHAT = ("POST", "/chat/completions")


def question(url: object, brief: str = "BRIEF:\na red fox") -> dict[str, Any]:
    parts = [{"type": "text", "text": brief}, {"type": "image_url", "image_url": {"url": url}}]
    return {
        "model": "some-model",
        "messages": [{"role": "system", "content": "Look."}, {"role": "user", "content": parts}],
    }


def with_message(message: object) -> dict[str, Any]:
    asked = question("data:image/png;base64,AAAA")
    return {**asked, "messages": [*asked["messages"], message]}


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_a_picture_is_compared_with_the_brief_by_the_prompt_in_its_file(opened: Callable[..., Any], form: str) -> None:
    from apimodels_async.gateway.painter import paint

    desk = opened(paint=paint)
    url = desk.finish("a fox at night", output_format=form)["resultUrls"][0]
    told = desk.ask(*CHAT, json=question(url)).json()
    assert (told["object"], told["model"]) == ("chat.completion", "some-model")
    said = told["choices"][0]["message"]["content"].splitlines()
    assert said[0] == "1. MATCHES — a, fox; it has 1024x1024 pixels"
    assert said[1] == "2. PROBLEMS — red: its prompt says nothing of them"
    assert said[2] == "3. REVISED PROMPT — a fox at night red"
    assert (
        "No changes needed" in desk.ask(*CHAT, json=question(url, "a fox")).json()["choices"][0]["message"]["content"]
    )


def test_a_picture_of_others_is_said_to_tell_no_prompt(desk: Any, png: Callable[..., bytes]) -> None:
    uri = "data:image/png;base64," + base64.b64encode(png()).decode()
    said = desk.ask(*CHAT, json=question(uri)).json()["choices"][0]["message"]["content"]
    assert "its prompt is not in its file" in said


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"messages": []}, "model is missing"),
        ({"model": "m"}, "messages: only questions about a picture"),
        ({"model": "m", "messages": [{"role": "user", "content": "hello"}]}, "messages: only questions"),
        (question("https://elsewhere.example/a.png"), "image_url"),
        (question("data:image/png;base64,AAAA"), "image_url: there is no picture"),
        (question(7), "messages[1].content[1]: give a text or an image_url"),
        (with_message({"role": "user"}), "messages[2].content: give text, or a list"),
        (with_message({"content": ["look"]}), "messages[2].content[0]: give a text or an image_url"),
        (with_message("look"), "messages[2].content: give text, or a list"),
    ],
)
def test_anything_else_is_refused(desk: Any, body: dict[str, Any], words: str) -> None:
    answer = desk.ask(*CHAT, json=body)
    assert answer.status_code == 400
    assert answer.json()["msg"].startswith(words)


@pytest.mark.parametrize(
    "data",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
        b"BM" + bytes(40),
        b"II*\0\x08\0\0\0\x02\0" + b"\xff" * 40,
        b"RIFF\x10\0\0\0WEBPVP8 " + bytes(8),
    ],
)
def test_a_broken_picture_is_refused(desk: Any, data: bytes) -> None:
    answer = desk.ask(*CHAT, json=question("data:image/png;base64," + base64.b64encode(data).decode()))
    assert (answer.status_code, answer.json()["msg"].partition(":")[0]) == (400, "image_url")


def test_a_deep_description_is_no_prompt(desk: Any) -> None:
    exif = Image.Exif()
    exif[0x010E] = '{"a":' * 100_000
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, "PNG", exif=exif)
    answer = desk.ask(*CHAT, json=question("data:image/png;base64," + base64.b64encode(out.getvalue()).decode()))
    assert "its prompt is not in its file" in answer.json()["choices"][0]["message"]["content"]
