"""Sets a scene on paper, with its lettering below, like a print."""

from collections.abc import Callable

from PIL import Image

from .brief import Brief
from .colour import RGB, mix
from .lettering import letter, readable, strip_height


def framed(size: tuple[int, int], brief: Brief, painted: Callable[[tuple[int, int]], Image.Image]) -> Image.Image:
    """Paint for the room inside the margins and put it there."""
    strip = strip_height(size)
    if not strip:
        return painted(size)
    side = max(4, round(strip * 0.42))
    paper: RGB = mix(brief.palette.paper, brief.palette.sky[2], 0.12)
    sheet = Image.new("RGB", size, paper)
    inner = (size[0] - 2 * side, size[1] - side - strip)
    sheet.paste(painted(inner), (side, side))
    box = (side + 1, size[1] - strip, size[0] - side - 1, size[1])
    letter(sheet, box, brief.prompt, readable(paper, brief.palette.ink), paper)
    return sheet
