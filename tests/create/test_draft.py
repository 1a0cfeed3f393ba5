"""Which pictures of a request are uploaded first, and what is sent then."""

import base64
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimodels_async._create.draft import Draft, LargePicture, Pictures, room_for_pictures, to_upload, with_urls
from apimodels_async._wire.bodies import MemorySource, StreamedBody
from apimodels_async._wire.picture_formats import PictureFormat

SMALL, LARGE = 4_500_000, 100_000_000


def picture(size: int, argument: str = "image") -> LargePicture:
    return LargePicture(argument, MemorySource(bytes(size)), PictureFormat.JPEG)


def sizes(pictures: Sequence[LargePicture]) -> list[int]:
    return [each.source.size for each in pictures]


def test_a_body_of_4_5_megabytes_has_room_for_3_megabytes_of_pictures() -> None:
    assert room_for_pictures(SMALL) == 3_000_000
    assert room_for_pictures(LARGE) == 74_625_000
    assert room_for_pictures(100) == 0


@pytest.mark.parametrize(
    ("given", "uploaded"),
    [
        ([3_000_000], []),
        ([3_000_001], [3_000_001]),
        ([2_000_000, 1_000_000], []),
        ([2_000_000, 1_000_001], [2_000_000]),
        ([1_000_000, 4_000_000, 5_000_000, 2_000_000], [5_000_000, 4_000_000]),
        ([2_000_000] * 4, [2_000_000] * 3),
    ],
)
def test_the_largest_pictures_are_uploaded_until_the_rest_has_room(given: list[int], uploaded: list[int]) -> None:
    pictures = {"images": [picture(size, f"images[{at}]") for at, size in enumerate(given)]}
    assert sizes(to_upload(pictures, SMALL)) == uploaded
    assert to_upload(pictures, LARGE) == []


def test_a_mask_stays_in_the_request_and_takes_its_room() -> None:
    pictures = {"image": picture(1_000_001), "mask": picture(2_000_000, "mask")}
    assert to_upload(pictures, SMALL) == [pictures["image"]]


def test_a_mask_that_has_no_room_is_refused_with_what_to_do() -> None:
    pictures: Pictures = {"image_url": "https://a.example/1", "mask": picture(3_000_001, "mask")}
    with pytest.raises(ValueError, match=r"mask: it has 3\.0 MB, .*4\.5 MB: .*one bit.*api\.apimodels\.app"):
        to_upload(pictures, SMALL)
    assert to_upload(pictures, LARGE) == []


@given(st.lists(st.integers(1, 2_000), max_size=6), st.integers(0, 3_000))
def test_what_is_left_always_has_room_and_nothing_is_uploaded_without_need(given: list[int], room: int) -> None:
    pictures = {"images": [picture(size, f"images[{at}]") for at, size in enumerate(given)]}
    uploaded = sizes(to_upload(pictures, room * 4 // 3 + 500_002))
    left = sum(given) - sum(uploaded)
    assert left <= room + 1
    assert not uploaded or left + min(uploaded) > room - 1


def test_urls_take_the_place_of_pictures_under_the_names_that_go_with_urls() -> None:
    one, two = picture(1), picture(2)
    assert with_urls({"image": one}, {one: "https://f/1"}) == {"image_url": "https://f/1"}
    assert with_urls({"images": [one, two]}, {one: "https://f/1", two: "https://f/2"}) == {
        "image_urls": ["https://f/1", "https://f/2"]
    }
    assert with_urls({"images": [one, "https://a/1", two]}, {two: "https://f/2"}) == {
        "images": [one, "https://a/1", "https://f/2"]
    }
    assert with_urls({"image": one, "mask": two}, {one: "https://f/1"}) == {"image_url": "https://f/1", "mask": two}
    assert with_urls({"image": one}, {}) == {"image": one}


def test_a_draft_knows_what_is_missing_and_what_it_holds() -> None:
    one, two = picture(4_000_000, "images[0]"), picture(5_000_000, "images[1]")

    def write(fields: Any) -> StreamedBody:
        sources = [each.source if isinstance(each, LargePicture) else each for each in fields["images"]]
        return StreamedBody({"images": sources}, {"images"})

    draft = Draft({"images": [one, two, "https://a/1"]}, write)
    assert draft.held == 9_000_000
    assert draft.missing(SMALL) == [two, one]
    draft.note_uploaded(two, "https://f/2")
    assert (draft.missing(SMALL), draft.inline()) == ([one], [one])
    body = json.loads(b"".join(draft.body().pieces()))
    assert base64.b64decode(body["images"][0]) == bytes(4_000_000)
    assert body["images"][1:] == ["https://f/2", "https://a/1"]
    draft.forget()
    assert draft.held == 0
