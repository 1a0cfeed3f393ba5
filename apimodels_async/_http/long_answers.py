"""What an answer says besides its pictures, where these make it longer than it may be in memory. Pure."""

import re

LONGEST_TEXT = 64 << 10
"""Bytes of a text that is kept: links are shorter, and pictures in base64 are not."""
MOST_OUTLINED = 1 << 20
"""Bytes of all that is kept."""

_INSIDE = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
"""A text up to its end, or up to a backslash whose character is still to come."""


class Outline:
    """JSON that comes piece by piece, in which a text that is longer than `LONGEST_TEXT` becomes an empty one.

    A picture in base64 often stands beside its link, and only the link is needed.
    """

    def __init__(self) -> None:
        self._kept = bytearray()
        self._text: int | None = None  # where in `_kept` the text begins that is being read
        self._dropped = False
        self._escaped = False

    def add(self, piece: bytes) -> bool:
        """Take in what comes next, and return whether the outline is still as short as it must be."""
        at = 0
        while at < len(piece):
            at = self._outside(piece, at) if self._text is None else self._inside(piece, at)
        return len(self._kept) <= MOST_OUTLINED

    def json(self) -> bytes:
        """What was kept."""
        return bytes(self._kept)

    def _outside(self, piece: bytes, at: int) -> int:
        end = piece.find(b'"', at) + 1 or len(piece)
        self._kept += piece[at:end]
        if piece[end - 1 : end] == b'"':
            self._text, self._dropped = len(self._kept), False
        return end

    def _inside(self, piece: bytes, at: int) -> int:
        found = _INSIDE.match(piece, at + self._escaped)
        end = len(piece) if found is None else found.end()
        self._escaped = piece[end : end + 1] == b"\\"
        self._keep(piece[at : end + self._escaped])
        if piece[end : end + 1] == b'"':
            self._kept += b'"'
            self._text = None
        return end + 1

    def _keep(self, part: bytes) -> None:
        if self._dropped:
            return
        self._kept += part
        assert self._text is not None  # noqa: S101  (called inside a text only)
        if len(self._kept) - self._text > LONGEST_TEXT:
            del self._kept[self._text :]
            self._dropped = True
