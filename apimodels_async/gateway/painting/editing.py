"""An edit: the input stays recognisable, its light and colour follow the prompt."""

from PIL import Image, ImageChops, ImageFilter, ImageOps

from .brief import Brief
from .cutout import stickers
from .palettes import Palette
from .scenes import finished

_WORKING_SIDE = 1400


def edited(size: tuple[int, int], brief: Brief, source: Image.Image) -> Image.Image:
    """Restyle a picture."""
    picture = restyled(fitted(source, size), brief.palette, 0.5)
    stickers(picture, brief)
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
    dark, middle, bright = palette.ink, palette.mid if palette.dark else palette.accent, palette.light
    tones = ImageOps.colorize(ImageOps.autocontrast(ImageOps.grayscale(flat), cutoff=0.5), dark, bright, mid=middle)
    # Soft light keeps the input's own colours in the mix instead of printing over them.
    mixed = Image.blend(flat, ImageChops.soft_light(flat, tones), 0.6)
    return Image.blend(mixed, tones, strength * 0.55)


def _flattened(picture: Image.Image) -> Image.Image:
    factor = max(1.0, max(picture.size) / _WORKING_SIDE) * 1.6
    small = picture.resize(
        (max(1, round(picture.width / factor)), max(1, round(picture.height / factor))), Image.Resampling.BOX
    )
    small = small.filter(ImageFilter.MedianFilter(5 if min(small.size) > 100 else 3))  # noqa: PLR2004
    soft = ImageOps.posterize(small, 5).filter(ImageFilter.SMOOTH).resize(picture.size, Image.Resampling.BICUBIC)
    return Image.blend(picture, soft, 0.7)
