"""A masked edit: the masked pixels are painted anew, every other pixel stays what it was."""

from PIL import Image, ImageChops, ImageFilter

from .brief import Brief
from .colour import veil
from .lettering import SMALLEST_SIDE, letter
from .pixels import mapped, resized
from .scenes import scene

_SMALLEST_SCENE = 16
_PROBE = 64


def masked(size: tuple[int, int], brief: Brief, source: Image.Image, mask: Image.Image) -> Image.Image:
    """Paint the prompt into the masked region of the source, which is used up."""
    picture = source if source.size == size else _resized(source, size)
    region = replaced(mask, size)
    box = region.getbbox()
    if box is None:
        return picture
    room = max(_SMALLEST_SCENE, box[2] - box[0]), max(_SMALLEST_SCENE, box[3] - box[1])
    painted = scene(room, brief)
    region = region.crop((box[0], box[1], box[0] + room[0], box[1] + room[1]))
    _letter(painted, region, brief)
    soft = _softened(region)
    if picture.mode == "RGBA":
        painted.putalpha(255)
        # Nothing of a hole's hidden colour may shine through.
        alpha = picture.getchannel("A").crop((box[0], box[1], box[0] + room[0], box[1] + room[1]))
        holes = mapped(alpha, [255] * 255 + [0])
        soft = ImageChops.darker(ImageChops.lighter(soft, holes), region)
    picture.paste(painted, (box[0], box[1]), soft)
    return picture


def _resized(source: Image.Image, size: tuple[int, int]) -> Image.Image:
    result = resized(source, size, Image.Resampling.LANCZOS)
    result.info.update(source.info)
    return result


def replaced(mask: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Give 255 where the mask says to paint: where it is transparent at all, else where it is white."""
    if mask.mode == "RGBA" and mask.getchannel("A").getextrema() != (255, 255):
        region = mapped(mask.getchannel("A"), [255] * 255 + [0])
    else:
        region = mapped(mask.convert("L"), [0] * 128 + [255] * 128)
    return region if region.size == size else resized(region, size, Image.Resampling.NEAREST)


def _softened(region: Image.Image) -> Image.Image:
    """Let the paint come in over a few pixels, starting at the rim inside the mask and never outside it."""
    radius = max(1.0, min(region.size) / 90)
    soft = mapped(
        region.filter(ImageFilter.GaussianBlur(radius)),
        [min(255, round(110 + max(0, v - 128) * 1.9)) for v in range(256)],
    )
    return ImageChops.darker(soft, region)


def _letter(painted: Image.Image, region: Image.Image, brief: Brief) -> None:
    """Letter a band where the region is wide enough, as low as possible."""
    if min(painted.size) < SMALLEST_SIDE:
        return
    height = max(18, round(min(painted.size) * 0.06))
    band = _band(region, height)
    if band is None:
        return
    x0, x1, y0 = band
    inset = height // 2
    box = (x0 + inset, y0, x1 - inset, y0 + height)
    paper, ink = brief.palette.paper, brief.palette.ink
    strip = Image.new("RGB", (x1 - x0, height), paper)
    painted.paste(strip, (x0, y0), Image.new("L", strip.size, veil(paper, 0.86)[3]))
    letter(painted, box, brief.prompt, ink, paper)


def _band(region: Image.Image, height: int) -> tuple[int, int, int] | None:
    width, tall = region.size
    best: tuple[int, int, int] | None = None
    for step in range(_PROBE):
        y0 = tall - height - round((tall - height) * step / _PROBE)
        rows = resized(region.crop((0, y0, width, y0 + height)), (width, 1), Image.Resampling.BOX)
        x0, x1 = _longest_run(rows.tobytes())
        if x1 - x0 >= width * 0.45:
            return x0, x1, y0
        if best is None or x1 - x0 > best[1] - best[0]:
            best = x0, x1, y0
    return best if best is not None and best[1] - best[0] >= SMALLEST_SIDE * 0.9 else None


def _longest_run(row: bytes) -> tuple[int, int]:
    longest = 0, 0
    start = -1
    for x, value in enumerate((*row, 0)):
        if value == 255:
            start = x if start < 0 else start
        elif start >= 0:
            longest = max(longest, (start, x), key=lambda run: run[1] - run[0])
            start = -1
    return longest
