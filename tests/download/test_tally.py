"""What counts as a picture that came: by its structure, by its length, and by whether it came twice."""

import gzip
import io

import pytest
from PIL import Image

from apimodels_async._download.limits import DownloadLimits
from apimodels_async._download.tally import DoubtfulError, Judgement, PictureTally, SpoiledError
from apimodels_async._wire.picture_formats import PictureFormat
from tests.support.pictures import GIF, JPEG, PNG

SVG = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
JXL = b"\xff\x0a" + bytes(300)
UNKNOWN = bytes(range(255, -1, -1)) * 3
CUT = PNG[:-4]


def mpo() -> bytes:
    buffer = io.BytesIO()
    picture = Image.new("RGB", (40, 30))
    picture.save(buffer, "MPO", save_all=True, append_images=[picture])
    return buffer.getvalue()[:-9]


def tally(data: bytes, *, encoded: bool = False, check: bool = True, size: int = 100) -> PictureTally:
    found = PictureTally(DownloadLimits(check=check), 0.0, encoded=encoded)
    for at in range(0, len(data), size):
        found.count(data[at : at + size], 0.0)
    return found


@pytest.mark.parametrize("data", [PNG, JPEG, GIF, JPEG + bytes(5000), GIF + b"\r\n"])
@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("encoded", [True, False])
def test_a_whole_picture_is_taken_with_data_behind_it_and_whatever_its_header_says(
    data: bytes, announced: bool, encoded: bool
) -> None:
    found = tally(data, encoded=encoded).judge(len(data) if announced else None)

    assert found.format is not None
    assert found.format.is_checked
    assert found.warning is None


@pytest.mark.parametrize("data", [CUT, JPEG[:-1], GIF[:-1]])
@pytest.mark.parametrize("announced", [True, False])
def test_what_breaks_off_is_never_taken_unless_it_is_asked_for(data: bytes, announced: bool) -> None:
    length = len(data) if announced else None

    with pytest.raises(SpoiledError, match="it breaks off after") as caught:
        tally(data).judge(length, again=True)
    assert not isinstance(caught.value, DoubtfulError)
    assert tally(data, check=False).judge(length).warning == "it was not checked"


@pytest.mark.parametrize(
    ("data", "found"),
    [(UNKNOWN, None), (mpo(), PictureFormat.JPEG)],
    ids=["unknown", "photo without its second picture"],
)
def test_what_may_be_a_picture_is_taken_when_it_came_twice_with_its_length(
    data: bytes, found: PictureFormat | None
) -> None:
    with pytest.raises(DoubtfulError):
        tally(data).judge(len(data))
    taken = tally(data).judge(len(data), again=True)
    assert taken.format == found
    assert taken.warning
    with pytest.raises(SpoiledError, match="announced no length"):
        tally(data).judge(None, again=True)


@pytest.mark.parametrize(("data", "found"), [(SVG, PictureFormat.SVG), (JXL, PictureFormat.JXL)])
def test_a_known_format_whose_structure_is_not_followed_needs_its_length(data: bytes, found: PictureFormat) -> None:
    assert tally(data).judge(len(data)) == Judgement(found)
    with pytest.raises(SpoiledError, match=r"whether all of this .* came is not known, and the server announced no"):
        tally(data).judge(None)


@pytest.mark.parametrize(
    "data", [b"", b"<html><body>sign in</body></html>", b'{"code": 404}', "Fehler: ü".encode() * 60]
)
@pytest.mark.parametrize("again", [True, False])
def test_a_page_in_place_of_a_picture_is_never_taken(data: bytes, again: bool) -> None:
    with pytest.raises(SpoiledError, match="what came is no picture"):
        tally(data).judge(len(data), again=again)


@pytest.mark.parametrize("encoded", [True, False])
def test_what_is_compressed_is_noticed_at_its_first_bytes(encoded: bool) -> None:
    with pytest.raises(SpoiledError, match=r"the server compressed it \(gzip\) although that was declined"):
        tally(gzip.compress(PNG), encoded=encoded)


def test_unknown_bytes_that_the_server_calls_compressed_are_not_taken() -> None:
    with pytest.raises(SpoiledError, match="no picture"):
        tally(UNKNOWN, encoded=True).judge(len(UNKNOWN), again=True)


def test_a_length_that_was_not_met_is_never_taken() -> None:
    with pytest.raises(SpoiledError, match=f"{len(PNG)} bytes of {len(PNG) + 1} came"):
        tally(PNG, check=False).judge(len(PNG) + 1, again=True)


def test_a_judgement_names_suffix_and_media_type() -> None:
    assert (Judgement(PictureFormat.WEBP).suffix, Judgement(PictureFormat.WEBP).media_type) == (".webp", "image/webp")
    assert (Judgement(None).suffix, Judgement(None).media_type) == (".bin", "application/octet-stream")
