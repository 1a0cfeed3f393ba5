"""How large the pictures become: from `size`, or `aspect_ratio` and `resolution`, or the picture to edit."""

import re

from apimodels_async.gateway.limits import MAX_ANSWERED_PIXELS
from apimodels_async.gateway.refusals import Refusal, quoted

__all__ = [
    "LARGEST",
    "SMALLEST",
    "Size",
    "check_answered",
    "check_custom",
    "check_gpt_image_2_all",
    "check_ratio",
    "check_resolution",
    "check_size",
    "final_size",
]

Size = tuple[int, int]
"""Width and height in pixels."""

SMALLEST, LARGEST = 16, 4096
"""The least and the most pixels of a side."""

DEFAULT = (1024, 1024)

_SIZE = re.compile(r"([1-9]\d{1,3})x([1-9]\d{1,3})", re.ASCII)
_RATIO = re.compile(r"((?!0\d)\d{1,4}(?:\.\d{1,3})?):((?!0\d)\d{1,4}(?:\.\d{1,3})?)", re.ASCII)
_OWN_RATIOS = ("auto", "match_input_image")
_SIDES = {"512": 512, "0.5K": 512, "1K": 1024, "2K": 2048, "4K": 4096}


def check_size(value: object) -> Size:
    """A `size` in pixels.

    Raises:
        Refusal: it is not WIDTHxHEIGHT, or a side is out of range.
    """
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(SMALLEST <= side <= LARGEST for side in size):
        raise Refusal(
            400,
            f'size {quoted(value)}: give WIDTHxHEIGHT, such as "1024x1024", each {SMALLEST} to {LARGEST}, '
            'or "1K", "2K", "4K" or "auto"',
        )
    return size


def check_ratio(value: object) -> Size | None:
    """The `aspect_ratio` of a request; ``None`` for the server's choice.

    Raises:
        Refusal: it is not W:H, or so narrow that the shorter side would be too small.
    """
    if value in _OWN_RATIOS:
        return None
    match = _RATIO.fullmatch(value) if isinstance(value, str) else None
    across, down = (float(match[1]), float(match[2])) if match else (0.0, 0.0)
    narrowest = _SIDES["1K"] // SMALLEST
    if min(across, down) <= 0 or max(across, down) > min(across, down) * narrowest:
        raise Refusal(400, f'aspect_ratio {quoted(value)}: give W:H, such as "16:9", {narrowest}:1 at the widest')
    return round(across * 1000), round(down * 1000)


def check_resolution(value: object) -> int:
    """The longer side, in pixels, that the `resolution` of a request stands for.

    Raises:
        Refusal: it is not 512, 1K, 2K or 4K (in any case).
    """
    side = _SIDES.get(value.upper()) if isinstance(value, str) else None
    if side is None:
        raise Refusal(400, f'resolution {quoted(value)}: give "512", "1K", "2K" or "4K"')
    return side


def check_custom(width: object, height: object) -> Size:
    """The size of an `aspect_ratio` of "custom", which comes with `width` and `height`.

    Raises:
        Refusal: one of them is not a multiple of 16 from 256 to 1440.
    """
    sides: list[int] = []
    for name, value in (("width", width), ("height", height)):
        if not isinstance(value, int) or isinstance(value, bool) or value % 16 or not 256 <= value <= 1440:
            raise Refusal(
                400, f"{name} {quoted(value)}: with a custom aspect_ratio, give a multiple of 16, 256 to 1440"
            )
        sides.append(value)
    return sides[0], sides[1]


def check_gpt_image_2_all(size: Size) -> None:
    """Check a size against the rules of the model gpt-image-2-all, as its page states them.

    Raises:
        Refusal: it breaks one of them.
    """
    if any(side % 16 for side in size):
        raise Refusal(400, "size: gpt-image-2-all takes multiples of 16")
    if max(size) > 3840 or max(size) > 3 * min(size):
        raise Refusal(400, "size: gpt-image-2-all takes 3840 pixels at most on the longer side, and 3:1 at the widest")
    if not 655_360 <= size[0] * size[1] <= 8_294_400:
        raise Refusal(400, "size: gpt-image-2-all takes 655,360 to 8,294,400 pixels")


def check_answered(n: int, size: Size) -> None:
    """Check that `n` pictures of a size fit into one answer.

    Raises:
        Refusal: they cannot.
    """
    if n * size[0] * size[1] > MAX_ANSWERED_PIXELS:
        raise Refusal(
            400,
            f"n {n}: pictures in an answer have {MAX_ANSWERED_PIXELS / 1e6:.3g} megapixels at most together, and "
            f'these have {size[0]}x{size[1]} each: ask for fewer, for smaller ones, or for response_format "url"',
        )


def final_size(size: Size | None, ratio: Size | None, longer: int | None, picture: Size | None) -> Size:
    """The pictures' size.

    Args:
        size: the asked size, which wins over everything else.
        ratio: the asked aspect ratio; without one, the picture's own, else a square.
        longer: the longer side that the asked resolution stands for; without one 1024 pixels for an aspect ratio,
            and the picture's own size else.
        picture: the size of the first picture to edit, if there is one.
    """
    if size is not None:
        return size
    if ratio is None and longer is None:
        if picture is None:
            return DEFAULT
        longer = min(max(picture), LARGEST)
    ratio = ratio or picture or DEFAULT
    scale = (longer or _SIDES["1K"]) / max(ratio)
    return max(SMALLEST, round(ratio[0] * scale)), max(SMALLEST, round(ratio[1] * scale))
