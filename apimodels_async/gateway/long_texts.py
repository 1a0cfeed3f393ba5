"""Long texts in JSON: cut out of a body and parsed piece by piece. Pure.

`json.loads` gives no other thread a turn until it has ended, and a text of 50 MB takes it an eighth of a second. Only
pictures in base64 are as long as that.
"""

import itertools
import json
import re
import secrets
from collections.abc import Iterator

__all__ = ["PIECE", "LongTexts"]

PIECE = 256 << 10
"""Bytes that are parsed at once. Shorter texts are not cut."""

_NO_ESCAPE = re.compile(rb"[^\\\x80-\xff]{13}")
"""Where it ends, neither an escape nor a character is under way: two escapes can be one character, in 12 bytes."""
_BACKSLASH = ord("\\")


class LongTexts:
    """The long texts of a body, and what is left of it.

    Args:
        body: JSON in UTF-8.

    Attributes:
        rest: the body with a number in place of each long text.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._cuts: dict[str, list[int]] = {}
        self._token = secrets.randbits(64)  # the body must not be able to name a text
        kept: list[bytes] = []
        done = 0
        for begin, end in _texts(body):
            if end - begin > PIECE and (cuts := _cuts(body, begin, end)) is not None:
                name = f"0.{self._token}e{len(self._cuts)}"
                self._cuts[name] = cuts
                kept += body[done : begin - 1], name.encode()
                done = end + 1
        self.rest: bytes = b"".join((*kept, body[done:])) if kept else body

    def get(self, number: str) -> str | None:
        """The text that a number stands for; ``None`` if it is a number.

        Raises:
            ValueError: it is not valid.
        """
        cuts = self._cuts.get(number)
        if cuts is None:
            return None
        return "".join([json.loads(b'"%b"' % self._body[at:end]) for at, end in itertools.pairwise(cuts)])


def _texts(body: bytes) -> Iterator[tuple[int, int]]:
    """Where texts begin and end, without their quotes."""
    begin = body.find(b'"') + 1
    while begin:
        end = body.find(b'"', begin)
        while end > 0 and _is_escaped(body, end):
            end = body.find(b'"', end + 1)
        if end < 0:
            return
        yield begin, end
        begin = body.find(b'"', end + 1) + 1


def _is_escaped(body: bytes, at: int) -> bool:
    before = at
    while body[before - 1] == _BACKSLASH:
        before -= 1
    return (at - before) % 2 == 1


def _cuts(body: bytes, begin: int, end: int) -> list[int] | None:
    """Where to cut a text; ``None`` if there is no place for it."""
    cuts = [begin]
    while end - cuts[-1] > 2 * PIECE:
        at = cuts[-1] + PIECE
        found = _NO_ESCAPE.search(body, at, at + PIECE)
        if found is None:
            return None
        cuts.append(found.end())
    return [*cuts, end]
