"""An edit: the input stays recognisable, its light and colour follow the prompt."""

from PIL import Image, ImageChops, ImageFilter, ImageOps

from .brief import Brief
from .colour import mix
from .cutout import add
from .palettes import Palette
from .pixels import resized, sparingly
from .scenes import finished

_WORKING_SIDE = 1000
_PORTION = 0.42
_TOLD = 0.5
_UNTOLD = 0.28


def edited(size: tuple[int, int], brief: Brief, source: Image.Image) -> Image.Image:
    """Restyle a picture."""
    # The more the prompt says about colour, the less of the input's own is kept.
    told = bool(brief.reading.colours or brief.reading.moods or brief.reading.overhead)
    strength = _TOLD if told else _UNTOLD
    picture = sparingly(fitted(source, size), lambda plain: restyled(plain, brief.palette, strength))
    add(picture, brief, _PORTION)
    return finished(picture, brief)


def fitted(source: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Crop to the aspect and scale, on white where the input was transparent."""
    if source.mode == "RGBA":
        paper = Image.new("RGB", source.size, (255, 255, 255))
        paper.paste(source, mask=source.getchannel("A"))
        source = paper
    return ImageOps.fit(source, size, Image.Resampling.LANCZOS)


def restyled(picture: Image.Image, palette: Palette, strength: float) -> Image.Image:
    """Flatten a picture like gouache and pull its tones towards the palette, dark to dark and light to light."""
    flat = _flattened(picture)
    dark, middle, bright = mix(palette.ink, palette.near, 0.3), mix(palette.sky[1], palette.accent, 0.25), palette.light
    tones = ImageOps.colorize(ImageOps.autocontrast(ImageOps.grayscale(flat), cutoff=0.5), dark, bright, mid=middle)
    # Soft light keeps the input's own colours in the mix instead of printing over them.
    mixed = Image.blend(flat, ImageChops.soft_light(flat, tones), 0.6)
    return Image.blend(mixed, tones, strength)


def _flattened(picture: Image.Image) -> Image.Image:
    factor = max(1.0, max(picture.size) / _WORKING_SIDE) * 1.6
    small = resized(
        picture, (max(1, round(picture.width / factor)), max(1, round(picture.height / factor))), Image.Resampling.BOX
    )
    small = small.filter(ImageFilter.MedianFilter(3))
    soft = resized(ImageOps.posterize(small, 5).filter(ImageFilter.SMOOTH), picture.size, Image.Resampling.BICUBIC)
    return Image.blend(picture, soft, 0.7)
