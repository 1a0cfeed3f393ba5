"""Files of all formats, written by Pillow: whole, cut off, with data behind them, in pieces of any size."""

import gzip
import io
import itertools
import random
import struct
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from apimodels_async._wire.picture_formats import HEAD, PictureFormat, compression, recognise
from apimodels_async._wire.picture_structure import Completeness, PictureVerdict, PictureWalker, examine

THOROUGH = settings(max_examples=200)
"""On a busy machine a slow example is no failure."""

Format = PictureFormat


def picture(mode: str = "RGB", size: tuple[int, int] = (61, 43), seed: int = 7) -> Image.Image:
    """Noise, so that no format can make it small."""
    width, height = size
    noise = random.Random(seed).randbytes(3 * width * height)
    return Image.frombytes("RGB", size, noise).convert(mode)


def saved(image: Image.Image, format_: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def exif(orientation: int, *, thumbnail: bool = False) -> bytes:
    """EXIF data with an orientation, and at will with a thumbnail, which is a whole JPEG with an end mark."""
    small = saved(picture(size=(16, 12)), "JPEG") if thumbnail else b""
    first = struct.pack("<H HHIHxx I", 1, 0x112, 3, 1, orientation, 26 if small else 0)
    second = struct.pack("<H HHII HHII I", 2, 0x201, 4, 1, 56, 0x202, 4, 1, len(small), 0)
    return b"Exif\x00\x00II*\x00\x08\x00\x00\x00" + first + (second + small if small else b"")


def frames(format_: str, number: int = 4) -> bytes:
    first, *others = [picture(seed=seed) for seed in range(number)]
    return saved(first, format_, save_all=True, append_images=others)


FILES: dict[str, tuple[PictureFormat, bytes]] = {
    "png": (Format.PNG, saved(picture(), "PNG")),
    "png with EXIF": (Format.PNG, saved(picture(), "PNG", exif=exif(6))),
    "apng": (Format.PNG, frames("PNG")),
    "jpeg": (Format.JPEG, saved(picture(), "JPEG")),
    "jpeg, grey": (Format.JPEG, saved(picture("L"), "JPEG")),
    "jpeg, progressive": (Format.JPEG, saved(picture(), "JPEG", progressive=True)),
    "jpeg, restarts": (Format.JPEG, saved(picture(), "JPEG", restart_marker_blocks=1)),
    "jpeg, thumbnail": (Format.JPEG, saved(picture(), "JPEG", exif=exif(8, thumbnail=True))),
    "jpeg, profile": (Format.JPEG, saved(picture(), "JPEG", icc_profile=b"\xff\xd9" * 50_000, comment=b"\xff\xd9")),
    "mpo": (Format.JPEG, frames("MPO", 2)),
    "gif": (Format.GIF, saved(picture("P"), "GIF", comment=b";" * 600)),
    "gif, interlaced": (Format.GIF, saved(picture("P"), "GIF", interlace=1)),
    "gif, animated": (Format.GIF, frames("GIF")),
    "webp, lossy": (Format.WEBP, saved(picture(), "WEBP")),
    "webp, lossless": (Format.WEBP, saved(picture(), "WEBP", lossless=True)),
    "webp, extended": (Format.WEBP, saved(picture("RGBA"), "WEBP", exif=exif(5), icc_profile=bytes(501))),
    "webp, animated": (Format.WEBP, frames("WEBP")),
    "tiff": (Format.TIFF, saved(picture(), "TIFF")),
    "tiff, lzw": (Format.TIFF, saved(picture(), "TIFF", compression="tiff_lzw", strip_size=1000)),
    "tiff, jpeg": (Format.TIFF, saved(picture(), "TIFF", compression="jpeg")),
    "tiff, pages": (Format.TIFF, frames("TIFF")),
    "tiff, turned": (Format.TIFF, saved(picture(), "TIFF", tiffinfo={0x112: 6})),
    "bigtiff": (Format.TIFF, saved(picture(), "TIFF", big_tiff=True)),
    "bigtiff, lzw": (Format.TIFF, saved(picture(), "TIFF", big_tiff=True, compression="tiff_lzw", strip_size=999)),
    "bmp": (Format.BMP, saved(picture(), "BMP")),
    "bmp, palette": (Format.BMP, saved(picture("P"), "BMP")),
    "bmp, one bit": (Format.BMP, saved(picture("1"), "BMP")),
    "avif": (Format.AVIF, saved(picture(), "AVIF")),
    "avif, turned": (Format.AVIF, saved(picture("RGBA"), "AVIF", exif=exif(6))),
    "avif, animated": (Format.AVIF, frames("AVIF")),
}
PADDED = ("tiff, jpeg", "tiff, pages")
"""Behind the last page, Pillow fills up to a multiple of 16 bytes."""

every_file = pytest.mark.parametrize("name", FILES)


def decoded(data: bytes) -> list[bytes]:
    """The pixels of all frames; empty if Pillow cannot read them."""
    pixels: list[bytes] = []
    try:
        with Image.open(io.BytesIO(data)) as image:
            for number in range(getattr(image, "n_frames", 1)):
                image.seek(number)
                pixels.append(image.tobytes())
    except Exception:  # noqa: BLE001  (whatever a decoder raises for a cut file)
        return []
    return pixels


def cuts(length: int, number: int = 60) -> Iterator[int]:
    """Lengths to which a file is cut: its beginning, its end, and places between."""
    between = random.Random(length).sample(range(length), min(number, length))
    return itertools.chain(range(min(length, 80)), between, range(max(length - 24, 0), length))


def fed(data: bytes, sizes: Iterator[int]) -> PictureVerdict:
    walker = PictureWalker()
    at = 0
    while at < len(data):
        size = next(sizes)
        walker.feed(data[at : at + size])
        at += size
    return walker.finish()


@every_file
def test_a_whole_file_is_whole_and_its_size_and_orientation_are_those_that_pillow_finds(name: str) -> None:
    kind, data = FILES[name]
    verdict = examine(data)
    assert (verdict.format, verdict.completeness, verdict.length) == (kind, Completeness.WHOLE, len(data))
    assert verdict.trailing < (16 if name in PADDED else 1)
    with Image.open(io.BytesIO(data)) as image:
        assert verdict.upright_size == ImageOps.exif_transpose(image).size


@every_file
def test_a_file_that_was_cut_is_never_whole_unless_only_padding_is_missing(name: str) -> None:
    _, data = FILES[name]
    end = len(data) - examine(data).trailing
    for cut in cuts(end):
        assert not examine(data[:cut]).is_whole, cut
    for cut in range(end, len(data)):
        assert decoded(data[:cut]) == decoded(data), cut


@every_file
@pytest.mark.parametrize(
    "behind", [b"\r\n", b"\x00", bytes(5000), b"\x00\x00\x00\x18ftypmp42isommp41", b"\xff\xd9 ; IEND"]
)
def test_data_behind_the_end_leaves_a_picture_whole(name: str, behind: bytes) -> None:
    _, data = FILES[name]
    verdict = examine(data + behind)
    assert verdict.is_whole
    assert verdict.trailing == examine(data).trailing + len(behind)


@THOROUGH
@given(st.sampled_from(sorted(FILES)), st.lists(st.integers(1, 3000), min_size=1, max_size=9), st.data())
def test_pieces_of_any_size_bring_the_same_verdict(name: str, sizes: list[int], more: st.DataObject) -> None:
    _, data = FILES[name]
    data = data[: more.draw(st.integers(0, len(data)))] + more.draw(st.binary(max_size=40))
    assert fed(data, itertools.cycle(sizes)) == examine(data)


@every_file
def test_single_bytes_bring_the_same_verdict(name: str) -> None:
    _, data = FILES[name]
    assert fed(data, itertools.repeat(1)) == examine(data)


@THOROUGH
@given(st.sampled_from(sorted(FILES)), st.data())
def test_nothing_raises_whatever_the_bytes_are(name: str, more: st.DataObject) -> None:
    data = bytearray(FILES[name][1])
    for _ in range(more.draw(st.integers(1, 8))):
        at = more.draw(st.integers(0, len(data)))
        data[at : at + more.draw(st.integers(0, 9))] = more.draw(
            st.binary(max_size=12) | st.sampled_from([b"\xff" * 4, bytes(8), b"\x7f\xff\xff\xff", b"\x01\x00\x00\x00"])
        )
    verdict = examine(bytes(data))
    assert verdict.length == len(data)
    assert verdict.trailing <= len(data)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_the_upright_size_is_what_a_viewer_shows(format_: str, orientation: int) -> None:
    options: dict[str, Any] = {"tiffinfo": {0x112: orientation}} if format_ == "TIFF" else {"exif": exif(orientation)}
    verdict = examine(saved(picture(size=(60, 40)), format_, **options))
    assert verdict.size == (60, 40)
    assert verdict.upright_size == ((40, 60) if orientation >= 5 else (60, 40))


def test_exif_data_in_motorola_order_are_read() -> None:
    blob = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08" + struct.pack(">H HHIHxx I", 1, 0x112, 3, 1, 6, 0)
    assert examine(saved(picture(), "JPEG", exif=blob)).orientation == 6


@pytest.mark.parametrize("blob", [b"", b"II", b"II*\x00\xff\xff\xff\xff", b"II*\x00\x08\x00\x00\x00\xff\xff", exif(9)])
def test_broken_exif_data_mean_that_a_picture_is_upright(blob: bytes) -> None:
    verdict = examine(saved(picture(), "JPEG", exif=b"Exif\x00\x00" + blob.removeprefix(b"Exif\x00\x00")))
    assert (verdict.completeness, verdict.orientation) == (Completeness.WHOLE, 1)


def test_a_photo_without_its_announced_second_picture_is_whole_in_its_first_only() -> None:
    _, mpo = FILES["mpo"]
    with Image.open(io.BytesIO(mpo)) as image:
        first = image.tobytes()
    verdicts = {cut: examine(mpo[:cut]).completeness for cut in cuts(len(mpo), 300)}
    assert {Completeness.CUT_OFF, Completeness.FIRST_PICTURE} <= set(verdicts.values())
    for cut, completeness in verdicts.items():
        if completeness == Completeness.FIRST_PICTURE:
            with Image.open(io.BytesIO(mpo[:cut]), formats=["JPEG"]) as image:
                assert image.tobytes() == first


NO_PICTURES = [b"\x89PNG", b"", b"GIF8", b"RIFF", b"<html>", b"{}", b"BM25 is a ranking function", b"P2 is a processor"]


@pytest.mark.parametrize("start", NO_PICTURES)
def test_bytes_of_no_known_format_are_unknown(start: bytes) -> None:
    verdict = examine(start)
    assert (verdict.format, verdict.completeness) == (None, Completeness.UNKNOWN)
    assert not verdict.is_whole


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (b"\x00\x00\x00\x0cJXL \r\n\x87\n", Format.JXL),
        (b"\xff\x0a\xfa\x1f", Format.JXL),
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n", Format.JP2),
        (b"\xff\x4f\xff\x51\x00\x2f", Format.JP2),
        (b"\x00\x00\x01\x00\x01\x00\x10\x10", Format.ICO),
        (b"8BPS\x00\x01", Format.PSD),
        (b"%PDF-1.7", Format.PDF),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", Format.EPS),
        (b"P6\n# by hand\n12 9\n255\n", Format.PNM),
        (b"P2 12 9 255 ", Format.PNM),
        (b"qoif\x00\x00\x00\x01", Format.QOI),
        (b"v/1\x01\x02", Format.EXR),
        (b'<svg xmlns="http://www.w3.org/2000/svg">', Format.SVG),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- by hand -->\n<svg width="1">', Format.SVG),
        (b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN">\n<svg>', Format.SVG),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00isom", Format.MP4),
        (b"\x1aE\xdf\xa3\x01", Format.WEBM),
    ],
)
def test_a_format_that_is_not_checked_is_named(start: bytes, expected: PictureFormat) -> None:
    verdict = examine(start + bytes(300))
    assert (verdict.format, verdict.completeness) == (expected, Completeness.UNKNOWN)
    assert not expected.is_checked


def ftyp(major: bytes, *compatible: bytes) -> bytes:
    brands = major + bytes(4) + b"".join(compatible)
    return struct.pack(">I", 8 + len(brands)) + b"ftyp" + brands


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (ftyp(b"avif"), Format.AVIF),
        (ftyp(b"avis"), Format.AVIF),
        (ftyp(b"mif1", b"avif", b"miaf"), Format.AVIF),
        (ftyp(b"mif1", b"miaf", b"heic", b"avis"), Format.AVIF),
        (ftyp(b"miaf", b"MA1B"), Format.AVIF),
        *((ftyp(brand), Format.HEIC) for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm")),
        *((ftyp(brand), Format.HEIC) for brand in (b"mif1", b"msf1", b"miaf")),
        (ftyp(b"isom", b"mp42", b"heic"), Format.HEIC),
        (ftyp(b"xxxx", b"yyyy"), None),
        (ftyp(b"xxxx") + b"avif", None),  # not among the brands: after the box
    ],
)
def test_iso_media_files_are_known_by_their_compatible_brands(head: bytes, expected: PictureFormat | None) -> None:
    assert recognise(head) == expected


def test_a_still_picture_whose_data_follow_its_index_needs_them_even_if_all_boxes_are_complete() -> None:
    _, data = FILES["avif"]
    mdat = data.index(b"mdat") - 4
    assert examine(data[:mdat]).completeness == Completeness.CUT_OFF


def test_a_box_up_to_the_end_of_the_file_is_measured_by_the_index() -> None:
    _, data = FILES["avif"]
    at = data.index(b"mdat") - 4
    open_ended = data[:at] + bytes(4) + data[at + 4 :]
    assert examine(open_ended).is_whole
    assert not examine(open_ended[:-1]).is_whole


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def test_the_size_of_a_picture_is_that_of_the_part_that_is_shown() -> None:
    """Encoders of HEIC fill a picture up to whole blocks."""
    ispe = box(b"ispe", bytes(4) + struct.pack(">II", 64, 64))
    clap = box(b"clap", struct.pack(">8I", 64, 1, 48, 1, 0, 1, 0, 1))
    ipma = box(b"ipma", bytes(4) + struct.pack(">IHBBBB", 1, 1, 3, 1, 2, 3))
    turned = box(b"iprp", box(b"ipco", ispe + clap + box(b"irot", b"\x01")) + ipma)
    pitm = box(b"pitm", bytes(4) + struct.pack(">H", 1))
    verdict = examine(ftyp(b"heic") + box(b"meta", bytes(4) + pitm + turned))

    assert (verdict.size, verdict.upright_size) == ((64, 48), (48, 64))


@pytest.mark.parametrize("clap", [b"", bytes(32), struct.pack(">4I", 64, 0, 48, 1)], ids=["short", "zeros", "no parts"])
def test_a_shown_part_that_makes_no_sense_leaves_the_size(clap: bytes) -> None:
    ispe = box(b"ispe", bytes(4) + struct.pack(">II", 64, 64))
    ipma = box(b"ipma", bytes(4) + struct.pack(">IHBBB", 1, 1, 2, 1, 2))
    properties = box(b"iprp", box(b"ipco", ispe + box(b"clap", clap)) + ipma)
    pitm = box(b"pitm", bytes(4) + struct.pack(">H", 1))

    assert examine(ftyp(b"heic") + box(b"meta", bytes(4) + pitm + properties)).size == (64, 64)


def test_boxes_in_boxes_without_end_are_followed() -> None:
    nest = b""
    for _ in range(5000):
        nest = box(b"trak", nest)
    assert examine(ftyp(b"avis") + box(b"moov", nest) + box(b"mdat", bytes(9))).is_whole


def test_an_index_of_items_that_take_no_bytes_is_read_at_once() -> None:
    items = bytes(4) + struct.pack(">HH", 0, 0xFFFF) + b"\x00\x01\x00\x00\xff\xff" * 0xFFFF  # 4,294,836,225 extents
    assert examine(ftyp(b"avif") + box(b"meta", bytes(4) + box(b"iloc", items))).is_whole


def tiff_with_its_directory_at_the_end(*, strips: int, before: bool) -> bytes:
    """A TIFF file whose lists of strips stand before its directory, or after it, as its writers do."""
    rows = [bytes(range(1, 65))] * strips
    data = b"".join(rows)
    offsets = struct.pack(f"<{strips}I", *(8 + 64 * row for row in range(strips)))
    counts = struct.pack(f"<{strips}I", *[64] * strips)
    lists = offsets + counts
    entries = 5
    directory_at = 8 + len(data) + (len(lists) if before else 0)
    lists_at = 8 + len(data) if before else directory_at + 2 + 12 * entries + 4
    directory = struct.pack("<H", entries)
    for tag, type_, number, value in (
        (0x100, 4, 1, 64),
        (0x101, 4, 1, strips),
        (0x103, 3, 1, 5),
        (0x111, 4, strips, lists_at),
        (0x117, 4, strips, lists_at + len(offsets)),
    ):
        directory += struct.pack("<HHII", tag, type_, number, value)
    directory += bytes(4)
    return b"II*\x00" + struct.pack("<I", directory_at) + data + (lists + directory if before else directory + lists)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("strips", [2, 900])
def test_a_tiff_file_is_followed_where_its_lists_stand_before_or_after_its_directory(strips: int, before: bool) -> None:
    data = tiff_with_its_directory_at_the_end(strips=strips, before=before)
    verdict = examine(data)
    assert (verdict.completeness, verdict.trailing, verdict.size) == (Completeness.WHOLE, 0, (64, strips))
    for cut in cuts(len(data)):
        assert not examine(data[:cut]).is_whole, cut
    # A strip that reaches beyond the file, in a list that stands behind the position when it is needed.
    beyond = data.replace(struct.pack("<I", 8 + 64), struct.pack("<I", len(data) - 63), 1)
    assert not examine(beyond).is_whole
    assert fed(beyond, itertools.repeat(1)) == examine(beyond)


def test_a_chain_of_directories_that_leads_back_ends() -> None:
    data = bytearray(FILES["tiff"][1])
    count = struct.unpack_from("<H", data, 8)[0]
    struct.pack_into("<I", data, 10 + 12 * count, 8)
    assert examine(bytes(data)).is_whole


def test_a_bitmap_is_measured_by_its_pixels_where_its_header_has_a_wrong_length() -> None:
    _, data = FILES["bmp"]
    wrong = data[:2] + struct.pack("<I", len(data) * 3) + data[6:]
    assert examine(wrong).is_whole
    assert not examine(wrong[:-1]).is_whole


def test_a_chunk_that_reaches_beyond_the_file_and_one_without_a_name_are_no_end() -> None:
    _, data = FILES["png"]
    at = data.index(b"IDAT") - 4
    assert not examine(data[:at] + b"\x7f\xff\xff\xff" + data[at + 4 :]).is_whole
    assert not examine(data[:at] + bytes(8) + data[at:]).is_whole


def test_a_png_file_without_pixels_is_not_whole() -> None:
    _, data = FILES["png"]
    empty = b"IEND" + zlib.crc32(b"IEND").to_bytes(4, "big")
    assert not examine(data[: data.index(b"IDAT") - 4] + bytes(4) + empty).is_whole


def test_memory_does_not_grow_with_the_file() -> None:
    _, data = FILES["png"]
    at = data.index(b"IDAT") - 4
    piece = bytes(1 << 20)
    walker = PictureWalker()
    tracemalloc.start()
    try:
        walker.feed(data[:at] + struct.pack(">I4s", 1024 * len(piece), b"IDAT"))
        for _ in range(1024):
            walker.feed(piece)
        walker.feed(bytes(4) + data[-12:])
        verdict = walker.finish()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * len(piece)
    assert (verdict.completeness, verdict.trailing) == (Completeness.WHOLE, 0)
    assert verdict.length > 1 << 30


@pytest.mark.parametrize(
    ("name", "at", "part"),
    [("jpeg", 2, b"\xff\xe0\x00\x02"), ("png", 33, b"\x00\x00\x00\x00teXt\x00\x00\x00\x00")],
)
def test_a_file_of_a_million_empty_parts_is_given_up(name: str, at: int, part: bytes) -> None:
    _, data = FILES[name]
    few, many = data[:at] + part * 5000 + data[at:], data[:at] + part * 1_000_000 + data[at:]
    assert examine(few).is_whole
    assert not examine(many).is_whole


def test_the_first_bytes_suffice_to_recognise_every_format() -> None:
    assert {recognise(data[:HEAD]) for _, data in FILES.values()} == {each for each in Format if each.is_checked} - {
        Format.HEIC
    }


@every_file
def test_a_compressed_file_is_known_by_its_bytes_and_a_picture_is_not_taken_for_one(name: str) -> None:
    _, data = FILES[name]
    assert compression(gzip.compress(data)) == "gzip"
    assert compression(b"\x28\xb5\x2f\xfd" + data) == "zstd"
    assert compression(data) is None
