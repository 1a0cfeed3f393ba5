"""How large the pictures become: from `size`, or `aspect_ratio` and `resolution`, or the picture to edit."""

import re

from apimodels_async.gateway.refusals import Refusal, quoted

__all__ = ["LARGEST", "SMALLEST", "Size", "check_ratio", "check_resolution", "check_size", "final_size"]

Size = tuple[int, int]
"""Width and height in pixels."""

SMALLEST, LARGEST = 16, 4096
"""The least and the most pixels of a side."""

DEFAULT = (1024, 1024)

_SIZE = re.compile(r"([1-9]\d{1,3})x([1-9]\d{1,3})", re.ASCII)
_RATIO = re.compile(r"([1-9]\d{0,3}):([1-9]\d{0,3})", re.ASCII)
_SIDES = {"1K": 1024, "2K": 2048, "4K": 4096}


def check_size(value: object) -> Size:
    """The `size` of a request.

    Raises:
        Refusal: it is not WIDTHxHEIGHT, or a side is out of range.
    """
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(SMALLEST <= side <= LARGEST for side in size):
        raise Refusal(
            400,
            f'size {quoted(value)}: give WIDTHxHEIGHT, such as "1024x1024", each {SMALLEST} to {LARGEST}',
        )
    return size


def check_ratio(value: object) -> Size:
    """The `aspect_ratio` of a request.

    Raises:
        Refusal: it is not W:H, or so narrow that the shorter side would be too small.
    """
    match = _RATIO.fullmatch(value) if isinstance(value, str) else None
    ratio = (int(match[1]), int(match[2])) if match else (0, 0)
    narrowest = _SIDES["1K"] // SMALLEST
    if min(ratio) == 0 or max(ratio) > min(ratio) * narrowest:
        raise Refusal(400, f'aspect_ratio {quoted(value)}: give W:H, such as "16:9", {narrowest}:1 at the widest')
    return ratio


def check_resolution(value: object) -> int:
    """The longer side, in pixels, that the `resolution` of a request stands for.

    Raises:
        Refusal: it is not 1K, 2K or 4K (in any case).
    """
    side = _SIDES.get(value.upper()) if isinstance(value, str) else None
    if side is None:
        raise Refusal(400, f'resolution {quoted(value)}: give "1K", "2K" or "4K"')
    return side


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
