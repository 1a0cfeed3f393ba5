"""Puts a scene together: sky, ground, subjects, weather, and the last touches."""

from collections.abc import Callable
from dataclasses import replace

from PIL import Image

from . import abstract, lands, skies, waters
from .brief import Brief
from .canvas import Canvas
from .cast import act
from .finish import grain, settled, styled, vignette
from .stage import Stage
from .weather import after, before

_MOST_PIXELS = 17_000_000
_SAMPLES = ((12_000, 8), (90_000, 4), (200_000, 3))


def scene(size: tuple[int, int], brief: Brief, *, empty: bool = False) -> Image.Image:
    """Paint the prompt at a size; `empty` leaves the stage without actors and without the last touches."""
    picture = _composed(size, brief, empty=empty)
    return picture if empty else finished(picture, brief)


def _composed(size: tuple[int, int], brief: Brief, *, empty: bool) -> Image.Image:
    samples = _samples(size)
    canvas = Canvas((size[0] * samples, size[1] * samples), brief.palette.sky[1])
    reading = replace(brief.reading, subjects=()) if empty else brief.reading
    compose(Stage(canvas, brief.palette, reading, brief.dice("scene"), brief.index, brief.theme))
    return settled(canvas.image, size)


def finished(picture: Image.Image, brief: Brief) -> Image.Image:
    """Give a picture the style the prompt asks for, and the grain that every one has."""
    picture = styled(picture, brief.reading.moods, brief.dice("style"))
    if "minimal" not in brief.reading.moods:
        vignette(picture, brief.palette.ink)
    grain(picture)
    return picture


def _samples(size: tuple[int, int]) -> int:
    pixels = size[0] * size[1]
    for most, samples in _SAMPLES:
        if pixels <= most:
            return samples
    return 2 if pixels * 4 <= _MOST_PIXELS else 1


def compose(stage: Stage) -> None:
    """Draw everything onto the stage's canvas."""
    if stage.reading.setting is None:
        abstract.compose(stage)
        return
    x = _backdrop(stage)
    before(stage)
    _GROUNDS.get(stage.reading.setting, _GROUNDS["meadow"])(stage, x)
    act(stage)
    after(stage)


_GROUNDS: dict[str, Callable[[Stage, float], None]] = {
    "meadow": lambda stage, _: lands.hills(stage),
    "mountains": lambda stage, _: lands.mountains(stage),
    "sea": waters.sea,
    "underwater": lambda stage, _: waters.seabed(stage),
    "forest": lambda stage, _: lands.woods(stage),
    "city": lambda stage, _: lands.town(stage),
    "space": lambda stage, _: lands.moonscape(stage),
    "desert": lambda stage, _: lands.dunes(stage),
    "studio": lambda stage, _: lands.room(stage),
}


def _backdrop(stage: Stage) -> float:
    reading, palette, w, h, u = stage.reading, stage.palette, stage.width, stage.height, stage.unit
    skies.sky(stage)
    x = w * (stage.somewhere(0.14, 0.34) if (stage.index + stage.theme) % 2 else stage.somewhere(0.66, 0.86))
    if reading.setting in {"underwater", "studio"}:
        return x
    if palette.dark:
        skies.stars(stage, down_to=0.95 if reading.setting == "space" else 0.6)
    if reading.setting != "space" and "fog" not in reading.moods:
        low = "sunset" in reading.moods or "dawn" in reading.moods
        y = stage.horizon - u * stage.somewhere(0.08, 0.16) if low else h * stage.somewhere(0.16, 0.26)
        skies.light(stage, x, y, u * stage.somewhere(0.06, 0.09))
    return x
