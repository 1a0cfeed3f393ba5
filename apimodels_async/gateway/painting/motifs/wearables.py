"""What a character may wear; the origin is the middle of its head, whose radius is about a half."""

from apimodels_async.gateway.painting.canvas import Pen
from apimodels_async.gateway.painting.colour import RGB, darker, lighter, mix, rgb, veil
from apimodels_async.gateway.painting.geometry import arc, oval, smooth, star

from .look import Look

_GLASS = rgb("bfe3f5")
_SUIT = rgb("f3f3f7")
_RIM = rgb("dfe2ec")
_BUBBLE = 0.78


def body_suit(pen: Pen, look: Look) -> None:
    """Zip a seated body into a space suit."""
    accent = look.palette.accent
    outline = smooth(
        [
            (-0.34, 0.1),
            (-0.52, 0.42),
            (-0.6, 0.75),
            (-0.5, 0.98),
            (0, 1.0),
            (0.5, 0.98),
            (0.6, 0.75),
            (0.52, 0.42),
            (0.34, 0.1),
        ]
    )
    pen.shaded(outline, _SUIT, _SUIT, mix(_SUIT, look.palette.sky[1], 0.28))
    for side in (-1, 1):
        pen.oval(side * 0.43, 0.9, 0.2, 0.11, mix(_RIM, look.palette.sky[1], 0.25))
        pen.shaded(
            smooth(
                [(side * 0.02, 0.5), (side * 0.03, 0.9), (side * 0.27, 0.92), (side * 0.28, 0.55), (side * 0.15, 0.44)]
            ),
            _SUIT,
            _RIM,
        )
        pen.box(min(side * 0.03, side * 0.275), 0.78, max(side * 0.03, side * 0.275), 0.84, accent)
        pen.oval(side * 0.15, 0.93, 0.15, 0.09, _SUIT)
        pen.curve([(side * 0.4, 0.42), (side * 0.46, 0.6), (side * 0.42, 0.72)], 0.016, mix(_RIM, (120, 126, 150), 0.4))
    pen.box(-0.15, 0.47, 0.15, 0.66, mix(_RIM, (120, 126, 150), 0.35), 0.04)
    pen.box(-0.135, 0.48, 0.135, 0.645, rgb("454b68"), 0.03)
    for x, tone in ((-0.075, rgb("ff7b6b")), (0.0, rgb("ffd166")), (0.075, rgb("67d4a8"))):
        pen.disc(x, 0.535, 0.025, tone)
    pen.box(-0.1, 0.585, 0.1, 0.61, rgb("8fd3f0"), 0.01)


def helmet_back(pen: Pen, look: Look) -> None:
    """Draw the inside of the bubble, behind the head."""
    pen.glow(0, 0, 1.25, lighter(look.palette.sky[2], 0.4), 0.45)
    pen.disc(0, -0.06, _BUBBLE + 0.025, _RIM)
    pen.shaded(
        oval(0, -0.06, _BUBBLE, _BUBBLE, count=120),
        mix(look.palette.sky[1], _GLASS, 0.3),
        mix(look.palette.sky[2], _GLASS, 0.6),
    )


def helmet(pen: Pen, look: Look) -> None:
    """Draw the glass in front of the head, its lights and its collar."""
    pen.disc(0, -0.06, _BUBBLE, veil(_GLASS, 0.10))
    pen.inside(
        oval(0, -0.06, _BUBBLE, _BUBBLE, count=120),
        [(oval(0.12, 0.06, _BUBBLE * 1.02, _BUBBLE * 1.02, count=120), veil((255, 255, 255), 0.0))],
    )
    gleam = arc(0, -0.06, 0.68, 0.68, 196, 262, 40) + arc(0.03, -0.03, 0.6, 0.6, 258, 200, 40)
    pen.shape(gleam, veil((255, 255, 255), 0.85))
    pen.disc(-0.6, 0.17, 0.042, veil((255, 255, 255), 0.8))
    pen.shape(arc(0, -0.06, 0.7, 0.7, 20, 62, 30) + arc(0, -0.06, 0.65, 0.65, 62, 20, 30), veil((255, 255, 255), 0.45))
    accent = look.palette.accent
    collar = smooth([(-0.55, 0.5), (0, 0.66), (0.55, 0.5), (0.58, 0.62), (0, 0.82), (-0.58, 0.62)])
    pen.shaded(collar, (255, 255, 255), _RIM, mix(_RIM, (130, 136, 160), 0.4))
    pen.curve([(-0.5, 0.62), (0, 0.755), (0.5, 0.62)], 0.035, accent)
    for side in (-1, 1):
        pen.oval(side * 0.79, -0.02, 0.075, 0.16, _RIM)
        pen.oval(side * 0.82, -0.02, 0.045, 0.1, accent)


def wear(pen: Pen, look: Look) -> None:
    """Put on everything the prompt names."""
    accent = look.palette.accent
    if "helmet" in look.wears:
        helmet(pen, look)
        return
    if "scarf" in look.wears:
        _scarf(pen, accent)
    if "bow" in look.wears:
        _bow(pen, accent)
    if "glasses" in look.wears:
        _glasses(pen)
    if "crown" in look.wears:
        _crown(pen)
    elif "party" in look.wears:
        pen.shaded([(-0.24, -0.38), (0.05, -1.0), (0.26, -0.4)], accent, lighter(accent, 0.3))
        pen.disc(0.05, -1.0, 0.07, rgb("ffd166"))
        for x, y in ((-0.05, -0.5), (0.1, -0.55), (0.03, -0.74)):
            pen.disc(x, y, 0.04, rgb("fff3d6"))
    elif "hat" in look.wears:
        _hat(pen, accent)


def _scarf(pen: Pen, tone: RGB) -> None:
    pen.blob([(0.2, 0.5), (0.42, 0.5), (0.46, 0.98), (0.26, 1.0)], darker(tone, 0.15))
    pen.shaded(
        smooth([(-0.5, 0.34), (0, 0.48), (0.5, 0.34), (0.54, 0.5), (0.3, 0.62), (0, 0.67), (-0.3, 0.62), (-0.54, 0.5)]),
        lighter(tone, 0.1),
        darker(tone, 0.1),
    )


def _bow(pen: Pen, tone: RGB) -> None:
    for side in (-1, 1):
        pen.shaded(
            smooth([(0, 0.5), (side * 0.26, 0.38), (side * 0.31, 0.52), (side * 0.26, 0.66)]),
            lighter(tone, 0.12),
            darker(tone, 0.1),
        )
    pen.disc(0, 0.52, 0.075, darker(tone, 0.2))


def _glasses(pen: Pen) -> None:
    frame = (44, 40, 58)
    for side in (-1, 1):
        pen.disc(side * 0.235, -0.01, 0.185, veil((30, 34, 60), 0.28))
        ring = oval(side * 0.235, -0.01, 0.19, 0.19)
        pen.line([*ring, ring[0]], 0.034, frame)
        pen.shape(
            [
                (side * 0.235 - 0.1, 0.02),
                (side * 0.235 - 0.02, -0.13),
                (side * 0.235 + 0.03, -0.13),
                (side * 0.235 - 0.06, 0.05),
            ],
            veil((255, 255, 255), 0.4),
        )
    pen.line([(-0.05, -0.03), (0.05, -0.03)], 0.034, frame)


def _crown(pen: Pen) -> None:
    gold = rgb("f2c14e")
    pen.shaded(
        [(-0.3, -0.36), (-0.36, -0.78), (-0.17, -0.58), (0, -0.86), (0.17, -0.58), (0.36, -0.78), (0.3, -0.36)],
        lighter(gold, 0.3),
        gold,
    )
    pen.box(-0.31, -0.43, 0.31, -0.34, darker(gold, 0.15), 0.03)
    for x, y, tone in ((-0.36, -0.8, "e9695f"), (0, -0.88, "5aa9d6"), (0.36, -0.8, "e9695f")):
        pen.disc(x, y, 0.05, rgb(tone))


def _hat(pen: Pen, tone: RGB) -> None:
    pen.shaded(
        smooth(
            [(-0.2, -0.4), (-0.1, -0.78), (0.08, -1.08), (0.2, -1.14), (0.17, -0.98), (0.2, -0.74), (0.28, -0.42)],
            steps=6,
        ),
        lighter(tone, 0.1),
        darker(tone, 0.2),
    )
    pen.shaded(oval(0.03, -0.4, 0.52, 0.1, -3), tone, darker(tone, 0.25))
    pen.blob(
        [(-0.22, -0.52), (0.02, -0.47), (0.27, -0.53), (0.28, -0.43), (0.03, -0.38), (-0.22, -0.42)], rgb("f2c14e")
    )
    pen.shape(star(0.05, -0.72, 0.075, 0.035), rgb("f2c14e"))
