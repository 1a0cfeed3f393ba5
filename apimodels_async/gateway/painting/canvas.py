"""A canvas in real pixels, and a pen that draws on it in its own coordinates."""

import math
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Self

from PIL import Image, ImageChops, ImageDraw

from .colour import RGB, Fill, mix
from .geometry import Point, oval, rounded, smooth
from .pixels import mapped, resized

_STEPS = 256


def ramp(stops: Sequence[RGB], size: tuple[int, int], span: tuple[float, float] = (0.0, 1.0)) -> Image.Image:
    """Paint a vertical gradient through the stops; `span` picks a part of it."""
    data = bytearray()
    for i in range(_STEPS):
        place = i / (_STEPS - 1) * (len(stops) - 1)
        low = min(int(place), len(stops) - 2)
        data.extend(mix(stops[low], stops[low + 1], place - low))
    strip = Image.frombytes("RGB", (1, _STEPS), bytes(data))
    start = min(span[0], 0.99)
    box = (0.0, start * _STEPS, 1.0, min(1.0, max(span[1], start + 0.01)) * _STEPS)
    # The strip is widened by paste-like tiling: resizing one column costs far less than every column.
    column = resized(strip, (1, size[1]), Image.Resampling.BILINEAR, box=box)
    return resized(column, size, Image.Resampling.NEAREST)


@cache
def _halo() -> Image.Image:
    # Pillow's gradient reaches 255 in the corners, so a circle that fits has this radius:
    rim = 180
    return mapped(Image.radial_gradient("L"), [round((max(0, rim - v) / rim) ** 1.8 * 255) for v in range(256)])


class Canvas:
    """An RGB picture whose drawing operations blend."""

    def __init__(self, size: tuple[int, int], background: RGB) -> None:
        self.image: Image.Image = Image.new("RGB", size, background)
        # The second argument makes translucent fills blend with what is below.
        self.draw: ImageDraw.ImageDraw = ImageDraw.Draw(self.image, "RGBA")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.image.size

    def clip(self, x0: float, y0: float, x1: float, y1: float) -> tuple[int, int, int, int] | None:
        """Round a box outwards and cut it to the canvas; None if nothing is left."""
        width, height = self.size
        box = (
            max(0, math.floor(x0)),
            max(0, math.floor(y0)),
            min(width, math.ceil(x1) + 1),
            min(height, math.ceil(y1) + 1),
        )
        return box if box[0] < box[2] and box[1] < box[3] else None

    def pen(self, x: float = 0.0, y: float = 0.0, scale: float = 1.0) -> "Pen":
        """Give a pen whose origin is (x, y) and whose unit is `scale` pixels."""
        return Pen(self, (x, y), (scale, 0.0), (0.0, scale))


class Pen:
    """Draws in local coordinates: y points down, angles are in degrees."""

    def __init__(self, canvas: Canvas, origin: Point, across: Point, down: Point) -> None:
        self.canvas = canvas
        self._origin = origin
        self._across = across
        self._down = down
        self.unit: float = math.hypot(*across)

    def at(self, x: float, y: float, scale: float = 1.0, *, turn: float = 0.0, flip: bool = False) -> Self:
        """Give a pen with its own origin, size, turn and mirror image."""
        cos, sin = math.cos(math.radians(turn)) * scale, math.sin(math.radians(turn)) * scale
        (ax, ay), (dx, dy) = self._across, self._down
        across = (ax * cos + dx * sin, ay * cos + dy * sin)
        down = (dx * cos - ax * sin, dy * cos - ay * sin)
        if flip:
            across = (-across[0], -across[1])
        return type(self)(self.canvas, self.place(x, y), across, down)

    def place(self, x: float, y: float) -> Point:
        """Where a local point lies on the canvas."""
        (ox, oy), (ax, ay), (dx, dy) = self._origin, self._across, self._down
        return ox + x * ax + y * dx, oy + x * ay + y * dy

    def _placed(self, points: Iterable[Point]) -> list[Point]:
        return [self.place(x, y) for x, y in points]

    def shape(self, points: Sequence[Point], fill: Fill) -> None:
        """Fill a polygon."""
        self.canvas.draw.polygon(self._placed(points), fill=fill)

    def blob(self, points: Sequence[Point], fill: Fill) -> None:
        """Fill the smooth closed curve through the points."""
        self.shape(smooth(points), fill)

    def oval(self, x: float, y: float, rx: float, ry: float, fill: Fill, turn: float = 0.0) -> None:  # noqa: PLR0917
        """Fill an ellipse."""
        self.shape(oval(x, y, rx, ry, turn), fill)

    def disc(self, x: float, y: float, radius: float, fill: Fill) -> None:
        """Fill a circle."""
        self.shape(oval(x, y, radius, radius, count=24 if radius * self.unit < 12 else 64), fill)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: Fill, radius: float = 0.0) -> None:  # noqa: PLR0917
        """Fill a rectangle, its corners round if asked."""
        points = rounded(x0, y0, x1, y1, radius) if radius else [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        self.shape(points, fill)

    def line(self, points: Sequence[Point], width: float, fill: RGB) -> None:
        """Draw an opaque line with round ends."""
        placed = self._placed(points)
        pixels = max(1, round(width * self.unit))
        self.canvas.draw.line(placed, fill=fill, width=pixels)
        radius = (pixels - 1) / 2
        # A disc at every point: Pillow's own joints leave notches on tight, thick bends.
        for x, y in placed if radius >= 1 else ():
            self.canvas.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)

    def curve(self, points: Sequence[Point], width: float, fill: RGB) -> None:
        """Draw a smooth line through the points."""
        self.line(smooth(points, closed=False), width, fill)

    def _mask(self, points: Sequence[Point]) -> tuple[tuple[int, int, int, int], Image.Image, list[Point]] | None:
        placed = self._placed(points)
        xs, ys = [p[0] for p in placed], [p[1] for p in placed]
        box = self.canvas.clip(min(xs), min(ys), max(xs), max(ys))
        if box is None:
            return None
        mask = Image.new("L", (box[2] - box[0], box[3] - box[1]))
        ImageDraw.Draw(mask).polygon([(x - box[0], y - box[1]) for x, y in placed], fill=255)
        return box, mask, placed

    def shaded(self, points: Sequence[Point], *stops: RGB) -> None:
        """Fill a polygon with a gradient from its top to its bottom."""
        found = self._mask(points)
        if found is None:
            return
        box, mask, placed = found
        top, bottom = min(p[1] for p in placed), max(p[1] for p in placed)
        tall = max(bottom - top, 1.0)
        span = (max(0.0, (box[1] - top) / tall), min(1.0, (box[3] - top) / tall))
        self.canvas.image.paste(ramp(stops, mask.size, span), box, mask)

    def inside(self, outline: Sequence[Point], parts: Iterable[tuple[Sequence[Point], Fill]]) -> None:
        """Fill parts, each only where the outline is."""
        found = self._mask(outline)
        if found is None:
            return
        box, mask, _ = found
        for points, fill in parts:
            part = Image.new("L", mask.size)
            alpha = fill[3] if len(fill) == 4 else 255
            shifted = [(x - box[0], y - box[1]) for x, y in self._placed(points)]
            ImageDraw.Draw(part).polygon(shifted, fill=alpha)
            self.canvas.image.paste(fill[:3], box, ImageChops.darker(mask, part))

    def glow(self, x: float, y: float, radius: float, colour: RGB, strength: float = 1.0) -> None:
        """Lay a soft light."""
        cx, cy = self.place(x, y)
        reach = max(radius * self.unit, 1.0)
        box = self.canvas.clip(cx - reach, cy - reach, cx + reach, cy + reach)
        if box is None:
            return
        halo = _halo()
        scale = halo.width / (2 * reach)
        part = (
            max(0.0, (box[0] - cx + reach) * scale),
            max(0.0, (box[1] - cy + reach) * scale),
            min(float(halo.width), (box[2] - cx + reach) * scale),
            min(float(halo.width), (box[3] - cy + reach) * scale),
        )
        if part[0] >= part[2] or part[1] >= part[3]:
            # Only the pixel that rounding added lies on the canvas.
            return
        mask = resized(halo, (box[2] - box[0], box[3] - box[1]), Image.Resampling.BILINEAR, box=part)
        if strength < 1:
            mask = mapped(mask, [round(v * strength) for v in range(256)])
        self.canvas.image.paste(colour, box, mask)
