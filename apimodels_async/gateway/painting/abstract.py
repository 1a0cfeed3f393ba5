"""Compositions for prompts that name nothing the painter can draw."""

import math

from .colour import RGB, darker, lighter, mix, veil
from .geometry import Point, arc, oval
from .lands import ridge
from .skies import light, sky, sparkle, stars
from .stage import Stage


def compose(stage: Stage) -> None:
    """Pick one of five; neighbouring indexes get different ones."""
    painters = (layered, ribbons, orbs, tiles, bloom)
    stage_words = stage.theme + stage.index
    painters[stage_words % len(painters)](stage)


def _tones(stage: Stage) -> list[RGB]:
    p = stage.palette
    return [p.accent, p.light, p.far, p.mid, p.near, p.water, p.sky[0], mix(p.accent, p.paper, 0.5)]


def layered(stage: Stage) -> None:
    """Layer hills into the haze under a great orb."""
    p, h = stage.palette, stage.height
    sky(stage)
    if p.dark:
        stars(stage)
    light(
        stage,
        stage.width * stage.somewhere(0.3, 0.7),
        h * stage.somewhere(0.26, 0.4),
        stage.unit * stage.somewhere(0.11, 0.17),
    )
    for i in range(7):
        t = i / 6
        tone = mix(mix(p.far, p.sky[2], 0.5), p.near, t)
        ridge(
            stage,
            h * (0.5 + 0.075 * i),
            h * 0.055 * (1.15 - 0.4 * t),
            mix(tone, p.accent, 0.08),
            mix(tone, p.sky[2], 0.38 * (1 - t)),
            bumps=1.6 + i * 0.4,
        )


def ribbons(stage: Stage) -> None:
    """Let broad ribbons flow across."""
    p, w, h = stage.palette, stage.width, stage.height
    sky(stage)
    light(stage, w * stage.somewhere(0.2, 0.8), h * stage.somewhere(0.18, 0.32), stage.unit * 0.1)
    phases = [stage.somewhere(0, math.tau) for _ in range(3)]
    tilt, count = stage.somewhere(-0.25, 0.25) * h, 13
    tones = [lighter(p.accent, 0.25), p.accent, mix(p.accent, p.mid, 0.5), p.mid, p.near]
    for i in range(count):
        t = i / (count - 1)
        place = t * (len(tones) - 1)
        low = min(int(place), len(tones) - 2)
        tone = mix(tones[low], tones[low + 1], place - low)
        crest: list[Point] = []
        for k in range(81):
            s = k / 80
            swing = math.sin(s * 5.2 + phases[0] + t * 2.3) * 0.10 + math.sin(s * 9.1 + phases[1] - t * 3.1) * 0.035
            pinch = 0.25 + 0.75 * (0.5 + 0.5 * math.sin(s * 4 + phases[2]))
            crest.append((s * w, h * (0.36 + 0.6 * t * pinch + 0.12 * t + swing) + tilt * (s - 0.5)))
        stage.pen.shaded([*crest, (w, h + 2.0), (0, h + 2.0)], lighter(tone, 0.18), darker(tone, 0.1))


def orbs(stage: Stage) -> None:
    """Balance translucent orbs and rings."""
    p, w, h, u, rng = stage.palette, stage.width, stage.height, stage.unit, stage.rng
    sky(stage)
    stage.pen.glow(w * 0.5, h * 0.5, u * 0.8, lighter(p.sky[2], 0.3), 0.5)
    tones = _tones(stage)
    for i in range(round(13 * min(max(w, h) / u, 8))):
        x, y = w * rng.gauss(0.5, 0.24), h * rng.gauss(0.5, 0.2)
        r = u * (0.24 * 0.86**i if i < 8 else rng.uniform(0.015, 0.06)) * rng.uniform(0.8, 1.1)
        tone = tones[i % len(tones)]
        stage.pen.disc(x + r * 0.08, y + r * 0.12, r * 1.03, veil(p.ink, 0.12))
        stage.pen.shaded(oval(x, y, r, r, count=90), lighter(tone, 0.35), tone, darker(tone, 0.15))
        stage.pen.glow(x - r * 0.35, y - r * 0.4, r * 0.6, lighter(tone, 0.8), 0.5)
        if i % 4 == 1:
            tilt = rng.uniform(-40, 10)
            spin = stage.pen.at(x, y, r, turn=tilt)
            ring = arc(0, 0, 1.7, 0.42, -20, 200, 60) + arc(0, 0, 1.5, 0.32, 200, -20, 60)
            spin.shape(ring, veil(p.light, 0.85))


def tiles(stage: Stage) -> None:
    """Set a grid of quarter circles, arcs and dots, the way of the old modern masters."""
    p, w, h, rng = stage.palette, stage.width, stage.height, stage.rng
    tones = [p.accent, p.near, p.mid, p.water, p.light, p.far, p.paper, mix(p.accent, p.light, 0.5)]
    side = stage.unit / rng.choice((4, 5))
    across, down = math.ceil(w / side), math.ceil(h / side)
    side_x, side_y = w / max(1, across), h / max(1, down)
    for row in range(down):
        for column in range(across):
            ground, figure = rng.sample(tones, 2)
            pen = stage.pen.at(
                (column + 0.5) * side_x, (row + 0.5) * side_y, max(side_x, side_y) / 2, turn=90 * rng.randrange(4)
            )
            pen.shape([(-1, -1), (1.01, -1), (1.01, 1.01), (-1, 1.01)], ground)
            match rng.randrange(6):
                case 0:
                    pen.shape([(-1, -1), *arc(-1, -1, 2, 2, 0, 90, 40)], figure)
                case 1:
                    pen.shape(arc(0, -1, 1, 1, 0, 180, 40), figure)
                    pen.shape(arc(0, 0, 1, 1, 0, 180, 40), mix(figure, ground, 0.4))
                case 2:
                    pen.disc(0, 0, 0.62, figure)
                    pen.disc(0, 0, 0.26, ground)
                case 3:
                    for r, tone in ((2.0, figure), (1.5, ground), (1.0, figure), (0.5, ground)):
                        pen.shape([(-1, -1), *arc(-1, -1, r, r, 0, 90, 40)], tone)
                case 4:
                    pen.shape([(-1, 1), (1, -1), (1, 1)], figure)
                case _:
                    leaf = arc(-1, -1, 2, 2, 0, 90, 30) + arc(1, 1, 2, 2, 180, 270, 30)
                    pen.shape(leaf, figure)


def bloom(stage: Stage) -> None:
    """Open a great rosette of petals."""
    p, w, h, u, rng = stage.palette, stage.width, stage.height, stage.unit, stage.rng
    sky(stage)
    if p.dark:
        stars(stage, down_to=1.0)
    x, y = w * rng.uniform(0.42, 0.58), h * rng.uniform(0.44, 0.54)
    stage.pen.glow(x, y, u * 0.75, p.light, 0.5)
    petals = rng.choice((9, 11, 12, 14))
    for ring in range(5):
        t = ring / 4
        reach = u * (0.46 - 0.088 * ring)
        tone = mix(p.accent, p.mid, 1 - t) if ring % 2 else mix(p.light, p.accent, 1 - t * 0.7)
        for i in range(petals):
            pen = stage.pen.at(x, y, reach, turn=360 * (i + ring / 2) / petals)
            wide = 1.9 / petals
            petal = [(0, 0), (0.45, -wide), (0.8, -wide * 0.85), (1, 0), (0.8, wide * 0.85), (0.45, wide)]
            pen.blob(petal, veil(mix(tone, p.near, 0.1 * (i % 2)), 0.62))
    stage.pen.shaded(oval(x, y, u * 0.055, u * 0.055), lighter(p.light, 0.4), p.accent)
    for _ in range(12):
        size = u * rng.uniform(0.006, 0.016)
        sparkle(stage.pen.at(rng.uniform(0, w), rng.uniform(0, h), size), veil(lighter(p.light, 0.4), 0.9))
