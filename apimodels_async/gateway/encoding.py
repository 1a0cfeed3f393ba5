"""Picture files of the painter: decoding any input to upright RGB or RGBA, encoding a result with its metadata."""

import io
import json
from collections.abc import Callable
from typing import Any, cast

from PIL import ExifTags, Image, ImageCms, ImageOps
from PIL.PngImagePlugin import PngInfo

from apimodels_async.gateway.limits import MAX_PIXELS

__all__ = ["MARK", "decode", "decode_mask", "encode", "flattened", "mapped"]

MARK = "local gateway · not a real generation"
"""What every picture says about itself, on the picture and in its file."""

_MARK_ASCII = MARK.replace("·", "-")
# Only formats decoded inside Pillow: others (EPS) start foreign programs.
_FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "TIFF", "PPM", "ICO", "TGA", "AVIF", "JPEG2000")
# A JPEG's EXIF block holds 64 KiB, and JSON may need twelve bytes a character.
_EXIF_PROMPT_CHARACTERS = 4000


def decode(data: bytes) -> Image.Image:
    """Decode the first frame, upright, as RGB, or as RGBA if it has transparency.

    Raises:
        ValueError: the bytes are not a whole picture, or one of more than `MAX_PIXELS` pixels.
    """
    Image.init()  # fills `Image.OPEN` with the formats that this Pillow was built with
    try:
        with Image.open(io.BytesIO(data), formats=[name for name in _FORMATS if name in Image.OPEN]) as picture:
            if picture.width * picture.height <= MAX_PIXELS:
                picture.load()
                return _plain(_upright(picture))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        pass  # Pillow's own limits are higher; it warns or raises while it reads the header
    except Exception as error:  # a broken file makes Pillow's decoders raise nearly anything
        raise ValueError("not a picture, or not all of one") from error
    raise ValueError(f"a picture may have at most {MAX_PIXELS // 1_000_000} megapixels")


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # noqa: BLE001  (a broken EXIF block leaves a whole picture)
        return picture.copy()


def _plain(picture: Image.Image) -> Image.Image:
    profile = picture.info.get("icc_profile") if picture.mode in {"RGB", "RGBA"} else None
    if picture.mode in {"I", "F"} or picture.mode.startswith("I;16"):
        picture = _eight_bits(picture)
    elif picture.mode == "LAB":
        lab, srgb = (ImageCms.ImageCmsProfile(ImageCms.createProfile(name)) for name in ("LAB", "sRGB"))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        picture = ImageCms.profileToProfile(picture, lab, srgb, outputMode="RGB") or picture
    elif picture.mode == "La":
        picture = picture.convert("LA")
    result = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    result.info.clear()
    if profile:
        result.info["icc_profile"] = profile
    return result


def _eight_bits(picture: Image.Image) -> Image.Image:
    values = picture.convert("F")
    low, high = cast("tuple[float, float]", values.getextrema())
    if picture.mode != "F" and low >= 0 and high <= 65535:
        # Sixteen bits are what such files hold; an "I" with values of eight bits keeps them.
        low, high = 0.0, 255.0 if picture.mode == "I" and high <= 255 else 65535.0
    scale = 255 / max(high - low, 1e-9)
    offset = 0.5 - low * scale
    return values.point(lambda value: value * scale + offset).convert("L")  # pyright: ignore[reportUnknownMemberType]


def decode_mask(data: bytes, size: tuple[int, int]) -> Image.Image:
    """Decode a mask: 255 where it is to be painted, which is where it is transparent at all, else where it is white."""
    mask = decode(data)
    if mask.mode == "RGBA" and mask.getchannel("A").getextrema() != (255, 255):
        region = mapped(mask.getchannel("A"), lambda alpha: 0 if alpha == 255 else 255)
    else:
        region = mapped(mask.convert("L"), lambda light: 255 if light > 127 else 0)
    return region.resize(size, Image.Resampling.NEAREST)


def mapped(picture: Image.Image, rule: Callable[[int], float]) -> Image.Image:
    """The picture with a rule applied to the values 0 to 255 of its one channel."""
    return picture.point([round(rule(value)) for value in range(256)])  # pyright: ignore[reportUnknownMemberType]


def flattened(picture: Image.Image) -> Image.Image:
    """The picture as RGB, on white where it was transparent."""
    if picture.mode == "RGBA":
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def encode(
    picture: Image.Image, output_format: str, *, prompt: str, model: str, seed: int, exact: bool = False
) -> bytes:
    """Encode a picture with prompt, model, seed and `MARK` as its metadata; `exact` keeps every pixel in PNG and WebP.

    Raises:
        ValueError: `output_format` is not png, jpeg or webp.
    """
    # JSON may carry lone surrogates and zero bytes, which no file format accepts.
    prompt, model = (text.encode("utf-8", "replace").decode().replace("\0", " ") for text in (prompt, model))
    options: dict[str, Any] = {"icc_profile": picture.info.get("icc_profile")}
    match output_format:
        case "png":
            text = PngInfo()
            for key, value in (("prompt", prompt), ("model", model), ("seed", str(seed)), ("Software", MARK)):
                text.add_itxt(key, value)
            options |= {"compress_level": 2, "pnginfo": text}  # grain does not compress: higher levels only take longer
        case "jpeg":
            quality, subsampling = (95, 0) if exact else (90, 2)
            picture = flattened(picture)
            options |= {"quality": quality, "subsampling": subsampling, "exif": _exif(prompt, model, seed)}
        case "webp":
            quality, method = (0, 0) if exact else (88, 2)
            options |= {"quality": quality, "method": method, "exif": _exif(prompt, model, seed)}
            options |= {"lossless": exact, "exact": exact}
        case _:
            raise ValueError(f"output_format is png, jpeg or webp, not {output_format!r}")
    out = io.BytesIO()
    picture.save(out, output_format, **options)
    return out.getvalue()


def _exif(prompt: str, model: str, seed: int) -> Image.Exif:
    if len(prompt) > _EXIF_PROMPT_CHARACTERS:
        prompt = prompt[: _EXIF_PROMPT_CHARACTERS - 1] + "…"
    exif = Image.Exif()
    # EXIF text is ASCII; JSON's escapes keep every other character.
    about = {"prompt": prompt, "model": model[:200], "seed": seed, "mark": _MARK_ASCII}
    exif[ExifTags.Base.ImageDescription] = json.dumps(about)
    exif[ExifTags.Base.Software] = _MARK_ASCII
    return exif
