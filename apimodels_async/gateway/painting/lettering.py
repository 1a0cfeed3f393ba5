"""Small lettering in the font that comes with Pillow: the prompt, and the mark."""

import unicodedata
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from .colour import RGB, luminance, mix
from .encoding import MARK

SMALLEST_SIDE = 128
"""Below this many pixels a picture carries its lettering only in its metadata."""

_PLAIN = {
    "—": "-",
    "\N{EN DASH}": "-",
    "\N{MINUS SIGN}": "-",
    "→": "->",
    "\N{MULTIPLICATION SIGN}": "x",
    "ß": "ss",
    "æ": "ae",
    "ø": "o",
    "ł": "l",
    "€": "EUR",
    "\u00a0": " ",
}
_UNLETTERED = "(the prompt is in the file's metadata)"


@lru_cache(maxsize=16)
def font(pixels: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Load the default font at a size."""
    return ImageFont.load_default(pixels)


@lru_cache(maxsize=512)
def _has(character: str) -> bool:
    return _drawn(character) != _drawn("\uffff")


def _drawn(character: str) -> bytes:
    cell = Image.new("L", (40, 32))
    ImageDraw.Draw(cell).text((4, 4), character, fill=255, font=font(20))
    return cell.tobytes()


def plain(text: str) -> str:
    """Keep what the font can show; accents fall off, and a run of other letters becomes one dot."""
    out: list[str] = []
    lost = 0
    for character in unicodedata.normalize("NFKC", " ".join(text.split()))[:600]:
        shown = _shown(character)
        if shown is None:
            lost += character.isalpha()
            if out[-1:] != ["·"]:
                out.append("·")
        else:
            out.append(shown)
    letters = sum(len(part) for part in out if part not in {"·", " "})
    if lost > letters or not letters:
        return _UNLETTERED
    return " ".join("".join(out).strip("· ").split())


def _shown(character: str) -> str | None:
    if character == " " or (character.isprintable() and _has(character)):
        return character
    if character in _PLAIN:
        return _PLAIN[character]
    if unicodedata.category(character) in {"Mn", "Cf", "Cc", "Sk"}:
        return ""
    base = unicodedata.normalize("NFKD", character)[0]
    return base if base != character and _has(base) else None


def _width(text: str, pixels: int) -> float:
    return font(pixels).getlength(text)


def elided(text: str, pixels: int, width: float) -> str:
    """Cut the text to fit, ending in an ellipsis; empty if not even a few letters fit."""
    if _width(text, pixels) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if _width(text[:middle].rstrip() + "…", pixels) <= width:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip(" ,.;:-") + "…" if low > 3 else ""


def strip_height(size: tuple[int, int]) -> int:
    """How tall the margin with the lettering is."""
    if min(size) < SMALLEST_SIDE:
        return 0
    return max(18, round(min(*size, 2600) * 0.062))


def letter(picture: Image.Image, box: tuple[int, int, int, int], prompt: str, ink: RGB, paper: RGB) -> None:
    """Letter the prompt at the left of the box and the mark at its right, or below if it is narrow."""
    x0, y0, x1, y1 = box
    draw = ImageDraw.Draw(picture)
    height, width = y1 - y0, x1 - x0
    pixels = max(9, min(round(height * 0.42), 40))
    gap, small = pixels * 1.6, max(8, round(pixels * 0.8))
    soft = mix(paper, ink, 0.72)
    mark_width = _width(MARK, small)
    text = plain(prompt)
    middle = (y0 + y1) / 2
    if mark_width + gap + pixels * 8 <= width:
        draw.text(
            (x0, middle), elided(text, pixels, width - mark_width - gap), fill=ink, font=font(pixels), anchor="lm"
        )
        draw.text((x1, middle), MARK, fill=soft, font=font(small), anchor="rm")
        return
    small = max(8, min(small, round(height * 0.4)))
    for line, at, tone in ((text, 0.3, ink), (MARK, 0.74, soft)):
        draw.text((x0, y0 + height * at), elided(line, small, width), fill=tone, font=font(small), anchor="lm")


def readable(paper: RGB, ink: RGB) -> RGB:
    """Give an ink that can be read on the paper."""
    if abs(luminance(paper) - luminance(ink)) >= 0.5:
        return ink
    return (28, 26, 34) if luminance(paper) > 0.5 else (248, 246, 240)
