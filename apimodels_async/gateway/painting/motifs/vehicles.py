"""Boats, cars, rockets and balloons."""

from apimodels_async.gateway.painting.canvas import Pen
from apimodels_async.gateway.painting.colour import darker, lighter, mix, rgb, veil
from apimodels_async.gateway.painting.geometry import arc, oval, rounded, smooth

from .look import Look

_GLASS = rgb("bfe6f2")
_WHITE = (255, 255, 255)


def boat(pen: Pen, look: Look) -> None:
    """Draw a sailing boat."""
    hull = look.main(rgb("c9563f"))
    sail = mix(_WHITE, look.palette.light, 0.4) if not look.tint else lighter(hull, 0.75)
    for k in range(3):
        pen.oval(0, 0.97 + 0.03 * k, 0.85 + 0.12 * k, 0.035, veil(_WHITE, 0.25))
    pen.line([(0, -0.95), (0, 0.65)], 0.04, rgb("6b4a3c"))
    pen.shaded(
        smooth([(0.05, -0.88), (0.45, -0.3), (0.68, 0.5), (0.05, 0.5)], steps=5), lighter(sail, 0.5), darker(sail, 0.07)
    )
    pen.shaded(smooth([(-0.05, -0.7), (-0.38, -0.1), (-0.56, 0.46), (-0.05, 0.46)], steps=5), sail, darker(sail, 0.14))
    pen.shape([(0, -0.95), (0.24, -0.88), (0, -0.8)], look.palette.accent)
    pen.shaded(
        [
            (-0.82, 0.58),
            (0.88, 0.58),
            *smooth([(0.88, 0.58), (0.66, 0.9), (0.5, 0.98)], closed=False),
            (-0.5, 0.98),
            (-0.7, 0.86),
        ],
        lighter(hull, 0.1),
        darker(hull, 0.25),
    )
    pen.shape([(-0.82, 0.58), (0.88, 0.58), (0.82, 0.68), (-0.78, 0.68)], lighter(hull, 0.6))


def car(pen: Pen, look: Look) -> None:
    """Draw a round little car."""
    body = look.accented()
    pen.oval(0, 0.96, 0.98, 0.06, veil(look.palette.ink, 0.3))
    pen.shaded(
        smooth([(-0.62, 0.42), (-0.5, -0.02), (-0.22, -0.2), (0.2, -0.2), (0.44, 0.0), (0.62, 0.42)]),
        lighter(body, 0.15),
        body,
    )
    for points in (
        [(-0.46, 0.3), (-0.4, 0.02), (-0.2, -0.09), (-0.04, -0.09), (-0.04, 0.3)],
        [(0.04, 0.3), (0.04, -0.09), (0.2, -0.09), (0.36, 0.04), (0.48, 0.3)],
    ):
        pen.shaded(points, lighter(_GLASS, 0.5), _GLASS)
    pen.shaded(
        smooth(
            [
                (-0.98, 0.7),
                (-0.95, 0.42),
                (-0.6, 0.32),
                (0.6, 0.32),
                (0.94, 0.42),
                (1.0, 0.72),
                (0.92, 0.84),
                (-0.9, 0.84),
            ]
        ),
        body,
        darker(body, 0.22),
    )
    pen.box(-0.95, 0.6, 0.97, 0.64, lighter(body, 0.55))
    pen.disc(0.9, 0.53, 0.08, rgb("fff2b8"))
    pen.box(-0.97, 0.48, -0.89, 0.58, rgb("e4564a"), 0.02)
    for x in (-0.55, 0.55):
        pen.disc(x, 0.8, 0.23, rgb("2e2c38"))
        pen.disc(x, 0.8, 0.12, rgb("d8dbe4"))
        pen.disc(x, 0.8, 0.05, rgb("2e2c38"))


def rocket(pen: Pen, look: Look) -> None:
    """Draw a rocket on its flame."""
    fin = look.accented()
    tilt = pen.at(0, 0, turn=14)
    tilt.glow(0, 0.85, 0.8, rgb("ffb14e"), 0.8)
    tilt.blob([(-0.17, 0.55), (0.17, 0.55), (0.2, 0.85), (0, 1.25), (-0.2, 0.85)], rgb("f5793c"))
    tilt.blob([(-0.1, 0.55), (0.1, 0.55), (0.1, 0.78), (0, 1.0), (-0.1, 0.78)], rgb("ffe08a"))
    for side in (-1, 1):
        tilt.shaded(
            smooth([(side * 0.24, 0.1), (side * 0.56, 0.42), (side * 0.58, 0.72), (side * 0.26, 0.52)], steps=6),
            fin,
            darker(fin, 0.25),
        )
    body = smooth(
        [
            (0, -1.0),
            (0.2, -0.72),
            (0.32, -0.25),
            (0.32, 0.25),
            (0.22, 0.56),
            (-0.22, 0.56),
            (-0.32, 0.25),
            (-0.32, -0.25),
            (-0.2, -0.72),
        ]
    )
    tilt.shaded(body, _WHITE, rgb("e3e6f0"))
    tilt.inside(
        body,
        [
            ([(-1, -1.1), (1, -1.1), (1, -0.6), (-1, -0.6)], fin),
            ([(0.1, -1.1), (1, -1.1), (1, 1), (0.1, 1)], veil((60, 60, 110), 0.16)),
        ],
    )
    tilt.disc(0, -0.22, 0.17, rgb("aab0c4"))
    tilt.shaded(oval(0, -0.22, 0.13, 0.13), lighter(_GLASS, 0.3), rgb("6db5d6"))
    tilt.box(-0.3, 0.22, 0.3, 0.29, fin)
    tilt.box(-0.045, 0.3, 0.045, 0.68, darker(fin, 0.15), 0.04)


def ufo(pen: Pen, look: Look) -> None:
    """Draw a saucer and its beam."""
    shell = look.main(rgb("aeb6cf"))
    pen.shape([(-0.25, 0.1), (0.25, 0.1), (0.62, 1.0), (-0.62, 1.0)], veil(rgb("d6ffb8"), 0.34))
    pen.shaded(arc(0, -0.1, 0.42, 0.5, 180, 360, 40), lighter(_GLASS, 0.5), _GLASS)
    pen.oval(0, -0.22, 0.16, 0.2, rgb("8fce7a"))
    for x in (-0.07, 0.07):
        pen.oval(x, -0.26, 0.04, 0.06, (30, 40, 40))
    pen.shaded(oval(0, 0.02, 0.95, 0.24, count=80), lighter(shell, 0.4), shell, darker(shell, 0.25))
    pen.oval(0, -0.03, 0.6, 0.1, veil(_WHITE, 0.35))
    for k in range(5):
        x = -0.66 + 0.33 * k
        pen.glow(x, 0.07, 0.15, look.palette.accent, 0.7)
        pen.disc(x, 0.08 + 0.05 * (1 - abs(k - 2) / 2), 0.05, rgb("ffe08a"))


def balloon(pen: Pen, look: Look) -> None:
    """Draw a hot-air balloon in stripes."""
    tone = look.accented()
    other = look.palette.light
    for side in (-1, 1):
        pen.line([(side * 0.25, 0.36), (side * 0.12, 0.76)], 0.016, rgb("5a4238"))
    bag = smooth(
        [
            (0, -1.0),
            (0.42, -0.88),
            (0.68, -0.5),
            (0.62, -0.08),
            (0.28, 0.38),
            (-0.28, 0.38),
            (-0.62, -0.08),
            (-0.68, -0.5),
            (-0.42, -0.88),
        ]
    )
    pen.shaded(bag, lighter(tone, 0.12), tone)
    for reach, fill in ((0.52, other), (0.3, tone), (0.13, other)):
        gore = smooth(
            [
                (0, -1.02),
                (reach * 0.85, -0.8),
                (reach * 1.05, -0.35),
                (reach * 0.5, 0.4),
                (-reach * 0.5, 0.4),
                (-reach * 1.05, -0.35),
                (-reach * 0.85, -0.8),
            ]
        )
        pen.inside(bag, [(gore, fill)])
    pen.inside(
        bag,
        [
            (oval(0.55, -0.2, 0.5, 0.9), veil(look.palette.ink, 0.14)),
            (oval(-0.36, -0.62, 0.1, 0.2, 20), veil(_WHITE, 0.4)),
        ],
    )
    pen.box(-0.26, 0.34, 0.26, 0.42, darker(tone, 0.25), 0.03)
    pen.shaded(rounded(-0.16, 0.74, 0.16, 1.0, 0.05), rgb("b88152"), rgb("8a5a3b"))
    pen.box(-0.18, 0.72, 0.18, 0.78, rgb("d9a56c"), 0.02)
