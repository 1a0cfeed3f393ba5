"""The head of an animal: its shape, its markings and its face."""

from apimodels_async.gateway.painting.canvas import Pen
from apimodels_async.gateway.painting.colour import darker, lighter, luminance, mix, veil
from apimodels_async.gateway.painting.geometry import Point, oval, smooth

from .coats import Coat
from .faces import DARK, WHITE, cheeks, eyes, mouth

HEAD = (0.0, -0.36)


def head(pen: Pen, coat: Coat) -> None:
    """Draw the skull, the mane behind it and the markings on it."""
    if coat.marking == "mane":
        for i in range(14):
            pen.at(0, 0, turn=360 * i / 14).oval(0, -0.5, 0.2, 0.24, mix(coat.mark, coat.fur, 0.12 * (i % 2)))
        pen.disc(0, 0, 0.58, coat.mark)
    wide = 0.56
    outline = smooth(
        [
            (0, -0.48),
            (0.25, -0.435),
            (0.46, -0.27),
            (wide, 0.0),
            (wide * 0.9, 0.24),
            (0.3, 0.42),
            (0, 0.46),
            (-0.3, 0.42),
            (-wide * 0.9, 0.24),
            (-wide, 0.0),
            (-0.46, -0.27),
            (-0.25, -0.435),
        ]
    )
    pen.shaded(outline, lighter(coat.fur, 0.12), coat.fur, darker(coat.fur, 0.06))
    _marked(pen, coat, outline)


def _marked(pen: Pen, coat: Coat, outline: list[Point]) -> None:
    mark = veil(coat.mark, 0.85)
    match coat.marking:
        case "stripes" | "tiger":
            for x, tall in ((-0.13, 0.18), (0, 0.24), (0.13, 0.18)):
                pen.inside(outline, [(smooth([(x - 0.035, -0.5), (x * 0.9, -0.46 + tall), (x + 0.035, -0.5)]), mark)])
            stripes = [(y, long) for y, long in ((-0.02, 0.15), (0.12, 0.12))]
            for side in (-1, 1):
                pen.inside(
                    outline,
                    [
                        ([(side * 0.6, y - 0.035), (side * (0.56 - long), y + 0.01), (side * 0.6, y + 0.04)], mark)
                        for y, long in stripes
                    ],
                )
        case "mask":
            for side in (-1, 1):
                cheek = smooth(
                    [
                        (side * 0.03, 0.06),
                        (side * 0.16, -0.02),
                        (side * 0.36, 0.02),
                        (side * 0.6, -0.04),
                        (side * 0.58, 0.3),
                        (side * 0.2, 0.5),
                        (0, 0.5),
                    ]
                )
                pen.inside(outline, [(cheek, coat.belly)])
        case "blaze":
            blaze = smooth(
                [
                    (-0.07, -0.5),
                    (0.07, -0.5),
                    (0.1, -0.1),
                    (0.27, 0.16),
                    (0.2, 0.5),
                    (-0.2, 0.5),
                    (-0.27, 0.16),
                    (-0.1, -0.1),
                ]
            )
            pen.inside(outline, [(blaze, coat.belly)])
        case "panda":
            for side in (-1, 1):
                pen.oval(side * 0.23, 0.0, 0.125, 0.165, coat.mark, turn=side * 28)
        case _:
            pass


def face(pen: Pen, coat: Coat) -> None:
    """Draw muzzle, eyes, cheeks, and what hangs beside them."""
    match coat.muzzle:
        case "dog":
            pen.shaded(
                smooth(
                    [(0, -0.02), (0.2, 0.06), (0.27, 0.24), (0.14, 0.39), (-0.14, 0.39), (-0.27, 0.24), (-0.2, 0.06)]
                ),
                lighter(coat.belly, 0.1),
                coat.belly,
            )
            pen.blob([(-0.075, 0.31), (0.075, 0.31), (0.07, 0.44), (0, 0.485), (-0.07, 0.44)], (238, 122, 132))
            pen.line([(0, 0.33), (0, 0.43)], 0.014, (205, 88, 104))
            mouth(pen, 0, 0.15, 0.17)
            pen.blob([(-0.11, 0.06), (0, 0.03), (0.11, 0.06), (0.07, 0.15), (0, 0.18), (-0.07, 0.15)], coat.nose)
            pen.oval(-0.035, 0.075, 0.03, 0.015, veil(WHITE, 0.5))
        case "snout":
            pen.shaded(oval(0, 0.17, 0.2, 0.145), lighter(coat.inner, 0.1), coat.inner)
            for side in (-1, 1):
                pen.oval(side * 0.07, 0.17, 0.03, 0.05, darker(coat.inner, 0.4))
            pen.curve([(-0.1, 0.355), (0, 0.39), (0.1, 0.355)], 0.025, DARK)
        case "koala":
            pen.shaded(
                smooth([(0, -0.06), (0.1, 0.02), (0.11, 0.2), (0, 0.28), (-0.11, 0.2), (-0.1, 0.02)]),
                (70, 66, 80),
                DARK,
            )
            pen.curve([(-0.1, 0.34), (0, 0.37), (0.1, 0.34)], 0.025, DARK)
        case _:
            pen.oval(0, 0.21, 0.19, 0.14, veil(coat.belly, 0.95))
            mouth(pen, 0, 0.17, 0.115)
            pen.blob([(-0.062, 0.1), (0, 0.085), (0.062, 0.1), (0.03, 0.155), (0, 0.17), (-0.03, 0.155)], coat.nose)
    eyes(pen, 0.235, -0.01, 0.098, coat.iris)
    cheeks(pen, 0.38, 0.17, 0.085)
    if coat.ears == "floppy":
        for side in (-1, 1):
            ear = pen.at(0, 0, flip=side < 0)
            flap = smooth(
                [(0.27, -0.41), (0.5, -0.38), (0.67, -0.1), (0.72, 0.22), (0.58, 0.34), (0.46, 0.14), (0.42, -0.14)]
            )
            ear.shaded(flap, mix(coat.fur, coat.mark, 0.5), coat.mark)
            ear.curve([(0.43, -0.14), (0.46, 0.12), (0.55, 0.31)], 0.014, darker(coat.mark, 0.2))
    if coat.whiskers:
        tone = WHITE if luminance(coat.fur) < 0.45 else mix(coat.fur, DARK, 0.55)
        for side in (-1, 1):
            for y, dip in ((0.16, 0.11), (0.22, 0.22), (0.28, 0.33)):
                pen.curve([(side * 0.2, y), (side * 0.45, (y + dip) / 2 + 0.0), (side * 0.72, dip)], 0.012, tone)
