"""A position in a file whose bytes arrive in pieces, and what a walk along its structure finds."""

import re
from collections.abc import Generator
from typing import TypeAlias, TypeVar

T = TypeVar("T")

Reading: TypeAlias = Generator[None, None, T]
"""Suspends (yields) wherever the next byte has not been received yet; resumed when more has."""

Walk: TypeAlias = Reading[None]


class Findings:
    """What a walk has found.

    Attributes:
        size: width and height in pixels as they are stored.
        orientation: 1 to 8, as EXIF numbers them.
        end: the offset at which the picture ends; ``None`` until its structure has been followed to its end.
        further_end: the offset at which the last further picture ends that the file announces.
    """

    def __init__(self) -> None:
        self.size: tuple[int, int] | None = None
        self.orientation = 1
        self.end: int | None = None
        self.further_end = 0


MOST_PARTS = 10_000
"""Parts (chunks, segments, blocks, boxes) that a file may have, however small they are."""
SMALLEST_PART = 64
"""Bytes of the average part in a file that has more."""


class ByteCursor:
    """Reads and skips bytes that arrive in pieces. Keeps the last piece, and a bounded number of bytes before it.

    Attributes:
        keep: how many bytes before the position can be read again with `recall`.
        parts: how many parts of the file have been begun.
    """

    def __init__(self) -> None:
        self.keep = 0
        self.parts = 0
        self._data = b""
        self._at = 0
        self._begin = 0  # offset of _data in the file
        self._passed = bytearray()  # the bytes before _data

    @property
    def position(self) -> int:
        """Offset of the next byte."""
        return self._begin + self._at

    def begin_part(self) -> bool:
        """Count a part; return ``False`` if there are too many small ones for a real picture."""
        self.parts += 1
        return self.parts <= MOST_PARTS or self.parts * SMALLEST_PART <= self.position

    def supply(self, chunk: bytes) -> None:
        """Add bytes that were received. What is before the position is dropped, except for `keep` bytes."""
        if self._at >= self.keep:
            self._passed[:] = self._data[self._at - self.keep : self._at]
        else:
            self._passed += self._data[: self._at]
            if len(self._passed) > 2 * self.keep:  # not at every call: it moves the bytes that are kept
                del self._passed[: -self.keep]
        self._begin += self._at
        self._data = self._data[self._at :] + chunk if self._at < len(self._data) else chunk
        self._at = 0

    def read(self, length: int) -> Reading[bytes]:
        """The next `length` bytes. They are held in memory: bound the length."""
        piece = self._data[self._at : self._at + length]
        self._at += len(piece)
        if len(piece) == length:
            return piece
        pieces = [piece]
        missing = length - len(piece)
        while missing:
            yield
            piece = self._data[self._at : self._at + missing]
            self._at += len(piece)
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def skip(self, length: int) -> Walk:
        """Pass over `length` bytes. Returns when they all have been received."""
        while length > (there := len(self._data) - self._at):
            self._at += there
            length -= there
            yield
        self._at += length

    def skip_to(self, offset: int) -> Walk:
        """Pass over the bytes before `offset`, if it is ahead."""
        yield from self.skip(max(offset - self.position, 0))

    def search(self, pattern: re.Pattern[bytes], length: int) -> Reading[int]:
        """Pass over everything up to the end of a match, which is `length` bytes long, and return its last byte."""
        while True:
            match = pattern.search(self._data, self._at)
            if match:
                self._at = match.end()
                return self._data[self._at - 1]
            self._at = max(self._at, len(self._data) - length + 1)  # the last bytes may begin a match
            yield

    def skip_sub_blocks(self) -> Walk:
        """Pass over GIF data sub-blocks (a byte with the length, and as many bytes), up to and with the empty one."""
        while True:
            data, at, end = self._data, self._at, len(self._data)
            while at < end and (length := data[at]):  # in one loop: a picture has a sub-block every 256 bytes
                at += length + 1
            if at < end:
                self._at = at + 1
                return
            yield from self.skip(at - self._at)
            if self._at == len(self._data):
                yield

    def recall(self, offset: int, length: int) -> bytes | None:
        """Bytes that have been passed already, or ``None`` if they are more than `keep` bytes behind."""
        if not self.position - self.keep <= offset <= self.position - length:
            return None
        begin = self._begin - len(self._passed)
        before = bytes(self._passed[offset - begin : offset - begin + length])
        at = max(offset - self._begin, 0)
        return before + self._data[at : at + length - len(before)]
