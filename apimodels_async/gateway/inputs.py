"""Pictures that come in: looked into, so that no task starts on something that is no picture."""

import io

from PIL import Image

from apimodels_async.gateway.refusals import Refusal
from apimodels_async.gateway.sizes import Size

__all__ = ["LARGEST_INPUT", "content_type_of", "measure"]

LARGEST_INPUT = 64_000_000
"""The most pixels of a picture that comes in: a small file can hold a picture that fills the memory."""

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_ORIENTATION, _ON_ITS_SIDE = 0x0112, frozenset({5, 6, 7, 8})

_SIGNATURES = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (8, b"WEBP", "image/webp"),
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


def _lies_on_its_side(picture: Image.Image) -> bool:
    try:
        return picture.getexif().get(_ORIENTATION) in _ON_ITS_SIDE
    except Exception:  # noqa: BLE001  (a broken EXIF block leaves a whole picture)
        return False


def measure(name: str, data: bytes) -> Size:
    """The size of a picture, upright as its camera meant it, after decoding all of it. Blocks.

    Raises:
        Refusal: there is no picture in the bytes, not a whole one, or too large a one. `name` is the field's.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            width, height = picture.size
            bomb = width * height > LARGEST_INPUT
            if not bomb:
                picture.load()
                if _lies_on_its_side(picture):
                    width, height = height, width
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        bomb, width, height = True, 0, 0
    except Exception as error:  # a broken file makes Pillow's readers raise nearly anything
        raise Refusal(400, f"{name}: there is no picture that can be read in these bytes") from error
    if bomb:
        raise Refusal(400, f"{name}: the picture has more than {LARGEST_INPUT // 1_000_000} megapixels")
    return width, height
