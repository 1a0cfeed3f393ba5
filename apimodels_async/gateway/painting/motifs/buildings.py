"""Houses, castles and towers."""

from apimodels_async.gateway.painting.canvas import Pen
from apimodels_async.gateway.painting.colour import RGB, darker, lighter, mix, rgb, veil
from apimodels_async.gateway.painting.geometry import arc, rounded

from .look import Look

_GLASS = rgb("ffe29a")


def _window(pen: Pen, x: float, y: float, size: float, frame: RGB) -> None:
    pen.glow(x, y, size * 2.4, _GLASS, 0.3)
    pen.box(x - size, y - size * 1.15, x + size, y + size * 1.15, frame, size * 0.2)
    pen.box(x - size * 0.8, y - size * 0.95, x + size * 0.8, y + size * 0.95, _GLASS)
    pen.box(x - size * 0.06, y - size, x + size * 0.06, y + size, frame)
    pen.box(x - size * 0.8, y - size * 0.06, x + size * 0.8, y + size * 0.06, frame)


def house(pen: Pen, look: Look) -> None:
    """Draw a cottage with lit windows and a smoking chimney."""
    wall = look.main(rgb("f4e2c4"))
    roof = darker(look.palette.accent, 0.08) if not look.tint else darker(wall, 0.35)
    for k in range(3):
        pen.disc(0.5 + 0.07 * k, -0.86 - 0.14 * k, 0.07 + 0.03 * k, veil((255, 255, 255), 0.42 - 0.1 * k))
    pen.box(0.38, -0.72, 0.58, -0.2, darker(wall, 0.35))
    pen.shaded([(-0.72, -0.12), (0.72, -0.12), (0.72, 1.0), (-0.72, 1.0)], wall, darker(wall, 0.1))
    pen.shape([(-0.72, -0.12), (0.72, -0.12), (0.72, 0.02), (-0.72, 0.02)], veil(darker(wall, 0.5), 0.3))
    pen.shaded([(0, -0.8), (0.96, -0.02), (0.82, 0.04), (-0.82, 0.04), (-0.96, -0.02)], lighter(roof, 0.12), roof)
    pen.shaded(rounded(-0.16, 0.38, 0.2, 1.06, 0.16), darker(roof, 0.2), darker(roof, 0.35))
    pen.disc(0.12, 0.72, 0.025, _GLASS)
    _window(pen, -0.45, 0.45, 0.14, lighter(wall, 0.7))
    _window(pen, 0.48, 0.45, 0.14, lighter(wall, 0.7))
    pen.disc(0, -0.3, 0.15, lighter(wall, 0.7))
    pen.disc(0, -0.3, 0.115, _GLASS)
    for x in (-0.86, -0.6, 0.64, 0.9):
        pen.disc(x, 0.92, 0.14, mix(look.palette.mid, look.palette.near, 0.4))


def castle(pen: Pen, look: Look) -> None:
    """Draw a castle with five towers and flags."""
    stone = look.main(mix(rgb("cfc4d6"), look.palette.far, 0.25))
    roof = look.palette.accent
    for x, wide, top in ((-0.42, 0.15, -0.45), (0.42, 0.15, -0.5), (0.0, 0.18, -0.72)):
        _tower(pen, (x, wide, top), stone, roof)
    pen.shaded([(-0.66, 0.1), (0.66, 0.1), (0.66, 1.0), (-0.66, 1.0)], lighter(stone, 0.12), darker(stone, 0.08))
    for k in range(7):
        x = -0.66 + k * 0.2
        pen.box(x, 0.0, x + 0.12, 0.12, lighter(stone, 0.12))
    for x in (-0.74, 0.74):
        _tower(pen, (x, 0.17, -0.08), darker(stone, 0.06), roof)
    pen.shape([(-0.18, 1.0), (-0.18, 0.6), *arc(0, 0.6, 0.18, 0.2, 180, 360, 24), (0.18, 1.0)], darker(stone, 0.6))
    for x in (-0.38, 0.38):
        pen.box(x - 0.05, 0.4, x + 0.05, 0.58, _GLASS, 0.05)


def _tower(pen: Pen, place: tuple[float, float, float], stone: RGB, roof: RGB) -> None:
    x, wide, top = place
    pen.shaded([(x - wide, top), (x + wide, top), (x + wide, 1.0), (x - wide, 1.0)], stone, darker(stone, 0.1))
    pen.shape(
        [(x + wide * 0.3, top), (x + wide, top), (x + wide, 1.0), (x + wide * 0.3, 1.0)], veil(darker(stone, 0.5), 0.25)
    )
    pen.shaded(
        [(x, top - wide * 2.4), (x + wide * 1.3, top + 0.02), (x - wide * 1.3, top + 0.02)],
        lighter(roof, 0.15),
        darker(roof, 0.15),
    )
    pen.line([(x, top - wide * 2.4), (x, top - wide * 3.1)], 0.014, darker(stone, 0.5))
    pen.shape([(x, top - wide * 3.1), (x + wide * 0.9, top - wide * 2.85), (x, top - wide * 2.6)], roof)
    pen.box(x - wide * 0.25, top + 0.14, x + wide * 0.25, top + 0.3, _GLASS, wide * 0.25)


def lighthouse(pen: Pen, look: Look) -> None:
    """Draw a striped lighthouse on its rock, beams out."""
    red, white = look.main(rgb("d9534a")), rgb("fbf5ea")
    for side in (-1, 1):
        beam = [(0, -0.66), (side * 1.9, -0.98), (side * 1.9, -0.4)]
        pen.shape(beam, veil(_GLASS, 0.22))
    pen.blob(
        [(-0.85, 1.04), (-0.6, 0.78), (-0.1, 0.7), (0.4, 0.74), (0.8, 0.92), (0.9, 1.06)],
        mix(look.palette.near, rgb("5b5560"), 0.6),
    )
    body = [(-0.2, -0.5), (0.2, -0.5), (0.34, 0.86), (-0.34, 0.86)]
    pen.shaded(body, white, darker(white, 0.08))
    for y in (-0.32, 0.1, 0.52):
        pen.inside(body, [([(-1, y), (1, y), (1, y + 0.2), (-1, y + 0.2)], red)])
    pen.inside(body, [([(0.06, -0.6), (1, -0.6), (1, 1), (0.12, 1)], veil(darker(red, 0.7), 0.18))])
    pen.box(-0.3, -0.54, 0.3, -0.47, rgb("3a3a4a"), 0.02)
    pen.box(-0.16, -0.78, 0.16, -0.54, rgb("4a5570"))
    pen.glow(0, -0.66, 0.5, _GLASS, 0.9)
    pen.box(-0.12, -0.76, 0.12, -0.56, _GLASS)
    pen.shaded(
        [(-0.22, -0.78), (-0.12, -0.92), (0, -1.0), (0.12, -0.92), (0.22, -0.78)], lighter(red, 0.1), darker(red, 0.1)
    )
    pen.box(-0.08, 0.64, 0.08, 0.86, rgb("4a3d48"), 0.07)


def windmill(pen: Pen, look: Look) -> None:
    """Draw a windmill."""
    wall = look.main(rgb("f3e6cf"))
    pen.shaded([(-0.26, -0.3), (0.26, -0.3), (0.42, 1.0), (-0.42, 1.0)], wall, darker(wall, 0.12))
    pen.shaded([(-0.34, -0.26), (0, -0.66), (0.34, -0.26)], look.palette.accent, darker(look.palette.accent, 0.2))
    pen.box(-0.1, 0.66, 0.1, 1.0, rgb("6b4a3c"), 0.09)
    _window(pen, 0, 0.28, 0.08, rgb("8a6a54"))
    turn = look.rng.uniform(0, 90)
    for k in range(4):
        arm = pen.at(0, -0.3, turn=turn + 90 * k)
        arm.line([(0, 0), (0, -0.85)], 0.03, rgb("6b4a3c"))
        arm.box(0.02, -0.84, 0.2, -0.2, veil(rgb("fffaf0"), 0.94))
        for step in range(5):
            arm.line([(0.02, -0.8 + step * 0.14), (0.2, -0.8 + step * 0.14)], 0.01, rgb("a98a70"))
    pen.disc(0, -0.3, 0.06, rgb("6b4a3c"))


def tent(pen: Pen, look: Look) -> None:
    """Draw a tent by a fire."""
    cloth = look.accented()
    pen.glow(0.0, 0.6, 0.9, _GLASS, 0.5)
    pen.shaded([(-0.1, -0.35), (0.5, 1.0), (-0.8, 1.0)], lighter(cloth, 0.2), cloth)
    pen.shaded([(-0.1, -0.35), (0.5, 1.0), (0.85, 0.9), (0.3, -0.25)], darker(cloth, 0.15), darker(cloth, 0.3))
    pen.shaded([(-0.12, -0.1), (0.12, 1.0), (-0.38, 1.0)], _GLASS, rgb("f0a95c"))
    pen.shape([(-0.12, -0.1), (-0.24, 1.0), (-0.46, 1.0)], darker(cloth, 0.1))
    for turn in (-14, 14):
        pen.at(0.98, 0.97, turn=turn).box(-0.2, -0.03, 0.2, 0.03, rgb("6b4a3c"), 0.03)
    pen.glow(0.98, 0.8, 0.5, rgb("ffb14e"), 0.8)
    pen.blob([(0.98, 0.5), (1.1, 0.76), (1.08, 0.94), (0.98, 0.97), (0.88, 0.94), (0.86, 0.76)], rgb("f58b3c"))
    pen.blob([(0.98, 0.68), (1.04, 0.84), (0.98, 0.95), (0.92, 0.84)], rgb("ffe08a"))
