import base64
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from apimodels_async._create.inputs import has_local, is_remote, request_fields
from apimodels_async._create.sources import read_picture
from apimodels_async._wire.picture_formats import PictureFormat
from apimodels_async.models import GenerationRequest, ImageInput
from tests.support.pictures import png

LINK = "https://example.com/a.png"
OTHER = "http://example.com/b.png"


PNG = png()
B64 = base64.b64encode(PNG).decode()


class Somewhere:
    """A path that is no `pathlib.Path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


class Upload(io.BytesIO):
    """As some web frameworks have them: a file that can be read, and saved elsewhere."""

    def save(self, _: object, __: str) -> None:
        raise AssertionError("the bytes are to be taken as they are")


FORMS: dict[str, Callable[[Path], ImageInput]] = {
    "bytes": lambda path: path.read_bytes(),
    "bytearray": lambda path: bytearray(path.read_bytes()),
    "memoryview": lambda path: memoryview(path.read_bytes()),
    "part of a memoryview": lambda path: memoryview(b"xx" + path.read_bytes() + b"yy")[2:-2],
    "path as text": str,
    "path": lambda path: path,
    "PathLike": Somewhere,
    "relative path": os.path.relpath,
    "data: URI": lambda path: "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode(),
    "DATA: URI": lambda path: "DATA:;base64," + base64.b64encode(path.read_bytes()).decode(),
    "BytesIO": lambda path: io.BytesIO(path.read_bytes()),
    "upload": lambda path: Upload(path.read_bytes()),
    "buffered reader": lambda path: io.BufferedReader(io.BytesIO(path.read_bytes())),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a picture.png"
    path.write_bytes(PNG)
    return path


def fields(**given: Any) -> dict[str, str | list[str]]:
    """The fields as they are sent: bytes as base64."""
    return {name: encoded(value) for name, value in request_fields(GenerationRequest("a cat", **given)).items()}


def encoded(value: Any) -> Any:
    if isinstance(value, list):
        return [encoded(each) for each in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


# --- one picture, in every form


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_local_picture_goes_as_base64_in_whatever_form_it_is_given(
    form: Callable[[Path], ImageInput], file: Path
) -> None:
    assert fields(image=form(file)) == {"image": B64}
    assert fields(images=[form(file)]) == {"images": [B64]}
    assert fields(image=PNG, mask=form(file)) == {"image": B64, "mask": B64}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_local_picture_is_read_with_its_format(form: Callable[[Path], ImageInput], file: Path) -> None:
    assert read_picture(form(file), "image") == (PNG, PictureFormat.PNG, (4, 3))
    assert not is_remote(form(file))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_a_pillow_image_goes_as_a_png_of_the_same_pixels(mode: str) -> None:
    image = Image.new(mode, (5, 4), 1)

    sent = fields(image=image)["image"]

    assert isinstance(sent, str)
    with Image.open(io.BytesIO(base64.b64decode(sent))) as read:
        assert (read.format, read.size, read.mode) == ("PNG", (5, 4), mode)
        assert list(read.convert("RGBA").tobytes()) == list(image.convert("RGBA").tobytes())


def test_a_pillow_image_that_was_opened_from_a_jpeg_goes_as_a_png() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (5, 4)).save(buffer, "JPEG")

    with Image.open(buffer) as image:
        assert read_picture(image, "image").format is PictureFormat.PNG


def test_an_open_file_is_read_and_stays_open(file: Path) -> None:
    with file.open("rb") as opened:
        assert fields(image=opened) == {"image": B64}
        assert not opened.closed


def test_a_file_is_read_from_where_it_stands() -> None:
    file = io.BytesIO(b"a header of the caller's own" + PNG)
    file.seek(28)

    assert fields(image=file) == {"image": B64}


@pytest.mark.parametrize("name", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"])
def test_a_picture_of_any_format_goes_byte_for_byte(name: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (5, 4)).save(buffer, name)

    assert read_picture(buffer.getvalue(), "image") == (buffer.getvalue(), PictureFormat[name], (5, 4))
    assert fields(image=buffer.getvalue()) == {"image": base64.b64encode(buffer.getvalue()).decode()}


# --- links


@pytest.mark.parametrize("link", [LINK, OTHER, "HTTPS://EXAMPLE.COM/A.PNG", "Http://example.com"])
def test_a_link_goes_as_image_url_and_is_not_read_here(link: str) -> None:
    assert is_remote(link)
    assert fields(image=link) == {"image_url": link}
    assert not has_local(GenerationRequest("a cat", image=link))


def test_several_links_go_as_image_urls() -> None:
    assert fields(images=[LINK, OTHER]) == {"image_urls": [LINK, OTHER]}
    assert fields(images=(LINK,)) == {"image_urls": [LINK]}
    assert not has_local(GenerationRequest("a cat", images=[LINK, OTHER]))


@pytest.mark.parametrize(
    "text", ["httpx/a.png", "https.png", "ftp://example.com/a.png", "www.example.com/a.png", "http:/a"]
)
def test_text_that_only_looks_like_a_link_is_a_path(text: str) -> None:
    assert not is_remote(text)
    with pytest.raises(ValueError, match="no such file"):
        fields(image=text)


def test_pictures_of_both_sorts_go_as_images_each_as_it_is_and_in_their_order(file: Path) -> None:
    given: list[ImageInput] = [LINK, file, "data:image/png;base64," + B64, OTHER, PNG]

    assert fields(images=given) == {"images": [LINK, B64, B64, OTHER, B64]}
    assert has_local(GenerationRequest("a cat", images=given))


def test_a_mask_may_go_with_a_picture_that_the_server_fetches() -> None:
    request = GenerationRequest("a cat", image=LINK, mask=PNG)

    assert fields(image=LINK, mask=PNG) == {"image_url": LINK, "mask": B64}
    assert has_local(request)


def test_without_pictures_there_are_no_fields() -> None:
    assert fields() == {}
    assert not has_local(GenerationRequest("a cat"))


# --- sizes of image and mask


@pytest.mark.parametrize("images", [{"image": png(4, 3)}, {"images": [png(4, 3), png(9, 9)]}])
def test_a_mask_of_another_size_than_the_first_image_is_refused_with_both_sizes(images: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^mask: it is 3x4 pixels and its image 4x3; give both in the same size$"):
        fields(mask=png(3, 4), **images)


@pytest.mark.parametrize("mask", [png(4, 4), png(5, 3)])
def test_one_side_that_differs_is_enough(mask: bytes) -> None:
    with pytest.raises(ValueError, match="same size"):
        fields(image=png(4, 3), mask=mask)


def test_sizes_are_compared_across_formats() -> None:
    buffer = io.BytesIO()
    Image.new("L", (4, 3)).save(buffer, "WEBP")

    assert set(fields(image=png(4, 3), mask=buffer.getvalue())) == {"image", "mask"}
    with pytest.raises(ValueError, match="mask: it is 4x3 pixels and its image 4x4"):
        fields(image=png(4, 4), mask=buffer.getvalue())


@pytest.mark.parametrize("name", ["BMP", "TIFF", "AVIF", "GIF", "JPEG"])
def test_the_size_of_every_format_is_compared(name: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (9, 9)).save(buffer, name)

    for given in ({"image": png(4, 3), "mask": buffer.getvalue()}, {"image": buffer.getvalue(), "mask": png(4, 3)}):
        with pytest.raises(ValueError, match=r"^mask: .*give both in the same size"):
            fields(**given)


def test_the_size_of_a_picture_that_the_server_fetches_is_left_to_the_server() -> None:
    assert set(fields(images=[LINK, png(9, 9)], mask=png(4, 3))) == {"images", "mask"}


# --- what is refused


ARGUMENTS: list[tuple[str, Callable[[Any], dict[str, Any]]]] = [
    ("image", lambda bad: {"image": bad}),
    ("mask", lambda bad: {"image": PNG, "mask": bad}),
    ("images[0]", lambda bad: {"images": [bad, PNG]}),
    ("images[2]", lambda bad: {"images": [LINK, PNG, bad]}),
]


@pytest.mark.parametrize(("argument", "placed"), ARGUMENTS)
@pytest.mark.parametrize(
    ("bad", "kind", "reason"),
    [
        (lambda: b"", ValueError, "no picture in these 0 bytes; give a PNG, JPEG"),
        (lambda: b"<html>", ValueError, "no picture in these 6 bytes"),
        (lambda: b"<html>" + bytes(994), ValueError, "no picture in these 1000 bytes"),
        (lambda: io.BytesIO(b"<html>" + bytes(994)), ValueError, "no picture in its first 256 bytes"),
        (lambda: bytearray(b"GIF"), ValueError, "no picture in these 3 bytes"),
        (lambda: io.BytesIO(b"no picture"), ValueError, "no picture in these 10 bytes"),
        (lambda: "data:text/plain,hello", ValueError, "no picture in these 5 bytes"),
        (lambda: "data:image/png;base64", ValueError, "comma"),
        (lambda: "data:image/png;base64,QU!D", ValueError, "the data: URI is broken: base64 has no '!'"),
        (lambda: "data:image/png;base64,é", ValueError, "base64 has no 'é'"),
        (lambda: "no/such/file.png", ValueError, "no such file"),
        (lambda: Path("no/such/file.png"), ValueError, "no such file"),
        (lambda: "", ValueError, "is empty: give a path, a URL or a data: URI"),
        (lambda: ".", ValueError, "is a folder: name a file in it"),
        (lambda: "nul\x00byte", ValueError, "cannot be opened: embedded null byte"),
        (lambda: io.StringIO("text"), TypeError, "the file gives str; open it in binary mode"),
    ],
)
def test_what_is_no_picture_is_refused_by_the_name_of_its_argument_and_with_the_reason(
    argument: str,
    placed: Callable[[Any], dict[str, Any]],
    bad: Callable[[], Any],
    kind: type[Exception],
    reason: str,
) -> None:
    with pytest.raises(kind) as error:
        fields(**placed(bad()))

    assert str(error.value).startswith((f"{argument}:", f"{argument}=", f"{argument} is"))
    assert reason in str(error.value)


def test_a_text_file_is_refused_as_one(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"text")

    with path.open() as file, pytest.raises(TypeError, match="image: the file gives str; open it in binary mode"):
        fields(image=file)


@pytest.mark.parametrize("text", [B64, "iVBORw0KGgo=", B64.rstrip("="), B64.replace("+", "-").replace("/", "_")])
def test_text_that_looks_like_base64_shows_how_raw_base64_is_passed(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"raw base64 goes as 'data:image/png;base64,…' or as base64\.b64decode\(text\)"
    ):
        fields(image=text)


@pytest.mark.parametrize("image", [Path("cat.png"), Path("iVBORw0KGgo="), "cat.pmg", "pictures/cat"])
def test_a_path_is_not_suspected_of_being_base64(image: str | Path) -> None:
    with pytest.raises(ValueError, match=r"no such file$"):
        fields(image=image)


def test_long_base64_is_not_repeated_at_length() -> None:
    text = base64.b64encode(bytes(range(256)) * 50).decode()

    with pytest.raises(ValueError, match=f"…\\({len(text)} characters\\)") as error:
        fields(image=text)

    assert len(str(error.value)) < 300
    assert text[60:100] not in str(error.value)


def test_bytes_that_are_no_picture_are_not_repeated() -> None:
    with pytest.raises(ValueError, match="no picture") as error:
        fields(image=b"canary" * 100)

    assert "canary" not in str(error.value)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB", "HSV", "F"])
def test_a_pillow_image_that_cannot_be_a_png_is_refused_by_name(mode: str) -> None:
    with pytest.raises(ValueError, match=r"^image: .*convert"):
        read_picture(Image.new(mode, (2, 2)), "image")


@pytest.mark.parametrize("thing", [5, None, object(), ["a.png"]])
def test_something_that_is_no_picture_at_all_is_a_type_error_that_names_the_argument(thing: Any) -> None:
    with pytest.raises(TypeError, match=r"^file"):
        read_picture(thing, "file")


def test_a_closed_file_is_refused_by_the_name_of_its_argument() -> None:
    file = io.BytesIO(b"x")
    file.close()
    with pytest.raises(ValueError, match=r"^image"):
        read_picture(file, "image")
