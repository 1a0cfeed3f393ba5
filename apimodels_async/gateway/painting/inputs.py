"""From somebody's bytes to an upright picture in RGB or RGBA, or a ValueError."""

import io
from functools import cache
from typing import cast

from PIL import Image, ImageOps

from .pixels import from_lab, scaled_values

MAX_PIXELS = 64_000_000
# Only formats read by code inside Pillow: others (EPS) start foreign programs.
_FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "TIFF", "PPM", "ICO", "TGA", "AVIF", "JPEG2000")
_EIGHT_BITS = 255
_SIXTEEN_BITS = 65535


def opened(data: bytes) -> Image.Image:
    """Decode the first frame, upright, as RGB, or RGBA if it has transparency.

    Raises:
        ValueError: the bytes are not a whole picture, or one of more than 64 megapixels.
    """
    picture = _decoded(data)
    profile = picture.info.get("icc_profile") if picture.mode in {"RGB", "RGBA"} else None
    result = _plain(picture)
    result.info.clear()
    if profile:
        result.info["icc_profile"] = profile
    return result


@cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _decoded(data: bytes) -> Image.Image:
    too_large = False
    try:
        with Image.open(io.BytesIO(data), formats=_formats()) as picture:
            too_large = picture.width * picture.height > MAX_PIXELS
            if not too_large:
                picture.load()
                return _upright(picture)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        # Pillow's own bounds are wider, and it warns or raises while it reads the header.
        too_large = True
    # Decoders fed with garbage raise whatever their parsing tripped over.
    except Exception as error:
        raise ValueError("not a picture, or not all of one") from error
    raise ValueError(f"a picture may have at most {MAX_PIXELS // 1_000_000} megapixels")


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # noqa: BLE001 - a broken EXIF block leaves a whole picture
        return picture.copy()


def _plain(picture: Image.Image) -> Image.Image:
    if picture.mode in {"I", "F"} or picture.mode.startswith("I;16"):
        return _eight_bits(picture).convert("RGB")
    if picture.mode == "LAB":
        return from_lab(picture)
    if picture.mode == "La":
        picture = picture.convert("LA")
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


def _eight_bits(picture: Image.Image) -> Image.Image:
    values = picture.convert("F")
    low, high = cast("tuple[float, float]", values.getextrema())
    if picture.mode != "F" and low >= 0 and high <= _SIXTEEN_BITS:
        # Sixteen bits are what such files hold; an "I" of eight bits is kept as it is.
        low, high = 0.0, float(_EIGHT_BITS if picture.mode == "I" and high <= _EIGHT_BITS else _SIXTEEN_BITS)
    scale = _EIGHT_BITS / max(high - low, 1e-9)
    return scaled_values(values, scale, 0.5 - low * scale).convert("L")
