"""The animals that sit and look at you: one body, many coats."""

from apimodels_async.gateway.painting.canvas import Pen
from apimodels_async.gateway.painting.colour import darker, lighter, mix, veil
from apimodels_async.gateway.painting.geometry import oval, smooth

from . import heads
from .coats import COATS, Coat
from .look import Look
from .wearables import body_suit, helmet_back, wear

HEAD = (0.0, -0.36)


def critter(pen: Pen, look: Look, name: str) -> None:
    """Draw a seated animal, dressed as the prompt says."""
    coat = COATS[name].dyed(look.tint)
    suited = "helmet" in look.wears
    _tail(pen, coat)
    _body(pen, coat)
    if suited:
        body_suit(pen, look)
        helmet_back(pen.at(*HEAD), look)
    # Inside the bubble everything is a little smaller, ears and all.
    head = pen.at(*HEAD, 0.86 if suited else 1.0)
    _ears(head, coat)
    heads.head(head, coat)
    heads.face(head, coat)
    wear(pen.at(*HEAD), look)


def _tail(pen: Pen, coat: Coat) -> None:
    match coat.tail:
        case "curl":
            pen.curve([(0.42, 0.9), (0.78, 0.86), (0.86, 0.55), (0.7, 0.34), (0.8, 0.12)], 0.17, darker(coat.fur, 0.08))
            pen.curve([(0.715, 0.36), (0.735, 0.24), (0.8, 0.12)], 0.17, mix(coat.fur, coat.mark, 0.75))
        case "brush":
            brush = [(0.3, 0.85), (0.62, 0.92), (0.95, 0.7), (1.0, 0.28), (0.83, -0.02), (0.72, 0.3), (0.6, 0.55)]
            pen.shaded(smooth(brush), coat.fur, darker(coat.fur, 0.12))
            pen.blob([(0.99, 0.32), (0.83, -0.02), (0.74, 0.26), (0.82, 0.25), (0.88, 0.34), (0.93, 0.27)], coat.belly)
        case "wag":
            pen.shaded(
                smooth(
                    [(0.36, 0.78), (0.66, 0.68), (0.84, 0.38), (0.97, 0.3), (0.93, 0.62), (0.78, 0.86), (0.45, 0.95)]
                ),
                lighter(coat.fur, 0.12),
                darker(coat.fur, 0.1),
            )
        case "tuft":
            pen.curve([(0.42, 0.9), (0.8, 0.85), (0.88, 0.5), (0.8, 0.2)], 0.09, darker(coat.fur, 0.06))
            pen.blob([(0.8, 0.24), (0.7, 0.1), (0.8, -0.1), (0.9, 0.1)], coat.mark)
        case "thin":
            pen.curve(
                [
                    (0.42, 0.93),
                    (0.7, 0.95),
                    (0.9, 0.8),
                    (0.9, 0.6),
                    (0.78, 0.52),
                    (0.74, 0.64),
                    (0.86, 0.7),
                    (0.98, 0.58),
                ],
                0.06,
                coat.inner,
            )
        case _:
            pen.disc(0.55, 0.8, 0.13, lighter(coat.belly, 0.2))


def _body(pen: Pen, coat: Coat) -> None:
    shade = darker(coat.fur, 0.14)
    outline = smooth(
        [
            (-0.3, -0.05),
            (-0.45, 0.35),
            (-0.56, 0.75),
            (-0.46, 0.97),
            (0, 1.0),
            (0.46, 0.97),
            (0.56, 0.75),
            (0.45, 0.35),
            (0.3, -0.05),
            (0, -0.15),
        ]
    )
    pen.shaded(outline, darker(coat.limbs, 0.1), coat.limbs, coat.limbs)
    haunch = veil(darker(coat.limbs, 0.3), 0.4)
    pen.inside(outline, [(oval(side * 0.43, 0.8, 0.19, 0.2), haunch) for side in (-1, 1)])
    for side in (-1, 1):
        pen.oval(side * 0.45, 0.93, 0.17, 0.085, coat.paws)
    pen.shaded(oval(0, 0.36, 0.27, 0.38), darker(coat.belly, 0.12), coat.belly, lighter(coat.belly, 0.2))
    for side in (-1, 1):
        leg = smooth(
            [(side * 0.02, 0.42), (side * 0.03, 0.9), (side * 0.25, 0.92), (side * 0.27, 0.5), (side * 0.16, 0.36)]
        )
        pen.shaded(leg, coat.limbs, mix(coat.limbs, coat.paws, 0.3))
        pen.oval(side * 0.145, 0.93, 0.145, 0.09, coat.paws)
        for toe in (-0.045, 0.045):
            pen.line([(side * 0.145 + toe, 0.93), (side * 0.145 + toe, 0.985)], 0.014, darker(coat.paws, 0.3))
    pen.oval(0, 0.06, 0.36, 0.12, veil(shade, 0.4))


def _ears(pen: Pen, coat: Coat) -> None:
    for side in (-1, 1):
        ear = pen.at(0, 0, flip=side < 0)
        match coat.ears:
            case "pointed":
                ear.shaded(
                    smooth(
                        [(0.12, -0.36), (0.3, -0.6), (0.47, -0.74), (0.53, -0.5), (0.53, -0.15), (0.3, -0.2)], steps=6
                    ),
                    lighter(coat.fur, 0.05),
                    coat.fur,
                )
                ear.blob([(0.25, -0.38), (0.36, -0.54), (0.44, -0.61), (0.475, -0.45), (0.46, -0.25)], coat.inner)
            case "long":
                ear.shaded(
                    smooth([(0.1, -0.3), (0.09, -0.7), (0.2, -1.05), (0.33, -1.0), (0.37, -0.65), (0.32, -0.3)]),
                    lighter(coat.fur, 0.08),
                    coat.fur,
                )
                ear.blob(
                    [(0.16, -0.4), (0.16, -0.7), (0.22, -0.94), (0.28, -0.9), (0.3, -0.65), (0.27, -0.4)], coat.inner
                )
            case "round":
                ear.disc(0.4, -0.38, 0.2, coat.mark if coat.marking == "panda" else darker(coat.fur, 0.06))
                ear.disc(0.405, -0.37, 0.115, coat.inner)
            case "large":
                ear.shaded(oval(0.55, -0.26, 0.3, 0.3), lighter(coat.fur, 0.1), darker(coat.fur, 0.05))
                ear.oval(0.56, -0.24, 0.19, 0.19, coat.inner)
            case "small":
                ear.blob([(0.2, -0.36), (0.36, -0.62), (0.52, -0.52), (0.5, -0.22)], darker(coat.fur, 0.06))
                ear.blob([(0.32, -0.4), (0.4, -0.52), (0.47, -0.46), (0.45, -0.3)], coat.inner)
            case _:
                pass
