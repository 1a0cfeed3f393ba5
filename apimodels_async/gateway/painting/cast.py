"""Who stands where: the prompt's subjects in the scene."""

from .colour import darker, lighter, mix, veil
from .geometry import Point, smooth
from .motifs.look import Look
from .motifs.table import MOTIFS, Motif
from .stage import Stage
from .words import Subject

_CROWDS = frozenset(
    ["flower", "sunflower", "tulip", "fish", "jellyfish", "butterfly", "heart", "star", "balloon", "mushroom"]
)
_FEET = {"studio": 0.9, "space": 0.93, "city": 0.95, "underwater": 0.95}
_MOST_DRAWN = 5


def act(stage: Stage) -> None:
    """Draw every subject, the hero last and largest."""
    cast = [(subject, MOTIFS[subject.name]) for subject in _shown(stage)]
    if not cast:
        return
    beach = stage.reading.setting == "sea" and any(motif.stance == "stands" for _, motif in cast)
    if beach:
        _shore(stage)
    hero, *others = cast
    sides = (-1, 1) if (stage.theme + stage.index) % 2 else (1, -1)
    for i, (subject, motif) in enumerate(others):
        _companion(stage, subject, motif, sides[i % 2] * (1 + 0.22 * (i // 2)))
    if hero[0].name in _CROWDS:
        _crowd(stage, *hero)
    _hero(stage, *hero, alone=not others)


def _shown(stage: Stage) -> list[Subject]:
    subjects = [subject for subject in stage.reading.subjects if subject.name in MOTIFS]
    if len(stage.reading.subjects) > 1 or stage.reading.setting not in {"studio", "space", None}:
        # In company, stars are what the sky is full of.
        subjects = [subject for subject in subjects if subject.name != "star"]
    return subjects


def look_of(stage: Stage, subject: Subject) -> Look:
    """Tell a motif its colours and its clothes."""
    return Look(stage.palette, subject.tint, stage.reading.wears, stage.rng)


def _hero(stage: Stage, subject: Subject, motif: Motif, *, alone: bool) -> None:
    count = min(subject.count, _MOST_DRAWN)
    size = stage.unit * 0.335 * motif.size / (1 + 0.3 * (count - 1))
    spread = min(size * 1.75, stage.width / (count + 0.4))
    place = (0.5, 0.44, 0.56)[(stage.theme + stage.index) % 3] if alone else 0.5
    for k in range(count):
        x = stage.width * place + (k - (count - 1) / 2) * spread
        _draw(stage, subject, motif, (x, _height(stage, motif, size, 1.0) - size * 0.06 * (k % 2)), size)


def _companion(stage: Stage, subject: Subject, motif: Motif, side: float) -> None:
    small = 0.19 if motif.stance == "flies" else 0.23
    for k in range(min(subject.count, 3)):
        size = stage.unit * small * motif.size * (0.85**k)
        x = stage.width / 2 + side * (min(stage.width * 0.31, stage.unit * 0.62) + k * size * 0.8)
        y = stage.height * (0.24 + 0.1 * k) if motif.stance == "flies" else _height(stage, motif, size, 0.93)
        _draw(stage, subject, motif, (x, y), size)


def _crowd(stage: Stage, subject: Subject, motif: Motif) -> None:
    rng, many = stage.rng, max(3, round(6 * stage.breadth))
    for k in range(many):
        size = stage.unit * motif.size * rng.uniform(0.07, 0.15)
        x = stage.width * (k + rng.uniform(0.15, 0.85)) / many
        if motif.stance == "stands":
            y = _height(stage, motif, size, rng.uniform(0.86, 0.97))
        elif k % 2:
            y = stage.height * rng.uniform(0.1, 0.24)
        else:
            y = stage.height * rng.uniform(0.66, 0.8)
        _draw(stage, subject, motif, (x, y), size)


def _height(stage: Stage, motif: Motif, size: float, nearer: float) -> float:
    """Where the middle of a motif of that size lies."""
    setting, h = stage.reading.setting or "", stage.height
    if setting == "underwater" and motif.stance != "stands":
        return h * 0.47
    match motif.stance:
        case "flies":
            return h * 0.45
        case "floats" | "swims":
            water = stage.horizon + (h - stage.horizon) * (0.42 if setting == "sea" else 0.75) * nearer
            return water - size * 0.9
        case _:
            return h * _FEET.get(setting, 0.92) * nearer - size


def _draw(stage: Stage, subject: Subject, motif: Motif, at: Point, size: float) -> None:
    x, y = at
    if motif.stance == "stands":
        for k in range(3):
            stage.pen.oval(
                x, y + size * 0.98, size * (0.82 - 0.12 * k), size * (0.085 - 0.015 * k), veil(stage.palette.ink, 0.1)
            )
    elif motif.stance == "flies" and stage.reading.setting == "studio":
        stage.pen.oval(x, stage.height * 0.9, size * 0.5, size * 0.06, veil(stage.palette.ink, 0.14))
    flip = (stage.theme + stage.index) % 2 == 1
    motif.draw(stage.pen.at(x, y, size, flip=flip), look_of(stage, subject))


def _shore(stage: Stage) -> None:
    p, w, h = stage.palette, stage.width, stage.height
    sand = mix((238, 214, 170), p.near, 0.45 if p.dark else 0.05)
    line: list[Point] = [
        (-w * 0.02, h * 0.84),
        (w * 0.25, h * 0.81),
        (w * 0.55, h * 0.835),
        (w * 0.8, h * 0.8),
        (w * 1.02, h * 0.82),
    ]
    crest = smooth(line, closed=False)
    stage.pen.shape([(x, y - h * 0.014) for x, y in crest] + [(w, h), (0, h)], veil((255, 255, 255), 0.5))
    stage.pen.shaded([*crest, (w * 1.02, h + 2), (-w * 0.02, h + 2)], lighter(sand, 0.12), darker(sand, 0.08))
