"""The JSON of a create request."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimodels_async._text import is_blank
from apimodels_async._wire.requests import create_body
from apimodels_async.models import GenerationRequest


def body_of(model: str = "m", pictures: dict[str, str | list[str]] | None = None, **given: Any) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(create_body(GenerationRequest("a cat", **given), model, pictures or {}))
    return read


def test_the_pages_first_create_is_written_word_for_word() -> None:
    request = GenerationRequest("A cute cat wearing a space helmet, digital art", size="1024x1024", n=1)

    assert json.loads(create_body(request, "grok-image/grok-4.2-image", {})) == {
        "model": "grok-image/grok-4.2-image",
        "prompt": "A cute cat wearing a space helmet, digital art",
        "size": "1024x1024",
        "n": 1,
    }


def test_the_pages_inpainting_is_written_word_for_word() -> None:
    request = GenerationRequest("Replace with a golden retriever", image=b"x", mask=b"y", size="1024x1024")
    pictures: dict[str, str | list[str]] = {"image": "BASE64_ENCODED_IMAGE", "mask": "BASE64_ENCODED_MASK"}

    assert json.loads(create_body(request, "grok-image/grok-4.2-image", pictures)) == {
        "model": "grok-image/grok-4.2-image",
        "prompt": "Replace with a golden retriever",
        "image": "BASE64_ENCODED_IMAGE",
        "mask": "BASE64_ENCODED_MASK",
        "size": "1024x1024",
    }


def test_what_is_not_given_is_not_sent() -> None:
    assert body_of() == {"model": "m", "prompt": "a cat"}


def test_every_parameter_goes_under_its_own_snake_case_name() -> None:
    given: dict[str, Any] = {
        "size": "1x2",
        "n": 3,
        "callback_url": "https://example.com/hook",
        "aspect_ratio": "16:9",
        "resolution": "2K",
        "quality": "high",
        "output_format": "webp",
        "seed": 0,
    }

    assert body_of(**given) == {"model": "m", "prompt": "a cat", **given}


def test_the_model_that_was_chosen_is_sent_and_comes_first() -> None:
    body = create_body(GenerationRequest("a cat", model="m"), "m", {})

    assert body == b'{"model":"m","prompt":"a cat"}'


@pytest.mark.parametrize(
    "pictures", [{"image": "QUJD"}, {"image_url": "https://a/1"}, {"image_urls": ["https://a/1"]}, {"images": ["QUJD"]}]
)
def test_pictures_are_sent_as_they_were_made_ready_and_not_as_they_were_given(
    pictures: dict[str, str | list[str]],
) -> None:
    assert body_of(pictures=pictures, image=b"anything") == {"model": "m", "prompt": "a cat", **pictures}
    assert body_of(pictures=pictures, images=[b"anything"]) == {"model": "m", "prompt": "a cat", **pictures}


def test_a_field_of_extra_body_wins_over_everything_else() -> None:
    extra = {"prompt": "a dog", "model": "other", "size": "auto", "image": None, "style": {"ink": [1, None]}}

    assert body_of(size="1x1", pictures={"image": "QUJD"}, image=b"x", extra_body=extra) == extra


def test_an_empty_extra_body_adds_nothing() -> None:
    assert body_of(extra_body={}) == {"model": "m", "prompt": "a cat"}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_does_not_have_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        body_of(extra_body={"strength": number})


@given(
    st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t")).filter(
        lambda text: not is_blank(text)
    )
)
def test_any_prompt_arrives_as_it_was_written_in_utf_8(prompt: str) -> None:
    body = create_body(GenerationRequest(prompt), "m", {})

    assert json.loads(body.decode("utf-8"))["prompt"] == prompt


def test_a_prompt_is_not_blown_up_by_escapes() -> None:
    assert "猫".encode() in create_body(GenerationRequest("猫"), "m", {})
