"""Grounds that are wet: the sea, and the bed of it."""

from .canvas import ramp
from .colour import darker, lighter, mix, veil
from .geometry import Point, smooth
from .lands import ridge
from .stage import Stage


def sea(stage: Stage, light_x: float) -> None:
    """Lay water to the horizon, with the light's path on it."""
    p, rng, w, h = stage.palette, stage.rng, stage.width, stage.height
    top = round(stage.horizon)
    stage.canvas.image.paste(
        ramp((mix(p.water, p.sky[2], 0.5), p.water, darker(p.water, 0.35)), (w, max(1, h - top))), (0, top)
    )
    _range_far(stage, top)
    for i in range(46):
        depth = (i / 46) ** 1.5
        y = top + (h - top) * depth + stage.unit * 0.004
        spread = stage.unit * (0.05 + 0.22 * depth)
        x = light_x + rng.uniform(-1, 1) * spread
        half = stage.unit * (0.012 + 0.05 * depth) * rng.uniform(0.5, 1.4)
        thick = stage.unit * (0.0014 + 0.004 * depth)
        stage.pen.oval(x, y, half, thick, veil(p.light, 0.55 - 0.3 * depth))
        x = rng.uniform(0, w)
        stage.pen.oval(x, y, half * 1.4, thick, veil(lighter(p.water, 0.5), 0.22))


def _range_far(stage: Stage, top: int) -> None:
    p = stage.palette
    x, reach = stage.width * stage.somewhere(0.0, 1.0), stage.unit * 0.42
    rise = stage.unit * 0.075
    shore: list[Point] = [(x - reach, top), (x - reach * 0.5, top - rise * 0.5), (x - reach * 0.15, top - rise * 0.8)]
    shore += [(x + reach * 0.2, top - rise), (x + reach * 0.55, top - rise * 0.35), (x + reach, top)]
    stage.pen.shape(smooth(shore, closed=False), mix(p.far, p.sky[2], 0.35))


def seabed(stage: Stage) -> None:
    """Let light fall through water onto sand, weed and bubbles."""
    p, rng, w, h, u = stage.palette, stage.rng, stage.width, stage.height, stage.unit
    source = w * rng.uniform(0.3, 0.7)
    for _ in range(9):
        x, reach = source + rng.uniform(-0.9, 0.9) * u, rng.uniform(0.03, 0.09) * u
        foot = x + (x - source) * 0.8
        stage.pen.shape(
            [(x - reach * 0.4, -1), (x + reach * 0.4, -1), (foot + reach * 2, h * 0.9), (foot - reach * 2, h * 0.9)],
            veil(p.light, 0.07),
        )
    stage.pen.glow(source, 0, u * 0.8, p.light, 0.5)
    ridge(stage, h * 0.82, h * 0.035, p.far, p.mid, bumps=2)
    weeds = round(22 * stage.breadth)
    for k in range(weeds):
        x, tall = w * (k + rng.random()) / weeds, u * rng.uniform(0.08, 0.24)
        if abs(x - w / 2) < u * 0.2:
            continue
        sway, tone = rng.uniform(-0.2, 0.2) * tall, rng.choice((p.mid, p.near, mix(p.accent, p.near, 0.35)))
        base = h * rng.uniform(0.86, 0.97)
        stage.pen.curve(
            [(x, base), (x + sway, base - tall * 0.35), (x - sway, base - tall * 0.7), (x + sway * 0.6, base - tall)],
            u * 0.014,
            tone,
        )
    ridge(stage, h * 0.92, h * 0.02, mix(p.mid, p.near, 0.6), p.near, bumps=3)
    for _ in range(26):
        x, y, r = rng.uniform(0, w), rng.uniform(0.05, 0.85) * h, u * rng.uniform(0.003, 0.012)
        stage.pen.disc(x, y, r, veil(lighter(p.sky[2], 0.5), 0.3))
        stage.pen.disc(x - r * 0.3, y - r * 0.3, r * 0.3, veil(lighter(p.sky[2], 0.9), 0.7))
