"""The sky and what hangs in it."""

import math

from .canvas import Pen, ramp
from .colour import Fill, lighter, mix, veil
from .geometry import Point, arc, oval, smooth
from .stage import Stage

_TALL = 1.3


def sky(stage: Stage, *, down_to: float = 1.0) -> None:
    """Fill the canvas with the palette's sky."""
    height = max(1, round(stage.height * down_to))
    stage.canvas.image.paste(ramp(stage.palette.sky, (stage.width, height)), (0, 0))


def light(stage: Stage, x: float, y: float, radius: float) -> None:
    """Hang the sun, or by night the moon, with its glow."""
    palette, pen = stage.palette, stage.pen
    pen.glow(x, y, radius * 5.5, palette.light, 0.55)
    if palette.dark and stage.reading.setting != "space" and not stage.reading.moods & {"sunset"}:
        moon(pen.at(x, y, radius), stage)
        return
    for reach, strength in ((1.9, 0.10), (1.45, 0.16)):
        pen.disc(x, y, radius * reach, veil(palette.light, strength))
    pen.shaded(
        oval(x, y, radius, radius, count=90), lighter(palette.light, 0.3), mix(palette.light, palette.accent, 0.18)
    )


def moon(pen: Pen, stage: Stage) -> None:
    """Draw a full moon or a crescent."""
    face = stage.palette.light
    if stage.rng.random() < 0.5:
        pen.shaded(oval(0, 0, 1, 1, count=90), lighter(face, 0.4), face)
        craters: list[tuple[list[Point], Fill]] = [
            (oval(x, y, r, r), veil(mix(face, stage.palette.sky[1], 0.45), 0.4))
            for x, y, r in ((-0.35, -0.2, 0.24), (0.3, 0.35, 0.3), (0.4, -0.42, 0.15), (-0.3, 0.5, 0.14))
        ]
        pen.inside(oval(0, 0, 1, 1, count=90), craters)
        return
    # The bite's circle starts where it meets the disc's, or the horns grow hooks.
    shift, bite = 0.46, 0.84
    x = (1 + shift**2 - bite**2) / (2 * shift)
    horn = math.degrees(math.acos(x))
    inner = math.degrees(math.acos((x - shift) / bite))
    outline = arc(0, 0, 1, 1, horn, 360 - horn, 60) + arc(shift, 0, bite, bite, 360 - inner, inner, 60)
    pen.at(0, 0, turn=155 if stage.index % 2 else -25).shape(outline, lighter(face, 0.3))


def stars(stage: Stage, *, down_to: float = 0.7) -> None:
    """Sprinkle stars, a few of them with rays."""
    rng, pen, unit = stage.rng, stage.pen, stage.unit
    many = round(150 * min(3.0, stage.area))
    for i in range(many):
        x, y = rng.uniform(0, stage.width), rng.uniform(0, stage.height * down_to) * rng.uniform(0.5, 1)
        fade = 1 - 0.6 * y / (stage.height * down_to)
        size = unit * rng.choice((0.0012, 0.0016, 0.0022, 0.003))
        tone = mix(stage.palette.light, (210, 225, 255), rng.random())
        if i % 19 == 0:
            pen.glow(x, y, size * 9, tone, 0.7 * fade)
            sparkle(pen.at(x, y, size * 5), veil(lighter(tone, 0.5), fade))
        else:
            pen.disc(x, y, size, veil(tone, rng.uniform(0.35, 0.95) * fade))


def sparkle(pen: Pen, fill: Fill) -> None:
    """Draw a four-pointed twinkle."""
    points: list[Point] = []
    for i in range(8):
        reach = 1.0 if i % 2 == 0 else 0.17
        points.append((reach * math.cos(math.pi * i / 4), reach * math.sin(math.pi * i / 4)))
    pen.shape(points, fill)


def clouds(stage: Stage, count: int, *, low: float = 0.08, high: float = 0.36) -> None:
    """Float flat-bottomed clouds."""
    rng = stage.rng
    tone = mix(lighter(stage.palette.sky[2], 0.55), stage.palette.sky[1], 0.55 if stage.palette.dark else 0.0)
    for i in range(count):
        x = stage.width * ((i + rng.uniform(0.1, 0.9)) / count)
        y = stage.height * rng.uniform(low, high)
        size = stage.unit * rng.uniform(0.07, 0.13)
        cloud(stage.pen.at(x, y, size, flip=rng.random() < 0.5), veil(tone, 0.85 if not stage.palette.dark else 0.4))


def cloud(pen: Pen, fill: Fill) -> None:
    """Draw one cloud, two units wide, as one outline so that a translucent fill stays even."""
    top: list[Point] = [(-1.5, 0.25), (-1.35, -0.08), (-1.0, -0.12), (-0.82, -0.5), (-0.35, -0.62), (0.0, -0.36)]
    top += [(0.3, -0.5), (0.68, -0.36), (0.8, -0.04), (1.2, -0.02), (1.42, 0.25)]
    pen.shape([*smooth(top, closed=False), (1.3, 0.32), (-1.4, 0.32)], fill)


def rainbow(stage: Stage) -> None:
    """Arch a rainbow over the horizon."""
    x, y = stage.width * stage.rng.uniform(0.4, 0.6), stage.horizon + stage.unit * 0.12
    bands = ((232, 93, 88), (244, 162, 89), (249, 218, 115), (120, 190, 138), (90, 160, 208), (142, 115, 190))
    for i, band in enumerate(bands):
        outer, inner = stage.unit * (0.62 - 0.028 * i), stage.unit * (0.592 - 0.028 * i)
        ring = arc(x, y, outer, outer, 180, 360, 80) + arc(x, y, inner, inner, 360, 180, 80)
        stage.pen.shape(ring, veil(band, 0.62))


def aurora(stage: Stage) -> None:
    """Hang curtains of northern light."""
    rng, width = stage.rng, stage.width
    for colour in ((90, 240, 180), (110, 200, 250), (190, 120, 240)):
        base = stage.height * rng.uniform(0.22, 0.42)
        phase, reach = rng.uniform(0, 6), stage.height * 0.3
        for i in range(70):
            x = width * i / 69
            y = base + stage.height * 0.06 * math.sin(i / 9 + phase) + stage.height * 0.03 * math.sin(i / 4 + phase * 2)
            glow = 0.05 + 0.05 * math.sin(i / 5 + phase) ** 2
            step = width / 60
            for k in range(4):
                top = y - reach * (1 - k / 4)
                stage.pen.shape(
                    [(x - step, top), (x + step, top), (x + step, y), (x - step, y)], veil(colour, glow * 0.45)
                )
