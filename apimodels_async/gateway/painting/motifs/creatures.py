"""Sea creatures and butterflies."""

import math

from apimodels_async.gateway.painting.canvas import Pen
from apimodels_async.gateway.painting.colour import darker, lighter, mix, rgb, veil
from apimodels_async.gateway.painting.geometry import smooth

from .faces import DARK, WHITE, cheeks, eyes, smile
from .look import Look

_BEAK = rgb("f5a83c")


def fish(pen: Pen, look: Look) -> None:
    """Draw a tropical fish with two bands."""
    tone = look.accented()
    pen.shaded(
        smooth([(0.48, 0), (0.8, -0.32), (1.0, -0.4), (0.92, 0), (1.0, 0.4), (0.8, 0.32)]),
        lighter(tone, 0.15),
        darker(tone, 0.15),
    )
    pen.blob([(-0.2, -0.38), (0.1, -0.72), (0.42, -0.62), (0.35, -0.28)], darker(tone, 0.12))
    pen.blob([(-0.05, 0.36), (0.2, 0.66), (0.36, 0.58), (0.28, 0.28)], darker(tone, 0.16))
    body = smooth(
        [
            (-0.92, 0.02),
            (-0.62, -0.34),
            (-0.1, -0.48),
            (0.35, -0.3),
            (0.58, 0),
            (0.35, 0.3),
            (-0.1, 0.48),
            (-0.62, 0.36),
        ]
    )
    pen.shaded(body, lighter(tone, 0.25), tone, darker(tone, 0.1))
    for x in (-0.3, 0.2):
        band = smooth(
            [(x - 0.06, -0.6), (x + 0.09, -0.6), (x + 0.13, 0), (x + 0.09, 0.6), (x - 0.06, 0.6), (x - 0.02, 0)]
        )
        pen.inside(body, [(band, veil(rgb("fff6e8"), 0.92))])
    pen.blob([(0.0, 0.06), (0.26, 0.02), (0.3, 0.2), (0.1, 0.24)], darker(tone, 0.2))
    pen.disc(-0.6, -0.08, 0.125, WHITE)
    pen.disc(-0.62, -0.07, 0.08, DARK)
    pen.disc(-0.645, -0.1, 0.03, WHITE)
    pen.curve([(-0.86, 0.12), (-0.78, 0.18), (-0.68, 0.17)], 0.03, darker(tone, 0.5))


def whale(pen: Pen, look: Look) -> None:
    """Draw a whale with its fountain."""
    tone = look.main(rgb("3f76a8"))
    spray = rgb("d9f1fa")
    for side in (-1, 1):
        pen.curve(
            [(-0.38, -0.36), (-0.38 + side * 0.04, -0.62), (-0.38 + side * 0.2, -0.76), (-0.38 + side * 0.3, -0.6)],
            0.05,
            spray,
        )
    pen.shaded(
        smooth(
            [
                (0.5, 0.1),
                (0.8, -0.1),
                (0.84, -0.34),
                (0.7, -0.52),
                (0.92, -0.5),
                (1.02, -0.4),
                (1.15, -0.52),
                (1.3, -0.46),
                (1.18, -0.3),
                (1.05, 0.12),
                (0.7, 0.45),
            ],
            steps=6,
        ),
        lighter(tone, 0.1),
        tone,
    )
    body = smooth(
        [
            (-0.98, 0.1),
            (-0.86, -0.22),
            (-0.4, -0.36),
            (0.2, -0.26),
            (0.72, 0.08),
            (0.62, 0.42),
            (0.1, 0.6),
            (-0.6, 0.56),
            (-0.92, 0.38),
        ]
    )
    pen.shaded(body, lighter(tone, 0.18), tone, darker(tone, 0.1))
    belly = smooth([(-1.1, 0.26), (-0.4, 0.3), (0.3, 0.34), (0.7, 0.2), (0.6, 0.9), (-1.1, 0.9)])
    pen.inside(body, [(belly, rgb("e8f2f6"))])
    for k in range(4):
        pen.inside(
            body,
            [
                (
                    smooth(
                        [
                            (-1.0, 0.36 + k * 0.07),
                            (-0.3, 0.385 + k * 0.06),
                            (0.2, 0.39 + k * 0.05),
                            (-0.3, 0.4 + k * 0.06),
                        ]
                    ),
                    veil(tone, 0.5),
                )
            ],
        )
    pen.shaded(
        smooth([(-0.3, 0.3), (-0.05, 0.32), (0.1, 0.62), (-0.08, 0.78), (-0.24, 0.56)]), tone, darker(tone, 0.25)
    )
    pen.disc(-0.62, 0.1, 0.06, DARK)
    pen.disc(-0.64, 0.08, 0.022, WHITE)
    pen.curve([(-0.8, 0.24), (-0.68, 0.28), (-0.56, 0.25)], 0.025, DARK)


def jellyfish(pen: Pen, look: Look) -> None:
    """Draw a jellyfish that glows."""
    tone = look.main(mix(look.palette.accent, rgb("f7a8d8"), 0.5))
    pen.glow(0, -0.2, 1.3, lighter(tone, 0.4), 0.55)
    for k in range(7):
        x, long = (k - 3) * 0.15, 0.75 + 0.22 * math.cos(k * 2.1)
        bend = 0.1 if k % 2 else -0.1
        pen.curve(
            [(x, -0.1), (x + bend, 0.2), (x - bend, 0.2 + long * 0.5), (x + bend, 0.1 + long)],
            0.035 if k % 2 else 0.055,
            mix(tone, WHITE, 0.25 + 0.06 * k),
        )
    bell = smooth(
        [
            (0, -0.9),
            (0.42, -0.76),
            (0.64, -0.35),
            (0.6, -0.06),
            (0.4, 0.02),
            (0.2, -0.06),
            (0, 0.03),
            (-0.2, -0.06),
            (-0.4, 0.02),
            (-0.6, -0.06),
            (-0.64, -0.35),
            (-0.42, -0.76),
        ]
    )
    pen.shaded(bell, lighter(tone, 0.45), tone)
    pen.oval(-0.22, -0.62, 0.16, 0.09, veil(WHITE, 0.6), -32)
    eyes(pen, 0.18, -0.3, 0.075)
    smile(pen, 0, -0.2, 0.07)
    cheeks(pen, 0.31, -0.2, 0.07)


def butterfly(pen: Pen, look: Look) -> None:
    """Draw a butterfly, wings open."""
    tone = look.accented()
    for side in (-1, 1):
        wing = pen.at(0, 0, flip=side < 0)
        upper = smooth(
            [(0.04, -0.1), (0.35, -0.68), (0.8, -0.86), (1.0, -0.6), (0.86, -0.14), (0.5, 0.08), (0.1, 0.06)]
        )
        lower = smooth([(0.06, 0.02), (0.5, 0.08), (0.76, 0.34), (0.66, 0.74), (0.4, 0.8), (0.16, 0.44)])
        for outline, x, y in ((lower, 0.4, 0.36), (upper, 0.55, -0.4)):
            wing.shape(outline, darker(tone, 0.6))
            small = [(x + (px - x) * 0.86, y + (py - y) * 0.86) for px, py in outline]
            wing.shaded(small, lighter(tone, 0.4), tone)
            inner = [(x - 0.12 + (px - x) * 0.4, y + (py - y) * 0.4) for px, py in outline]
            wing.shape(inner, veil(look.palette.light, 0.8))
        for x, y, r in ((0.86, -0.62, 0.045), (0.9, -0.44, 0.035), (0.6, 0.62, 0.04), (0.66, 0.46, 0.03)):
            wing.disc(x, y, r, look.palette.light)
        wing.curve([(0.02, -0.3), (0.1, -0.58), (0.26, -0.7)], 0.022, DARK)
    pen.shaded(
        smooth([(0, -0.36), (0.075, -0.2), (0.06, 0.3), (0, 0.5), (-0.06, 0.3), (-0.075, -0.2)]), rgb("554050"), DARK
    )
