"""Whether a picture file is whole, and how large the picture is, judged by following the structure of the file.

A mark near the end of a file says little: a thumbnail has the same marks, and cameras and servers add data behind them.
So the chunks, segments, blocks and boxes are followed from the first byte on, as they are received, in memory that does
not grow with the file. Checksums and pixels are not looked at.
"""

import re
import struct
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from apimodels_async._wire.picture_boxes import walk_boxes
from apimodels_async._wire.picture_cursor import ByteCursor, Findings, Walk
from apimodels_async._wire.picture_formats import HEAD, PictureFormat, recognise
from apimodels_async._wire.picture_tiff import exif_orientation, mpf_end, walk_tiff

MOST_EXIF = 64 << 10
"""Bytes of EXIF data that are read: the orientation stands near their beginning."""


class Completeness(Enum):
    """How much of a picture file there is."""

    WHOLE = "whole"
    FIRST_PICTURE = "the first picture is whole, and a further one that the file announces is not"
    CUT_OFF = "cut off"
    UNKNOWN = "not known"


class PictureVerdict(NamedTuple):
    """What the structure of a file shows.

    Attributes:
        format: ``None`` if the first bytes are those of no known format.
        completeness: `UNKNOWN` if the format is not known, or its structure is not followed (`format.is_checked`).
            `CUT_OFF` also if the structure breaks before its end. `FIRST_PICTURE` only for JPEG files with several
            pictures (MPO).
        length: bytes of the file.
        trailing: bytes after the end of the picture, such as the film of a motion photo; 0 unless whole.
        size: width and height in pixels as they are stored; ``None`` if they were not found.
        orientation: 1 to 8 as in EXIF; of AVIF and HEIC the rotation alone, without mirroring.
    """

    format: PictureFormat | None
    completeness: Completeness
    length: int
    trailing: int
    size: tuple[int, int] | None
    orientation: int

    @property
    def is_whole(self) -> bool:
        """Whether everything that the file announces is there."""
        return self.completeness == Completeness.WHOLE

    @property
    def upright_size(self) -> tuple[int, int] | None:
        """Width and height as a viewer shows the picture."""
        if self.size is None or self.orientation < 5:
            return self.size
        width, height = self.size
        return height, width


class PictureWalker:
    """Judges a file as its bytes are received: `feed` each piece, then `finish`. Pieces may have any size."""

    def __init__(self) -> None:
        self.length = 0
        self.format: PictureFormat | None = None
        self._head = b""
        self._cursor = ByteCursor()
        self._found = Findings()
        self._walk: Walk | None = None
        self._is_recognised = False

    def feed(self, chunk: bytes) -> None:
        """Follow the structure through the next bytes. Never raises."""
        self.length += len(chunk)
        if self._is_recognised:
            self._advance(chunk)
            return
        self._head += chunk
        if len(self._head) >= HEAD:
            self._recognise()

    def finish(self) -> PictureVerdict:
        """The verdict, when all bytes have been fed."""
        if not self._is_recognised:
            self._recognise()
        found = self._found
        completeness, trailing = Completeness.CUT_OFF, 0
        if self.format is None or not self.format.is_checked:
            completeness = Completeness.UNKNOWN
        elif found.end is not None and self.length >= found.end:
            end = max(found.end, found.further_end)
            whole = self.length >= end
            completeness = Completeness.WHOLE if whole else Completeness.FIRST_PICTURE
            trailing = self.length - end if whole else 0
        return PictureVerdict(self.format, completeness, self.length, trailing, found.size, found.orientation)

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height as they are stored, as soon as they are known."""
        return self._found.size

    def _recognise(self) -> None:
        self._is_recognised = True
        self.format = recognise(self._head)
        head, self._head = self._head, b""
        if self.format in _WALKS:
            self._walk = _WALKS[self.format](self._cursor, self._found)
            next(self._walk)
            self._advance(head)

    def _advance(self, chunk: bytes) -> None:
        if self._walk is None or not chunk:
            return
        self._cursor.supply(chunk)
        try:
            next(self._walk)
        except StopIteration:  # its end has been found, or it leads nowhere: the rest is only counted
            self._walk = None
            self._cursor = ByteCursor()


def examine(data: bytes) -> PictureVerdict:
    """The verdict on a file that is in memory."""
    walker = PictureWalker()
    walker.feed(data)
    return walker.finish()


def _walk_png(cursor: ByteCursor, found: Findings) -> Walk:
    yield from cursor.skip(8)
    has_data = False
    while cursor.begin_part():
        length, kind = struct.unpack(">I4s", (yield from cursor.read(8)))
        if not kind.isalpha() or length >= 1 << 31:
            return
        if kind == b"IHDR" and length == 13:
            body = yield from cursor.read(13)
            found.size = struct.unpack_from(">II", body)
        elif kind == b"eXIf":
            body = yield from cursor.read(min(length, MOST_EXIF))
            found.orientation = exif_orientation(body)
            yield from cursor.skip(length - len(body))
        else:
            yield from cursor.skip(length)
        has_data = has_data or kind == b"IDAT"
        yield from cursor.skip(4)  # the checksum
        if kind == b"IEND":
            found.end = cursor.position if has_data else None
            return


_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
"""The markers that end a scan or begin a segment: not a stuffed FF (00), a restart (D0-D7) or a fill byte (FF)."""
_NO_FRAME = (0xC4, 0xC8, 0xCC)  # DHT, JPG, DAC: the other markers from C0 to CF begin a frame
_SOI, _EOI, _SOS, _APP1, _APP2 = 0xD8, 0xD9, 0xDA, 0xE1, 0xE2


def _walk_jpeg(cursor: ByteCursor, found: Findings) -> Walk:
    yield from cursor.skip(2)
    has_scan = has_exif = False
    while cursor.begin_part():
        marker = yield from cursor.search(_MARKER, 2)
        if marker == _EOI and has_scan:
            found.end = cursor.position
            return
        if marker in (_SOI, _EOI):
            continue
        length = max(int.from_bytes((yield from cursor.read(2)), "big") - 2, 0)
        begin = cursor.position
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            frame = yield from cursor.read(min(length, 5))
            if found.size is None and len(frame) == 5:
                height, width = struct.unpack_from(">HH", frame, 1)
                found.size = (width, height) if width and height else None
        elif marker == _APP1 and not has_exif:
            body = yield from cursor.read(length)
            if body.startswith(b"Exif\x00\x00"):
                has_exif = True
                found.orientation = exif_orientation(body)
        elif marker == _APP2:
            body = yield from cursor.read(length)
            if body.startswith(b"MPF\x00"):
                found.further_end = mpf_end(body[4:], begin + 4)
        has_scan = has_scan or marker == _SOS
        yield from cursor.skip_to(begin + length)


_BLOCK = re.compile(rb"[!,;]")
_EXTENSION, _TRAILER = 0x21, 0x3B


def _walk_gif(cursor: ByteCursor, found: Findings) -> Walk:
    head = yield from cursor.read(13)
    found.size = struct.unpack_from("<HH", head, 6)
    yield from cursor.skip(_colours(head[10]))
    has_picture = False
    while cursor.begin_part():
        # What stands between blocks belongs to none. Some writers leave zeros there; viewers pass over them.
        kind = yield from cursor.search(_BLOCK, 1)
        if kind == _TRAILER:
            found.end = cursor.position if has_picture else None
            return
        if kind == _EXTENSION:
            yield from cursor.skip(1)
            yield from cursor.skip_sub_blocks()
        else:
            frame = yield from cursor.read(9)
            yield from cursor.skip(_colours(frame[8]) + 1)  # its colours, and the first code size
            yield from cursor.skip_sub_blocks()
            has_picture = True


def _colours(flags: int) -> int:
    """Bytes of the colour table that follows a descriptor."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _walk_webp(cursor: ByteCursor, found: Findings) -> Walk:
    head = yield from cursor.read(12)
    end = 8 + int.from_bytes(head[4:8], "little")
    has_picture = False
    while cursor.position + 8 <= end and cursor.begin_part():
        kind, length = struct.unpack("<4sI", (yield from cursor.read(8)))
        begin = cursor.position
        if begin + length > end:
            return
        if kind in (b"VP8X", b"VP8L", b"VP8 ") and found.size is None:
            found.size = _webp_size(kind, (yield from cursor.read(min(length, 10))))
        elif kind == b"EXIF":
            found.orientation = exif_orientation((yield from cursor.read(min(length, MOST_EXIF))))
        yield from cursor.skip_to(begin + length)
        has_picture = has_picture or kind in (b"VP8L", b"VP8 ", b"ANMF")
        if cursor.position < end:  # some writers leave out the last padding byte
            yield from cursor.skip(length & 1)
    found.end = end if has_picture else None


def _webp_size(kind: bytes, body: bytes) -> tuple[int, int] | None:
    little = int.from_bytes(body, "little")
    if kind == b"VP8X" and len(body) == 10:
        return (little >> 32 & 0xFFFFFF) + 1, (little >> 56) + 1
    if kind == b"VP8L" and len(body) >= 5:
        return (little >> 8 & 0x3FFF) + 1, (little >> 22 & 0x3FFF) + 1
    if kind == b"VP8 " and len(body) == 10:
        return little >> 48 & 0x3FFF, little >> 64 & 0x3FFF
    return None


def _walk_bmp(cursor: ByteCursor, found: Findings) -> Walk:
    """The length follows from the size in pixels; the header's own length is wrong in many files that can be seen."""
    head = yield from cursor.read(18)
    announced, pixels, header = struct.unpack_from("<I4xII", head, 2)
    if header < 16:
        width, height, _, depth = struct.unpack("<HHHH", (yield from cursor.read(8)))
        compression = length = 0
    else:
        body = yield from cursor.read(min(header - 4, 36))
        width, height, _, depth, compression, length = struct.unpack_from("<iiHHII", body.ljust(20, b"\x00"))
    found.size = abs(width), abs(height)
    if compression in (0, 3, 6):  # plain pixels, in rows of whole 32-bit words
        length = (abs(width) * depth + 31) // 32 * 4 * abs(height)
    found.end = pixels + length if length else announced
    if not width or not height:
        found.end = None


_WALKS: dict[PictureFormat | None, Callable[[ByteCursor, Findings], Walk]] = {
    PictureFormat.PNG: _walk_png,
    PictureFormat.JPEG: _walk_jpeg,
    PictureFormat.GIF: _walk_gif,
    PictureFormat.WEBP: _walk_webp,
    PictureFormat.BMP: _walk_bmp,
    PictureFormat.TIFF: walk_tiff,
    PictureFormat.AVIF: walk_boxes,
    PictureFormat.HEIC: walk_boxes,
}
