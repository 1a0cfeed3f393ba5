"""Birds."""

from apimodels_async.gateway.painting.canvas import Pen
from apimodels_async.gateway.painting.colour import darker, lighter, rgb, veil
from apimodels_async.gateway.painting.geometry import arc, oval, smooth

from .faces import DARK, WHITE, cheeks, eyes
from .look import Look
from .wearables import wear

_BEAK = rgb("f5a83c")


def owl(pen: Pen, look: Look) -> None:
    """Draw an owl on a branch."""
    fur = look.main(rgb("9c6f54"))
    pen.line([(-0.95, 0.86), (0.95, 0.8)], 0.1, rgb("5b4038"))
    body = smooth(
        [
            (0, -0.72),
            (0.42, -0.7),
            (0.6, -0.3),
            (0.62, 0.3),
            (0.38, 0.78),
            (0, 0.9),
            (-0.38, 0.78),
            (-0.62, 0.3),
            (-0.6, -0.3),
            (-0.42, -0.7),
        ]
    )
    for side in (-1, 1):
        pen.shape([(side * 0.2, -0.6), (side * 0.56, -0.95), (side * 0.56, -0.4)], darker(fur, 0.1))
    pen.shaded(body, lighter(fur, 0.1), fur, darker(fur, 0.1))
    pen.shaded(oval(0, 0.36, 0.36, 0.46), lighter(fur, 0.6), lighter(fur, 0.45))
    for row in range(3):
        for k in range(3 - row % 2):
            x = (k - (2 - row % 2) / 2) * 0.19
            pen.shape(arc(x, 0.2 + row * 0.15, 0.08, 0.09, 0, 180, 14), darker(fur, 0.02))
    for side in (-1, 1):
        wing = smooth(
            [(side * 0.52, -0.2), (side * 0.72, 0.15), (side * 0.62, 0.62), (side * 0.42, 0.72), (side * 0.48, 0.2)]
        )
        pen.shaded(wing, fur, darker(fur, 0.28))
        pen.disc(side * 0.25, -0.36, 0.27, lighter(fur, 0.68))
        for toe in (-0.07, 0.0, 0.07):
            pen.oval(side * 0.2 + toe, 0.86, 0.04, 0.075, _BEAK)
    eyes(pen, 0.24, -0.36, 0.155, rgb("e8a33a"))
    pen.blob([(0, -0.3), (0.07, -0.2), (0, -0.06), (-0.07, -0.2)], _BEAK)
    wear(pen.at(0, -0.36), look)


def penguin(pen: Pen, look: Look) -> None:
    """Draw a penguin."""
    coat = look.main(rgb("2f3a56"))
    for side in (-1, 1):
        pen.oval(side * 0.22, 0.93, 0.2, 0.085, _BEAK)
        flipper = smooth([(side * 0.45, -0.1), (side * 0.78, 0.3), (side * 0.74, 0.5), (side * 0.46, 0.34)])
        pen.shaded(flipper, coat, darker(coat, 0.25))
    pen.shaded(
        smooth(
            [
                (0, -0.88),
                (0.36, -0.74),
                (0.48, -0.35),
                (0.56, 0.25),
                (0.46, 0.78),
                (0, 0.94),
                (-0.46, 0.78),
                (-0.56, 0.25),
                (-0.48, -0.35),
                (-0.36, -0.74),
            ]
        ),
        lighter(coat, 0.08),
        coat,
    )
    pen.shaded(
        smooth(
            [(0, -0.08), (0.3, 0.05), (0.42, 0.4), (0.34, 0.78), (0, 0.9), (-0.34, 0.78), (-0.42, 0.4), (-0.3, 0.05)]
        ),
        WHITE,
        rgb("e4ebf3"),
    )
    for side in (-1, 1):
        pen.oval(side * 0.18, -0.38, 0.22, 0.25, rgb("f8fafc"))
    eyes(pen, 0.17, -0.42, 0.08)
    pen.blob([(-0.11, -0.3), (0, -0.35), (0.11, -0.3), (0, -0.18)], _BEAK)
    cheeks(pen, 0.28, -0.27, 0.07)
    wear(pen.at(0, -0.38, 0.95), look)


def bird(pen: Pen, look: Look) -> None:
    """Draw a round songbird on a twig."""
    tone = look.main(rgb("4f93c4"))
    pen.line([(-1.0, 0.8), (-0.2, 0.74), (1.0, 0.8)], 0.06, rgb("6a4a3c"))
    pen.shaded(
        smooth([(0.3, 0.1), (0.95, 0.35), (1.12, 0.52), (0.85, 0.55), (0.3, 0.45)]),
        darker(tone, 0.1),
        darker(tone, 0.3),
    )
    for x in (-0.12, 0.1):
        pen.line([(x, 0.5), (x, 0.76)], 0.04, _BEAK)
    pen.shaded(
        smooth(
            [
                (-0.35, -0.72),
                (0.0, -0.66),
                (0.22, -0.3),
                (0.5, 0.0),
                (0.5, 0.35),
                (0.1, 0.62),
                (-0.4, 0.5),
                (-0.66, 0.1),
                (-0.68, -0.4),
            ]
        ),
        lighter(tone, 0.15),
        tone,
    )
    pen.shaded(
        smooth([(-0.64, -0.05), (-0.3, -0.1), (0.02, 0.2), (0.05, 0.6), (-0.38, 0.5), (-0.62, 0.2)]),
        rgb("fbd9a5"),
        rgb("f6a96c"),
    )
    pen.shaded(
        smooth([(-0.1, -0.05), (0.3, 0.0), (0.66, 0.38), (0.4, 0.42), (0.08, 0.32)]),
        darker(tone, 0.12),
        darker(tone, 0.35),
    )
    pen.shaded([(-0.66, -0.42), (-0.95, -0.3), (-0.64, -0.2)], _BEAK, darker(_BEAK, 0.15))
    pen.disc(-0.38, -0.38, 0.085, DARK)
    pen.disc(-0.405, -0.405, 0.03, WHITE)
    pen.oval(-0.3, -0.2, 0.08, 0.055, veil(rgb("f47878"), 0.4))


def duck(pen: Pen, look: Look) -> None:
    """Draw a duck on its own ripple."""
    tone = look.main(rgb("f6c945"))
    for k in range(3):
        pen.oval(0, 0.86, 0.8 + 0.16 * k, 0.06 + 0.025 * k, veil(WHITE, 0.22))
    pen.shaded(
        smooth(
            [
                (-0.62, 0.15),
                (-0.1, 0.28),
                (0.45, 0.2),
                (0.85, -0.06),
                (0.78, 0.5),
                (0.45, 0.84),
                (-0.3, 0.86),
                (-0.66, 0.6),
            ]
        ),
        lighter(tone, 0.2),
        darker(tone, 0.08),
    )
    pen.shaded(oval(-0.32, -0.22, 0.42, 0.4), lighter(tone, 0.25), tone)
    pen.shaded(
        smooth([(-0.1, 0.35), (0.35, 0.3), (0.62, 0.28), (0.45, 0.58), (0.1, 0.64)]),
        darker(tone, 0.06),
        darker(tone, 0.18),
    )
    pen.blob([(-0.66, -0.2), (-0.9, -0.14), (-0.98, -0.04), (-0.78, 0.02), (-0.62, -0.04)], rgb("f0843c"))
    pen.disc(-0.44, -0.32, 0.07, DARK)
    pen.disc(-0.46, -0.345, 0.026, WHITE)
