"""What is in the air: clouds and lights behind the land, rain, snow and mist before it."""

from .colour import lighter, mix, veil
from .skies import aurora, clouds, rainbow
from .stage import Stage


def before(stage: Stage) -> None:
    """Draw what hangs behind the land."""
    reading = stage.reading
    if reading.setting in {"space", "underwater", "studio"}:
        return
    if "aurora" in reading.skies:
        aurora(stage)
    if "rainbow" in reading.skies:
        rainbow(stage)
    many = 5 if reading.skies & {"clouds"} or "rain" in reading.moods else 2 if stage.palette.dark else 3
    clouds(stage, max(1, round(many * stage.breadth)))


def after(stage: Stage) -> None:
    """Draw what falls or drifts in front."""
    moods = stage.reading.moods
    if "fog" in moods:
        _mist(stage)
    if "rain" in moods:
        _rain(stage)
    if "snow" in moods:
        _snow(stage)
    if moods & {"autumn", "spring"} and stage.reading.setting != "studio":
        _petals(stage)


def _mist(stage: Stage) -> None:
    tone = lighter(stage.palette.sky[2], 0.3)
    for i in range(9):
        y = stage.height * (0.42 + 0.06 * i)
        x = stage.width * stage.rng.uniform(-0.1, 1.1)
        wide, tall = stage.width * stage.somewhere(0.3, 0.6), stage.height * stage.somewhere(0.012, 0.03)
        for k in range(4):
            stage.pen.oval(x, y, wide * (1 - 0.12 * k), tall * (1 - 0.2 * k), veil(tone, 0.13))


def _rain(stage: Stage) -> None:
    rng, u = stage.rng, stage.unit
    tone = mix(stage.palette.light, (205, 222, 240), 0.7)
    for _ in range(round(170 * stage.area)):
        x, y, long = (
            rng.uniform(0, stage.width * 1.1),
            rng.uniform(-0.1, 1) * stage.height,
            u * rng.uniform(0.02, 0.055),
        )
        wide = u * 0.0011
        drop = [
            (x - wide, y),
            (x + wide, y),
            (x + wide - long * 0.22, y + long),
            (x - wide - long * 0.22, y + long),
        ]
        stage.pen.shape(drop, veil(tone, rng.uniform(0.25, 0.6)))


def _snow(stage: Stage) -> None:
    rng, u = stage.rng, stage.unit
    for i in range(round(190 * stage.area)):
        size = u * (rng.uniform(0.0015, 0.005) if i % 12 else rng.uniform(0.007, 0.012))
        stage.pen.disc(
            rng.uniform(0, stage.width),
            rng.uniform(0, stage.height),
            size,
            veil((255, 255, 255), rng.uniform(0.5, 0.9)),
        )


def _petals(stage: Stage) -> None:
    rng, u, p = stage.rng, stage.unit, stage.palette
    spring = "spring" in stage.reading.moods
    tones = (
        ((250, 190, 205), (255, 218, 226), (246, 160, 185))
        if spring
        else (p.accent, mix(p.accent, p.light, 0.5), (214, 128, 52))
    )
    for _ in range(round(36 * stage.area)):
        pen = stage.pen.at(
            rng.uniform(0, stage.width),
            rng.uniform(0, stage.height),
            u * rng.uniform(0.006, 0.013),
            turn=rng.uniform(0, 360),
        )
        pen.blob([(-1, 0), (-0.3, -0.55), (0.6, -0.4), (1.1, 0), (0.5, 0.4), (-0.4, 0.5)], veil(rng.choice(tones), 0.9))
