"""Decoding of bytes into lines of text, with any common encoding, byte order mark and line end. Pure."""

import codecs
import io
import re
from collections.abc import Iterable, Iterator

__all__ = ["LONGEST", "BadTextError", "LineReader", "read_lines"]

LONGEST = 64 << 20
"""Maximum characters of a line: enough for a picture as a ``data:`` URI, but not for a file without line ends."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LOOKED_AT = 1024
"""Bytes from the start that may show an encoding without a mark."""
_BROKEN = "\ud800"
"""Marks bytes that could not be decoded: no decoder returns it, and no text contains it."""
_NAMES = {"utf-8": "UTF-8", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16", "utf-32-le": "UTF-32", "utf-32-be": "UTF-32"}

codecs.register_error("apimodels_async.broken", lambda error: (_BROKEN, error.end))  # type: ignore[attr-defined]


class BadTextError(ValueError):
    """A line that cannot be decoded.

    Attributes:
        number: of the line, from 1.
    """

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(reason)
        self.number = number


class LineReader:
    """Takes bytes in pieces of any size and returns the lines that are complete by then, numbered from 1.

    UTF-8 is read, UTF-16 and UTF-32 with a byte order mark, and UTF-16 without one if most of it is ASCII. A line ends
    with LF, CR or both. A byte order mark at the beginning of a line is dropped: files are joined with theirs.
    """

    def __init__(self) -> None:
        self._head = b""
        self._encoding = ""
        self._decoder: io.IncrementalNewlineDecoder | None = None
        self._begun: list[str] = []
        self._size = 0
        self._number = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, str]]:
        """The lines that end in the next bytes, without their ends.

        Raises:
            BadTextError: bytes that cannot be decoded, or a line without end.
        """
        return self._read(data, final=False)

    def finish(self) -> Iterator[tuple[int, str]]:
        """The last line, if it has no end.

        Raises:
            BadTextError: as `feed`.
        """
        return self._read(b"", final=True)

    def _read(self, data: bytes, *, final: bool) -> Iterator[tuple[int, str]]:
        if self._decoder is None:
            self._head += data
            found = _encoding_of(self._head, final=final)
            if found is None:
                return
            self._encoding, data = found[0], self._head[found[1] :]
            decoder = codecs.getincrementaldecoder(self._encoding)("apimodels_async.broken")
            self._decoder = io.IncrementalNewlineDecoder(decoder, translate=True)
        *ended, rest = self._decoder.decode(data, final).split("\n")
        for text in ended:
            yield self._line(text)
        self._add(rest)
        if final and self._size:
            yield self._line("")

    def _line(self, text: str) -> tuple[int, str]:
        self._add(text)
        self._number += 1
        line = "".join(self._begun).removeprefix("\ufeff")
        self._begun, self._size = [], 0
        if _BROKEN in line:
            hint = "" if self._encoding != "utf-8" else ": save the file as UTF-8"
            raise BadTextError(self._number, f"no {_NAMES[self._encoding]}{hint}")
        return self._number, line

    def _add(self, text: str) -> None:
        if text:
            self._begun.append(text)
            self._size += len(text)
        if self._size > LONGEST:
            raise BadTextError(self._number + 1, f"longer than {LONGEST >> 20} MiB")


def _encoding_of(head: bytes, *, final: bool) -> tuple[str, int] | None:
    """Return the encoding shown by the first bytes and the length of its mark; ``None`` if more bytes are needed."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            if encoding == "utf-16-le" and len(head) < 4 and not final:  # it may be the beginning of that of UTF-32
                return None
            return encoding, len(mark)
        if not final and mark.startswith(head):
            return None
    if b"\x00" in head[:_LOOKED_AT]:
        if len(head) < 4 and not final:
            return None
        for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
            if _is_utf_16(head[:_LOOKED_AT], first):
                return encoding, 0
    return "utf-8", 0


def _is_utf_16(head: bytes, high: int) -> bool:
    """Whether most pairs have a zero as their high byte, none as their low byte, and no line end of one byte is there.

    Args:
        head: bytes from the start of a file.
        high: 1 if the high byte of each pair is its second, 0 if it is its first.
    """
    pairs = len(head) // 2
    highs, lows = head[high : 2 * pairs : 2], head[1 - high : 2 * pairs : 2]
    line_ends = [at for at, each in enumerate(lows) if each == 0x0A]
    return (
        2 * highs.count(0) > pairs
        and max(lows, default=0) >= 0x20  # not only line ends
        and 0 not in lows
        and not re.search(rb"[\r\n]", highs)
        and all(highs[at] == 0 for at in line_ends)
    )


def read_lines(chunks: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    """All lines of a file.

    Raises:
        BadTextError: as `LineReader.feed`.
    """
    reader = LineReader()
    for chunk in chunks:
        yield from reader.feed(chunk)
    yield from reader.finish()
