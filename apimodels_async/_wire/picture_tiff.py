"""TIFF and BigTIFF files, and the small TIFF structures inside other files: EXIF and the index of an MPO.

A TIFF file is read at random, and this walk only goes forwards. Whatever lies ahead is read when it is reached; what
lies behind can be read if it is less than `BEHIND` bytes away, as in files whose writer puts the directory behind the
lists of its strips. If it is further behind, that list is not compared with the length: nearly all of such files have
their directory at the end, so that a file with a directory has its strips.
"""

import heapq
import struct
from collections.abc import Iterator
from typing import NamedTuple

from apimodels_async._wire.picture_cursor import ByteCursor, Findings, Reading, Walk

BEHIND = 64 << 10
"""Bytes behind the position that are kept."""
LONGEST_LIST = 256 << 10
"""Bytes of a list of strips that are held; a longer list (of more than 32,768 strips) is not looked at."""
MOST_LISTS = 64
"""Lists that may wait to be reached."""
MOST_BACK = 256 << 10
"""Bytes that may be read behind the position, all together: directories could point back without end."""
MOST_KNOWN = 4096
"""Directories whose offsets are remembered, so that a chain that leads back to itself ends."""

WIDTH, HEIGHT, BITS, COMPRESSION, STRIPS, ORIENTATION, SAMPLES = 0x100, 0x101, 0x102, 0x103, 0x111, 0x112, 0x115
_OFFSETS = {STRIPS: 0x117, 0x144: 0x145, 0x201: 0x202}
"""The tags with offsets (of strips, tiles and an old-style JPEG), and the tags with their byte counts."""
_MPF_ENTRIES = 0xB002
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
"""The types of integers, as `struct` names them."""
_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of one value of each type."""


class DirectoryEntry(NamedTuple):
    """An entry of a directory: `number` values; `raw` is the field, which has their offset if they do not fit."""

    tag: int
    type: int
    number: int
    raw: bytes


def _entries(directory: bytes, order: str, *, big: bool = False) -> Iterator[DirectoryEntry]:
    layout = struct.Struct(order + ("HHQ8s" if big else "HHI4s"))
    whole = len(directory) // layout.size * layout.size
    return (DirectoryEntry(*fields) for fields in layout.iter_unpack(directory[:whole]))


def _integers(raw: bytes, type_: int, count: int, order: str) -> list[int]:
    """`count` integers at the start of `raw`, or fewer if it ends before, or none if the type is no integer."""
    code = _INTEGERS.get(type_)
    if code is None:
        return []
    count = min(count, len(raw) // struct.calcsize(code))
    return list(struct.unpack_from(f"{order}{count}{code}", raw))


def _small_directory(blob: bytes) -> tuple[str, list[DirectoryEntry]]:
    """The byte order and the first directory of a TIFF structure in memory; empty where it is broken."""
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(blob[:4])
    if order is None or len(blob) < 8:
        return "<", []
    at = struct.unpack_from(order + "I", blob, 4)[0]
    if at + 2 > len(blob):
        return order, []
    count = struct.unpack_from(order + "H", blob, at)[0]
    return order, list(_entries(blob[at + 2 : at + 2 + 12 * count], order))


def exif_orientation(exif: bytes) -> int:
    """The orientation, 1 to 8, in EXIF data, with or without its leading ``Exif`` and zeros; 1 if there is none."""
    order, entries = _small_directory(exif.removeprefix(b"Exif\x00\x00"))
    return next((found for entry in entries if (found := _orientation(entry, order))), 1)


def _orientation(entry: DirectoryEntry, order: str) -> int | None:
    if entry.tag == ORIENTATION:
        values = _integers(entry.raw, entry.type, 1, order)
        if values and 1 <= values[0] <= 8:
            return values[0]
    return None


def mpf_end(mpf: bytes, begin: int) -> int:
    """Where the last picture ends that a multi-picture index (CIPA DC-007) lists; `begin` is the offset of the index.

    0 if it lists none.
    """
    order, entries = _small_directory(mpf)
    for entry in entries:
        if entry.tag == _MPF_ENTRIES:
            at = int.from_bytes(entry.raw, "little" if order == "<" else "big")
            listed = mpf[at : at + entry.number]
            pictures = struct.iter_unpack(order + "IIIHH", listed[: len(listed) // 16 * 16])
            # The offset of the first picture is 0: it begins before the index.
            return max((begin + offset + size for _, size, offset, *_ in pictures if offset), default=0)
    return 0


class _Page:
    """What one directory says about its data; the lists may have to be read elsewhere."""

    def __init__(self) -> None:
        self.waiting = 0
        self.values = {COMPRESSION: 1, SAMPLES: 1}
        self.lists: dict[int, list[int]] = {}

    @property
    def size(self) -> tuple[int, int] | None:
        width, height = self.values.get(WIDTH, 0), self.values.get(HEIGHT, 0)
        return (width, height) if width and height else None

    def end(self) -> int:
        """Where the last strip ends, as far as the lists are known."""
        return max((offset + count for tag in _OFFSETS for offset, count in self._strips(tag)), default=0)

    def _strips(self, tag: int) -> Iterator[tuple[int, int]]:
        offsets = self.lists.get(tag, [])
        counts = self.lists.get(_OFFSETS[tag], [])
        plain = self._plain()
        if tag == STRIPS and len(offsets) == 1 and plain:  # some writers leave out the count, or write a wrong one
            counts = [min([plain, *counts[:1]])]
        return zip(offsets, counts if len(counts) == len(offsets) else [1] * len(offsets), strict=True)

    def _plain(self) -> int:
        """Bytes of the pixels if they are not compressed, otherwise 0."""
        if self.size is None or self.values[COMPRESSION] != 1:
            return 0
        width, height = self.size
        bits = max(self.lists.get(BITS, []), default=1) * self.values[SAMPLES]
        return (width * bits + 7) // 8 * height


class _List(NamedTuple):
    """A list of integers that stands outside of its directory. Sorted by its offset."""

    offset: int
    number: int  # no two are the same, so that pages are never compared
    length: int
    page: _Page
    entry: DirectoryEntry


class _Tiff:
    def __init__(self, cursor: ByteCursor, found: Findings, order: str, *, big: bool) -> None:
        self.cursor = cursor
        self.found = found
        self.order = order
        self.big = big
        self.lists: list[_List] = []
        self.numbers = 0
        self.read_back = 0
        self.known: set[int] = set()
        self.end = 0

    def walk(self, directory: int) -> Walk:
        while directory or self.lists:
            if directory in self.known:
                directory = 0
            elif directory and not (self.lists and self.lists[0].offset < directory):
                if len(self.known) < MOST_KNOWN:
                    self.known.add(directory)
                following = yield from self._directory(directory)
                if following is None:
                    return
                directory = following
            else:
                yield from self._list(heapq.heappop(self.lists))
        self.found.end = max(self.end, self.cursor.position)

    def _at(self, offset: int, length: int) -> Reading[bytes | None]:
        """The bytes at an offset, or ``None`` if it lies too far behind."""
        position = self.cursor.position
        if offset >= position:
            yield from self.cursor.skip_to(offset)
            return (yield from self.cursor.read(length))
        yield from self.cursor.skip_to(offset + length)
        self.read_back += length
        return self.cursor.recall(offset, length) if self.read_back <= MOST_BACK else None

    def _directory(self, offset: int) -> Reading[int | None]:
        """Read a directory and return the offset of the next, 0 after the last; ``None`` if it cannot be one."""
        number, entry, pointer = (8, 20, 8) if self.big else (2, 12, 4)
        head = yield from self._at(offset, number)
        if head is None:
            return 0
        count = self._number(head)
        if not 0 < count <= 0xFFFF:
            return None
        body = yield from self._at(offset + number, count * entry + pointer)
        if body is None:
            return 0
        self._page(list(_entries(body[:-pointer], self.order, big=self.big)))
        return self._number(body[-pointer:])

    def _page(self, entries: list[DirectoryEntry]) -> None:
        page = _Page()
        is_first = self.found.size is None
        for entry in entries:
            length = entry.number * _WIDTHS.get(entry.type, 0)
            if length > len(entry.raw):  # the value stands elsewhere
                self.end = max(self.end, self._number(entry.raw) + length)
            if entry.tag in (WIDTH, HEIGHT, COMPRESSION, SAMPLES):
                page.values[entry.tag] = next(iter(self._inline(entry)), 0)
            elif entry.tag == ORIENTATION and is_first:
                self.found.orientation = _orientation(entry, self.order) or 1
            elif entry.tag == BITS or entry.tag in _OFFSETS or entry.tag in _OFFSETS.values():
                self._find_list(page, entry)
        self.found.size = self.found.size or page.size
        self._settle(page)

    def _inline(self, entry: DirectoryEntry) -> list[int]:
        return _integers(entry.raw, entry.type, entry.number, self.order)

    def _find_list(self, page: _Page, entry: DirectoryEntry) -> None:
        code = _INTEGERS.get(entry.type)
        if code is None:
            return
        length = entry.number * struct.calcsize(code)
        if length <= len(entry.raw):
            page.lists[entry.tag] = self._inline(entry)
        elif length <= LONGEST_LIST and len(self.lists) < MOST_LISTS:
            page.waiting += 1
            self.numbers += 1
            heapq.heappush(self.lists, _List(self._number(entry.raw), self.numbers, length, page, entry))

    def _list(self, item: _List) -> Walk:
        raw = yield from self._at(item.offset, item.length)
        if raw is not None:
            item.page.lists[item.entry.tag] = _integers(raw, item.entry.type, item.entry.number, self.order)
        item.page.waiting -= 1
        self._settle(item.page)

    def _settle(self, page: _Page) -> None:
        if not page.waiting:
            self.end = max(self.end, page.end())

    def _number(self, raw: bytes) -> int:
        return int.from_bytes(raw, "little" if self.order == "<" else "big")


def walk_tiff(cursor: ByteCursor, found: Findings) -> Walk:
    """Follow the chain of directories, and compare the offsets of all strips and tiles with the length."""
    cursor.keep = BEHIND
    head = yield from cursor.read(8)
    order = "<" if head[:2] == b"II" else ">"
    version = struct.unpack_from(order + "H", head, 2)[0]
    if version == 43:
        first = struct.unpack(order + "Q", (yield from cursor.read(8)))[0]
    else:
        first = struct.unpack_from(order + "I", head, 4)[0]
    if first:
        yield from _Tiff(cursor, found, order, big=version == 43).walk(first)
