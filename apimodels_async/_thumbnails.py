"""Small versions of pictures, for pages that show many. Blocking, for threads; needs Pillow."""

import importlib.util
import io

from apimodels_async.errors import ConfigurationError

SIDE = 144
"""Pixels of the longer side."""
MOST_PIXELS = 1 << 26
"""Pixels of the largest picture that is decoded."""
MEDIA_TYPE = "image/webp"
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
"""What is opened at all: some of Pillow's other formats start programs."""
_QUALITY = 60


def check_pillow() -> None:
    """Check that Pillow is installed.

    Raises:
        ConfigurationError: it is not.
    """
    if importlib.util.find_spec("PIL") is None:
        raise ConfigurationError(
            'thumbnails need Pillow, which comes with an extra: pip install "apimodels-async[page]"'
        )


def thumbnail(data: bytes) -> bytes:
    """Return a small WebP of the picture in `data`, upright, at most `SIDE` pixels wide and high.

    Raises:
        ValueError: no picture, a damaged one, or one that is too large to decode.
    """
    from PIL import Image, ImageOps  # noqa: PLC0415  (an extra)

    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
            if opened.width * opened.height <= MOST_PIXELS:
                opened.draft("RGB", (2 * SIDE, 2 * SIDE))  # a JPEG is decoded at a fraction of its size
                small = ImageOps.exif_transpose(opened)
                small.thumbnail((SIDE, SIDE), reducing_gap=2.0)
                out = io.BytesIO()
                mode = "RGBA" if small.has_transparency_data else "RGB"
                small.convert(mode).save(out, "WEBP", quality=_QUALITY)
                return out.getvalue()
    except Exception as error:  # Pillow's decoders raise whatever a damaged file brings about
        raise ValueError(f"no thumbnail: {type(error).__name__}: {error}") from error
    raise ValueError(f"no thumbnail: the picture has more than {MOST_PIXELS} pixels")
