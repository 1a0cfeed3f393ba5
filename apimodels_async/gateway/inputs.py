"""Pictures that come in: checked before a task starts on them, and shrunk while they are decoded.

Pure but for the clock, which is an argument.
"""

import io
import math
from collections.abc import Callable

from attrs import frozen
from PIL import Image, ImageOps, features

from apimodels_async.gateway.limits import (
    DECODE_TIME,
    HEAD_DECODE_TIME,
    MAX_PIXELS,
    MAX_SCANNED_PIXELS,
    MAX_SIDE,
    MAX_TAG_VALUES,
)
from apimodels_async.gateway.refusals import Refusal
from apimodels_async.gateway.sizes import LARGEST, Size
from apimodels_async.gateway.tag_values import late_exif, tag_values

__all__ = ["FORMATS", "InputPicture", "content_type_of", "decode", "inspect"]

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", *(("AVIF",) if features.check("avif") else ()))
"""The formats that are read; some of Pillow's others start programs."""
_READ = ", ".join({"WEBP": "WebP"}.get(each, each) for each in FORMATS)
_ORIENTATION, _ON_ITS_SIDE = 0x0112, frozenset({5, 6, 7, 8})
_PIECE = 4096
"""Bytes that are decoded at a time: between two pieces, decoding can be stopped."""
_START_OF_SCAN = b"\xff\xda"

_SIGNATURES = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (8, b"WEBP", "image/webp"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypavis", "image/avif"),
    *((4, b"ftyp" + brand, "image/heic") for brand in (b"heic", b"heix", b"hevc", b"mif1", b"msf1")),
    (0, b"GIF8", "image/gif"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
)


def content_type_of(data: bytes) -> str:
    """The type of a picture by its first bytes; ``application/octet-stream`` for anything else."""
    for offset, signature, content_type in _SIGNATURES:
        if data.startswith(signature, offset):
            return content_type
    return "application/octet-stream"


@frozen
class InputPicture:
    """A picture as its head describes it.

    Attributes:
        name: the field it came in, for messages.
        data: the file.
        stored: width and height in the file.
        size: width and height as the camera was held.
    """

    name: str
    data: bytes
    stored: Size
    size: Size

    @property
    def pixels(self) -> int:
        """How many pixels it has."""
        return self.stored[0] * self.stored[1]


class _TimeIsOver(Exception):  # noqa: N818
    """Decoding takes too long, or the gateway ends."""


class _Checked(io.BytesIO):
    """A file that calls `check` before each read."""

    def __init__(self, data: bytes, check: Callable[[], None]) -> None:
        super().__init__(data)
        self._check = check

    def read(self, size: int | None = -1, /) -> bytes:
        self._check()
        return super().read(size)


def _check(clock: Callable[[], float], seconds: float, stopped: Callable[[], bool]) -> Callable[[], None]:
    deadline = clock() + seconds

    def check() -> None:
        if clock() > deadline or stopped():
            raise _TimeIsOver

    return check


def inspect(
    name: str,
    data: bytes,
    *,
    clock: Callable[[], float],
    seconds: float = HEAD_DECODE_TIME,
    stopped: Callable[[], bool] = lambda: False,
) -> InputPicture:
    """Read a picture's head; nothing is decoded. Blocks: a head can be as long as the file.

    Args:
        name: the field it came in, for messages.
        data: the file.
        clock: seconds of processor time.
        seconds: how long it may take by the clock.
        stopped: whether to stop at once.

    Raises:
        Refusal: it is not a picture, or too large a one, or its head takes too long to read.
    """
    kind = None
    _check_tags(name, data)  # of a TIFF, which is read at once
    try:
        with Image.open(_Checked(data, _check(clock, seconds, stopped)), formats=FORMATS) as picture:
            kind, stored = picture.format, picture.size
            exif: object = picture.info.get("exif")
            if kind == "PNG" and exif is None and (late := late_exif(data)):
                exif = picture.info["exif"] = late
            _check_tags(name, exif)
            size = (stored[1], stored[0]) if _lies_on_its_side(picture) else stored
    except Refusal:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        stored = size = (MAX_PIXELS, 2)
    except _TimeIsOver:
        raise Refusal(400, f"{name}: the picture takes too long to read") from None
    except Exception as error:  # a broken file makes Pillow's readers raise nearly anything
        raise _unreadable(name) from error
    pixels = stored[0] * stored[1]
    if pixels > MAX_PIXELS:
        raise Refusal(400, f"{name}: the picture has more than {MAX_PIXELS // 1_000_000} megapixels")
    if max(stored) > MAX_SIDE:
        raise Refusal(400, f"{name}: the picture has a side of more than {MAX_SIDE:,} pixels")
    if kind in {"JPEG", "MPO"} and data.count(_START_OF_SCAN) * pixels > MAX_SCANNED_PIXELS:
        raise Refusal(400, f"{name}: this progressive JPEG has too many scans for its size")
    return InputPicture(name, data, stored, size)


def decode(
    picture: InputPicture,
    *,
    max_pixels: int,
    lossless: bool = False,
    nearest: bool = False,
    clock: Callable[[], float],
    seconds: float = DECODE_TIME,
    stopped: Callable[[], bool] = lambda: False,
) -> bytes:
    """Decode all of a picture, and return the file to paint from. Blocks.

    That is the file itself if it has at most `max_pixels` and no side over 4096 pixels; else a smaller copy.

    Args:
        picture: the picture.
        max_pixels: of the copy.
        lossless: whether the copy is a PNG.
        nearest: whether the copy takes single pixels and no mean values, as a mask must: what lies between two of
            its pixels would be neither in nor out.
        clock: seconds of processor time.
        seconds: how long it may take by the clock.
        stopped: whether to stop at once.

    Raises:
        Refusal: the picture is not whole, or takes too long.
    """
    check = _check(clock, seconds, stopped)
    scale = min(1.0, math.sqrt(max_pixels / picture.pixels), LARGEST / max(picture.stored))
    try:
        with Image.open(_Checked(picture.data, check), formats=FORMATS) as file:
            file.decodermaxblock = _PIECE
            if scale == 1:
                # Reduced JPEGs take an eighth of the memory, and are read to their end all the same.
                file.draft(None, (max(1, file.width // 8), max(1, file.height // 8)))
                file.load()
                return picture.data
            width, height = (max(1, int(side * scale)) for side in picture.stored)
            return _smaller(file, (width, height), lossless=lossless, nearest=nearest)
    except _TimeIsOver:
        raise Refusal(400, f"{picture.name}: the picture takes too long to decode") from None
    except Exception as error:
        raise _unreadable(picture.name) from error


def _smaller(file: Image.Image, size: Size, *, lossless: bool, nearest: bool) -> bytes:
    profile = file.info.get("icc_profile")
    image = file
    if file.mode not in {"RGB", "L", "RGBA", "LA", "CMYK"}:
        file.load()
        image = file.convert("RGBA" if file.has_transparency_data else "RGB")
    if nearest:
        image.thumbnail(size, Image.Resampling.NEAREST, reducing_gap=None)
    else:
        image.thumbnail(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    if image.mode == "CMYK":
        image, profile = image.convert("RGB"), None
    try:
        image = ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001  (a broken EXIF block leaves a whole picture)
        image = image.copy()
    out = io.BytesIO()
    if lossless or image.has_transparency_data:
        image.save(out, "PNG", compress_level=1, icc_profile=profile)
    else:
        image.save(out, "JPEG", quality=95, icc_profile=profile, exif=b"")
    return out.getvalue()


def _unreadable(name: str) -> Refusal:
    return Refusal(400, f"{name}: there is no picture that can be read in these bytes; this gateway reads {_READ}")


def _check_tags(name: str, tags: object) -> None:
    if isinstance(tags, bytes) and tag_values(tags) > MAX_TAG_VALUES:
        raise Refusal(400, f"{name}: the picture has more than {MAX_TAG_VALUES:,} values in its tags")


def _lies_on_its_side(picture: Image.Image) -> bool:
    try:
        # Not that of a PNG, which would decode all of it.
        return Image.Image.getexif(picture).get(_ORIENTATION) in _ON_ITS_SIDE
    except Exception:  # noqa: BLE001  (a broken EXIF block leaves a whole picture)
        return False
