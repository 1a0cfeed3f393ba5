"""Pictures in the JSON of a create request."""

import base64
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimodels_async._wire.bodies import PIECE, write_body
from apimodels_async._wire.requests import create_body
from apimodels_async.models import GenerationRequest

URL = "https://example.com/ä.png"


def plainly(value: Any) -> Any:
    """What is sent in place of a value, encoded in one go."""
    if isinstance(value, list):
        return [plainly(each) for each in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


PICTURES = st.binary(max_size=100) | st.just(URL)


@given(
    st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text())),
    st.dictionaries(st.sampled_from(["image", "images", "mask"]), PICTURES | st.lists(PICTURES)),
)
def test_a_body_is_what_json_would_write_with_the_pictures_as_base64(
    fields: dict[str, Any], pictures: dict[str, Any]
) -> None:
    whole = {**fields, **pictures}

    written = write_body(whole, pictures.keys())

    plain = {name: plainly(value) for name, value in whole.items()}
    assert written == json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.mark.parametrize("size", [0, 1, 2, 3, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 2])
def test_the_pieces_of_a_picture_join_without_a_seam(size: int) -> None:
    picture = bytes(at % 251 for at in range(size))

    read = json.loads(write_body({"image": picture, "images": [picture, URL]}, {"image", "images"}))

    assert base64.b64decode(read["image"], validate=True) == picture
    assert read["images"] == [read["image"], URL]


@pytest.mark.parametrize("value", [b"x", [b"x"], math.nan, object()])
def test_what_is_no_picture_must_be_something_json_can_say(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        write_body({"image": b"x", "other": value}, {"image"})


def test_an_extra_field_of_the_same_name_stands_in_place_of_a_picture() -> None:
    request = GenerationRequest("a cat", image=b"x", extra_body={"image": "as I say", "2": [1]})

    read = json.loads(create_body(request, "m", {"image": b"x" * PIECE}))

    assert read == {"model": "m", "prompt": "a cat", "image": "as I say", "2": [1]}


def test_bytes_in_an_extra_field_are_no_picture() -> None:
    with pytest.raises(TypeError):
        create_body(GenerationRequest("a cat", extra_body={"image": b"x"}), "m", {"image": b"x"})
