import base64
import io
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from apimodels_async._wire.pictures import (
    HEAD,
    TAIL,
    Kind,
    from_data_uri,
    is_whole,
    pixel_size,
    sniff,
    to_base64,
    to_data_uri,
)

SIZED = {Kind.PNG, Kind.JPEG, Kind.GIF, Kind.WEBP}
"""The formats whose pixel size is read."""

WAYS: list[tuple[Kind, str, dict[str, Any]]] = [
    *((Kind.PNG, mode, {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
    (Kind.PNG, "RGB", {"optimize": True}),
    *((Kind.JPEG, mode, {}) for mode in ("L", "RGB", "CMYK", "YCbCr")),
    (Kind.JPEG, "RGB", {"progressive": True}),
    (Kind.JPEG, "RGB", {"quality": 1}),
    (Kind.JPEG, "RGB", {"quality": 100, "subsampling": 0}),
    (
        Kind.JPEG,
        "RGB",
        {"comment": b"a comment" * 50, "exif": b"Exif\x00\x00" + bytes(300), "icc_profile": bytes(3000)},
    ),
    (Kind.JPEG, "RGB", {"restart_marker_rows": 1}),
    *((Kind.GIF, mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA")),
    (Kind.GIF, "P", {"comment": b"a comment", "interlace": 1}),
    *((Kind.WEBP, mode, {}) for mode in ("RGB", "RGBA", "L")),
    *((Kind.WEBP, mode, {"lossless": True}) for mode in ("RGB", "RGBA")),
    (Kind.WEBP, "RGB", {"icc_profile": bytes(200), "exif": b"Exif\x00\x00" + bytes(99)}),
    *((Kind.BMP, mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA")),
    *((Kind.TIFF, mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "F", "I;16")),
    (Kind.TIFF, "RGB", {"compression": "tiff_lzw"}),
    (Kind.AVIF, "RGB", {}),
    (Kind.AVIF, "RGBA", {}),
]


def picture(mode: str, width: int, height: int, seed: int = 7) -> Image.Image:
    """Noise, so that no format can make little of it."""
    bands = Image.getmodebands("RGB" if mode in ("P", "1") else mode)
    base = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[bands]
    noise = Image.frombytes(base, (width, height), random.Random(seed).randbytes(width * height * bands))
    if mode == "CMYK":
        return noise.convert("RGB").convert("CMYK")
    if mode == "I;16":
        return noise.convert("I").convert("I;16")
    return noise.convert(mode)


def written(kind: Kind, mode: str, options: dict[str, Any], width: int = 40, height: int = 30) -> bytes:
    if kind is Kind.AVIF and not ("avif" in features.modules and features.check("avif")):
        pytest.skip("this Pillow writes no AVIF")
    buffer = io.BytesIO()
    picture(mode, width, height).save(buffer, kind.name, **options)
    return buffer.getvalue()


def animated(kind: Kind) -> bytes:
    buffer = io.BytesIO()
    frames = [picture("RGB", 40, 30, seed) for seed in range(3)]
    frames[0].save(buffer, kind.name, save_all=True, append_images=frames[1:], duration=100)
    return buffer.getvalue()


def whole(kind: Kind, data: bytes) -> bool:
    return is_whole(kind, len(data), data[:HEAD], data[-TAIL:])


def name(value: object) -> str | None:
    return value.name if isinstance(value, Kind) else None


# --- sniff, pixel_size


@pytest.mark.parametrize(("kind", "mode", "options"), WAYS, ids=name)
def test_a_real_picture_is_known_by_its_first_bytes_and_measured_as_pillow_does(
    kind: Kind, mode: str, options: dict[str, Any]
) -> None:
    data = written(kind, mode, options)

    assert sniff(data[:HEAD]) is kind
    assert pixel_size(data) == ((40, 30) if kind in SIZED else None)
    assert whole(kind, data)


@pytest.mark.parametrize("kind", [Kind.PNG, Kind.GIF, Kind.WEBP])
def test_an_animation_is_known_measured_and_whole(kind: Kind) -> None:
    data = animated(kind)

    assert sniff(data[:HEAD]) is kind
    assert pixel_size(data) == (40, 30)
    assert whole(kind, data)
    assert not whole(kind, data[: len(data) * 2 // 3])


@settings(max_examples=150)
@given(
    st.sampled_from([way for way in WAYS if way[0] in SIZED]),
    st.integers(1, 70) | st.sampled_from([255, 256, 257, 1000]),
    st.integers(1, 40),
)
def test_a_picture_of_any_size_is_measured_as_pillow_does(
    way: tuple[Kind, str, dict[str, Any]], width: int, height: int
) -> None:
    data = written(*way, width, height)

    with Image.open(io.BytesIO(data)) as opened:
        assert pixel_size(data) == opened.size == (width, height)
    assert whole(way[0], data)


@pytest.mark.parametrize(
    ("kind", "width", "height"), [(Kind.PNG, 70_000, 1), (Kind.JPEG, 65_500, 1), (Kind.GIF, 1, 65_535)]
)
def test_a_picture_at_its_formats_limits_is_measured_as_pillow_does(kind: Kind, width: int, height: int) -> None:
    buffer = io.BytesIO()
    Image.new("L", (width, height)).save(buffer, kind.name)

    assert pixel_size(buffer.getvalue()) == (width, height)


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("size", [(16_383, 2), (2, 16_383)])
def test_a_webp_at_its_limits_is_measured_as_pillow_does(lossless: bool, size: tuple[int, int]) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", size).save(buffer, "WEBP", lossless=lossless)

    assert pixel_size(buffer.getvalue()) == size


def test_a_jpeg_with_padding_before_its_markers_is_measured() -> None:
    data = written(Kind.JPEG, "RGB", {})
    padded = data[:2] + b"\xff\xff" + data[2:]

    assert pixel_size(padded) == (40, 30)


@pytest.mark.parametrize("marker", [b"\xc4", b"\xc8", b"\xcc"])
def test_a_jpegs_tables_are_not_taken_for_its_frame(marker: bytes) -> None:
    data = written(Kind.JPEG, "RGB", {})
    tables = data[:2] + b"\xff" + marker + b"\x00\x0c" + bytes(range(10)) + data[2:]

    assert pixel_size(tables) == (40, 30)


@pytest.mark.parametrize(
    ("brand", "kind"),
    [(b"avif", Kind.AVIF), (b"avis", Kind.AVIF), (b"heic", Kind.HEIC), (b"heix", Kind.HEIC), (b"mif1", Kind.HEIC)],
)
def test_the_brand_of_an_iso_file_tells_avif_from_heic(brand: bytes, kind: Kind) -> None:
    assert sniff(b"\x00\x00\x00\x20ftyp" + brand + bytes(16)) is kind


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG",
        b"\xff\xd8",
        b"GIF8",
        b"GIF88a" + bytes(60),
        b"RIFF\x00\x00\x00\x00WAVE",
        b"RIFF\x00\x00\x00\x00WEB",
        b"\x00\x00\x00\x20ftypisom",
        b"\x00\x00\x00\x20ftyp",
        b"<html><body>no</body></html>",
        b'{"code": 404}',
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        b" \x89PNG\r\n\x1a\n",
    ],
)
def test_what_is_no_picture_is_not_taken_for_one(data: bytes) -> None:
    assert sniff(data) is None
    assert pixel_size(data) is None


@given(st.sampled_from([written(*way) for way in WAYS if way[0] in SIZED]), st.integers(0, 700), st.binary(max_size=64))
def test_a_broken_picture_is_measured_or_not_but_never_an_error(data: bytes, cut: int, junk: bytes) -> None:
    for broken in (data[:cut], data[:cut] + junk, data[:12] + junk, junk):
        size = pixel_size(broken)
        assert size is None or (size[0] >= 0 and size[1] >= 0)


@pytest.mark.parametrize("way", [way for way in WAYS if way[0] in SIZED], ids=lambda way: f"{way[0].name}-{way[1]}")
def test_a_picture_cut_before_its_size_has_none(way: tuple[Kind, str, dict[str, Any]]) -> None:
    data = written(*way)

    found = [pixel_size(data[:cut]) for cut in range(len(data))]

    first = found.index((40, 30))
    assert first >= 10
    assert set(found[:first]) == {None}
    assert set(found[first:]) == {(40, 30)}


def test_every_format_has_a_suffix_and_a_media_type_of_its_own() -> None:
    assert [(kind.suffix, kind.media_type) for kind in Kind] == [
        (".png", "image/png"),
        (".jpg", "image/jpeg"),
        (".gif", "image/gif"),
        (".webp", "image/webp"),
        (".bmp", "image/bmp"),
        (".tiff", "image/tiff"),
        (".avif", "image/avif"),
        (".heic", "image/heic"),
    ]


# --- is_whole


def cuts(data: bytes) -> Iterator[bytes]:
    """Every truncation that still shows its signature."""
    for cut in range(12, len(data)):
        yield data[:cut]


@pytest.mark.parametrize(
    "way",
    [way for way in WAYS if way[0] in (Kind.PNG, Kind.JPEG, Kind.WEBP, Kind.BMP)],
    ids=lambda way: f"{way[0].name}-{way[1]}",
)
def test_no_truncation_passes_for_a_whole_picture(way: tuple[Kind, str, dict[str, Any]]) -> None:
    data = written(*way)
    passed = [len(cut) for cut in cuts(data) if whole(way[0], cut)]

    assert passed == []


@pytest.mark.parametrize("kind", [Kind.PNG, Kind.JPEG, Kind.WEBP, Kind.BMP])
@pytest.mark.parametrize("extra", [b"\n", b"\x00" * 16, b"written by somebody" * 20])
def test_a_little_after_the_end_does_no_harm(kind: Kind, extra: bytes) -> None:
    assert whole(kind, written(kind, "RGB", {}) + extra)


def test_zeros_after_a_gifs_end_do_no_harm() -> None:
    assert whole(Kind.GIF, written(Kind.GIF, "P", {}) + bytes(500))


@pytest.mark.parametrize("kind", [Kind.TIFF, Kind.AVIF, Kind.HEIC])
def test_a_format_without_an_end_mark_is_taken_as_whole(kind: Kind) -> None:
    assert is_whole(kind, 100, bytes(HEAD), bytes(100))


@pytest.mark.parametrize("kind", [Kind.PNG, Kind.JPEG, Kind.GIF])
def test_nothing_is_not_whole(kind: Kind) -> None:
    assert not is_whole(kind, 0, b"", b"")


# --- base64 and data: URIs


@given(st.binary(max_size=300))
def test_base64_and_data_uris_round_trip(data: bytes) -> None:
    text = to_base64(data)
    uri = to_data_uri(text)

    assert base64.b64decode(text, validate=True) == data
    assert uri.startswith("data:")
    assert uri.endswith(f";base64,{text}")
    assert from_data_uri(uri) == data


@pytest.mark.parametrize(("kind", "mode", "options"), WAYS, ids=name)
def test_a_pictures_data_uri_names_its_type(kind: Kind, mode: str, options: dict[str, Any]) -> None:
    data = written(kind, mode, options)

    uri = to_data_uri(to_base64(data))

    assert uri.startswith(f"data:{kind.media_type};base64,")
    assert from_data_uri(uri) == data


def test_a_data_uri_of_something_unknown_is_octets() -> None:
    assert to_data_uri(to_base64(b"what is this")).startswith("data:application/octet-stream;base64,")
    for broken in ("A", "\u00e9", "\ud800"):
        assert to_data_uri(broken) == f"data:application/octet-stream;base64,{broken}"


def test_what_is_a_data_uri_already_stays_as_it_is() -> None:
    assert to_data_uri("data:image/png;base64,QUJD") == "data:image/png;base64,QUJD"


@pytest.mark.parametrize(
    ("uri", "data"),
    [
        ("data:,abc", b"abc"),
        ("data:text/plain,a%20b%00", b"a b\x00"),
        ("data:;base64,QUJD", b"ABC"),
        ("data:image/png;base64,QUJD", b"ABC"),
        ("DATA:image/png;BASE64,QUJD", b"ABC"),
        ("data:image/png;charset=x; base64,QUJD", b"ABC"),
        ("data:image/png;base64,QU\r\n JD\n", b"ABC"),
        ("data:image/png;base64,", b""),
        ("data:,a,b", b"a,b"),
    ],
)
def test_a_data_uri_is_read_in_all_its_spellings(uri: str, data: bytes) -> None:
    assert from_data_uri(uri) == data


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("data:image/png;base64", "comma"),
        ("", "comma"),
        ("QUJD", "comma"),
        ("https://example.com/a,b", "comma"),
        ("data:image/png;base64,QUJ", "base64 is broken"),
        ("data:image/png;base64,QU!D", "base64 is broken"),
        ("data:image/png;base64,QU!JD", "base64 is broken"),
        ("data:image/png;base64,Q", "base64 is broken"),
    ],
)
def test_what_is_no_data_uri_is_refused_with_the_reason(uri: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        from_data_uri(uri)


@given(
    st.text(max_size=40).map("data:image/png;base64,{}".format) | st.text(max_size=40).map("data:{}".format) | st.text()
)
def test_any_text_is_a_data_uri_or_a_value_error(text: str) -> None:
    try:
        data = from_data_uri(text)
    except ValueError:
        return
    assert isinstance(data, bytes)
    assert text[:5].lower() == "data:"


@pytest.mark.parametrize("seed", range(5))
def test_no_truncated_gif_passes_for_a_whole_one(seed: int) -> None:
    buffer = io.BytesIO()
    Image.frombytes("L", (40, 30), random.Random(seed).randbytes(1200)).save(buffer, "GIF")
    data = buffer.getvalue()
    assert [cut for cut in range(12, len(data)) if is_whole(Kind.GIF, cut, data[:HEAD], data[:cut][-TAIL:])] == []
