"""What makes two requests the same: every field counts, and one that is added later counts by itself."""

from typing import Any

import attrs
import pytest

from apimodels_async import GenerationRequest
from apimodels_async._create.identity import digest_of, request_view

OTHER: dict[str, Any] = {
    "prompt": "a dog",
    "size": "512x512",
    "n": 2,
    "aspect_ratio": "16:9",
    "resolution": "2K",
    "quality": "high",
    "output_format": "webp",
    "seed": 7,
    "extra_body": {"style": "oil"},
}
"""Another value for each field that is neither a picture, nor the model, nor the callback URL."""
APART = {"model", "image", "images", "mask", "callback_url"}


def digest(request: GenerationRequest, model: str = "m", pictures: dict[str, Any] | None = None) -> str:
    return digest_of(request_view(request, model, pictures or {}))


def test_every_field_of_a_request_is_tried_here() -> None:
    assert {each.name for each in attrs.fields(GenerationRequest)} == {*OTHER, *APART}


@pytest.mark.parametrize("field", OTHER)
def test_another_value_of_a_field_is_another_request(field: str) -> None:
    assert digest(attrs.evolve(GenerationRequest("a cat"), **{field: OTHER[field]})) != digest(
        GenerationRequest("a cat")
    )


@pytest.mark.parametrize("field", ["image", "images", "mask"])
def test_another_picture_is_another_request(field: str) -> None:
    request = GenerationRequest("a cat")

    assert len({digest(request), *(digest(request, pictures={field: sum_}) for sum_ in ("sha256:1", "sha256:2"))}) == 3


def test_another_model_is_another_request() -> None:
    assert digest(GenerationRequest("a cat"), "a") != digest(GenerationRequest("a cat"), "b")


def test_the_callback_url_does_not_count() -> None:
    assert digest(GenerationRequest("a cat", callback_url="https://a.example/1")) == digest(GenerationRequest("a cat"))


def test_the_digest_of_a_request_is_that_of_the_first_version() -> None:
    """Ledgers of earlier versions must find their entries again."""
    request = GenerationRequest("a cat", size="512x512", seed=3)

    assert digest(request, "google/nano-banana") == "2bfc8e7e419d5393e6905e4e0e03fe5218ddf769646ce46318c73b4ff284857e"


@attrs.frozen
class Later(GenerationRequest):
    """A request with one more parameter, as a later version may have it."""

    guidance: float | None = attrs.field(default=None, kw_only=True)


def test_a_field_that_is_added_changes_the_digest_with_nothing_done_by_hand() -> None:
    assert request_view(Later("a cat", guidance=7.5), "m", {}) == {"model": "m", "prompt": "a cat", "guidance": 7.5}
    assert len({digest(Later("a cat", guidance=value)) for value in (None, 1.0, 7.5)}) == 3
    assert digest(Later("a cat")) == digest(GenerationRequest("a cat"))
