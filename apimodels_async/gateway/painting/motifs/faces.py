"""Eyes, noses and mouths: what makes a shape look back at you."""

from apimodels_async.gateway.painting.canvas import Pen
from apimodels_async.gateway.painting.colour import RGB, lighter, veil
from apimodels_async.gateway.painting.geometry import oval

DARK: RGB = (38, 30, 44)
WHITE: RGB = (255, 255, 255)
BLUSH: RGB = (244, 120, 120)


def eyes(pen: Pen, apart: float, y: float, size: float, iris: RGB | None = None) -> None:
    """Draw two large eyes with lights in them."""
    for side in (-1, 1):
        eye = pen.at(side * apart, y, size)
        if iris:
            eye.oval(0, 0, 1.18, 1.22, DARK)
            eye.shaded(oval(0, 0, 1.05, 1.1), iris, lighter(iris, 0.35))
            eye.oval(0, 0, 0.62, 0.92, DARK)
        else:
            eye.oval(0, 0, 0.85, 1.05, DARK)
        eye.disc(-0.28, -0.4, 0.34, WHITE)
        eye.disc(0.3, 0.4, 0.16, veil(WHITE, 0.75))


def mouth(pen: Pen, x: float, y: float, size: float, ink: RGB = DARK) -> None:
    """Draw the two small curves under an animal's nose."""
    pen.line([(x, y), (x, y + size * 0.35)], size * 0.2, ink)
    for side in (-1, 1):
        curve = [
            (x, y + size * 0.35),
            (x + side * size * 0.35, y + size * 0.75),
            (x + side * size * 0.85, y + size * 0.5),
        ]
        pen.curve(curve, size * 0.2, ink)


def smile(pen: Pen, x: float, y: float, width: float, ink: RGB = DARK) -> None:
    """Draw a plain smile."""
    pen.curve(
        [(x - width, y), (x - width * 0.5, y + width * 0.45), (x + width * 0.5, y + width * 0.45), (x + width, y)],
        width * 0.2,
        ink,
    )


def cheeks(pen: Pen, apart: float, y: float, size: float) -> None:
    """Blush."""
    for side in (-1, 1):
        pen.oval(side * apart, y, size, size * 0.66, veil(BLUSH, 0.34))
