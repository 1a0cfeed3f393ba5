"""A fusion: every input a print with an organic edge, laid over one scene."""

import math
import random
from typing import TypeAlias

from PIL import Image, ImageDraw, ImageFilter

from .brief import Brief
from .colour import mix
from .cutout import add
from .editing import fitted, restyled
from .finish import shadow
from .geometry import Point, smooth
from .pixels import sparingly
from .scenes import finished, scene

_Place: TypeAlias = tuple[float, float, int, int]
_TINT = 0.16
_PORTION = 0.26


def fused(size: tuple[int, int], brief: Brief, inputs: list[Image.Image]) -> Image.Image:
    """Compose all inputs into one picture."""
    rng = brief.dice("fusion")
    picture = scene(size, brief, empty=True)
    for source, place in zip(inputs, _places(size, len(inputs), rng), strict=True):
        _lay(picture, source, brief, rng, place)
    if brief.reading.subjects:
        add(picture, brief, _PORTION)
    return finished(picture, brief)


def _places(size: tuple[int, int], count: int, rng: random.Random) -> list[_Place]:
    """Give each print a centre and a size: rows that fill the picture, each overlapping its neighbours a little."""
    width, height = size
    rows = max(1, round(math.sqrt(count * height / width)))
    places: list[_Place] = []
    for row in range(rows):
        first, last = count * row // rows, count * (row + 1) // rows
        columns = last - first
        for column in range(columns):
            wide, tall = width / columns * 1.02, height / rows * 1.02
            # No print may be so long that it no longer looks like one.
            wide, tall = min(wide, tall * 1.6), min(tall, wide * 1.6)
            x = width * (column + 0.5) / columns + rng.uniform(-0.03, 0.03) * wide
            y = height * (row + 0.5) / rows + rng.uniform(-0.03, 0.03) * tall
            places.append((x, y, max(4, round(wide)), max(4, round(tall))))
    return places


def _lay(picture: Image.Image, source: Image.Image, brief: Brief, rng: random.Random, place: _Place) -> None:
    x, y, room = place[0], place[1], (place[2], place[3])
    rim, inner = _organic(room, rng)
    left, top = round(x - room[0] / 2), round(y - room[1] / 2)
    fall = max(1, round(min(room) * 0.02))
    dark = shadow(rim, min(room) * 0.03, 0.5)
    picture.paste(brief.palette.ink, (left + fall // 2, top + fall), dark)
    picture.paste(mix(brief.palette.paper, brief.palette.light, 0.3), (left, top), rim)
    harmonised = sparingly(fitted(source, room), lambda plain: restyled(plain, brief.palette, _TINT))
    picture.paste(harmonised, (left, top), inner)


def _organic(size: tuple[int, int], rng: random.Random) -> tuple[Image.Image, Image.Image]:
    """Cut a pebble shape: once whole, once without its rim, which fades softly."""
    detail = 3 if max(size) < 700 else 1
    big = (size[0] * detail, size[1] * detail)
    knots = 10
    reach = [0.9 + rng.uniform(-0.06, 0.05) for _ in range(knots)]
    masks: list[Image.Image] = []
    for scale in (1.0, 0.955):
        outline: list[Point] = []
        for i in range(knots):
            angle = math.tau * i / knots
            cos, sin = math.cos(angle), math.sin(angle)
            # A superellipse leaves more of the print than an ellipse.
            r = reach[i] * scale / (abs(cos) ** 3 + abs(sin) ** 3) ** (1 / 3)
            outline.append((big[0] / 2 * (1 + r * cos), big[1] / 2 * (1 + r * sin)))
        mask = Image.new("L", big)
        ImageDraw.Draw(mask).polygon(smooth(outline), fill=255)
        masks.append(mask.reduce(detail) if detail > 1 else mask.filter(ImageFilter.SMOOTH))
    return masks[0], masks[1]
