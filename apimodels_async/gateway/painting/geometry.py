"""Points of curves, before anything is drawn.

Coordinates stay positional however many there are: a drawing is read by its numbers.
"""

import math
from collections.abc import Sequence
from typing import TypeAlias

Point: TypeAlias = tuple[float, float]


def smooth(points: Sequence[Point], *, closed: bool = True, steps: int = 9) -> list[Point]:
    """Run a Catmull-Rom spline through the points."""
    count = len(points)
    spans = count if closed else count - 1
    out: list[Point] = []
    for i in range(spans):
        if closed:
            p0, p1, p2, p3 = (points[(i + k) % count] for k in (-1, 0, 1, 2))
        else:
            p0, p1, p2, p3 = (points[min(max(i + k, 0), count - 1)] for k in (-1, 0, 1, 2))
        for step in range(steps):
            t = step / steps
            out.append((_spline(p0[0], p1[0], p2[0], p3[0], t), _spline(p0[1], p1[1], p2[1], p3[1], t)))
    if not closed:
        out.append(points[-1])
    return out


def _spline(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)


def oval(x: float, y: float, rx: float, ry: float, turn: float = 0.0, count: int = 56) -> list[Point]:  # noqa: PLR0917
    """Points of an ellipse, turned by degrees."""
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    out: list[Point] = []
    for i in range(count):
        angle = math.tau * i / count
        dx, dy = rx * math.cos(angle), ry * math.sin(angle)
        out.append((x + dx * cos - dy * sin, y + dx * sin + dy * cos))
    return out


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float, count: int = 28) -> list[Point]:  # noqa: PLR0917
    """Points along an ellipse between two angles in degrees (0 is right, 90 is down)."""
    angles = (math.radians(start + (end - start) * i / count) for i in range(count + 1))
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


def rounded(x0: float, y0: float, x1: float, y1: float, radius: float) -> list[Point]:
    """Points of a box with round corners."""
    r = min(radius, (x1 - x0) / 2, (y1 - y0) / 2)
    corners = ((x1 - r, y0 + r, -90), (x1 - r, y1 - r, 0), (x0 + r, y1 - r, 90), (x0 + r, y0 + r, 180))
    return [p for x, y, start in corners for p in arc(x, y, r, r, start, start + 90, 8)]


def star(x: float, y: float, outer: float, inner: float, points: int = 5, turn: float = -90) -> list[Point]:  # noqa: PLR0917
    """Points of a star with that many tips."""
    out: list[Point] = []
    for i in range(points * 2):
        angle = math.radians(turn + 180 * i / points)
        radius = inner if i % 2 else outer
        out.append((x + radius * math.cos(angle), y + radius * math.sin(angle)))
    return out
