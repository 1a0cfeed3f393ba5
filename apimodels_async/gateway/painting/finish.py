"""The last touches: smoothing, grain, vignette and the styles a prompt may ask for."""

import random
from functools import cache

from PIL import Image, ImageChops, ImageEnhance, ImageFilter, ImageOps

from .colour import RGB
from .pixels import mapped, resized, sparingly

_TILE = 256
_TECHNIQUES = frozenset(("pixel", "watercolor", "mono", "vintage", "neon"))
_MANY_PIXELS = 3_000_000


def grain(picture: Image.Image, amount: int = 3) -> None:
    """Lay fine grain on the picture in place, band by band to spare memory."""
    width, height = picture.size
    tile = _grain_tile(amount)
    band = Image.new("RGB", (width, min(_TILE, height)))
    for x in range(0, width, _TILE):
        band.paste(tile, (x, 0))
    for y in range(0, height, _TILE):
        box = (0, y, width, min(y + _TILE, height))
        noise = band.crop((0, 0, width, box[3] - y))
        picture.paste(ImageChops.add(picture.crop(box), noise, 1, -128), box)


@cache
def _grain_tile(amount: int) -> Image.Image:
    dice = random.Random(amount)  # noqa: S311 - decoration, and the same every time
    noise = Image.frombytes("L", (_TILE, _TILE), dice.randbytes(_TILE * _TILE))
    noise = mapped(noise, [128 + round(((v - 127.5) / 127.5) ** 3 * amount) for v in range(256)])
    return Image.merge("RGB", (noise, noise, noise))


def vignette(picture: Image.Image, colour: RGB, strength: float = 0.15) -> None:
    """Deepen the corners in place."""
    curve = [round(max(0.0, (v / 208 - 0.6) / 0.4) ** 2 * strength * 255) for v in range(256)]
    mask = resized(
        mapped(Image.radial_gradient("L").crop((24, 24, 232, 232)), curve), picture.size, Image.Resampling.BILINEAR
    )
    picture.paste(colour, (0, 0), mask)


def styled(picture: Image.Image, moods: frozenset[str], rng: random.Random) -> Image.Image:
    """Apply what the prompt says about technique."""
    if not moods & _TECHNIQUES:
        return picture
    return sparingly(picture, lambda plain: _restyled(plain, moods, rng))


def _restyled(picture: Image.Image, moods: frozenset[str], rng: random.Random) -> Image.Image:
    if "pixel" in moods:
        picture = _pixels(picture)
    if "watercolor" in moods:
        picture = _watercolour(picture, rng)
    if "mono" in moods:
        picture = ImageOps.grayscale(picture).convert("RGB")
    if "vintage" in moods:
        tone = ImageOps.colorize(ImageOps.grayscale(picture), (52, 38, 30), (250, 238, 210), mid=(176, 142, 100))
        picture = Image.blend(picture, tone, 0.45)
    if "neon" in moods:
        picture = _glowing(picture)
    return picture


def _pixels(picture: Image.Image) -> Image.Image:
    width, height = picture.size
    cell = max(2, round(min(width, height) / 80))
    small = resized(picture, (max(1, width // cell), max(1, height // cell)), Image.Resampling.BOX)
    small = small.quantize(40, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB")
    return resized(small, (width, height), Image.Resampling.NEAREST)


def _watercolour(picture: Image.Image, rng: random.Random) -> Image.Image:
    width, height = picture.size
    # Pigment pools: large soft noise moves the tone, and the paper shines through at the rim.
    pools = resized(Image.frombytes("L", (9, 9), rng.randbytes(81)), (width, height), Image.Resampling.BICUBIC)
    paper = Image.new("RGB", (width, height), (252, 248, 240))
    small = resized(picture, (max(1, width // 4), max(1, height // 4)), Image.Resampling.BOX)
    wet = resized(small.filter(ImageFilter.MedianFilter(3)), (width, height), Image.Resampling.BICUBIC)
    edges = ImageOps.invert(small.convert("L").filter(ImageFilter.FIND_EDGES)).filter(ImageFilter.GaussianBlur(0.7))
    wet = ImageChops.multiply(
        Image.blend(picture, wet, 0.35),
        resized(_lifted(edges, 0.45), (width, height), Image.Resampling.BICUBIC).convert("RGB"),
    )
    wet = Image.composite(paper, wet, mapped(pools, [round(15 + v * 0.42) for v in range(256)]))
    rim = Image.new("L", (64, 64), 0)
    rim.paste(255, (3, 3, 61, 61))
    speckle = Image.frombytes("L", (64, 64), rng.randbytes(4096)).filter(ImageFilter.GaussianBlur(1.2))
    rim = ImageChops.add(rim.filter(ImageFilter.GaussianBlur(2)), speckle, 1, -128)
    rim = mapped(
        resized(rim, (width, height), Image.Resampling.BICUBIC), [max(0, min(255, (v - 90) * 5)) for v in range(256)]
    )
    return Image.composite(wet, paper, rim)


def _lifted(picture: Image.Image, strength: float) -> Image.Image:
    return mapped(picture, [round(255 - (255 - v) * strength) for v in range(256)])


def _glowing(picture: Image.Image) -> Image.Image:
    width, height = picture.size
    small = resized(picture, (max(1, width // 8), max(1, height // 8)), Image.Resampling.BOX)
    haze = mapped(small, [max(0, round((v - 130) * 1.1)) for _ in range(3) for v in range(256)]).filter(
        ImageFilter.GaussianBlur(min(small.size) / 40)
    )
    bloom = resized(haze, (width, height), Image.Resampling.BILINEAR)
    return ImageEnhance.Color(ImageChops.screen(picture, bloom)).enhance(1.12)


def settled(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Bring a supersampled picture to its size, or soften the steps of one drawn at its size."""
    if picture.size == size:
        return picture.filter(ImageFilter.SMOOTH) if size[0] * size[1] > _MANY_PIXELS else picture
    factor = picture.width // size[0]
    if (size[0] * factor, size[1] * factor) == picture.size:
        return picture.reduce(factor)
    return resized(picture, size, Image.Resampling.BOX)


def shadow(mask: Image.Image, radius: float, strength: float) -> Image.Image:
    """Blur a mask into a soft shadow, at a quarter of the size because nobody can tell."""
    small = resized(mask, (max(1, mask.width // 4), max(1, mask.height // 4)), Image.Resampling.BOX)
    soft = resized(small.filter(ImageFilter.GaussianBlur(radius / 4)), mask.size, Image.Resampling.BILINEAR)
    return mapped(soft, [round(v * strength) for v in range(256)])
