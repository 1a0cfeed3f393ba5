"""What an edit adds: the prompt's subject as a cut-out with a white rim, or a round glimpse of its scene."""

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from .brief import Brief
from .canvas import Canvas
from .colour import BLACK, RGB, WHITE
from .finish import shadow
from .motifs.look import Look
from .motifs.table import MOTIFS
from .pixels import mapped, resized
from .scenes import scene
from .words import Subject

_SMALLEST = 8


def add(picture: Image.Image, brief: Brief, portion: float) -> None:
    """Lay the addition into a lower corner of the picture, in place; `portion` of its shorter side is its height."""
    side = round(min(picture.size) * portion)
    if side < _SMALLEST:
        return
    shown = [subject for subject in brief.reading.subjects if subject.name in MOTIFS]
    added, shape = _cut(shown[0], brief, side) if shown else _medal(brief, round(side * 0.72))
    margin = round(side * 0.06)
    x = margin if (brief.theme + brief.index) % 2 else picture.width - shape.width - margin
    y = picture.height - shape.height - margin
    picture.paste(brief.palette.ink, (x + margin // 4, y + margin // 3), shadow(shape, side * 0.03, 0.45))
    picture.paste(added, (x, y), shape)


def _cut(subject: Subject, brief: Brief, side: int) -> tuple[Image.Image, Image.Image]:
    on_white, on_black = (_drawn(subject, brief, side, ground) for ground in (WHITE, BLACK))
    # Where white shows through and black does too, nothing was drawn.
    seen = ImageChops.invert(ImageChops.difference(on_white, on_black).convert("L"))
    solid = mapped(seen, [0] * 96 + [255] * 160)
    rim = max(1.0, side / 60)
    grown = mapped(solid.filter(ImageFilter.GaussianBlur(rim)), [min(255, v * 8) for v in range(256)])
    return on_white, grown.filter(ImageFilter.GaussianBlur(max(0.6, rim / 4)))


def _drawn(subject: Subject, brief: Brief, side: int, ground: RGB) -> Image.Image:
    samples = 2 if side > 64 else 4
    canvas = Canvas((side * samples, side * samples), ground)
    pen = canvas.pen(side * samples / 2, side * samples * 0.53, side * samples * 0.37)
    look = Look(brief.palette, subject.tint, brief.reading.wears, brief.dice("sticker"))
    MOTIFS[subject.name].draw(pen, look)
    return canvas.image.reduce(samples)


def _medal(brief: Brief, side: int) -> tuple[Image.Image, Image.Image]:
    disc = Image.new("L", (side * 4, side * 4))
    ImageDraw.Draw(disc).ellipse((0, 0, side * 4 - 1, side * 4 - 1), fill=255)
    disc = disc.reduce(4)
    rim = max(1, round(side / 28))
    medal = Image.new("RGB", (side, side), WHITE)
    inner = side - 2 * rim
    medal.paste(scene((inner, inner), brief), (rim, rim), resized(disc, (inner, inner), Image.Resampling.LANCZOS))
    return medal, disc
