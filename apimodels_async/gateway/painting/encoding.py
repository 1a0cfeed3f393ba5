"""From a picture to a file that says where it comes from."""

import io
import json

from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

MARK = "local gateway · not a real generation"
"""What every picture says about itself, in its lettering and in its file."""

_MARK_ASCII = MARK.replace("·", "-")
# A JPEG's EXIF block holds 64 KiB and JSON may need twelve bytes a character.
_EXIF_PROMPT_CHARACTERS = 4000
# Grain does not compress: the higher levels take thrice the time and save a few per cent.
_PNG_LEVEL = 2
_WEBP_METHOD = 2


def encode(
    picture: Image.Image, output_format: str, *, prompt: str, model: str, seed: int, exact: bool = False
) -> bytes:
    """Write the file; `exact` keeps every pixel where the format can."""
    # JSON may carry lone surrogates and zero bytes, which no file format takes.
    prompt = prompt.encode("utf-8", "replace").decode().replace("\0", " ")
    model = model.encode("utf-8", "replace").decode().replace("\0", " ")
    profile = picture.info.get("icc_profile")
    out = io.BytesIO()
    match output_format:
        case "png":
            picture.save(
                out, "PNG", compress_level=_PNG_LEVEL, pnginfo=_png_text(prompt, model, seed), icc_profile=profile
            )
        case "jpeg":
            exif = _exif(prompt, model, seed)
            picture = _flat(picture)
            picture.save(
                out, "JPEG", quality=95 if exact else 90, subsampling=0 if exact else 2, exif=exif, icc_profile=profile
            )
        case "webp":
            exif = _exif(prompt, model, seed)
            if exact:
                picture.save(
                    out, "WEBP", lossless=True, exact=True, quality=0, method=0, exif=exif, icc_profile=profile
                )
            else:
                picture.save(out, "WEBP", quality=88, method=_WEBP_METHOD, exif=exif, icc_profile=profile)
        case _:
            raise ValueError(f"output_format is png, jpeg or webp, not {output_format!r}")
    return out.getvalue()


def _flat(picture: Image.Image) -> Image.Image:
    if picture.mode != "RGBA":
        return picture
    paper = Image.new("RGB", picture.size, (255, 255, 255))
    paper.paste(picture, mask=picture.getchannel("A"))
    return paper


def _png_text(prompt: str, model: str, seed: int) -> PngInfo:
    text = PngInfo()
    text.add_itxt("prompt", prompt)
    text.add_itxt("model", model)
    text.add_text("seed", str(seed))
    text.add_text("Software", MARK)
    return text


def _exif(prompt: str, model: str, seed: int) -> Image.Exif:
    if len(prompt) > _EXIF_PROMPT_CHARACTERS:
        prompt = prompt[: _EXIF_PROMPT_CHARACTERS - 1] + "…"
    exif = Image.Exif()
    # EXIF text is ASCII: JSON's escapes carry the rest through unharmed.
    about = {"prompt": prompt, "model": model[:200], "seed": seed, "mark": _MARK_ASCII}
    exif[ExifTags.Base.ImageDescription] = json.dumps(about)
    exif[ExifTags.Base.Software] = _MARK_ASCII
    return exif
