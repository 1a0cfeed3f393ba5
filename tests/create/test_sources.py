"""Pictures as people have them: photos on their side, files of other libraries, files that are cut off."""

import io
import re
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps

from apimodels_async._create.inputs import check_pictures, request_fields
from apimodels_async._create.sources import read_picture
from apimodels_async._wire.picture_formats import PictureFormat
from apimodels_async.models import GenerationRequest

WIDTH, HEIGHT = 40, 24


def exif(orientation: int) -> bytes:
    return b"Exif\x00\x00II*\x00\x08\x00\x00\x00" + struct.pack("<H HHIHxx I", 1, 0x112, 3, 1, orientation, 0)


def saved(image: Image.Image, name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def halves() -> Image.Image:
    """A picture of which every turn and every mirroring looks different."""
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    image.paste("red", (0, 0, WIDTH // 2, HEIGHT // 2))
    image.paste("blue", (WIDTH // 2, 0, WIDTH, HEIGHT // 2))
    return image


def photo(name: str, orientation: int) -> bytes:
    options: dict[str, Any] = {"tiffinfo": {0x112: orientation}} if name == "TIFF" else {"exif": exif(orientation)}
    if name in ("JPEG", "WEBP"):
        options["quality"] = 100
    return saved(halves(), name, **options)


def seen(data: bytes) -> list[tuple[int, ...]]:
    """The size, and the colours of the four corners, as a viewer shows the picture."""
    with Image.open(io.BytesIO(data)) as opened:
        upright = ImageOps.exif_transpose(opened).convert("RGB")
    width, height = upright.size
    corners = [(2, 2), (width - 3, 2), (2, height - 3), (width - 3, height - 3)]
    colours = [upright.getpixel(corner) for corner in corners]
    return [
        upright.size,
        *(tuple(round(part / 64) for part in colour) for colour in colours if isinstance(colour, tuple)),
    ]


# --- photos that a viewer turns


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_photo_is_the_same_picture_as_a_file_and_as_a_pillow_image(
    name: str, orientation: int, tmp_path: Path
) -> None:
    data = photo(name, orientation)
    path = tmp_path / "photo"
    path.write_bytes(data)
    with Image.open(path) as opened:
        forms = [read_picture(form, "image") for form in (path, data, opened, opened.copy(), opened.convert("RGB"))]

    assert [seen(form.data) for form in forms] == [seen(data)] * 5
    assert {form.size for form in forms} == {(HEIGHT, WIDTH) if orientation >= 5 else (WIDTH, HEIGHT)}


def test_a_pillow_image_that_is_upright_already_is_not_turned_again() -> None:
    with Image.open(io.BytesIO(photo("JPEG", 6))) as opened:
        upright = ImageOps.exif_transpose(opened)

    assert seen(read_picture(upright, "image").data) == seen(photo("JPEG", 6))


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
def test_a_mask_has_the_size_that_a_viewer_shows(name: str) -> None:
    image = photo(name, 6)
    upright, stored = saved(Image.new("L", (HEIGHT, WIDTH)), "PNG"), saved(Image.new("L", (WIDTH, HEIGHT)), "PNG")

    assert set(request_fields(GenerationRequest("a", image=image, mask=upright))) == {"image", "mask"}
    with pytest.raises(ValueError, match=f"mask: it is {WIDTH}x{HEIGHT} pixels and its image {HEIGHT}x{WIDTH}"):
        request_fields(GenerationRequest("a", image=image, mask=stored))


# --- pictures that are not all there, and files that are none


@pytest.mark.parametrize("name", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"])
@pytest.mark.parametrize("form", [lambda data: data, io.BytesIO], ids=["bytes", "file"])
def test_a_picture_that_is_cut_off_is_refused(name: str, form: Callable[[bytes], Any]) -> None:
    data = saved(Image.effect_noise((64, 64), 100).convert("RGB"), name)
    label = PictureFormat[name].label
    cut = data[: len(data) * 6 // 10]

    assert read_picture(form(data), "image").data == data
    with pytest.raises(ValueError, match=f"^image: this {label} breaks off after {len(cut)} bytes: it is cut off"):
        read_picture(form(cut), "image")


def test_a_photo_whose_second_picture_is_missing_is_sent() -> None:
    data = saved(halves(), "MPO", save_all=True, append_images=[halves()])

    assert read_picture(data[:-10], "image").format is PictureFormat.JPEG


def test_a_picture_with_data_behind_it_is_sent_as_it_is() -> None:
    data = saved(halves(), "JPEG") + b"\x00\x00\x00\x18ftypmp42" + bytes(5000)

    assert read_picture(data, "image").data == data


@pytest.mark.parametrize(
    ("start", "label"),
    [
        (b"\xff\x0a", "JPEG XL"),
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"8BPS\x00\x01", "Photoshop (PSD)"),
        (b"%PDF-1.7", "PDF"),
        (b"qoif\x00\x00", "QOI"),
        (b"P6\n8 8\n255\n", "PNM (PPM, PGM, PBM)"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"\x00\x00\x01\x00\x01\x00\x10\x10", "ICO"),
        (b"\x00\x00\x00\x18ftypmp42", "MP4 video"),
    ],
)
def test_a_format_that_is_not_taken_is_named(start: bytes, label: str) -> None:
    words = f"image: {label} is not taken; give a PNG, JPEG, GIF, WebP, BMP, TIFF, AVIF or HEIC"
    with pytest.raises(ValueError, match=re.escape(words)):
        read_picture(start + bytes(400), "image")


def test_a_compressed_picture_is_refused_as_one() -> None:
    with pytest.raises(ValueError, match="image is compressed with gzip: give the picture that is inside"):
        read_picture(b"\x1f\x8b\x08" + bytes(400), "image")


def test_a_large_file_that_is_no_picture_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "film.raw"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="no picture in its first 256 bytes"):
            read_picture(path, "image")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


# --- objects of other libraries


class Opens:
    """As fsspec's OpenFile: it is opened without a mode, and has a path that means nothing here."""

    def __init__(self, data: bytes) -> None:
        self.file = io.BytesIO(data)

    def open(self) -> io.BytesIO:
        return self.file

    def __fspath__(self) -> str:
        return "memory://a.png"


class ReadsBytes:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def read_bytes(self) -> bytes:
        return self.data


PNG = saved(halves(), "PNG")


def test_a_file_inside_a_zip_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("in/a.png", PNG)

    assert read_picture(zipfile.Path(tmp_path / "a.zip", "in/a.png"), "image").data == PNG
    with zipfile.ZipFile(tmp_path / "a.zip") as archive, archive.open("in/a.png") as file:
        assert read_picture(file, "image").data == PNG


@pytest.mark.parametrize("kind", [Opens, ReadsBytes])
def test_whatever_gives_its_bytes_is_read(kind: type[Opens] | type[ReadsBytes]) -> None:
    assert read_picture(kind(PNG), "image").data == PNG
    assert request_fields(GenerationRequest("a", image=kind(PNG))) == {"image": PNG}


def test_what_was_opened_here_is_closed() -> None:
    given = Opens(PNG)
    read_picture(given, "image")
    assert given.file.closed


class BytesPath:
    def __fspath__(self) -> bytes:
        return b"no-such.png"


class Raising:
    def __init__(self, method: str, error: Exception) -> None:
        self.error = error
        setattr(self, method, self.fail)

    def fail(self, *_: object, **__: object) -> bytes:
        raise self.error


@pytest.mark.parametrize("method", ["read", "read_bytes", "open", "save"])
@pytest.mark.parametrize(
    "error", [KeyError("x"), AssertionError(), SyntaxError("bad"), EOFError(), zipfile.BadZipFile()]
)
def test_whatever_an_object_raises_is_an_error_that_names_the_argument(method: str, error: Exception) -> None:
    with pytest.raises(ValueError, match=f"^images\\[1\\]: .*{type(error).__name__}") as caught:
        read_picture(Raising(method, error), "images[1]")  # type: ignore[arg-type]

    assert caught.value.__cause__ is error
    assert "convert" not in str(caught.value)


def test_a_pillow_image_that_was_closed_is_refused_without_advice_that_does_not_help(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    with Image.open(path) as image:
        pass

    with pytest.raises(ValueError, match=r"^image: it cannot be saved as a PNG") as caught:
        read_picture(image, "image")
    assert "convert" not in str(caught.value)


def test_a_path_of_bytes_is_read_as_one() -> None:
    with pytest.raises(ValueError, match=r"image='no-such\.png': no such file"):
        read_picture(BytesPath(), "image")  # type: ignore[arg-type]


# --- what is said of a text that is no file


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "s3://bucket/a.png",
            "image='s3://bucket/a.png': no such file: s3: is not read here; give the bytes, an open file",
        ),
        ("gs://bucket/a.png", "gs: is not read here"),
        ("file:///a.png", "no such file: a path has no file: in front of it"),
        ("~/a.png", "~ is not expanded; give os.path.expanduser(path)"),
        ('"a.png"', "it has quotation marks around it"),
        ("'a.png'", "it has quotation marks around it"),
        ("a.png\n", "it has white space around it"),
        ("", "image is empty: give a path"),
        (" \n", "image is empty: give a path"),
        ("x" * 300, "image='xxxxxxxxxxxxxxx"),
    ],
)
def test_a_text_that_is_no_path_is_explained(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        read_picture(text, "image")
    assert ("base64" in str(caught.value)) == (len(text) == 300)  # so long, and of its alphabet


def test_a_folder_is_named_as_one(tmp_path: Path) -> None:
    for form in (tmp_path, str(tmp_path)):
        with pytest.raises(ValueError, match="is a folder: name a file in it"):
            read_picture(form, "image")


def test_white_space_around_a_url_is_not_sent() -> None:
    assert request_fields(GenerationRequest("a", image=" https://a.example/x.png\n")) == {
        "image_url": "https://a.example/x.png"
    }
    assert request_fields(GenerationRequest("a", images=["\thttps://a.example/x.png"])) == {
        "image_urls": ["https://a.example/x.png"]
    }


# --- a look without reading


def test_a_look_reads_the_first_bytes_and_the_sizes_of_a_picture_and_its_mask(tmp_path: Path) -> None:
    whole, cut, turned = tmp_path / "whole.png", tmp_path / "cut.png", tmp_path / "turned.jpg"
    whole.write_bytes(PNG)
    cut.write_bytes(PNG[:-20])
    turned.write_bytes(photo("JPEG", 6))

    check_pictures(GenerationRequest("a", image=whole, mask=whole))
    check_pictures(GenerationRequest("a", images=[str(whole), "https://a.example/x.png", cut]))
    for request, words in [
        (GenerationRequest("a", image=turned, mask=whole), f"mask: it is {WIDTH}x{HEIGHT} pixels"),
        (GenerationRequest("a", image=cut, mask=whole), "image: this PNG breaks off"),
        (GenerationRequest("a", image="data:image/png;base64,@@@@"), "image: the data: URI is broken"),
        (GenerationRequest("a", images=[whole, "data:,x"]), r"images\[1\]: no picture in these 1 bytes"),
        (GenerationRequest("a", image=tmp_path / "none"), "no such file"),
    ]:
        with pytest.raises(ValueError, match=words):
            check_pictures(request)
