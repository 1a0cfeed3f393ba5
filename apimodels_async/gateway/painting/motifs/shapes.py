"""Hearts, stars, planets and gems."""

from apimodels_async.gateway.painting.canvas import Pen
from apimodels_async.gateway.painting.colour import RGB, darker, lighter, mix, rgb, veil
from apimodels_async.gateway.painting.geometry import arc, oval, smooth, star

from .look import Look

_WHITE = (255, 255, 255)
_WOOD = rgb("a06a43")


def heart(pen: Pen, look: Look) -> None:
    """Draw a heart."""
    tone = look.main(rgb("e8546b"))
    pen.glow(0, 0.05, 1.3, lighter(tone, 0.5), 0.5)
    left = [(0, 0.88), (-0.62, 0.36), (-0.92, -0.12), (-0.84, -0.54), (-0.48, -0.76), (-0.14, -0.62)]
    right = [(-x, y) for x, y in reversed(left[1:])]
    outline = [*smooth([*left, (0, -0.38)], closed=False), *smooth([(0, -0.38), *right, (0, 0.88)], closed=False)]
    pen.shaded(outline, lighter(tone, 0.22), tone, darker(tone, 0.12))
    pen.oval(-0.5, -0.4, 0.17, 0.1, veil(_WHITE, 0.6), -38)


def star_shape(pen: Pen, look: Look) -> None:
    """Draw a star with a face of light."""
    tone = look.main(rgb("f6c544"))
    pen.glow(0, 0, 1.5, lighter(tone, 0.4), 0.7)
    outline = smooth(star(0, 0.05, 0.95, 0.48), steps=5)
    pen.shaded(outline, lighter(tone, 0.3), tone)
    for k in range(5):
        tip = pen.at(0, 0.05, turn=72 * k)
        tip.shape([(0, 0), (0, -0.9), (0.27, -0.38)], veil(_WHITE, 0.22))


def planet(pen: Pen, look: Look) -> None:
    """Draw a banded planet with a ring."""
    tone = look.accented()
    pen.glow(0, 0, 1.5, lighter(tone, 0.3), 0.45)
    tilt = pen.at(0, 0, turn=-18)
    ring = mix(look.palette.light, tone, 0.25)

    def rings(start: float, end: float) -> None:
        for outer, inner, strength in ((1.32, 1.08, 0.95), (1.04, 0.94, 0.6)):
            band = arc(0, 0, outer, outer * 0.3, start, end, 60) + arc(0, 0, inner, inner * 0.3, end, start, 60)
            tilt.shape(band, veil(ring, strength))

    rings(180, 360)
    ball = oval(0, 0, 0.68, 0.68, count=100)
    tilt.shaded(ball, lighter(tone, 0.3), tone)
    for y, tall, shade in ((-0.42, 0.12, 0.3), (-0.12, 0.16, -0.18), (0.2, 0.1, 0.25), (0.46, 0.2, -0.22)):
        band = mix(tone, _WHITE, shade) if shade > 0 else darker(tone, -shade)
        tilt.inside(ball, [(oval(0, y, 0.9, tall / 2), veil(band, 0.75))])
    tilt.inside(ball, [(oval(0.34, 0.3, 0.12, 0.07), veil(darker(tone, 0.35), 0.8))])
    pen.inside(
        oval(0, 0, 0.68, 0.68, count=100),
        [([*arc(0, 0, 0.8, 0.8, -40, 130, 40), *arc(-0.2, -0.16, 0.72, 0.72, 120, -30, 40)], veil((14, 10, 40), 0.3))],
    )
    rings(0, 180)


def gem(pen: Pen, look: Look) -> None:
    """Cut a gem."""
    tone = look.main(look.palette.accent)
    pen.glow(0, 0, 1.4, lighter(tone, 0.4), 0.5)
    top, middle = (
        [(-0.5, -0.62), (-0.17, -0.62), (0.17, -0.62), (0.5, -0.62)],
        [(-0.88, -0.18), (-0.34, -0.18), (0.34, -0.18), (0.88, -0.18)],
    )
    tip = (0.0, 0.9)
    facets: list[tuple[list[tuple[float, float]], RGB]] = [
        ([top[0], middle[0], middle[1]], lighter(tone, 0.35)),
        ([top[0], top[3], middle[2], middle[1]], lighter(tone, 0.6)),
        ([top[3], middle[2], middle[3]], lighter(tone, 0.1)),
        ([middle[0], middle[1], tip], lighter(tone, 0.15)),
        ([middle[1], middle[2], tip], tone),
        ([middle[2], middle[3], tip], darker(tone, 0.25)),
    ]
    for points, fill in facets:
        pen.shaded(points, lighter(fill, 0.12), fill)
