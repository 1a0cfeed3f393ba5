"""The painter: seeded posters in the colours and the place that the prompt's words name, with the prompt as the title."""

import hashlib
import math
import os
import random
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from pathlib import Path

from attrs import frozen
from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageFilter, ImageFont, ImageOps, features

from apimodels_async.gateway.encoding import MARK, decode, encode, flattened

__all__ = ["SMALLEST_TITLED", "paint"]

SMALLEST_TITLED = 128
"""The shorter side, in pixels, from which a picture shows its title; the title of a smaller one is only in its metadata."""

_RGB = tuple[int, int, int]
_Size = tuple[int, int]
_Box = tuple[int, int, int, int]
_Line = list[tuple[float, float]]

_TABLES: dict[str, dict[str, str]] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
_DARK = frozenset({"night", "neon", "space", "aurora"})
_MOST_CHARACTERS = 600
_LEADING = 1.2
_UNTITLED, _ELSEWHERE = "Untitled", "The title is in this file's metadata"


@frozen
class _Brief:
    """What is to be painted, as read from the prompt."""

    facts: tuple[object, ...]
    title: str
    index: int
    place: str
    palette: str
    weather: frozenset[str]
    sky: _RGB
    horizon: _RGB
    light: _RGB
    far: _RGB
    near: _RGB
    paper: _RGB
    ink: _RGB

    def rng(self, purpose: str) -> random.Random:
        """A generator for each purpose, so that parts do not disturb one another."""
        return _rng(*self.facts, self.index, purpose)


def _rng(*facts: object) -> random.Random:
    digest = hashlib.sha256("\0".join(map(str, facts)).encode("utf-8", "surrogatepass")).digest()
    return random.Random(int.from_bytes(digest))  # noqa: S311  (decoration, not secrets)


def _named(table: str, text: str, part: int = 0) -> dict[str, int]:
    """Which entries of a table the text names, and where. `part` 1 searches the words behind the bar."""
    words = re.findall(r"[a-z]+", text)
    found: dict[str, int] = {}
    for name, listed in _TABLES[table].items():
        known = set(f"{listed}|".split("|")[part].split())
        places = [at for at, word in enumerate(words) if known & {word, word.removesuffix("s"), word.removesuffix("es")}]
        places += [text.index(word) for word in known if not word.isascii() and word in text]
        if places:
            found[name] = max(places)
    return found


def _brief(prompt: str, model: str, seed: int, index: int) -> _Brief:
    text = prompt[:_MOST_CHARACTERS].lower()
    choice = _rng(prompt, model, seed).randrange(1 << 16) + index  # neighbours in a task never choose the same
    places = _named("places", text) or _named("places", text, part=1)
    place = max(places, key=places.__getitem__) if places else ("contours", "flow", "tiles")[choice % 3]
    usual = _TABLES["usual"].get(place, _TABLES["usual"]["place" if places else "abstract"]).split()
    palette = next(iter(_named("moods", text)), usual[choice % len(usual)])
    colours = [_mix(ImageColor.getrgb(colour), (0, 0, 0), 0) for colour in _TABLES["palettes"][palette].split()]
    for name in list(_named("colours", text))[:1]:  # it becomes the light, and tints everything else
        tint = _mix(ImageColor.getrgb(name), (0, 0, 0), 0)
        colours[:5] = [_mix(c, tint, share) for c, share in zip(colours, (0.45, 0.25, 0.2, 0.5, 0.25), strict=False)]
    weather = frozenset(_named("weather", text))
    return _Brief((prompt, model, seed), _clean(prompt), index, place, palette, weather, *colours)


def _mix(one: Sequence[int], other: Sequence[int], share: float) -> _RGB:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one[:3], other[:3], strict=True))
    return red, green, blue


class _Scene:
    """A landscape or a pattern, painted in layers. Points are fractions of its sides, radii of its shorter side."""

    def __init__(self, size: _Size, brief: _Brief) -> None:
        self.brief, self.size, self.rng = brief, size, brief.rng("scene")
        self.detail = 2 if size[0] * size[1] < 3_000_000 else 1  # shapes are drawn larger, so that edges are smooth
        self.wide = max(0.2, min(size[0] / size[1], 5.0))
        self.image = _gradient(size, brief.sky, brief.horizon)
        # The golden ratio spreads the suns of one task over the sky.
        self.sun = 0.2 + 0.6 * ((self.rng.random() * 0.3 + brief.index * 0.618) % 1)

    def tone(self, depth: float) -> _RGB:
        """The colour of a layer, from the farthest, 0, to the nearest, 1."""
        return _mix(self.brief.far, self.brief.near, depth)

    def fill(
        self, shapes: Iterable[_Line], top: _RGB, bottom: _RGB | None = None, alpha: float = 1, pen: float = 0
    ) -> None:
        """Polygons shaded from `top` to `bottom`, or lines as wide as `pen`, a fraction of the shorter side."""
        (width, height), detail, edge = self.size, self.detail, pen * min(self.size) / 2 + 1
        shapes = [[(x * width, y * height) for x, y in shape] for shape in shapes]
        xs, ys = ([point[axis] for shape in shapes for point in shape] or [0.0] for axis in (0, 1))
        left, up = max(0, math.floor(min(xs) - edge)), max(0, math.floor(min(ys) - edge))
        right, down = min(width, math.ceil(max(xs) + edge)), min(height, math.ceil(max(ys) + edge))
        if right <= left or down <= up:
            return
        mask = Image.new("L", ((right - left) * detail, (down - up) * detail))
        draw = ImageDraw.Draw(mask)
        for shape in shapes:
            points = [((x - left) * detail, (y - up) * detail) for x, y in shape]
            if pen:
                draw.line(points, round(255 * alpha), max(1, round(pen * min(width, height) * detail)), "curve")
            else:
                draw.polygon(points, round(255 * alpha))
        mask = mask.reduce(detail)
        self.image.paste(_gradient(mask.size, top, bottom) if bottom else top, (left, up), mask)

    def circle(self, x: float, y: float, radius: float, squash: float = 1, start: int = 0, end: int = 48) -> _Line:
        """A circle as a polygon, or an arc of it in 48ths."""
        across, down = (radius * min(self.size) / side for side in self.size)
        turns = [math.tau * step / 48 for step in range(start, end + 1)]
        return [(x + across * math.cos(turn), y + down * squash * math.sin(turn)) for turn in turns]

    def glow(self, x: float, y: float, radius: float, colour: _RGB, strength: float) -> None:
        """Soft light around a point."""
        side = max(2, round(2 * radius * min(self.size)))
        mask = _looked_up(Image.radial_gradient("L"), [round(255 * strength * max(0, 1 - v / 178) ** 1.7) for v in range(256)])
        corner = round(x * self.size[0] - side / 2), round(y * self.size[1] - side / 2)
        self.image.paste(colour, corner, mask.resize((side, side)))

    def disc(self, y: float, radius: float) -> None:
        """The sun or the moon."""
        b = self.brief
        self.glow(self.sun, y, radius * 4, b.light, 0.7)
        self.fill([self.circle(self.sun, y, radius)], b.light, _mix(b.light, b.horizon, 0.3))

    def stars(self, count: int) -> None:
        """Stars, denser towards the top."""
        for radius, share in ((0.002, 0.75), (0.0035, 0.2), (0.006, 0.05)):
            places = [(self.rng.random(), self.rng.random() ** 1.5 * 0.8) for _ in range(round(count * share))]
            self.fill([self.circle(x, y, radius)[::6] for x, y in places], self.brief.light, alpha=0.85)

    def ridge(self, base: float, height: float, waves: float, sharp: bool = False) -> _Line:
        """A line of hills, or of peaks, from the left edge to the right."""
        waves *= self.wide * self.rng.uniform(0.8, 1.2)
        parts = [(0.5**o, waves * 2.1**o, self.rng.random()) for o in range(5 if sharp else 2)]

        def rise(x: float) -> float:
            if sharp:
                return sum(a * (1 - abs((x * f + p) % 1 * 2 - 1)) for a, f, p in parts)
            return sum(a * (0.5 + 0.5 * math.sin(math.tau * (x * f + p))) for a, f, p in parts)

        return [(x / 120, base - height * rise(x / 120) / 1.6) for x in range(121)]

    def land(self, line: _Line, top: _RGB, bottom: _RGB | None = None) -> None:
        """Everything below a line."""
        self.fill([[*line, (1, 1), (0, 1)]], top, bottom)


def _sea(s: _Scene) -> None:
    b, rng = s.brief, s.rng
    s.disc(0.34 + 0.12 * rng.random(), 0.13)
    s.land(s.ridge(0.6, 0.16, 0.9), s.tone(0.15), s.tone(0.05))
    s.land([(0, 0.6), (1, 0.6)], _mix(b.horizon, s.tone(0.3), 0.45), s.tone(0.85))
    glitter: list[_Line] = []
    for row in range(22):
        y, reach = 0.612 + 0.38 * (row / 22) ** 1.5, 0.03 + row * 0.007
        for _ in range(3):
            x, half = s.sun + rng.gauss(0, reach), rng.uniform(0.006, 0.02 + row * 0.003)
            glitter.append([(x - half, y), (x + half, y)])
    s.fill(glitter, b.light, alpha=0.8, pen=0.004)
    x, y, u = (s.sun + 0.35 * rng.choice((-1, 1))) % 0.7 + 0.15, 0.71, 0.115 / s.wide
    s.fill([[(x, y - 0.2), (x, y - 0.015), (x - u, y - 0.015)]], b.paper if b.palette not in _DARK else b.light)
    s.fill([[(x + u * 0.08, y - 0.16), (x + u * 0.08, y - 0.015), (x + u * 0.7, y - 0.015)]], b.light, b.horizon)
    s.fill([[(x - u, y), (x + u, y), (x + u * 0.6, y + 0.028), (x - u * 0.65, y + 0.028)]], s.tone(1))
    for depth in range(4):
        s.land(s.ridge(0.84 + depth * 0.05, 0.03 + depth * 0.012, 1.6 - depth * 0.25), s.tone(0.55 + depth * 0.14))


def _forest(s: _Scene) -> None:
    s.disc(0.3, 0.14)
    for row in range(5):
        depth, ground = row / 4, s.ridge(0.58 + 0.1 * row, 0.1, 0.7)
        trees: list[_Line] = []
        for _ in range(round((34 - 5 * row) * s.wide)):
            at = s.rng.randrange(121)
            (x, y), tall = ground[at], s.rng.uniform(0.1, 0.2) * (1 + 0.55 * row)
            half, y = tall * 0.17 / s.wide, y + 0.03
            side = [(half * t * k, y - tall * (1 - t)) for t in (0.25, 0.5, 0.75, 1) for k in (1, 0.55)]
            trees.append([(x, y - tall), *((x + w, v) for w, v in side), *((x - w, v) for w, v in reversed(side))])
        s.fill(trees, s.tone(depth), _mix(s.tone(depth), s.brief.horizon, 0.35 * (1 - depth)))
        s.land(ground, _mix(s.tone(depth), s.brief.horizon, 0.35 * (1 - depth)), s.tone(depth))


def _city(s: _Scene) -> None:
    b, rng = s.brief, s.rng
    s.disc(0.36, 0.17)
    for row in range(4):
        x, towers, lights = -0.02, list[_Line](), list[_Line]()
        while x < 1:
            wide = rng.uniform(0.035, 0.075) * (1 + 0.3 * row) / s.wide
            top = 0.82 - rng.uniform(0.12, 0.5) * (1 - 0.17 * row) + 0.05 * row
            towers.append([(x, 1), (x, top), (x + wide, top - rng.choice((0, 0, 0.03))), (x + wide, 1)])
            if rng.random() < 0.25:
                towers.append([(x + wide * 0.45, top), (x + wide * 0.5, top - 0.09), (x + wide * 0.55, top)])
            for step in range(int((1 - top) / 0.03)):
                for k in (0.2, 0.45, 0.7):
                    if row and rng.random() < (0.45 if b.palette in _DARK or b.palette == "sunset" else 0.2):
                        left, y = x + wide * k, top + 0.025 + 0.03 * step
                        lights.append([(left, y), (left + wide * 0.13, y), (left + wide * 0.13, y + 0.014), (left, y + 0.014)])
            x += wide * rng.uniform(1, 1.25)
        s.fill(towers, s.tone(row / 3), _mix(s.tone(row / 3), b.horizon, 0.4 - 0.12 * row))
        s.fill(lights, b.light, alpha=0.45 + 0.15 * row)


def _desert(s: _Scene) -> None:
    s.disc(0.36, 0.19)
    s.land(s.ridge(0.62, 0.1, 1.2, sharp=True), s.tone(0.12), s.tone(0))
    for row in range(5):
        crest = s.ridge(0.68 + 0.075 * row, 0.14, 0.55)
        lit, shade = _mix(s.tone(0.1 + 0.17 * row), s.brief.light, 0.16), s.tone(0.32 + 0.17 * row)
        s.land(crest, lit, _mix(lit, shade, 0.5))
        at = max(range(12, 109), key=lambda k: -crest[k][1])
        foot = [(crest[at][0] - 0.16 * t + 0.1 * math.sin(4 * t), crest[at][1] + 0.4 * t) for t in (1, 0.8, 0.6, 0.4, 0.2)]
        s.fill([[*crest[at:], (1, 1), *foot]], shade, lit)
        lines = [[(x, y + 0.02 * k) for x, y in crest] for k in range(1, 6)]
        s.fill(lines, shade, alpha=0.22, pen=0.002)


def _mountains(s: _Scene) -> None:
    s.disc(0.26, 0.14)
    for row in range(3):
        base, lit, dim = 0.78 + 0.13 * row, s.tone(0.05 + row * 0.3), s.tone(0.3 + row * 0.35)
        mist = _mix(lit, s.brief.horizon, 0.6 - 0.2 * row)
        count = max(2, round((3 + row) * s.wide))
        peaks = [((k + s.rng.uniform(0.2, 0.8)) / count, s.rng.uniform(0.28, 0.5) * (1 - 0.24 * row)) for k in range(-1, count + 1)]
        for x, tall in sorted(peaks, key=lambda peak: peak[1]):
            half, y = tall * s.rng.uniform(0.6, 0.8) / s.wide, base - tall
            split = [(x + half * s.rng.uniform(-0.2, 0.2) * t, y + tall * t) for t in (0, 0.15, 0.35, 0.6, 1)]
            s.fill([[(x - half, base), (x, y), (x + half, base)]], lit, mist)
            s.fill([[*split, (x + half if x > s.sun else x - half, base)]], dim, mist)
            if row < 2:
                edge = [(x + half * t, y + tall * (0.2 if k % 2 else 0.3)) for k, t in enumerate((0.1, 0.03, -0.05, -0.1))]
                s.fill([[(x - half * 0.21, y + tall * 0.21), (x, y), (x + half * 0.21, y + tall * 0.21), *edge]], s.brief.paper, alpha=0.8)
        s.land(s.ridge(base + 0.02, 0.06, 1.5), mist, lit)
    s.land(s.ridge(0.99, 0.1, 0.8), s.tone(1))


def _hills(s: _Scene) -> None:
    s.disc(0.32, 0.15)
    for row in range(5):
        line = s.ridge(0.62 + 0.095 * row, 0.17, 0.55 + 0.1 * row)
        s.land(line, _mix(s.tone(row / 4.5), s.brief.light, 0.12), s.tone(0.12 + row / 4.5))
        lean = s.rng.uniform(-0.5, 0.5)
        furrows = [[(x + lean * 0.02 * k, y + 0.022 * k**1.15) for x, y in line] for k in range(1, 9)]
        s.fill(furrows, s.tone(min(1, 0.35 + row / 4)), alpha=0.3, pen=0.0025)


def _space(s: _Scene) -> None:
    b, x, y = s.brief, s.sun, s.rng.uniform(0.38, 0.5)
    s.stars(160)
    s.glow(1 - x, 0.75, 0.9, b.far, 0.6)
    s.glow(x, y, 0.6, b.light, 0.25)
    radius, ring = s.rng.uniform(0.2, 0.26), [s.rng.uniform(1.45, 1.6) + 0.08 * k for k in range(4)]
    for start, end in ((24, 48), (0, 24)):
        s.fill([s.circle(x, y, radius * k, 0.26, start, end) for k in ring], b.light, alpha=0.7, pen=0.006)
        if start:
            s.fill([s.circle(x, y, radius)], b.light, b.far)
            bands = [s.circle(x, y + k * radius, radius * math.sqrt(1 - k * k), 0.12, 0, 24) for k in (-0.5, -0.1, 0.2, 0.6)]
            s.fill(bands, b.sky, alpha=0.25, pen=0.012)
    s.fill([s.circle((x + 0.45) % 0.9 + 0.05, 0.16, 0.045)], _mix(b.light, b.far, 0.3), b.far)
    s.land(s.ridge(0.88, 0.12, 0.8, sharp=True), s.tone(0.55), s.tone(0.9))
    s.land(s.ridge(0.97, 0.14, 0.6), s.tone(1))


def _sky(s: _Scene) -> None:
    b, rng = s.brief, s.rng
    s.disc(0.36, 0.21)
    white = _mix(b.horizon, b.far if b.palette in _DARK else b.paper, 0.7)
    for row in range(6):
        for _ in range(2):
            x, y, r = rng.random(), 0.2 + 0.13 * row + rng.uniform(-0.03, 0.03), 0.024 + 0.005 * row
            cloud: list[_Line] = []
            for level in range(3):
                half, at = rng.uniform(0.15, 0.2) * (1 - 0.3 * level) / s.wide, x + rng.uniform(-0.05, 0.05) * level
                right, left = (s.circle(at, y - level * r * s.wide, r, 1, k, k + 24) for k in (-12, 12))
                cloud.append([*((u + half, v) for u, v in right), *((u - half, v) for u, v in left)])
            s.fill(cloud, white, _mix(white, s.tone(row / 8), 0.35), 0.9)
    s.land(s.ridge(0.97, 0.1, 0.8), s.tone(0.6), s.tone(0.9))


def _contours(s: _Scene) -> None:
    b, waves = s.brief, [(k, s.rng.uniform(0.05, 0.3) / k, s.rng.uniform(0, math.tau)) for k in (2, 3, 4, 5)]
    stops, count, (x, y) = (b.near, b.sky, b.far, b.horizon, b.light), 14, (s.sun, s.rng.uniform(0.4, 0.6))
    for ring in range(count):
        t = ring / count
        at, share = divmod(t * 4, 1)
        circle = s.circle(0, 0, 1.5 * (1 - t) ** 1.15)
        bent = [1 + (1 - t / 2) * sum(a * math.sin(k * math.tau * i / 48 + p + t) for k, a, p in waves) for i in range(49)]
        shape = [(x + u * f, y + v * f) for (u, v), f in zip(circle, bent, strict=True)]
        s.fill([[(u + 0.005, v + 0.012) for u, v in shape]], b.near, alpha=0.3)  # the shadow of cut paper
        s.fill([shape], _mix(stops[int(at)], stops[int(at) + 1], share))


def _flow(s: _Scene) -> None:
    b, rng = s.brief, s.rng
    s.image.paste(_gradient(s.size, b.near, _mix(b.near, b.sky, 0.6)))
    f, g, p, q = rng.uniform(1.5, 3), rng.uniform(1.5, 3.5), rng.random() * 6, rng.random() * 6
    for colour in (b.far, b.sky, b.horizon, b.light):
        lines: list[_Line] = []
        for _ in range(60):
            x, y, line = rng.uniform(-0.1, 1), rng.random(), list[tuple[float, float]]()
            for _ in range(26):
                line.append((x, y))
                turn = 0.9 * math.sin(f * x * s.wide + p) + 1.1 * math.sin(g * y + q)
                x, y = x + 0.018 * math.cos(turn) / s.wide, y + 0.018 * math.sin(turn)
            lines.append(line)
        s.fill(lines, colour, alpha=0.9, pen=0.006)


def _tiles(s: _Scene) -> None:
    b, rng = s.brief, s.rng
    colours, rows = (b.sky, b.horizon, b.light, b.far, b.near), 4
    columns = max(1, round(rows * s.size[0] / s.size[1])) if s.size[0] < 8 * s.size[1] else 32
    for row in range(rows):
        for column in range(columns):
            ground, shape = rng.sample(colours, 2)
            x, y, w, h = column / columns, row / rows, 1 / columns, 1 / rows
            s.fill([[(x, y), (x + w, y), (x + w, y + h), (x, y + h)]], ground)
            turn, kind = rng.randrange(4), rng.randrange(4)
            cx, cy = x + w * (turn in {1, 2}), y + h * (turn > 1)
            quarter = [(cx, cy), *((cx + w * math.cos(a), cy + h * math.sin(a)) for a in (math.pi / 2 * (turn + k / 16) for k in range(17)))]
            half = [(x + w / 2 + w / 2 * math.cos(a), y + h / 2 + h / 2 * math.sin(a)) for a in (math.tau / 48 * k for k in range(49 if kind else 25))]
            s.fill([quarter if kind > 1 else half], shape)


_PLACES = {
    "sea": _sea, "forest": _forest, "city": _city, "desert": _desert, "mountains": _mountains, "hills": _hills,
    "space": _space, "sky": _sky, "contours": _contours, "flow": _flow, "tiles": _tiles,
}  # fmt: skip


def _scene(size: _Size, brief: _Brief, title: bool = False) -> Image.Image:
    s = _Scene(size, brief)
    if brief.palette in _DARK and brief.place not in {"space", "contours", "flow", "tiles"}:
        s.stars(130)
    if "aurora" in brief.weather:
        _aurora(s)
    _PLACES[brief.place](s)
    _weather(s)
    return s.image


def _aurora(s: _Scene) -> None:
    for curtain, colour in enumerate((s.brief.light, s.brief.horizon, s.brief.light)):
        foot = s.ridge(0.36 + 0.1 * curtain, 0.2, 0.9)
        for step in range(8):
            rise = 0.03 * (step + 1) ** 1.2
            s.fill([[*foot, *((x, y - rise) for x, y in reversed(foot))]], colour, alpha=0.09)


def _weather(s: _Scene) -> None:
    rng, b = s.rng, s.brief
    if "fog" in b.weather:
        for k in range(5):
            s.fill([[*s.ridge(0.5 + 0.12 * k, 0.1, 0.5), *reversed(s.ridge(0.62 + 0.12 * k, 0.1, 0.5))]], b.horizon, alpha=0.3)
    if "rain" in b.weather:
        drops = [(rng.uniform(0, 1.2), rng.uniform(-0.1, 1), rng.uniform(0.03, 0.09)) for _ in range(round(150 * s.wide))]
        s.fill([[(x, y), (x - 0.28 * long / s.wide, y + long)] for x, y, long in drops], b.horizon, alpha=0.55, pen=0.003)
    if "snow" in b.weather:
        for radius in (0.003, 0.005, 0.008):
            s.fill([s.circle(rng.random(), rng.random(), radius) for _ in range(round(60 * s.wide))], (255, 255, 255), alpha=0.8)


def _grained(picture: Image.Image, brief: _Brief) -> Image.Image:
    """Fine noise, which hides the steps of gradients."""
    tile = Image.frombytes("L", (256, 256), brief.rng("grain").randbytes(1 << 16))
    noise = Image.new("L", picture.size)
    for x in range(0, picture.width, 256):
        for y in range(0, picture.height, 256):
            noise.paste(tile, (x, y))
    grain = _looked_up(noise, [round(v * 14 / 255) for v in range(256)])
    return ImageChops.add(picture, Image.merge("RGB", (grain, grain, grain)), 1, -7)


def _gradient(size: _Size, top: _RGB, bottom: _RGB) -> Image.Image:
    column = Image.linear_gradient("L").resize((1, size[1]))
    channels = [_looked_up(column, [round(a + (b - a) * v / 255) for v in range(256)]) for a, b in zip(top, bottom, strict=True)]
    return Image.merge("RGB", channels).resize(size, Image.Resampling.NEAREST)


def _looked_up(picture: Image.Image, table: Sequence[int]) -> Image.Image:
    return picture.point(table)  # pyright: ignore[reportUnknownMemberType]


# Type. A font is the path of its file; an empty one is the font that comes with Pillow.

_STRIKES = (109, 136, 160)
_WIDE = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
_TOKEN = re.compile(rf"\s+|[{_WIDE}][、。，．！？：；」』）]*|[^\s{_WIDE}]+")
_SHAPED = re.compile("[\u0590-\u10ff\u1780-\u17ff]")


def _clean(prompt: str) -> str:
    """The prompt on one line, without what cannot be printed."""
    text = unicodedata.normalize("NFC", " ".join(prompt[: 4 * _MOST_CHARACTERS].split()))
    kept = "".join(c for c in text if unicodedata.category(c) not in {"Cc", "Cs", "Co", "Cn"})
    return " ".join(kept.split())[:_MOST_CHARACTERS]


@cache
def _fonts() -> tuple[str, ...]:
    """Pillow's own font, and the system's: colour emoji first, then bold and upright faces without serifs."""
    home, windows = Path.home(), os.environ.get("WINDIR", "C:/Windows")
    data = os.environ.get("XDG_DATA_HOME") or home / ".local/share"
    folders = [Path(data, "fonts"), home / ".fonts", home / "Library/Fonts", Path(windows, "Fonts")]
    folders += map(Path, ("/usr/local/share/fonts", "/usr/share/fonts", "/Library/Fonts", "/System/Library/Fonts"))
    files = [file for folder in folders for file in folder.rglob("*") if file.suffix.lower() in {".ttf", ".otf", ".ttc"}]

    def rank(file: Path) -> tuple[object, ...]:
        odd = re.search("Italic|Oblique|Mono|Cond|Light|Thin|Black|LastResort|Display", file.stem)
        return "Emoji" not in file.stem, bool(odd), "Serif" in file.stem, "Bold" not in file.stem, len(file.stem), str(file)

    return "", *map(str, sorted(files, key=rank))


@lru_cache(maxsize=64)
def _font(file: str, pixels: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.truetype(file, pixels) if file else ImageFont.load_default(pixels)


@lru_cache(maxsize=1024)
def _strike(file: str) -> int:
    """The only size of a font of bitmaps, 0 for any other font, -1 if it cannot be read."""
    for size in (0, *_STRIKES):
        try:
            _font(file, size or 32)
        except OSError:
            continue
        return size
    return -1


@lru_cache(maxsize=1 << 16)
def _has(file: str, character: str) -> bool:
    strike = _strike(file)
    if strike < 0 or ("Emoji" in file and character < "\u2000"):  # they have digits, without a shape of their own
        return False
    if _SHAPED.match(character) and not features.check_feature("raqm"):
        return False
    font = _font(file, strike or 32)
    return bytes(font.getmask(character)) != bytes(font.getmask("\uffff"))


@lru_cache(maxsize=64)
def _choice(title: str) -> dict[str, str]:
    """The font for each character: as few fonts as will do, the first ones first."""
    missing = {c for c in title if c.isprintable() and c != " " and not _joins(c)}
    chosen: dict[str, str] = {}
    while missing:
        best = next((f for f in _fonts() if all(_has(f, c) for c in missing)), None)
        best = best if best is not None else max(_fonts(), key=lambda f: sum(_has(f, c) for c in missing))
        found = {c for c in missing if _has(best, c)}
        if not found:
            break
        chosen |= dict.fromkeys(found, best)
        missing -= found
    return chosen


def _joins(character: str) -> bool:
    return unicodedata.category(character) in {"Mn", "Mc", "Me", "Cf"}


def _runs(text: str, fonts: dict[str, str]) -> list[tuple[str, str]]:
    """Stretches of one font; what no font has becomes a dot."""
    runs: list[tuple[str, str]] = []
    for character in text:
        file = fonts.get(character)
        if runs and (character == " " or _joins(character)):
            file = runs[-1][0]
        elif file is None:
            file, character = "", "·" if runs[-1:] != [("", "·")] else ""
        if runs and runs[-1][0] == file:
            runs[-1] = file, runs[-1][1] + character
        else:
            runs.append((file, character))
    return runs
