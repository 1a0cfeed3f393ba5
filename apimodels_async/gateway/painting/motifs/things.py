"""Cups, books, instruments and other things on a table."""

from apimodels_async.gateway.painting.canvas import Pen
from apimodels_async.gateway.painting.colour import darker, lighter, mix, rgb, veil
from apimodels_async.gateway.painting.geometry import arc, oval, rounded, smooth

from .look import Look

_WHITE = (255, 255, 255)
_WOOD = rgb("a06a43")


def cup(pen: Pen, look: Look) -> None:
    """Draw a steaming cup of coffee, a heart in its foam."""
    china = look.main(lighter(look.palette.accent, 0.12))
    for x, lean in ((-0.22, 0.07), (0.06, -0.07), (0.3, 0.06)):
        pen.curve(
            [(x, -0.28), (x + lean, -0.48), (x - lean, -0.68), (x + lean, -0.92)],
            0.045,
            mix(look.palette.sky[1], _WHITE, 0.62),
        )
    pen.oval(0, 0.92, 0.95, 0.1, veil(look.palette.ink, 0.16))
    pen.shaded(oval(0, 0.86, 0.86, 0.13), lighter(china, 0.55), lighter(china, 0.25))
    ring = oval(0.62, 0.22, 0.24, 0.25)
    pen.line([*ring, ring[0]], 0.1, darker(china, 0.1))
    pen.shaded(
        [
            (-0.62, -0.12),
            (0.62, -0.12),
            *smooth(
                [(0.62, -0.12), (0.56, 0.4), (0.3, 0.84), (-0.3, 0.84), (-0.56, 0.4), (-0.62, -0.12)], closed=False
            ),
        ],
        lighter(china, 0.15),
        darker(china, 0.1),
    )
    pen.oval(0, -0.12, 0.62, 0.15, lighter(china, 0.5))
    pen.oval(0, -0.1, 0.54, 0.115, rgb("6f4630"))
    pen.oval(0, -0.095, 0.4, 0.08, rgb("d9ad7c"))
    pen.at(0, -0.1, 0.17).blob(
        [(0, -0.12), (0.5, -0.38), (0.85, -0.05), (0, 0.42), (-0.85, -0.05), (-0.5, -0.38)], rgb("fff1dc")
    )
    pen.shape(smooth([(-0.5, 0.0), (-0.4, 0.03), (-0.36, 0.4), (-0.26, 0.66), (-0.4, 0.5)]), veil(_WHITE, 0.35))


def book(pen: Pen, look: Look) -> None:
    """Draw a pile of books, the top one open."""
    tones = (look.accented(), look.palette.water, rgb("e9b44c"))
    for k, tone in enumerate(tones):
        y, shift = 0.98 - 0.22 * k, (0.06, -0.07, 0.03)[k]
        pen.box(-0.72 + shift, y - 0.21, 0.72 + shift, y, tone, 0.05)
        pen.box(-0.64 + shift, y - 0.17, 0.74 + shift, y - 0.04, rgb("f7eedd"), 0.03)
        pen.box(-0.72 + shift, y - 0.21, -0.52 + shift, y, darker(tone, 0.15), 0.05)
    for side in (-1, 1):
        page = [
            (0, 0.3),
            *smooth([(0, -0.32), (side * 0.3, -0.44), (side * 0.82, -0.34)], closed=False),
            (side * 0.82, 0.24),
            *smooth([(side * 0.82, 0.24), (side * 0.35, 0.18), (0, 0.3)], closed=False),
        ]
        pen.shape([(x * 1.05, y + 0.04) for x, y in page], darker(tones[0], 0.2))
        pen.shaded(page, rgb("fffaf0"), rgb("efe2c8"))
        for k in range(4):
            y = -0.22 + 0.11 * k
            pen.curve([(side * 0.14, y + 0.0), (side * 0.38, y - 0.07), (side * 0.68, y - 0.01)], 0.018, rgb("c7b79c"))


def guitar(pen: Pen, look: Look) -> None:
    """Draw a guitar."""
    wood = look.main(rgb("c97a3e"))
    tilt = pen.at(0, 0, turn=18)
    tilt.box(-0.055, -0.95, 0.055, 0.2, rgb("4b3227"))
    tilt.box(-0.1, -1.12, 0.1, -0.88, rgb("5f4031"), 0.04)
    tilt.shaded(
        smooth(
            [
                (0, -0.12),
                (0.26, -0.08),
                (0.34, 0.12),
                (0.27, 0.32),
                (0.46, 0.6),
                (0.36, 0.92),
                (0, 1.02),
                (-0.36, 0.92),
                (-0.46, 0.6),
                (-0.27, 0.32),
                (-0.34, 0.12),
                (-0.26, -0.08),
            ]
        ),
        lighter(wood, 0.2),
        wood,
        darker(wood, 0.2),
    )
    tilt.disc(0, 0.32, 0.15, lighter(wood, 0.5))
    tilt.disc(0, 0.32, 0.12, rgb("3a2620"))
    tilt.box(-0.18, 0.7, 0.18, 0.77, rgb("4b3227"), 0.02)
    for x in (-0.035, -0.012, 0.012, 0.035):
        tilt.line([(x, -0.98), (x, 0.73)], 0.007, rgb("f5ead4"))


def lamp(pen: Pen, look: Look) -> None:
    """Draw a glowing lantern."""
    frame = look.main(rgb("4a4458"))
    pen.glow(0, 0.2, 1.4, rgb("ffcf7a"), 0.75)
    ring = oval(0, -0.75, 0.2, 0.2)
    pen.line([*ring, ring[0]], 0.05, frame)
    pen.shaded([(-0.14, -0.56), (0.14, -0.56), (0.46, -0.24), (-0.46, -0.24)], lighter(frame, 0.2), frame)
    pen.shaded(rounded(-0.4, -0.24, 0.4, 0.8, 0.08), rgb("ffe9b4"), rgb("ffc768"))
    pen.glow(0, 0.4, 0.45, _WHITE, 0.9)
    pen.box(-0.09, 0.5, 0.09, 0.8, rgb("fff7e6"), 0.03)
    pen.blob([(0, 0.12), (0.1, 0.36), (0, 0.5), (-0.1, 0.36)], rgb("f58b3c"))
    for x in (-0.4, 0.0, 0.4):
        pen.line([(x, -0.24), (x, 0.8)], 0.035 if x else 0.012, frame)
    pen.shaded(rounded(-0.5, 0.78, 0.5, 0.98, 0.05), lighter(frame, 0.15), darker(frame, 0.1))


def umbrella(pen: Pen, look: Look) -> None:
    """Open an umbrella."""
    tone = look.accented()
    pen.curve([(0, -0.7), (0, 0.8), (0.06, 0.95), (0.2, 0.94), (0.22, 0.8)], 0.05, rgb("5a4238"))
    low = [(0.9 - 0.45 * k, 0.0) for k in range(5)]
    edge = [p for k in range(4) for p in arc((low[k][0] + low[k + 1][0]) / 2, 0.0, 0.225, 0.12, 0, -180, 14)]
    dome = [*arc(0, 0, 0.9, 0.78, 180, 360, 60), *edge]
    pen.shaded(dome, lighter(tone, 0.15), darker(tone, 0.08))
    pen.inside(
        dome,
        [
            (smooth([(0, -0.8), (0.3, -0.4), (0.45, 0.1), (0, 0.1)]), veil(_WHITE, 0.22)),
            (smooth([(0, -0.8), (-0.7, -0.4), (-0.9, 0.1), (-0.45, 0.1)]), veil(_WHITE, 0.22)),
        ],
    )


def cake(pen: Pen, look: Look) -> None:
    """Bake a cake of two tiers with candles."""
    icing = look.main(rgb("f6a5b8"))
    pen.oval(0, 0.92, 0.98, 0.1, rgb("f3eee6"))
    for x0, y0, x1, y1 in ((-0.78, 0.28, 0.78, 0.92), (-0.5, -0.26, 0.5, 0.3)):
        pen.shaded(rounded(x0, y0, x1, y1, 0.08), rgb("fbe8cc"), rgb("eec99a"))
        pen.box(x0, (y0 + y1) / 2 + 0.02, x1, (y0 + y1) / 2 + 0.08, veil(darker(icing, 0.1), 0.9))
        drips = [(x0, y0 + 0.16)]
        count = 6
        for k in range(count):
            step = (x1 - x0) / count
            deep = 0.12 + 0.1 * (k % 2)
            drips += arc(x0 + step * (k + 0.5), y0 + deep, step / 2, 0.1, 180, 0, 12)
        pen.shape(
            [(x0, y0), *drips, (x1, y0), *reversed(arc((x0 + x1) / 2, y0, (x1 - x0) / 2, 0.07, 180, 360, 24))], icing
        )
    for x in (-0.25, 0.0, 0.25):
        pen.box(x - 0.035, -0.62, x + 0.035, -0.28, look.palette.water, 0.02)
        pen.glow(x, -0.72, 0.22, rgb("ffd166"), 0.8)
        pen.blob([(x, -0.84), (x + 0.05, -0.72), (x, -0.65), (x - 0.05, -0.72)], rgb("ffb347"))


def apple(pen: Pen, look: Look) -> None:
    """Draw an apple with its leaf."""
    tone = look.main(rgb("dd4b43"))
    pen.oval(0, 0.95, 0.62, 0.07, veil(look.palette.ink, 0.2))
    pen.shaded(
        smooth(
            [
                (0, -0.4),
                (0.35, -0.56),
                (0.76, -0.32),
                (0.76, 0.25),
                (0.42, 0.88),
                (0, 0.84),
                (-0.42, 0.88),
                (-0.76, 0.25),
                (-0.76, -0.32),
                (-0.35, -0.56),
            ]
        ),
        lighter(tone, 0.18),
        tone,
        darker(tone, 0.15),
    )
    pen.curve([(0, -0.38), (0.02, -0.62), (0.12, -0.84)], 0.06, _WOOD)
    pen.shaded(smooth([(0.1, -0.6), (0.3, -0.86), (0.66, -0.84), (0.44, -0.6)]), rgb("8cc06a"), rgb("4f8f4a"))
    pen.oval(-0.44, -0.12, 0.11, 0.24, veil(_WHITE, 0.42), 18)


def vase(pen: Pen, look: Look) -> None:
    """Draw a vase with stripes."""
    tone = look.accented()
    outline = smooth(
        [
            (-0.2, -0.8),
            (-0.14, -0.5),
            (-0.5, -0.02),
            (-0.5, 0.5),
            (-0.26, 0.98),
            (0.26, 0.98),
            (0.5, 0.5),
            (0.5, -0.02),
            (0.14, -0.5),
            (0.2, -0.8),
        ]
    )
    pen.oval(0, 0.97, 0.55, 0.06, veil(look.palette.ink, 0.2))
    pen.shaded(outline, lighter(tone, 0.2), darker(tone, 0.1))
    for y, tall in ((0.05, 0.1), (0.22, 0.04), (0.5, 0.1)):
        pen.inside(outline, [([(-1, y), (1, y), (1, y + tall), (-1, y + tall)], veil(lighter(tone, 0.75), 0.9))])
    pen.inside(outline, [(oval(0.5, 0.3, 0.3, 0.9), veil(look.palette.ink, 0.2))])
    pen.oval(0, -0.8, 0.22, 0.05, darker(tone, 0.4))
