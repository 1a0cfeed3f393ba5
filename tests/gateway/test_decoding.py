"""Pictures that come in are checked without being decoded, and shrunk while they are decoded."""

import io
import itertools
import struct
import threading
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image, features

from apimodels_async.gateway.inputs import InputPicture, content_type_of, decode, inspect
from apimodels_async.gateway.limits import MAX_KEPT_PIXELS, MAX_PIXELS, MAX_TAG_VALUES
from apimodels_async.gateway.refusals import Refusal
from apimodels_async.gateway.tag_values import tag_values
from tests.support.pictures import chunk


def never() -> float:
    return 0.0


def pictured(width: int, height: int, kind: str = "PNG", mode: str = "RGB", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new(mode, (width, height)).save(out, kind, **options)
    return out.getvalue()


def decoded(data: bytes, **options: Any) -> Image.Image:
    settings: dict[str, Any] = {"max_pixels": 10_000, "clock": never, **options}
    return Image.open(io.BytesIO(decode(inspect("image", data, clock=never), **settings)))


def with_scans(data: bytes, scans: int) -> bytes:
    """A progressive JPEG with its last scan so many times more."""
    last = data.rfind(b"\xff\xda")
    return data[:-2] + data[last:-2] * scans + data[-2:]


def test_the_head_tells_the_size(png: Callable[..., bytes]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert inspect("image", png(48, 32), clock=never).size == (48, 32)
    turned = inspect("image", png(48, 32, "JPEG", exif=exif), clock=never)
    assert (turned.stored, turned.size, turned.pixels) == ((48, 32), (32, 48), 48 * 32)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_picture_within_the_limit_is_kept_as_it_came(png: Callable[..., bytes], kind: str) -> None:
    data = png(100, 100, kind)
    assert decode(inspect("image", data, clock=never), max_pixels=10_000, clock=never) == data


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("size", [(200, 100), (37, 1000), (1001, 998)])
def test_a_larger_picture_is_shrunk_to_the_limit_and_keeps_its_shape(kind: str, size: tuple[int, int]) -> None:
    small = decoded(pictured(*size, kind))
    width, height = small.size
    assert 8_500 <= width * height <= 10_000
    assert width / height == pytest.approx(size[0] / size[1], rel=0.06)


def test_no_side_is_over_4096_pixels() -> None:
    assert 4000 <= decoded(pictured(9000, 90), max_pixels=MAX_KEPT_PIXELS).width <= 4096


@pytest.mark.parametrize(
    ("mode", "kind", "kept"),
    [
        *(("RGB", "JPEG", "JPEG"), ("L", "JPEG", "JPEG"), ("CMYK", "JPEG", "JPEG"), ("1", "PNG", "JPEG")),
        *(("RGBA", "PNG", "PNG"), ("LA", "PNG", "PNG"), ("P", "PNG", "JPEG"), ("I;16", "PNG", "JPEG")),
    ],
)
def test_a_copy_keeps_its_transparency(mode: str, kind: str, kept: str) -> None:
    small = decoded(pictured(300, 300, kind, mode))
    assert small.format == kept
    assert small.has_transparency_data == (mode in {"RGBA", "LA"})


def test_a_copy_stands_upright_and_has_its_colour_profile() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    small = decoded(pictured(400, 200, "JPEG", exif=exif, icc_profile=b"profile"))
    assert small.height > small.width
    assert small.getexif().get(0x0112) in {None, 1}
    assert small.info["icc_profile"] == b"profile"


def test_a_mask_is_shrunk_to_the_size_of_its_picture_and_to_pure_pixels() -> None:
    picture = decoded(pictured(401, 303, "JPEG"), lossless=True)
    out = io.BytesIO()
    mask = Image.new("L", (401, 303))
    mask.paste(255, (100, 100, 233, 233))
    mask.save(out, "PNG")
    small = decoded(out.getvalue(), lossless=True, nearest=True)
    assert small.size == picture.size
    assert {value for _, value in small.getcolors() or ()} == {0, 255}
    assert picture.format == small.format == "PNG"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF"])
@pytest.mark.parametrize("max_pixels", [100, 10**6])
def test_a_picture_that_breaks_off_is_refused_at_any_size(kind: str, max_pixels: int) -> None:
    out = io.BytesIO()
    options: dict[str, Any] = {"compression": "tiff_deflate"} if kind == "TIFF" else {}
    Image.effect_noise((300, 200), 90).convert("RGB").save(out, kind, **options)
    data = out.getvalue()[: len(out.getvalue()) * 2 // 3]
    with pytest.raises(Refusal, match=r"^image: there is no picture that can be read"):
        decode(inspect("image", data, clock=never), max_pixels=max_pixels, clock=never)


def test_a_large_jpeg_is_reduced_while_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, int]] = []
    core: Any = vars(Image)["core"]
    new = core.new

    def noted(mode: str, size: tuple[int, int]) -> Any:
        sizes.append(size)
        return new(mode, size)

    data = pictured(4000, 3000, "JPEG")
    monkeypatch.setattr(core, "new", noted)
    for limit in (100_000, 20_000_000):
        decode(inspect("image", data, clock=never), max_pixels=limit, clock=never)
    assert sizes
    assert max(width * height for width, height in sizes) <= 4000 * 3000 / 4


def test_a_progressive_jpeg_with_too_many_scans_for_its_size_is_refused() -> None:
    large, small = pictured(8000, 7000, "JPEG", progressive=True), pictured(64, 64, "JPEG", progressive=True)
    assert inspect("image", large, clock=never).pixels == 56_000_000
    with pytest.raises(Refusal, match=r"^image: this progressive JPEG has too many scans"):
        inspect("image", with_scans(large, 100), clock=never)
    assert decoded(with_scans(small, 500)).size == (64, 64)


@pytest.mark.parametrize("data", [b"\xff\xd8" + b"\xff\xe0\0\2" * 1_000_000, b"GIF89a" + b"\xff" * 4_000_000])
def test_a_head_as_long_as_its_file_is_refused_in_time(data: bytes) -> None:
    ticks = itertools.count()
    with pytest.raises(Refusal, match=r"^image: the picture takes too long to read"):
        inspect("image", data, clock=lambda: float(next(ticks)), seconds=1000)
    with pytest.raises(Refusal, match=r"^image: the picture takes too long to read"):
        inspect("image", data, clock=never, stopped=lambda: True)


def test_no_head_is_read_in_the_event_loop(desk: Any, b64: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []

    def noted(*given: Any, **options: Any) -> Any:
        threads.append(threading.current_thread().name)
        return inspect(*given, **options)

    monkeypatch.setattr("apimodels_async.gateway.loading.inspect", noted)
    desk.create("an edit", image=b64())
    assert threads == ["apimodels-gateway-pictures"]


def test_decoding_stops_when_its_time_is_over() -> None:
    out = io.BytesIO()
    Image.effect_noise((600, 600), 90).save(out, "JPEG", progressive=True)
    picture = inspect("image", out.getvalue(), clock=never)
    ticks = itertools.count()
    assert decode(picture, max_pixels=10**6, clock=lambda: float(next(ticks)), seconds=10_000) == out.getvalue()
    reads = next(ticks)
    assert reads > len(out.getvalue()) / 4096
    ticks = itertools.count()
    with pytest.raises(Refusal, match=r"^image: the picture takes too long to decode"):
        decode(picture, max_pixels=10**6, clock=lambda: float(next(ticks)), seconds=5)
    assert next(ticks) < reads


def test_decoding_stops_when_the_gateway_ends() -> None:
    out = io.BytesIO()
    Image.effect_noise((300, 300), 90).save(out, "PNG")
    with pytest.raises(Refusal):
        decode(inspect("image", out.getvalue(), clock=never), max_pixels=10**6, clock=never, stopped=lambda: True)


def test_more_than_64_megapixels_are_refused_by_the_head() -> None:
    assert inspect("image", pictured(8000, 8000, "PNG", "1"), clock=never).pixels == MAX_PIXELS
    with pytest.raises(Refusal, match="more than 64 megapixels"):
        inspect("image", pictured(8000, 8001, "PNG", "1"), clock=never)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif_is_read_where_pillow_reads_it(desk: Any) -> None:
    data = pictured(200, 100, "AVIF")
    assert content_type_of(data) == "image/avif"
    assert decoded(data, max_pixels=5000).size == (100, 50)
    url = desk.ask("POST", "/files", files={"file": data}).json()["data"]["publicUrl"]
    assert desk.ask("GET", url).headers["content-type"] == "image/avif"
    desk.finish("an edit", image_url=url)
    assert desk.painter.calls[-1]["images"] == [data]
    assert desk.painter.calls[-1]["size"] == (200, 100)


def test_sixteen_pictures_are_painted_from_no_more_than_two_of_the_largest(
    opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apimodels_async.gateway.loading.MAX_KEPT_PIXELS", 160_000)
    desk = opened()
    urls = [
        desk.ask("POST", "/files", files={"file": pictured(300, 200, kind)}).json()["data"]["publicUrl"]
        for kind in ("PNG", "JPEG")
    ]
    desk.finish("a fusion", image_urls=urls * 8)
    images = [Image.open(io.BytesIO(data)) for data in desk.painter.calls[-1]["images"]]
    assert len(images) == 16
    assert sum(image.width * image.height for image in images) <= 160_000
    assert desk.painter.calls[-1]["size"] == (300, 200)


def test_the_time_of_all_the_pictures_of_a_request_is_limited(
    opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, b64: Callable[..., str]
) -> None:
    given: list[float] = []

    def noted(picture: InputPicture, *, seconds: float, clock: Callable[[], float], **_: Any) -> bytes:
        given.append(seconds)
        return picture.data

    times = itertools.count()
    monkeypatch.setattr("apimodels_async.gateway.loading.decode", noted)

    def never_late(name: str, data: bytes, **_: Any) -> InputPicture:
        return inspect(name, data, clock=never)

    monkeypatch.setattr("apimodels_async.gateway.loading.inspect", never_late)
    monkeypatch.setattr("apimodels_async.gateway.loading._cpu_seconds", lambda: float(next(times)))
    opened().create(images=[b64()] * 4)
    assert given == [20.0, 19.0, 18.0, 17.0]


def test_a_mask_of_another_size_than_its_image_is_refused(desk: Any, b64: Callable[..., str]) -> None:
    body = {"model": "grok-4.2-image", "prompt": "a", "image": b64(256, 192), "mask": b64(128, 128)}
    answer = desk.ask("POST", "/images/generations", json=body)
    assert answer.status_code == 400
    assert answer.json()["msg"] == ("mask: it has 128x128 pixels and the image 256x192: give both the same size")


def tagged(entries: list[tuple[int, int, int]], *, order: str = "<", big: bool = False) -> bytes:
    """A TIFF structure: its tags, their types, and the number of their values, which stand behind the directory."""
    head, count, layout = ("HHHQ", "Q", "HHQQ") if big else ("HI", "H", "HHII")
    mark = {"<": b"II", ">": b"MM"}[order]
    start = mark + struct.pack(order + head, *((43, 8, 0, 16) if big else (42, 8)))
    size = len(start) + struct.calcsize(order + count) + len(entries) * struct.calcsize(order + layout)
    rows = b"".join(struct.pack(order + layout, *entry, size) for entry in entries)
    return start + struct.pack(order + count, len(entries)) + rows


def with_chunk(png: bytes, kind: bytes, data: bytes, *, late: bool) -> bytes:
    """A PNG with another chunk, before its pixels or behind them."""
    at = len(png) - 12 if late else 33
    return png[:at] + chunk(kind, data) + png[at:]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_values_in_tags_are_counted_and_texts_are_not(order: str, big: bool) -> None:
    if big and order == ">":
        pytest.skip("Pillow reads no BigTIFF in this order")
    blob = tagged([(0x112, 3, 1), (0x10E, 2, 10**6), (0x11A, 5, 300), (0x8769, 4, 1)], order=order, big=big)
    assert tag_values(blob) == 302
    assert tag_values(b"Exif\x00\x00" + blob) == 302
    assert [tag_values(each) for each in (b"", b"II", b"II*\0\xff\xff\xff\xff", b"\x89PNG", blob[:-1])] == [
        0,
        0,
        0,
        0,
        301,
    ]


def test_directories_that_lead_in_a_circle_are_counted_once() -> None:
    blob = bytearray(tagged([(0x8769, 4, 1), (0x8825, 4, 1)]))
    blob[18:22] = blob[30:34] = (8).to_bytes(4, "little")
    assert tag_values(bytes(blob)) == 2


@pytest.mark.parametrize("late", [False, True])
def test_millions_of_values_in_the_tags_of_a_picture_are_refused(png: Callable[..., bytes], late: bool) -> None:
    exif = tagged([(0x112, 3, 1), (0x11A, 5, MAX_TAG_VALUES)])
    words = r"^image: the picture has more than 250,000 values in its tags"
    with pytest.raises(Refusal, match=words):
        inspect("image", with_chunk(png(), b"eXIf", exif, late=late), clock=never)
    with pytest.raises(Refusal, match=words):
        inspect("image", tagged([(0x100, 4, 1), (0x111, 4, MAX_TAG_VALUES)]), clock=never)
    out = io.BytesIO()
    Image.new("1", (100, 60_000)).save(out, "TIFF", strip_size=1)
    assert inspect("image", out.getvalue(), clock=never).size == (100, 60_000)


@pytest.mark.parametrize("late", [False, True])
def test_no_head_of_a_png_decodes_it(png: Callable[..., bytes], late: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = with_chunk(png(48, 32), b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"), late=late)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda _: pytest.fail("it is decoded"))
    assert inspect("image", turned, clock=never).size == (32, 48)
    assert inspect("image", png(48, 32), clock=never).size == (48, 32)


def test_a_side_of_more_than_a_jpeg_can_have_is_refused() -> None:
    assert inspect("image", pictured(1, 65_535), clock=never).size == (1, 65_535)
    for size in ((1, 65_536), (65_536, 1)):
        with pytest.raises(Refusal, match=r"^image: the picture has a side of more than 65,535 pixels"):
            inspect("image", pictured(*size), clock=never)
