"""How many values the tags of a TIFF file have, or those of EXIF data. Pure.

Pillow makes an object of each value, in one step that nothing can stop, and a few megabytes can list millions of them.
"""

import struct
from collections.abc import Iterator

__all__ = ["late_exif", "tag_values"]

_BYTES = frozenset({1, 2, 7})
"""The types whose values Pillow keeps as one: bytes, a text, and what is undefined."""
_POINTERS = frozenset({0x8769, 0x8825, 0xA005})
"""The tags that lead to directories which Pillow reads as well: EXIF, GPS and interoperability."""
_MOST_DIRECTORIES = 16
_EXIF_HEAD = b"Exif\x00\x00"
_BIG = 43
"""The version of BigTIFF."""
_LATE_EXIF = b"eXIf"


def tag_values(blob: bytes) -> int:
    """The number of values in the first directory, and in those that it leads to.

    Args:
        blob: a TIFF file, or EXIF data with or without what JPEG writes before it; there are 0 in anything else.
    """
    blob = blob.removeprefix(_EXIF_HEAD).removeprefix(_EXIF_HEAD)
    order = {b"II": "<", b"MM": ">"}.get(blob[:2])
    if order is None or len(blob) < 8:
        return 0
    big = blob[2] == _BIG
    found, waiting, seen = 0, [8 if big else 4], set[int]()
    while waiting and len(seen) < _MOST_DIRECTORIES:
        offset = _number(blob, waiting.pop(), order + ("Q" if big else "I"))
        if offset in seen:
            continue
        seen.add(offset)
        for tag, type_, number, place in _entries(blob, offset, order, big=big):
            found += 0 if type_ in _BYTES else number
            if tag in _POINTERS:
                waiting.append(place)
    return found


def _number(blob: bytes, offset: int, layout: str) -> int:
    """The number at an offset; 0 beyond the end."""
    whole = offset + struct.calcsize(layout) <= len(blob)
    return int(struct.unpack_from(layout, blob, offset)[0]) if whole else 0


def _entries(blob: bytes, offset: int, order: str, *, big: bool) -> Iterator[tuple[int, int, int, int]]:
    """Tag, type and number of values of each entry of a directory, and where its value or its offset stands."""
    count = order + ("Q" if big else "H")
    entry = struct.Struct(order + ("HHQ8x" if big else "HHI4x"))
    first = offset + struct.calcsize(count)
    for number in range(min(_number(blob, offset, count), (len(blob) - first) // entry.size)):
        place = first + number * entry.size
        yield *entry.unpack_from(blob, place), place + entry.size - (8 if big else 4)


def late_exif(png: bytes) -> bytes:
    """The EXIF data that stands behind the pixels of a PNG, where Pillow finds it only after it has decoded them."""
    at = png.rfind(_LATE_EXIF)
    return b"" if at < 4 else png[at + 4 : at + 4 + int.from_bytes(png[at - 4 : at], "big")]
