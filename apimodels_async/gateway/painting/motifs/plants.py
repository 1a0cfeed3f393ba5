"""Trees, flowers and what grows beside them."""

from apimodels_async.gateway.painting.canvas import Pen
from apimodels_async.gateway.painting.colour import RGB, darker, lighter, mix, veil
from apimodels_async.gateway.painting.geometry import oval, rounded, smooth


def round_tree(pen: Pen, leaves: RGB) -> None:
    """Draw a small background tree with a round crown."""
    pen.box(-0.09, 0.1, 0.09, 1.0, darker(leaves, 0.35))
    crown = ((-0.34, 0.02, 0.38), (0.34, 0.0, 0.4), (0.0, -0.12, 0.5), (-0.2, -0.42, 0.4), (0.2, -0.48, 0.4))
    for x, y, r in crown:
        pen.disc(x, y, r, darker(leaves, 0.06))
    pen.shaded(oval(-0.1, -0.5, 0.36, 0.34), lighter(leaves, 0.12), darker(leaves, 0.06))


def pine(pen: Pen, needles: RGB) -> None:
    """Draw a small background fir."""
    pen.box(-0.07, 0.6, 0.07, 1.0, darker(needles, 0.35))
    pen.shaded(
        [
            (0, -1.15),
            (0.3, -0.4),
            (0.18, -0.42),
            (0.45, 0.15),
            (0.27, 0.12),
            (0.6, 0.75),
            (-0.6, 0.75),
            (-0.27, 0.12),
            (-0.45, 0.15),
            (-0.18, -0.42),
            (-0.3, -0.4),
        ],
        lighter(needles, 0.12),
        darker(needles, 0.1),
    )


def tree(pen: Pen, leaves: RGB, *, fruit: RGB | None = None, trunk: RGB = (122, 84, 62)) -> None:
    """Draw a large tree with a crown of many rounds."""
    pen.shaded(
        smooth([(-0.1, 0.0), (-0.1, 0.6), (-0.2, 1.0), (0.2, 1.0), (0.1, 0.6), (0.1, 0.0)]), darker(trunk, 0.15), trunk
    )
    pen.line([(0, 0.35), (0.28, 0.02)], 0.07, trunk)
    pen.line([(0, 0.45), (-0.26, 0.1)], 0.06, trunk)
    rounds = (
        (-0.45, -0.05, 0.36),
        (0.45, -0.08, 0.38),
        (-0.3, -0.46, 0.38),
        (0.32, -0.5, 0.36),
        (0, -0.68, 0.34),
        (0, -0.2, 0.46),
    )
    for x, y, r in rounds:
        pen.disc(x, y + 0.05, r, darker(leaves, 0.18))
    for x, y, r in rounds:
        pen.shaded(oval(x, y, r * 0.94, r * 0.94), lighter(leaves, 0.18), leaves)
    for x, y, r in rounds:
        pen.oval(x - r * 0.3, y - r * 0.4, r * 0.42, r * 0.3, veil(lighter(leaves, 0.4), 0.35), -25)
    if fruit:
        for x, y in ((-0.5, -0.1), (-0.25, -0.5), (0.1, -0.15), (0.5, -0.2), (0.3, -0.6), (-0.05, -0.8), (-0.1, 0.1)):
            pen.disc(x, y, 0.055, fruit)


def large_pine(pen: Pen, needles: RGB) -> None:
    """Draw a fir in four tiers."""
    pen.box(-0.1, 0.7, 0.1, 1.0, (104, 72, 56))
    for k in range(4):
        low, wide = 0.82 - 0.42 * k, 0.66 - 0.12 * k
        tier = [
            (0, low - 0.66),
            (wide, low),
            (wide * 0.5, low - 0.05),
            (0, low + 0.04),
            (-wide * 0.5, low - 0.05),
            (-wide, low),
        ]
        pen.shaded(tier, lighter(needles, 0.2), darker(needles, 0.12))


def palm(pen: Pen, leaves: RGB) -> None:
    """Draw a leaning palm."""
    pen.curve([(-0.25, 1.0), (-0.12, 0.4), (0.1, -0.35)], 0.11, (150, 108, 76))
    for angle in (-168, -205, -135, -95, -55, -12, 22):
        leaf = pen.at(0.1, -0.38, 0.85, turn=angle)
        leaf.shaded(
            smooth([(0, 0), (0.4, -0.16), (0.85, -0.02), (1.0, 0.18), (0.6, 0.06), (0.3, 0.06)]),
            lighter(leaves, 0.12),
            darker(leaves, 0.12),
        )
    for x in (0.03, 0.16):
        pen.disc(x, -0.3, 0.075, (112, 74, 52))


def cactus(pen: Pen, body: RGB, bloom: RGB) -> None:
    """Draw a saguaro with a flower."""
    for points in ([(-0.05, 0.5), (-0.5, 0.45), (-0.52, 0.0)], [(0.05, 0.3), (0.48, 0.25), (0.5, -0.25)]):
        pen.curve(points, 0.22, darker(body, 0.08))
    pen.shaded(rounded(-0.22, -0.85, 0.22, 1.0, 0.22), lighter(body, 0.15), body)
    for x in (-0.1, 0.0, 0.1):
        pen.line([(x, -0.62), (x, 0.95)], 0.018, darker(body, 0.2))
    for k in range(5):
        pen.at(0, -0.86, turn=-60 + 30 * k).oval(0, -0.1, 0.06, 0.12, lighter(bloom, 0.1 * (k % 2)))


def flower(
    pen: Pen, petal: RGB, stem: RGB, *, petals: int = 9, heart: RGB = (246, 190, 70), wide: float = 0.15
) -> None:
    """Draw a flower on its stem; few petals make a daisy, many a sunflower."""
    pen.curve([(0, 1.0), (0.05, 0.5), (0, -0.3)], 0.05, stem)
    for side, y in ((-1, 0.62), (1, 0.45)):
        leaf = pen.at(0.03, y, flip=side < 0)
        leaf.shaded(smooth([(0, 0), (0.2, -0.2), (0.52, -0.22), (0.36, -0.02)]), lighter(stem, 0.15), stem)
    head = pen.at(0, -0.4)
    for ring in (0, 1):
        for i in range(petals):
            part = head.at(0, 0, turn=360 * (i + ring / 2) / petals)
            tone = darker(petal, 0.12) if ring == 0 else petal
            part.shaded(
                smooth([(0, 0), (-wide, -0.28), (-wide * 0.75, -0.5), (0, -0.56), (wide * 0.75, -0.5), (wide, -0.28)]),
                lighter(tone, 0.1),
                tone,
            )
    head.disc(0, 0, 0.2, darker(heart, 0.2))
    head.shaded(oval(0, -0.01, 0.18, 0.18), lighter(heart, 0.2), heart)


def tulip(pen: Pen, petal: RGB, stem: RGB) -> None:
    """Draw a tulip."""
    pen.curve([(0, 1.0), (-0.03, 0.4), (0, -0.1)], 0.055, stem)
    for side in (-1, 1):
        leaf = pen.at(0, 0.98, flip=side < 0)
        leaf.shaded(smooth([(0, 0), (0.1, -0.4), (0.4, -0.85), (0.34, -0.4), (0.16, -0.02)]), lighter(stem, 0.15), stem)
    pen.blob([(-0.2, -0.75), (0, -0.95), (0.2, -0.75), (0.15, -0.2), (-0.15, -0.2)], darker(petal, 0.15))
    for side in (-1, 1):
        pen.shaded(
            smooth(
                [
                    (0, 0.02),
                    (side * 0.32, -0.1),
                    (side * 0.4, -0.5),
                    (side * 0.3, -0.86),
                    (side * 0.08, -0.55),
                    (side * -0.06, -0.3),
                ]
            ),
            lighter(petal, 0.15),
            petal,
        )


def mushroom(pen: Pen, cap: RGB) -> None:
    """Draw a toadstool with spots."""
    pen.shaded(
        smooth([(-0.2, 0.0), (-0.2, 0.5), (-0.3, 0.95), (0, 1.0), (0.3, 0.95), (0.2, 0.5), (0.2, 0.0)]),
        (226, 208, 184),
        (252, 242, 224),
    )
    pen.oval(0, 0.04, 0.6, 0.12, (228, 206, 184))
    top = smooth(
        [
            (0, -0.78),
            (0.42, -0.66),
            (0.78, -0.2),
            (0.76, 0.06),
            (0.4, 0.05),
            (0, 0.0),
            (-0.4, 0.05),
            (-0.76, 0.06),
            (-0.78, -0.2),
            (-0.42, -0.66),
        ]
    )
    pen.shaded(top, lighter(cap, 0.2), cap, darker(cap, 0.1))
    spots = (
        (0.05, -0.52, 0.12),
        (-0.38, -0.28, 0.13),
        (0.42, -0.24, 0.11),
        (0.02, -0.14, 0.09),
        (-0.7, -0.02, 0.09),
        (0.72, 0.0, 0.08),
    )
    pen.inside(top, [(oval(x, y, r * 1.1, r), (255, 247, 234)) for x, y, r in spots])


def leaf(pen: Pen, green: RGB) -> None:
    """Draw a potted plant with broad leaves."""
    for k, angle in enumerate((-62, 58, -30, 32, 0)):
        blade = pen.at(0, 0.45, turn=angle)
        tone = mix(green, darker(green, 0.25), (k % 3) / 2)
        blade.shaded(
            smooth([(0, 0.05), (-0.2, -0.45), (-0.16, -0.95), (0, -1.3), (0.16, -0.95), (0.2, -0.45)]),
            lighter(tone, 0.18),
            tone,
        )
        blade.line([(0, 0), (0, -1.15)], 0.018, lighter(tone, 0.35))
    pen.shaded([(-0.42, 0.42), (0.42, 0.42), (0.3, 1.0), (-0.3, 1.0)], (226, 138, 98), (196, 104, 72))
    pen.box(-0.47, 0.36, 0.47, 0.5, (236, 152, 112), 0.03)
