"""People, astronauts and robots."""

from apimodels_async.gateway.painting.canvas import Pen
from apimodels_async.gateway.painting.colour import darker, lighter, mix, rgb, veil
from apimodels_async.gateway.painting.geometry import arc, oval, rounded, smooth

from .faces import DARK, WHITE, cheeks, eyes, smile
from .look import Look
from .wearables import body_suit, helmet_back, wear

_HEAD = (0.0, -0.3)


def person(pen: Pen, look: Look) -> None:
    """Draw a portrait: head, hair and shoulders."""
    rng = look.rng
    skin = rgb(rng.choice(("f6cfae", "e8b38c", "c98d63", "8f5d42", "f3c5a0")))
    hair = rgb(rng.choice(("3b2a2a", "6b4230", "c98f4a", "2a2733", "a5482f")))
    long = rng.random() < 0.55
    head = pen.at(*_HEAD)
    if "helmet" in look.wears:
        body_suit(pen, look)
        helmet_back(head, look)
        _head(pen.at(*_HEAD, 0.86), look, skin, hair, long=False)
    else:
        if long:
            head.shaded(
                smooth(
                    [
                        (0, -0.62),
                        (0.5, -0.42),
                        (0.64, 0.1),
                        (0.66, 0.62),
                        (0.4, 0.78),
                        (-0.4, 0.78),
                        (-0.66, 0.62),
                        (-0.64, 0.1),
                        (-0.5, -0.42),
                    ]
                ),
                hair,
                darker(hair, 0.2),
            )
        cloth = look.accented()
        pen.shaded(
            smooth(
                [
                    (-0.16, 0.34),
                    (-0.52, 0.46),
                    (-0.74, 0.72),
                    (-0.8, 1.0),
                    (0.8, 1.0),
                    (0.74, 0.72),
                    (0.52, 0.46),
                    (0.16, 0.34),
                ],
                steps=6,
            ),
            lighter(cloth, 0.1),
            darker(cloth, 0.12),
        )
        pen.shaded(
            smooth([(-0.15, 0.1), (0.15, 0.1), (0.17, 0.4), (0.0, 0.54), (-0.17, 0.4)]),
            darker(skin, 0.22),
            darker(skin, 0.08),
        )
        _head(head, look, skin, hair, long=long)
    wear(head, look)


def _head(head: Pen, look: Look, skin: tuple[int, int, int], hair: tuple[int, int, int], *, long: bool) -> None:
    for side in (-1, 1):
        head.oval(side * 0.46, 0.04, 0.09, 0.12, darker(skin, 0.08))
    face = smooth(
        [(0, -0.5), (0.36, -0.38), (0.46, 0.0), (0.36, 0.34), (0, 0.52), (-0.36, 0.34), (-0.46, 0.0), (-0.36, -0.38)]
    )
    head.shaded(face, lighter(skin, 0.1), skin)
    part = 0.22 if look.rng.random() < 0.5 else -0.22
    fringe = smooth(
        [
            (-0.5, 0.08),
            (-0.53, -0.28),
            (-0.3, -0.58),
            (0, -0.66),
            (0.3, -0.58),
            (0.53, -0.28),
            (0.5, 0.08),
            (0.4, -0.16),
            (part, -0.34),
            (-0.36, -0.14),
        ],
        steps=8,
    )
    head.shaded(fringe, lighter(hair, 0.12), hair)
    if not long:
        head.blob([(-0.2, -0.6), (0.0, -0.76), (0.26, -0.66), (0.1, -0.52)], lighter(hair, 0.05))
    eyes(head, 0.19, 0.05, 0.07)
    for side in (-1, 1):
        head.curve([(side * 0.1, -0.085), (side * 0.2, -0.12), (side * 0.29, -0.085)], 0.025, darker(hair, 0.1))
    head.curve([(-0.02, 0.1), (-0.04, 0.19), (0.03, 0.2)], 0.022, darker(skin, 0.3))
    smile(head, 0, 0.31, 0.12, darker(skin, 0.65))
    cheeks(head, 0.29, 0.2, 0.08)


def astronaut(pen: Pen, look: Look) -> None:
    """Draw an astronaut who waves, the scene mirrored in the visor."""
    suit, rim = look.main(rgb("f4f4f8")), rgb("d5d9e6")
    accent, sky = look.palette.accent, look.palette.sky
    pen.box(-0.5, -0.1, 0.5, 0.62, mix(rim, sky[1], 0.35), 0.12)
    for side in (-1, 1):
        pen.shaded(rounded(min(side * 0.04, side * 0.36), 0.5, max(side * 0.04, side * 0.36), 0.95, 0.12), suit, rim)
        pen.box(min(side * 0.02, side * 0.42), 0.84, max(side * 0.02, side * 0.42), 1.0, mix(rim, DARK, 0.3), 0.07)
        pen.box(min(side * 0.04, side * 0.36), 0.7, max(side * 0.04, side * 0.36), 0.75, accent)
    pen.curve([(-0.38, 0.12), (-0.62, 0.3), (-0.6, 0.56)], 0.22, suit)
    pen.disc(-0.6, 0.6, 0.12, rim)
    pen.curve([(0.38, 0.14), (0.7, 0.02), (0.78, -0.3)], 0.22, suit)
    pen.disc(0.79, -0.38, 0.13, rim)
    pen.shaded(rounded(-0.42, 0.0, 0.42, 0.68, 0.22), suit, mix(suit, sky[1], 0.2))
    pen.box(-0.2, 0.24, 0.2, 0.46, rgb("454b68"), 0.05)
    for x, tone in ((-0.1, "ff7b6b"), (0.0, "ffd166"), (0.1, "67d4a8")):
        pen.disc(x, 0.31, 0.032, rgb(tone))
    pen.box(-0.13, 0.37, 0.13, 0.41, rgb("8fd3f0"), 0.02)
    pen.shaded(oval(0, -0.4, 0.54, 0.52, count=90), WHITE, suit, rim)
    for side in (-1, 1):
        pen.oval(side * 0.54, -0.38, 0.08, 0.14, accent)
    visor = rounded(-0.4, -0.68, 0.4, -0.1, 0.26)
    pen.shape(rounded(-0.43, -0.71, 0.43, -0.07, 0.28), rim)
    pen.shaded(visor, darker(sky[0], 0.3), mix(sky[1], accent, 0.3), mix(sky[2], accent, 0.4))
    pen.inside(
        visor,
        [
            (oval(0.1, 0.12, 0.6, 0.36), veil(darker(look.palette.mid, 0.3), 0.6)),
            (oval(0.22, -0.5, 0.06, 0.06), look.palette.light),
        ],
    )
    pen.shape(arc(0, -0.39, 0.34, 0.24, 190, 250, 24) + arc(0, -0.37, 0.28, 0.18, 250, 190, 24), veil(WHITE, 0.75))


def robot(pen: Pen, look: Look) -> None:
    """Draw a friendly robot."""
    shell = look.main(rgb("8fb3c9"))
    dim, accent = darker(shell, 0.35), look.palette.accent
    pen.line([(0, -0.72), (0, -0.92)], 0.04, dim)
    pen.glow(0, -0.94, 0.25, accent, 0.6)
    pen.disc(0, -0.94, 0.075, accent)
    for side in (-1, 1):
        pen.curve([(side * 0.42, 0.2), (side * 0.68, 0.34), (side * 0.64, 0.58)], 0.11, dim)
        pen.disc(side * 0.63, 0.64, 0.115, shell)
        pen.box(min(side * 0.1, side * 0.3), 0.7, max(side * 0.1, side * 0.3), 0.94, dim, 0.04)
        pen.box(min(side * 0.04, side * 0.36), 0.88, max(side * 0.04, side * 0.36), 1.0, shell, 0.06)
        pen.box(min(side * 0.5, side * 0.64), -0.46, max(side * 0.5, side * 0.64), -0.16, accent, 0.05)
    pen.shaded(rounded(-0.44, 0.08, 0.44, 0.78, 0.14), lighter(shell, 0.2), shell, darker(shell, 0.12))
    pen.box(-0.1, 0.0, 0.1, 0.12, dim)
    pen.shaded(rounded(-0.56, -0.74, 0.56, 0.04, 0.2), lighter(shell, 0.35), shell)
    pen.shaded(rounded(-0.44, -0.6, 0.44, -0.1, 0.16), rgb("23304a"), rgb("33486b"))
    glow = mix(accent, rgb("a7f3ff"), 0.6)
    for side in (-1, 1):
        pen.glow(side * 0.2, -0.38, 0.2, glow, 0.6)
        pen.oval(side * 0.2, -0.38, 0.085, 0.105, lighter(glow, 0.35))
    pen.curve([(-0.12, -0.22), (0, -0.17), (0.12, -0.22)], 0.03, lighter(glow, 0.35))
    pen.box(-0.27, 0.22, 0.27, 0.52, lighter(shell, 0.5), 0.06)
    heart = smooth(
        [(0, 0.32), (0.06, 0.26), (0.12, 0.3), (0.1, 0.38), (0, 0.48), (-0.1, 0.38), (-0.12, 0.3), (-0.06, 0.26)]
    )
    pen.shape(heart, accent)
    for k in range(3):
        pen.disc(-0.16 + 0.16 * k, 0.65, 0.035, (rgb("ffd166"), accent, rgb("67d4a8"))[k])
    wear(pen.at(0, -0.34, 0.95), look)
