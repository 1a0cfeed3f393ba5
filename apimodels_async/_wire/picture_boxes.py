"""ISO base media files (AVIF, HEIC, and sequences of them): boxes, each of which begins with its length.

A picture is whole if all boxes are there into which its index points (`iloc` of a still picture, `stco` of a sequence).
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from apimodels_async._wire.picture_cursor import ByteCursor, Findings, Reading, Walk

LONGEST_INDEX = 1 << 20
"""Bytes of a `meta` or `moov` box that are held; of a longer one only the length is checked."""
_NESTED = {b"iprp", b"trak", b"mdia", b"minf", b"stbl"}
"""Boxes that contain nothing but boxes."""
_SEQUENCES = {b"avis", b"msf1", b"hevc", b"hevx", b"hevm", b"hevs"}
"""Major brands of files that are nothing without their `moov` box."""
_TURNS = {0: 1, 1: 8, 2: 3, 3: 6}
"""The quarter turns of an `irot` box, anticlockwise, as EXIF orientations."""


class Box(NamedTuple):
    """A box inside another one, in the order of the file."""

    type: bytes
    body: bytes


def _boxes(data: bytes) -> Iterator[Box]:
    """The boxes in `data`, and those nested in them; ends where there is no box."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        begin = at + 8
        if size == 1 and at + 16 <= len(data):
            size = struct.unpack_from(">Q", data, begin)[0]
            begin += 8
        elif size == 0:
            size = len(data) - at
        if size < begin - at or at + size > len(data):
            return
        if kind in _NESTED:
            at = begin  # its boxes follow, and then its siblings; a recursion could be made arbitrarily deep
        else:
            yield Box(kind, data[begin : at + size])
            at += size


class _Numbers:
    """Reads big-endian numbers from a box; beyond its end they are 0."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.at = 0

    def take(self, width: int) -> int:
        number = int.from_bytes(self.body[self.at : self.at + width], "big")
        self.at += width
        return number

    def is_empty(self) -> bool:
        return self.at >= len(self.body)


def _end_of_items(iloc: bytes) -> int:
    """Where the last extent ends that an item location box lists, in the file itself."""
    numbers = _Numbers(iloc)
    version = numbers.take(4) >> 24
    widths = numbers.take(2)
    offset_width, length_width, base_width, index_width = ((widths >> shift) & 15 for shift in (12, 8, 4, 0))
    end = 0
    for _ in range(numbers.take(4 if version == 2 else 2)):
        if numbers.is_empty():
            break
        numbers.take(4 if version == 2 else 2)
        construction = numbers.take(2) & 15 if version else 0
        in_this_file = numbers.take(2) == 0
        base = numbers.take(base_width)
        extents = numbers.take(2)
        if not index_width + offset_width + length_width:  # they take no bytes, and are all the same
            extents = min(extents, 1)
        for _ in range(extents):
            if numbers.is_empty():
                break
            numbers.take(index_width if version else 0)
            offset = numbers.take(offset_width)
            length = numbers.take(length_width)
            if construction == 0 and in_this_file:
                end = max(end, base + offset + length)
    return end


def _table(body: bytes, code: str, skipped: int) -> tuple[int, ...]:
    """The numbers of a table, whose count stands `skipped` bytes after the start."""
    count = int.from_bytes(body[skipped : skipped + 4], "big")
    count = min(count, max(len(body) - skipped - 4, 0) // struct.calcsize(code))
    return struct.unpack_from(f">{count}{code}", body, skipped + 4) if count else ()


def _samples(stsz: bytes) -> int:
    """The bytes of all samples of a track."""
    each, count = int.from_bytes(stsz[4:8], "big"), int.from_bytes(stsz[8:12], "big")
    return each * count if each else sum(_table(stsz, "I", 8))


def _find_size(meta: list[Box], found: Findings) -> None:
    """Size and rotation of the primary item: its properties are listed in `ipma` by their places in `ipco`."""
    bodies = {box.type: box.body for box in meta}
    pitm = bodies.get(b"pitm", b"")
    primary = int.from_bytes(pitm[4:8] if pitm[:1] == b"\x01" else pitm[4:6], "big")
    properties = list(_boxes(bodies.get(b"ipco", b"")))
    for place in _places(bodies.get(b"ipma", b""), primary):
        if 0 < place <= len(properties):
            kind, body = properties[place - 1]
            if kind == b"ispe" and len(body) >= 12:
                found.size = struct.unpack_from(">II", body, 4)
            elif kind == b"clap":
                found.size = _clean_aperture(body) or found.size
            elif kind == b"irot" and body:
                found.orientation = _TURNS[body[0] & 3]


def _clean_aperture(clap: bytes) -> tuple[int, int] | None:
    """The part of a picture that is shown: encoders fill it up to whole blocks."""
    if len(clap) < 16:
        return None
    width, width_parts, height, height_parts = struct.unpack_from(">IIII", clap)
    return (width // width_parts, height // height_parts) if width_parts and height_parts else None


def _places(ipma: bytes, item: int) -> list[int]:
    numbers = _Numbers(ipma)
    head = numbers.take(4)
    for _ in range(numbers.take(4)):
        if numbers.is_empty():
            break
        number = numbers.take(4 if head >> 24 else 2)
        width, mask = (2, 0x7FFF) if head & 1 else (1, 0x7F)
        places = [numbers.take(width) & mask for _ in range(numbers.take(1))]
        if number == item:
            return places
    return []


class _Index:
    """What the boxes say about where the data of the pictures are."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self.end = 0
        self.samples = 0

    def add_meta(self, body: bytes, found: Findings) -> None:
        boxes = list(_boxes(body[4:]))  # after version and flags
        self.end = max([self.end, *(_end_of_items(box.body) for box in boxes if box.type == b"iloc")])
        _find_size(boxes, found)

    def add_moov(self, body: bytes, found: Findings) -> None:
        for box in _boxes(body):
            if box.type in (b"stco", b"co64"):
                # A chunk is whole if its first byte is there: the box around it is complete.
                offsets = _table(box.body, "I" if box.type == b"stco" else "Q", 4)
                self.end = max([self.end, *(offset + 1 for offset in offsets)])
            elif box.type == b"stsz":
                self.samples += _samples(box.body)
            elif box.type == b"tkhd" and found.size is None and len(box.body) >= 8:
                width, height = struct.unpack_from(">HxxH", box.body, len(box.body) - 8)
                found.size = (width, height) if width and height else None


def walk_boxes(cursor: ByteCursor, found: Findings) -> Walk:
    """Pass over the boxes of a file. After each, `found` says whether the picture is whole by now."""
    index = _Index()
    major = b""
    while cursor.begin_part():
        begin = cursor.position
        head = yield from cursor.read(8)
        size, kind = struct.unpack(">I4s", head)
        if not kind.isascii() or not kind.decode().isprintable():
            return  # what follows is no box: trailing data
        if size == 1:
            size = struct.unpack(">Q", (yield from cursor.read(8)))[0]
        if size == 0:  # up to the end of the file
            end = max(index.end, cursor.position + index.samples)
            found.end = end if index.end else None
            return
        left = begin + size - cursor.position
        if left < 0:
            return
        if kind == b"ftyp":
            major = yield from _first_bytes(cursor, left, 4)
        elif kind in (b"meta", b"moov") and left <= LONGEST_INDEX:
            body = yield from cursor.read(left)
            (index.add_meta if kind == b"meta" else index.add_moov)(body, found)
        else:
            yield from cursor.skip(left)
        index.seen.add(kind)
        needed = b"moov" if major in _SEQUENCES else b"meta"
        if needed in index.seen and cursor.position >= index.end:
            found.end = cursor.position


def _first_bytes(cursor: ByteCursor, length: int, wanted: int) -> Reading[bytes]:
    first = yield from cursor.read(min(wanted, length))
    yield from cursor.skip(length - len(first))
    return first
