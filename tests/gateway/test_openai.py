"""OpenAI's own client works with nothing but its base URL changed."""

import base64
import io
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from apimodels_async.gateway import LocalGateway
from apimodels_async.gateway import painter as painter_module

openai = pytest.importorskip("openai")

MODEL = "gpt-image-2-all"


@pytest.fixture
def client(gateway: LocalGateway) -> Iterator[Any]:
    with (
        httpx.Client(trust_env=False, timeout=60) as http,
        openai.OpenAI(api_key=gateway.api_key, base_url=gateway.base_url, http_client=http, max_retries=0) as client,
    ):
        yield client


def picture(data: Any) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(data.b64_json)))


@pytest.mark.parametrize(
    ("options", "size"),
    [({}, (1024, 1024)), ({"size": "auto"}, (1024, 1024)), ({"size": "1536x1024"}, (1536, 1024))],
)
def test_generate(client: Any, options: dict[str, str], size: tuple[int, int]) -> None:
    answer = client.images.generate(model=MODEL, prompt="a cute cat", n=2, quality="low", **options)
    assert len(answer.data) == 2
    assert {picture(each).size for each in answer.data} == {size}
    assert all(
        httpx.get(each.url, trust_env=False, timeout=60).content == base64.b64decode(each.b64_json)
        for each in answer.data
    )
    assert answer.created > 1_600_000_000


@pytest.mark.parametrize(("wanted", "other"), [("url", "b64_json"), ("b64_json", "url")])
def test_generate_in_one_format(client: Any, wanted: str, other: str) -> None:
    answer = client.images.generate(model=MODEL, prompt="a cute cat", response_format=wanted)
    assert getattr(answer.data[0], wanted)
    assert getattr(answer.data[0], other) is None


def test_edit_one_picture(client: Any, painter: Any, png: Callable[..., bytes]) -> None:
    answer = client.images.edit(model=MODEL, image=("cat.png", png(1024, 768)), prompt="in a boat", size="1024x1024")
    assert picture(answer.data[0]).size == (1024, 1024)
    assert painter.calls[-1]["images"] == [png(1024, 768)]


def test_edit_several_pictures_with_a_mask(client: Any, painter: Any, png: Callable[..., bytes]) -> None:
    images = [png(64, 48), png(30, 20)]
    answer = client.images.edit(
        model=MODEL,
        image=[(f"{number}.png", data) for number, data in enumerate(images)],
        mask=("mask.png", png(64, 48, "WEBP")),
        prompt="together",
        n=2,
    )
    assert len(answer.data) == 2
    assert painter.calls[-1]["images"] == images
    assert painter.calls[-1]["mask"] == png(64, 48, "WEBP")
    assert picture(answer.data[0]).size == (64, 48)


def test_pictures_that_are_too_much_for_an_answer_are_refused_and_sent_as_links(
    client: Any, painter: Any, png: Callable[..., bytes]
) -> None:
    edit = {"model": "grok-image/grok-4.2-image", "image": ("a.png", png()), "prompt": "a", "size": "4096x4096"}
    with pytest.raises(openai.BadRequestError, match=r"n 6: pictures in an answer have 33\.6 megapixels") as caught:
        client.images.edit(**edit, n=6)
    assert caught.value.body["message"].endswith('or for response_format "url"')
    assert not painter.calls
    links = client.images.edit(**edit, n=6, response_format="url").data
    assert len({each.url for each in links}) == 6


def test_links_are_answered_before_anything_is_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    painted: list[int] = []
    paint = painter_module.paint

    def counted(**asked: Any) -> bytes:
        painted.append(asked["index"])
        return paint(**asked)

    monkeypatch.setattr(painter_module, "paint", counted)
    with LocalGateway(latency="0/0") as gateway, httpx.Client(trust_env=False, timeout=60) as http:
        client = openai.OpenAI(api_key=gateway.api_key, base_url=gateway.base_url, http_client=http, max_retries=0)
        links = client.images.generate(model=MODEL, prompt="a", n=2, response_format="url").data
        assert painted == []
        assert Image.open(io.BytesIO(http.get(links[1].url).content)).size == (1024, 1024)
    assert painted == [1]


@pytest.mark.parametrize(
    ("error", "words", "fields"),
    [
        ("BadRequestError", "Content policy violation", {"prompt": "contraband"}),
        ("InternalServerError", "The upstream provider is busy", {"prompt": "a brownout"}),
        ("BadRequestError", "Invalid model: gpt-9", {"model": "gpt-9"}),
        ("BadRequestError", "size: gpt-image-2-all takes multiples of 16", {"size": "1000x1000"}),
        ("RateLimitError", "too many requests", {"prompt": "a turnstile"}),
    ],
)
def test_what_is_refused_says_why(client: Any, error: str, words: str, fields: dict[str, Any]) -> None:
    with pytest.raises(getattr(openai, error), match=words) as caught:
        client.images.generate(**{"model": MODEL, "prompt": "a", "size": "auto", **fields})
    assert caught.value.body["message"].startswith(words)
    assert caught.value.body["type"]


def test_a_moderated_request_has_openais_code(client: Any, png: Callable[..., bytes]) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.edit(model=MODEL, image=("a.png", png()), prompt="contraband")
    assert (caught.value.status_code, caught.value.code) == (400, "moderation_blocked")
    assert caught.value.type == "invalid_request_error"


def test_a_wrong_key_and_no_credit(gateway: LocalGateway, painter: Any) -> None:
    with httpx.Client(trust_env=False, timeout=60) as http:
        client = openai.OpenAI(api_key="sk_wrong", base_url=gateway.base_url, http_client=http, max_retries=0)
        with pytest.raises(openai.AuthenticationError, match="not valid"):
            client.images.generate(model=MODEL, prompt="a")
    with (
        LocalGateway(paint=painter, balance=0.0, latency="0/0") as poor,
        httpx.Client(trust_env=False, timeout=60) as http,
    ):
        client = openai.OpenAI(api_key=poor.api_key, base_url=poor.base_url, http_client=http, max_retries=0)
        with pytest.raises(openai.APIStatusError, match="insufficient credits") as caught:
            client.images.generate(model=MODEL, prompt="a")
        assert (caught.value.status_code, caught.value.code) == (402, "insufficient_quota")


def test_models_are_listed(client: Any) -> None:
    assert MODEL in {model.id for model in client.models.list()}


def test_a_form_without_a_picture_is_refused(desk: Any) -> None:
    answer = desk.ask("POST", "/images/edits", data={"model": MODEL, "prompt": "a"}, files={"other": b"x"})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("image is missing")
    assert answer.json()["msg"].startswith("image is missing")
