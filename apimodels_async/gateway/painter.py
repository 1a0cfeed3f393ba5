"""The painter: seeded posters at the place and in the colours of the prompt's words, with the prompt as the title."""

import math
import random
import re
import tomllib
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageFilter, ImageFont, ImageOps, features

from apimodels_async.gateway.encoding import MARK, decode, decode_mask, encode, flattened, mapped

__all__ = ["paint"]

_RGB = tuple[int, int, int]
_Size = tuple[int, int]
_Points = list[tuple[float, float]]

_TABLES: dict[str, Any] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
_LONGEST, _LEADING, _SMALLEST_TITLED, _LARGE = 600, 1.2, 128, 6e6  # characters; of the type's size; pixels: side, area
_CJK = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
_TOKEN = re.compile(rf" |[{_CJK}][\u3001-\u3011\uff01-\uff1f]*|[^ {_CJK}]{{1,24}}")
_ROOFS = [(0, 0), (1, 0)], [(0, 0), (1, -0.03)], [(0, 0), (0.4, 0), (0.5, -0.09), (0.6, 0), (1, 0)]
_PEAK: _Points = [(-1, 1), (0, 0), (1, 1)]
_SNOW: _Points = [(-0.21, 0.21), (0, 0), (0.21, 0.21), (0.1, 0.3), (0.03, 0.2), (-0.05, 0.3), (-0.1, 0.2)]
_SAIL: _Points = [(0, 0.51), (0, 0.7), (-1, 0.7)]
_BOAT: list[_Points] = [_SAIL, [(0.08, 0.55), (0.08, 0.7), (0.7, 0.7)], [(-1, 0.71), (1, 0.71), (0, 0.75)]]


def _named(table: str, text: str, part: int = 0) -> list[str]:
    """The entries of a table that the text names, in the text's order. `part`: which side of the bar has the words."""
    words = {form for word in re.findall("[a-z]+", text) for form in (word, re.sub("e?s$", "", word), word.rstrip("s"))}
    found: dict[str, int] = {}
    for name, listed in _TABLES[table].items():
        for word in f"{listed}|".split("|")[part].split():
            if word in words if word.isascii() else word in text:
                found[name] = max(text.rindex(word), found.get(name, 0))
    return sorted(found, key=found.__getitem__)


def _mix(one: str | _RGB, other: str | _RGB, share: float) -> _RGB:
    ends = [ImageColor.getrgb(colour)[:3] if isinstance(colour, str) else colour for colour in (one, other)]
    return cast("_RGB", tuple(round(a + (b - a) * share) for a, b in zip(*ends, strict=True)))


def _gradient(size: _Size, top: _RGB, low: _RGB) -> Image.Image:
    ends = Image.new("RGB", (1, 2), top)
    ends.putpixel((0, 1), low)
    return ends.resize((1, size[1]), Image.Resampling.BILINEAR, (0, 0.5, 1, 1.5)).resize(size, Image.Resampling.NEAREST)


class _Brief:
    """What is to be painted, as read from the prompt. The colours: sky, horizon, light, far, near, paper, ink."""

    def __init__(self, prompt: str, model: str, seed: int, index: int) -> None:
        key = f"{model}\0{seed}\0{prompt}".encode("utf-8", "surrogatepass")
        start = random.Random(key).randrange(1 << 16) + index  # noqa: S311  (decoration, not secrets)
        self.prompt, self.index, self.rng = prompt, index, random.Random(b"%d\0" % index + key)  # noqa: S311
        text, palettes, usual = prompt[:_LONGEST].lower(), _TABLES["palettes"], _TABLES["usual"]
        self.place = (_named("places", text) or _named("places", text, part=1) or ["abstract"])[-1]
        self.weather, moods = _named("weather", text), _named("palettes", text, part=1)
        choice = self.place if self.place in palettes else usual[start % len(usual)]
        colours = palettes[next((name for name in palettes if name in moods), choice)].split("|")[0].split()
        tint = _named("colours", text)[:1] if not moods else []
        shares = (0.65, 0.3, 0.1, 0.5, 0.25, 0, 0)
        self.colours = [_mix(c, (tint or [c])[0], share) for c, share in zip(colours, shares, strict=True)]


class _Scene:
    """A picture in layers. Points are fractions of its sides, radii of its shorter side; depths from far, 0, to 1."""

    def __init__(self, size: _Size, brief: _Brief) -> None:
        self.brief, self.size, self.rng, self.side = brief, size, brief.rng, min(size)
        self.sky, self.horizon, self.light, self.far, self.near, self.white = brief.colours[:6]
        self.dark, self.wide = sum(self.white) < 300, max(0.2, min(size[0] / size[1], 5))
        self.bright = self.light if self.dark else self.white
        self.detail = 2 if size[0] * size[1] < 3_000_000 else 1  # shapes are drawn larger: edges become smooth
        self.image = _gradient(size, self.sky, self.horizon)
        self.sun = 0.2 + 0.6 * ((self.rng.random() * 0.3 + brief.index * 0.618) % 1)  # the golden ratio spreads them

    def tone(self, depth: float, mist: float = 0) -> _RGB:
        return _mix(_mix(self.far, self.near, min(1, depth)), self.horizon, mist)

    def fill(self, shapes: list[_Points], top: _RGB, low: _RGB | None = None, alpha: float = 1, pen: float = 0) -> None:
        """Polygons, shaded from `top` to `low`, or lines as wide as the pen."""
        k, ink, edge = self.detail, round(255 * alpha), pen * self.side + 1
        shapes = [[(x * self.size[0], y * self.size[1]) for x, y in shape] for shape in shapes]
        xs, ys = ([point[axis] for shape in shapes for point in shape] or [-9.0] for axis in (0, 1))
        left, up = max(0, int(min(xs) - edge)), max(0, int(min(ys) - edge))
        right, down = min(self.size[0], int(max(xs) + edge)), min(self.size[1], int(max(ys) + edge))
        size = max(1, right - left), max(1, down - up)
        mask = Image.new("L", (size[0] * k, size[1] * k))
        draw = ImageDraw.Draw(mask)
        for shape in shapes:
            points, wide = [((x - left) * k, (y - up) * k) for x, y in shape], max(1, round(pen * self.side * k))
            draw.line(points, ink, wide, "curve") if pen else draw.polygon(points, ink)
        self.image.paste(_gradient(size, top, low) if low else top, (left, up), mask.reduce(k))

    def circle(self, x: float, y: float, r: float, squash: float = 1, arc: tuple[int, int] = (0, 48)) -> _Points:
        across, down = (r * self.side / side for side in self.size)
        turns = [math.tau * step / 48 for step in range(arc[0], arc[1] + 1)]
        return [(x + across * math.cos(turn), y + down * squash * math.sin(turn)) for turn in turns]

    def ridge(self, base: float, height: float, waves: float) -> _Points:
        turn, p, q = waves * self.wide * self.rng.uniform(0.052, 0.079), self.rng.uniform(0, 7), self.rng.uniform(0, 7)
        rises = [2 + math.sin(turn * k + p) + math.sin(2.2 * turn * k + q) / 2 for k in range(97)]
        return [(k / 96, base - height * rise / 3.2) for k, rise in enumerate(rises)]

    def disc(self, y: float, radius: float) -> None:
        """The sun or the moon in its light; in space a planet between the halves of its rings."""
        x, reach, planet = self.sun, max(1, round(4 * radius * self.side)), self.brief.place == "space"
        mask = mapped(Image.radial_gradient("L"), lambda v: 180 * max(0, 1 - v / 178) ** 1.7)
        corner = round(x * self.size[0]) - reach, round(y * self.size[1]) - reach
        self.image.paste(self.light, corner, mask.resize((2 * reach, 2 * reach)))
        radii = [radius * k for k in (1.5, 1.58, 1.66, 1.74) if planet]
        low = _mix(self.light, self.far, 0.85) if planet else _mix(self.light, self.horizon, 0.35)
        self.fill([self.circle(x, y, r, 0.26, (24, 48)) for r in radii], self.light, pen=0.005)
        self.fill([self.circle(x, y, radius)], self.light, low)
        self.fill([self.circle(x, y, r, 0.26, (0, 24)) for r in radii], self.light, pen=0.005)

    def land(self, rows: int, base: float, height: float, dress: Callable[[_Points, float], None]) -> None:
        """Rows of hills towards the viewer, each dressed with what stands on it."""
        for depth in (row / (rows - 1) for row in range(rows)):
            line = self.ridge(base + (1 - base) * 0.97 * depth, height, 0.6)
            self.fill([[*line, (1, 1), (0, 1)]], self.tone(depth, 0.35 - 0.35 * depth), self.tone(depth))
            dress(line, depth)

    def furrows(self, line: _Points, depth: float) -> None:
        lines = [[(x, y + 0.022 * k**1.15) for x, y in line] for k in range(1, 8)]
        self.fill(lines, self.tone(depth + 0.3), alpha=0.3, pen=0.0025)

    def trees(self, line: _Points, depth: float) -> None:
        trees, wide = list[_Points](), 6 * self.wide
        for _ in range(round((34 - 20 * depth) * self.wide)):
            (x, y), tall = self.rng.choice(line), self.rng.uniform(0.1, 0.2) * (1 + 2.2 * depth)
            side = [(tall * t * k / wide, y - tall * (1 - t)) for t in (0.3, 0.5, 0.75, 1.1) for k in (1, 0.55)]
            trees.append([(x, y - tall), *((x + w, v) for w, v in side), *((x - w, v) for w, v in reversed(side))])
        self.fill(trees, self.tone(depth), self.tone(depth, 0.35 - 0.35 * depth))

    def towers(self, _: _Points, depth: float) -> None:
        rng, x, towers, windows = self.rng, -0.02, list[_Points](), list[_Points]()
        while x < 1:
            wide = rng.uniform(0.035, 0.075) * (1 + depth) / self.wide
            top = 0.82 - rng.uniform(0.12, 0.5) * (1 - 0.5 * depth) + 0.14 * depth
            towers.append([(x, 1), *((x + wide * u, top + v) for u, v in rng.choice(_ROOFS)), (x + wide, 1)])
            spots = [(x + wide * u, top + 0.03 * k) for k in range(1, int((1 - top) / 0.03)) for u in (0.2, 0.45, 0.7)]
            windows += [[(u, v), (u + wide * 0.13, v)] for u, v in spots if rng.random() < 0.25 + 0.2 * self.dark]
            x += wide * rng.uniform(1, 1.25)
        self.fill(towers, self.tone(depth), self.tone(depth, 0.4 - 0.36 * depth))
        self.fill(windows, self.light, alpha=0.85 * depth, pen=0.013)

    def peaks(self, line: _Points, depth: float) -> None:
        lit, dim, mist = self.tone(0.7 * depth), self.tone(0.3 + 0.7 * depth), self.tone(depth, 0.6 - 0.5 * depth)
        for _ in range(max(2, round((3 + 2 * depth) * self.wide))):
            (x, base), tall = self.rng.choice(line), self.rng.uniform(0.28, 0.5) * (1 - 0.55 * depth)
            y, half = base + 0.12 - tall, tall * self.rng.uniform(0.6, 0.8) / self.wide
            shade: _Points = [(self.rng.uniform(-0.2, 0.2) * t, t) for t in (0, 0.15, 0.35, 0.6, 1)]
            shade.append((math.copysign(1, x - self.sun), 1))
            for face, top, low in ((_PEAK, lit, mist), (shade, dim, mist), (_SNOW, self.white, lit)):
                self.fill([[(x + half * u, y + tall * v) for u, v in face]], top, low)

    def sea(self) -> None:
        self.fill([[*self.ridge(0.68, 0.2, 0.9), (1, 0.6), (0, 0.6)]], self.tone(0.15), self.tone(0.05))
        self.fill([[(0, 0.6), (1, 0.6), (1, 1), (0, 1)]], self.tone(0.3, 0.45), self.tone(0.85))
        spots = [(self.sun + self.rng.gauss(0, 0.03 + 0.002 * k), 0.61 + 0.0008 * k**1.5, k / 3000) for k in range(60)]
        self.fill([[(x - 0.01 - w, y), (x + 0.01 + w, y)] for x, y, w in spots], self.light, alpha=0.8, pen=0.004)
        x, u = (self.sun + 0.35) % 0.7 + 0.15, 0.115 / self.wide
        for part, colour in zip(_BOAT, (self.bright, self.light, self.near), strict=True):
            self.fill([[(x + u * across, y) for across, y in part]], colour)

    def contours(self) -> None:
        waves = [(k, self.rng.uniform(0.05, 0.3) / k, self.rng.uniform(0, 7)) for k in (2, 3, 4, 5)]
        stops, y = (self.near, self.sky, self.far, self.horizon, self.light), self.rng.uniform(0.4, 0.6)
        for t in (ring / 14 for ring in range(14)):
            bends = [1 + (1 - t / 2) * sum(a * math.sin(k * i / 7.64 + p + t) for k, a, p in waves) for i in range(49)]
            ring = zip(self.circle(0, 0, 1.5 * (1 - t) ** 1.15), bends, strict=True)
            shape = [(self.sun + u * bend, y + v * bend) for (u, v), bend in ring]
            self.fill([[(u + 0.005, v + 0.012) for u, v in shape]], self.near, alpha=0.3)  # the shadow of cut paper
            self.fill([shape], _mix(stops[int(t * 4)], stops[int(t * 4) + 1], t * 4 % 1))

    def overhead(self, place: str) -> None:
        for radius, count in ((0.002, 90), (0.0035, 25), (0.006, 6)) if self.dark else ():
            stars = [(self.rng.random(), self.rng.random() ** 1.5 * 0.8) for _ in range(count)]
            self.fill([self.circle(x, y, radius)[::6] for x, y in stars], self.light, alpha=0.85)
        for rise in (0.03, 0.06, 0.1, 0.15, 0.21, 0.28, 0.36) if "aurora" in self.brief.weather else ():
            for foot in (self.ridge(0.45, 0.2, 0.9), self.ridge(0.65, 0.2, 0.9)):
                self.fill([foot + [(x, y - rise) for x, y in reversed(foot)]], self.light, alpha=0.1)
        self.disc(0.36, 0.2 if place in {"space", "sky", "desert"} else 0.14)
        if place == "sea":
            self.sea()

    def finished(self) -> Image.Image:
        """With clouds, fog, rain or snow, and a grain that hides the steps of gradients."""
        rng, kinds = self.rng, self.brief.weather
        for level in (0.5, 0.62, 0.74, 0.86) if "fog" in kinds or self.brief.place == "sky" else ():
            bank = self.ridge(level, 0.1, 0.5)
            self.fill([bank + [(x, y + 0.1) for x, y in reversed(bank)]], self.horizon, alpha=0.35)
        drops = [(rng.uniform(0, 1.2), rng.uniform(-0.1, 1), rng.uniform(0.03, 0.09)) for _ in range(150)]
        if "rain" in kinds:
            self.fill([[(x, y), (x - 0.3 * d, y + d)] for x, y, d in drops], self.horizon, alpha=0.6, pen=0.003)
        if "snow" in kinds:
            self.fill([self.circle(x, y, d / 11) for x, y, d in drops], (255, 255, 255), alpha=0.85)
        noise = mapped(Image.frombytes("L", self.size, rng.randbytes(self.size[0] * self.size[1])), lambda v: v / 25.5)
        return ImageChops.add(self.image, Image.merge("RGB", (noise, noise, noise)), 1, -5)

    def painted(self) -> Image.Image:
        place, low = self.brief.place, {"space": 0.92, "sky": 0.92, "sea": 0.84}
        dress = {"forest": self.trees, "city": self.towers, "mountains": self.peaks}.get(place, self.furrows)
        if place == "abstract":
            self.contours()
        else:
            self.overhead(place)
            self.land(3 if place in low else 5, low.get(place, 0.62), 0.07 if place in low else 0.14, dress)
        return self.finished()


@lru_cache(maxsize=512)
def _font(name: str, pixels: int) -> ImageFont.FreeTypeFont:
    """A font of the system, or without a name the one that comes with Pillow. Emoji often have one size only."""
    for size in (109, 136, 160) if name in _TABLES["fonts"]["emoji"] else ():
        with suppress(OSError):
            return ImageFont.truetype(name, size)
    return ImageFont.truetype(name, pixels) if name else cast("ImageFont.FreeTypeFont", ImageFont.load_default(pixels))


@lru_cache(maxsize=4096)
def _has(name: str, character: str) -> bool:
    joined = "\u0590" <= character <= "\u10ff" and not features.check_feature("raqm")
    if joined or (character < "\u2000" and name in _TABLES["fonts"]["emoji"]):  # emoji have digits without a shape
        return False
    with suppress(OSError):
        return len({bytes(cast("bytes", _font(name, 32).getmask(c))) for c in (character, "\uffff")}) > 1
    return False


class _Title:
    """A prompt in type as large as the room allows, in Pillow's own font or else in those of the system."""

    def __init__(self, prompt: str, width: float, height: float, largest: float) -> None:
        text = unicodedata.normalize("NFC", " ".join(prompt[: 4 * _LONGEST].encode("utf-8", "ignore").decode().split()))
        text = "".join(c for c in text if unicodedata.category(c) not in {"Cc", "Co", "Cn"}).strip() or "Untitled"
        text = text[:_LONGEST] + "…" * (len(text) > _LONGEST)
        self.fonts: dict[str, str | None] = dict.fromkeys(text + "…", "")
        if not all(_has("", c) for c in self.fonts):
            names = (*_TABLES["fonts"]["emoji"], *_TABLES["fonts"]["text"], "")
            self.fonts = {c: next((name for name in names if _has(name, c)), None) for c in self.fonts}
            if 2 * sum(self.fonts[c] is None for c in text) > len(text.replace(" ", "")):
                self.fonts = dict.fromkeys(text := "The title is in this file's metadata", "")
        self.right = next((unicodedata.bidirectional(c) != "L" for c in text if c.isalpha()), False)
        tokens = [(token, self.length(token, 64) / 63) for token in _TOKEN.findall(text)]
        longest, lines, pixels = max(length for _, length in tokens), [""], largest
        for pixels in (max(9.0, largest * 0.94**k) for k in range(18)):
            lines = _wrapped(tokens, width / pixels)
            fits = longest * pixels <= width and len(lines) * pixels * _LEADING <= height
            if fits and len(lines) <= 1 + largest / pixels:
                break
        most, even = max(1, int(height / pixels / _LEADING)), 0.95 * width / pixels
        if len(lines) > most:
            lines = [*lines[: most - 1], lines[most - 1][:-2].rstrip() + "…"]
        while len(lines) > 1 and even > longest and len(closer := _wrapped(tokens, even)) == len(lines):
            lines, even = closer, even * 0.95  # lines of about the same length
        self.lines, self.pixels, self.height = lines, int(pixels), round(len(lines) * pixels * _LEADING)

    def runs(self, text: str, pixels: float) -> list[tuple[ImageFont.FreeTypeFont, str]]:
        """Stretches of one font. What no font has becomes a dot."""
        runs = [(self.fonts.get(" ") or "", "")]
        for c in text:
            name, shown, before = self.fonts.get(c, ""), c, runs[-1][0]
            if c == " " and before not in _TABLES["fonts"]["emoji"]:
                name = before
            elif (category := unicodedata.category(c)) in {"Mn", "Mc", "Me", "Cf"}:
                name, shown = before, c if category == "Cf" or _has(before, c) else ""
            elif name is None:
                name, shown = "", "" if runs[-1][1].endswith("·") else "·"
            runs[-1:] = [(name, runs[-1][1] + shown)] if name == before else [runs[-1], (name, shown)]
        return [(_font(name, int(pixels)), run) for name, run in runs if run]

    def length(self, text: str, pixels: float) -> float:
        return sum(font.getlength(run) * pixels / font.size for font, run in self.runs(text, pixels))

    def draw(self, sheet: Image.Image, left: int, top: float, width: float, ink: _RGB) -> None:
        for number, line in enumerate(self.lines):
            y = top + self.pixels * (0.95 + _LEADING * number)
            x = left + (width - self.length(line, self.pixels)) * self.right
            for font, run in self.runs(line, self.pixels)[:: -1 if self.right else 1]:
                long, scale = font.getlength(run), self.pixels / font.size
                if scale == 1:
                    ImageDraw.Draw(sheet).text((x, y), run, ink, font, "ls")
                else:
                    cell = Image.new("RGBA", (math.ceil(long), round(font.size * 1.3)))
                    ImageDraw.Draw(cell).text((0, font.size), run, ink, font, "ls", embedded_color=True)
                    cell = cell.resize((max(1, round(long * scale)), round(self.pixels * 1.3)))
                    sheet.paste(cell, (round(x), round(y - self.pixels)), cell)
                x += long * scale


def _wrapped(tokens: list[tuple[str, float]], width: float) -> list[str]:
    lines, room = [""], width
    for part, length in tokens:
        if length > room and lines[-1]:
            lines, room = [*lines, ""], width
        lines[-1], room = (lines[-1] + part).lstrip(), room - length
    return [line.rstrip() for line in lines]


def _sheet(size: _Size, brief: _Brief, inputs: Sequence[Image.Image]) -> Image.Image:
    """A poster: a picture with the title and the mark below it."""
    (width, height), side, (paper, ink) = size, min(size), brief.colours[5:]
    if side < _SMALLEST_TITLED:
        return ImageOps.pad(_pictured(size, brief, inputs), size, color=paper)
    margin, small = round(side * 0.05), max(8, round(side * 0.02))
    title = _Title(brief.prompt, width - 2 * margin, height * 0.36, side * (0.05 if len(inputs) == 1 else 0.085))
    room = width - 2 * margin, height - title.height - round(2.6 * margin) - 2 * small
    painted, sheet = ImageOps.contain(_pictured(room, brief, inputs), room), Image.new("RGB", size, paper)
    sheet.paste(painted, ((width - painted.width) // 2, margin + (room[1] - painted.height) // 2))
    title.draw(sheet, margin, 1.6 * margin + room[1], room[0], ink)
    _Title(MARK, room[0], 2 * small, small).draw(sheet, margin, height - margin - small, room[0], _mix(ink, paper, 0.3))
    return sheet


def _pictured(size: _Size, brief: _Brief, inputs: Sequence[Image.Image]) -> Image.Image:
    """The one input edited, or a scene with the inputs on it; a large one at half the size, to be enlarged."""
    picture, k = _edited if len(inputs) == 1 else _composed, 2 if size[0] * size[1] > _LARGE else 1
    return picture((math.ceil(size[0] / k), math.ceil(size[1] / k)), brief, inputs)


def _edited(size: _Size, brief: _Brief, inputs: Sequence[Image.Image]) -> Image.Image:
    """The whole input, its captions too, in the light and the weather of the prompt."""
    plain = ImageOps.contain(flattened(inputs[0]), size)
    scene = _Scene(plain.size, brief)
    tones = ImageOps.colorize(ImageOps.grayscale(plain), scene.near, scene.bright, scene.far)
    scene.image = Image.blend(plain, tones, 0.6)
    return scene.finished()


def _composed(size: _Size, brief: _Brief, inputs: Sequence[Image.Image]) -> Image.Image:
    """A scene, and all inputs as prints on it."""
    picture, count = _Scene(size, brief).painted(), len(inputs)
    columns = max(1, min(count, math.ceil(math.sqrt(count * size[0] / size[1]))))
    wide, high = size[0] / columns, size[1] / max(1, math.ceil(count / columns))
    border = max(1, round(min(wide, high) * 0.025))
    for k, source in enumerate(inputs):
        row, column = divmod(k, columns)
        across = size[0] / min(columns, count - row * columns)  # a row that is not full spreads
        card = ImageOps.contain(flattened(source), (math.ceil(wide * 0.8), math.ceil(high * 0.8)))
        card = ImageOps.expand(card, border, brief.colours[5]).convert("RGBA")
        card = card.rotate(brief.rng.uniform(-7, 7), Image.Resampling.BICUBIC, expand=True)
        x, y = round(across * (column + 0.5) - card.width / 2), round(high * (row + 0.5) - card.height / 2)
        shadow = card.getchannel("A").filter(ImageFilter.GaussianBlur(border))
        picture.paste(brief.colours[4], (x + border, y + border), mapped(shadow, lambda v: v * 0.45))
        picture.paste(card, (x, y), card)
    return picture


def _masked(size: _Size, brief: _Brief, source: Image.Image, region: Image.Image) -> Image.Image:
    """A scene where the region is 255, and every other pixel as it was."""
    picture, box = source if source.size == size else source.resize(size), region.getbbox() or (0, 0, *size)
    region = region.crop(box)
    painted = _pictured(region.size, brief, ()).resize(region.size)
    for inset in (0, 0.15):  # the title stands on a rectangle that is all masked, as in a box or an ellipse
        x, y = (round(side * inset) for side in region.size)
        width, height = region.width - 2 * x, region.height - 2 * y
        if min(width, height) >= 64 and region.crop((x, y, x + width, y + height)).getextrema()[0] == 255:
            pad = round(min(width, height) * 0.06)
            title = _Title(brief.prompt, width - 2 * pad, height * 0.5, min(width, height) * 0.12)
            top = y + height - title.height - 2 * pad
            painted.paste(brief.colours[5], (x, top, x + width, y + height))
            title.draw(painted, x + pad, top + pad, width - 2 * pad, brief.colours[6])
            break
    if picture.mode == "RGB":
        region = ImageChops.darker(region, region.filter(ImageFilter.GaussianBlur(min(region.size) / 90)))
    picture.paste(painted, box[:2], region)
    return picture


def paint(
    *,
    prompt: str,
    model: str,
    seed: int,
    index: int,
    size: tuple[int, int],
    output_format: str,
    images: Sequence[bytes] = (),
    mask: bytes | None = None,
) -> bytes:
    """Paint one picture as `gallery.Paint` says: one image is edited, several are fused.

    Raises:
        ValueError: an input is not a picture, or the format is unknown.
    """
    brief, inputs = _Brief(prompt, model, seed, index), [decode(data) for data in images]
    region = decode_mask(mask, size) if mask is not None and len(inputs) == 1 else None
    picture = _sheet(size, brief, inputs) if region is None else _masked(size, brief, inputs[0], region)
    return encode(picture, output_format, prompt=prompt, model=model, seed=seed, exact=region is not None)
