"""Grounds: hills, mountains, water, dunes, woods, towns, moons and rooms."""

import math

from .colour import RGB, darker, lighter, mix, veil
from .geometry import Point, oval, smooth
from .motifs.plants import pine, round_tree
from .stage import Stage


def ridge(stage: Stage, base: float, rise: float, top: RGB, bottom: RGB, *, bumps: float = 2.5) -> list[Point]:
    """Roll one layer of hills across the picture and give its crest."""
    phases = [stage.somewhere(0, math.tau) for _ in range(3)]
    span = stage.unit * 1.4
    crest: list[Point] = []
    for i in range(97):
        x = stage.width * (i / 96 * 1.04 - 0.02)
        t = x / span * math.tau * bumps / 2.5
        wave = (
            0.6 * math.sin(t + phases[0]) + 0.28 * math.sin(2.1 * t + phases[1]) + 0.12 * math.sin(4.3 * t + phases[2])
        )
        crest.append((x, base - rise * wave))
    floor = stage.height + 2
    stage.pen.shaded([*crest, (stage.width * 1.02, floor), (-stage.width * 0.02, floor)], top, bottom)
    return crest


def hills(stage: Stage) -> None:
    """Layer soft hills with a few trees."""
    p, h = stage.palette, stage.horizon
    ridge(stage, h - stage.height * 0.02, stage.height * 0.06, mix(p.far, p.sky[2], 0.45), p.far)
    crest = ridge(stage, h + stage.height * 0.06, stage.height * 0.045, p.far, mix(p.far, p.mid, 0.7), bumps=3)
    for _ in range(round(5 * stage.breadth)):
        x, y = stage.rng.choice(crest)
        draw = stage.rng.choice((round_tree, pine))
        size = stage.unit * stage.somewhere(0.03, 0.055)
        draw(stage.pen.at(x, y - size * 0.8, size), mix(p.mid, p.far, 0.2))
    ridge(stage, h + stage.height * 0.15, stage.height * 0.03, lighter(p.mid, 0.1), mix(p.mid, p.near, 0.75), bumps=1.8)


def mountains(stage: Stage) -> None:
    """Raise three ranges, the furthest capped with snow."""
    p = stage.palette
    for layer, (base, rise, tone) in enumerate(
        ((0.02, 0.42, mix(p.far, p.sky[2], 0.25)), (0.06, 0.26, mix(p.far, p.mid, 0.45)))
    ):
        _range(stage, stage.horizon + stage.height * base, stage.height * rise, tone, snow=layer == 0)
    crest = ridge(
        stage, stage.horizon + stage.height * 0.10, stage.height * 0.035, p.mid, mix(p.mid, p.near, 0.6), bumps=3
    )
    for x, y in crest[:: max(2, round(5 * stage.unit / stage.width))]:
        size = stage.unit * stage.somewhere(0.03, 0.06)
        pine(stage.pen.at(x, y - size * 0.7, size), mix(p.mid, p.near, 0.55))
    ridge(stage, stage.horizon + stage.height * 0.19, stage.height * 0.025, mix(p.mid, p.near, 0.6), p.near, bumps=2)


def _range(stage: Stage, base: float, rise: float, tone: RGB, *, snow: bool) -> None:
    p, rng = stage.palette, stage.rng
    step = min(rise * 0.95, stage.width * 0.5)
    x = -step * rng.uniform(0.2, 0.8)
    peaks: list[tuple[float, float]] = []
    while x < stage.width + step:
        peaks.append((x, base - rise * rng.uniform(0.45, 1.0)))
        x += step * rng.uniform(0.55, 1.0)
    for px, py in sorted(peaks, key=lambda peak: peak[1], reverse=True):
        tall, wide = base - py, (base - py) * rng.uniform(0.85, 1.1)
        left, right = px - wide, px + wide * 0.95
        low = base + stage.height * 0.2
        stage.pen.shaded(
            [(px, py), (right, base), (right, low), (left, low), (left, base)],
            lighter(tone, 0.08),
            mix(tone, p.sky[2], 0.4),
        )
        # The side away from the light.
        fold = [
            (px, py),
            (right, base),
            (px + wide * 0.12, base),
            (px - wide * 0.08, py + tall * 0.55),
            (px + wide * 0.1, py + tall * 0.3),
        ]
        stage.pen.shape(fold, veil(darker(tone, 0.45), 0.35))
        if snow:
            cap = [
                (px, py),
                (px + wide * 0.27, py + tall * 0.29),
                (px + wide * 0.15, py + tall * 0.24),
                (px + wide * 0.06, py + tall * 0.36),
            ]
            cap += [
                (px - wide * 0.07, py + tall * 0.25),
                (px - wide * 0.18, py + tall * 0.33),
                (px - wide * 0.27, py + tall * 0.27),
            ]
            stage.pen.shape(cap, veil(lighter(p.paper, 0.4), 0.92 if not p.dark else 0.7))


def dunes(stage: Stage) -> None:
    """Sweep dunes with a lit and a shadowed side."""
    p = stage.palette
    for i, tone in enumerate((mix(p.far, p.sky[2], 0.3), p.far, mix(p.far, p.mid, 0.6), p.mid)):
        base = stage.horizon + stage.height * (0.1 * i - 0.02)
        rise = stage.height * (0.07 + 0.02 * i)
        x = stage.width * stage.somewhere(0.15, 0.85)
        w, floor = stage.width, stage.height + 2.0
        left = [(-w * 0.1, base + rise * 0.5), (x * 0.5, base + rise * 0.1), (x, base - rise)]
        right = [(x, base - rise), ((x + w) / 2, base - rise * 0.05), (w * 1.1, base + rise * 0.4)]
        crest = smooth(left, closed=False) + smooth(right, closed=False)
        stage.pen.shaded([*crest, (w * 1.1, floor), (-w * 0.1, floor)], lighter(tone, 0.15), mix(tone, p.mid, 0.4))
        edge = smooth(
            [
                (x, base - rise),
                (x + w * 0.04, base + rise * 0.2),
                (x - w * 0.05, base + rise * 1.2),
                (x + w * 0.02, floor),
            ],
            closed=False,
        )
        stage.pen.shape(
            [*smooth(right, closed=False), (w * 1.1, floor), *reversed(edge)], veil(darker(tone, 0.3), 0.28)
        )


def woods(stage: Stage) -> None:
    """Stand rows of trees in the haze."""
    p = stage.palette
    for i in range(4):
        tone = mix(mix(p.far, p.sky[2], 0.5), p.near, i / 3.2)
        base = stage.horizon + stage.height * (0.02 + 0.06 * i)
        size = stage.unit * (0.13 + 0.035 * i)
        many = max(3, round(stage.width / size * 0.75))
        for k in range(many + 1):
            # The nearest row leaves a clearing for whoever lives here.
            x = stage.width * (k + stage.somewhere(-0.4, 0.4)) / many
            if i == 3 and abs(x - stage.width / 2) < stage.unit * 0.34:
                continue
            draw = pine if (k + i) % 4 else round_tree
            draw(stage.pen.at(x, base - size * 0.8, size * stage.somewhere(0.8, 1.2)), tone)
        ridge(stage, base, stage.height * 0.012, tone, mix(tone, p.near, 0.3), bumps=4)
        if i < 3:
            stage.pen.glow(stage.width / 2, base, stage.unit * 0.8, p.sky[2], 0.25)


def town(stage: Stage) -> None:
    """Build a skyline in three depths, windows lit."""
    p, rng = stage.palette, stage.rng
    for i in range(3):
        tone = mix(mix(p.far, p.sky[2], 0.4), p.near, i / 2)
        base = stage.horizon + stage.height * (0.06 + 0.07 * i)
        x = -stage.unit * 0.05
        while x < stage.width:
            wide = stage.unit * rng.uniform(0.06, 0.12)
            tall = stage.height * rng.uniform(0.16, 0.46) * (1.08 - 0.24 * i)
            tower(stage, (x, base - tall, x + wide, stage.height + 1.0), tone, lit=i > 0)
            x += wide + stage.unit * rng.uniform(0.0, 0.02)
        if i < 2:
            stage.pen.glow(stage.width / 2, base, stage.unit * 0.9, p.sky[2], 0.22)
    floor = stage.height * 0.86
    stage.pen.shaded(
        [(0, floor), (stage.width, floor), (stage.width, stage.height + 1), (0, stage.height + 1)],
        mix(p.near, p.mid, 0.35),
        p.near,
    )


def tower(stage: Stage, box: tuple[float, float, float, float], tone: RGB, *, lit: bool) -> None:
    """Build one house of a skyline."""
    x0, y0, x1, y1 = box
    rng, pen, wide = stage.rng, stage.pen, x1 - x0
    pen.shaded([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], lighter(tone, 0.07), mix(tone, stage.palette.sky[2], 0.25))
    pen.shape([(x0 + wide * 0.62, y0), (x1, y0), (x1, y1), (x0 + wide * 0.62, y1)], veil(darker(tone, 0.5), 0.22))
    crown = rng.randrange(4)
    if crown == 0:
        pen.shape([(x0, y0 + 1), (x0 + wide / 2, y0 - wide * 0.6), (x1, y0 + 1)], tone)
    elif crown == 1:
        pen.box(x0 + wide * 0.2, y0 - wide * 0.22, x1 - wide * 0.2, y0 + 1, tone)
        pen.box(x0 + wide * 0.47, y0 - wide * 0.75, x0 + wide * 0.53, y0, tone)
    if not lit:
        return
    columns, gap = 4, wide / 4
    glass = veil(mix(stage.palette.light, stage.palette.accent, 0.2), 0.9 if stage.palette.dark else 0.6)
    for row in range(min(26, int((y1 - y0) / (gap * 1.25)))):
        for column in range(columns):
            if rng.random() < 0.45:
                x, y = x0 + gap * (column + 0.28), y0 + gap * (row * 1.25 + 0.5)
                pen.box(x, y, x + gap * 0.44, y + gap * 0.62, glass)


def moonscape(stage: Stage) -> None:
    """Curve a small cratered world across the bottom."""
    p, w, h, u = stage.palette, stage.width, stage.height, stage.unit
    radius = max(w, u) * 1.25
    top = h * 0.76
    pen = stage.pen
    for tone in (p.accent, p.sky[2], p.mid, p.sky[2]):
        # Nebulae: a few large breaths of light.
        pen.glow(stage.somewhere(0, w), stage.somewhere(0.05, 0.6) * h, u * stage.somewhere(0.3, 0.65), tone, 0.3)
    pen.glow(w / 2, top + u * 0.25, u * 0.95, p.sky[2], 0.65)
    world = oval(w / 2, top + radius, radius, radius, count=240)
    pen.shaded([point for point in world if point[1] < h + radius * 0.2], lighter(p.near, 0.25), p.far)
    for _ in range(round(10 * stage.breadth)):
        x, depth = stage.somewhere(0, w), stage.somewhere(0.12, 0.95)
        y = top + (h - top) * depth + (x - w / 2) ** 2 / (2 * radius)
        size = u * (0.012 + 0.035 * depth) * stage.somewhere(0.6, 1.3)
        pen.oval(x, y, size * 1.5, size * 0.55, darker(p.far, 0.22))
        pen.oval(x, y + size * 0.12, size * 1.38, size * 0.42, mix(p.far, p.near, 0.35))


def room(stage: Stage) -> None:
    """Set up a plain backdrop with one big disc behind whatever is shown."""
    p, w, h, u = stage.palette, stage.width, stage.height, stage.unit
    floor = h * 0.8
    disc = mix(p.sky[0], p.accent, 0.2) if not p.dark else mix(p.sky[2], p.accent, 0.25)
    stage.pen.glow(w / 2, h * 0.46, u * 0.75, lighter(p.sky[2], 0.5), 0.8)
    shape = stage.rng.randrange(3)
    if shape == 0:
        stage.pen.shaded(oval(w / 2, h * 0.47, u * 0.36, u * 0.36, count=120), mix(disc, p.light, 0.25), disc)
    elif shape == 1:
        arch = [
            (w / 2 - u * 0.31, floor + 2),
            *oval(w / 2, h * 0.42, u * 0.31, u * 0.31, count=120)[60:],
            (w / 2 + u * 0.31, floor + 2),
        ]
        stage.pen.shaded(arch, mix(disc, p.light, 0.3), disc)
    else:
        for i in range(4):
            radius = u * (0.46 - 0.095 * i)
            stage.pen.disc(w / 2, h * 0.47, radius, veil(mix(disc, p.light, i / 4), 0.5))
    stage.pen.shaded(
        [(0, floor), (w, floor), (w, h + 1), (0, h + 1)], mix(p.sky[1], p.mid, 0.35), mix(p.sky[1], p.mid, 0.6)
    )
