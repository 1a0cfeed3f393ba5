"""The JSON of a create request with pictures in it: each is encoded piece by piece, straight into its place. Pure.

A picture of 10 MB is 13 MB in JSON. Encoded first and written then, there would be four copies of it at once.
"""

import binascii
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from io import BytesIO
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

PIECE = 3 << 16
"""Bytes encoded at once: whole groups of three, and so few that other threads get their turn in between."""


@runtime_checkable
class PictureSource(Protocol):
    """A picture that is read while it is sent.

    Attributes:
        size: bytes.
    """

    size: int

    def read(self, at: int, length: int) -> bytes:
        """The bytes from `at`, `length` of them unless it ends before. May block.

        Raises:
            ValueError: it is not what it was any more.
        """
        ...


_Part: TypeAlias = bytes | memoryview | PictureSource


class StreamedBody:
    """The JSON of a create with large pictures in it, which are read and encoded while it is sent.

    Args:
        fields: the fields.
        pictures: names those whose bytes, or sources, or lists of them, go as base64.

    Attributes:
        on_sent: called with the number of bytes that were sent so far.
    """

    def __init__(self, fields: Mapping[str, Any], pictures: AbstractSet[str]) -> None:
        self._parts: Sequence[_Part] = list(_parts(fields, pictures))
        self._length = sum(_length(part) for part in self._parts)
        self.on_sent: Callable[[int], object] | None = None

    def __len__(self) -> int:
        return self._length

    def pieces(self) -> Iterator[bytes]:
        """The body in pieces, from its beginning. Blocks where a picture does."""
        for part in self._parts:
            if isinstance(part, bytes):
                yield part
                continue
            source = part if isinstance(part, PictureSource) else MemorySource(part)
            for at in range(0, source.size, PIECE):
                yield binascii.b2a_base64(source.read(at, PIECE), newline=False)


class MemorySource:
    """A picture that is in memory.

    Attributes:
        data: the file.
        size: bytes.
    """

    def __init__(self, data: bytes | memoryview) -> None:
        self.data: memoryview = memoryview(data)
        self.size: int = len(data)

    def read(self, at: int, length: int) -> bytes:
        """The bytes from `at`, `length` of them unless it ends before."""
        return bytes(self.data[at : at + length])


def write_body(fields: Mapping[str, Any], pictures: AbstractSet[str] = frozenset()) -> bytes:
    """`fields` as JSON. `pictures` names those whose bytes, or bytes in a list, go as base64.

    Raises:
        TypeError, ValueError: what JSON cannot say.
    """
    if not pictures:
        return _json(fields)
    parts = [part for part in _parts(fields, pictures) if not isinstance(part, PictureSource)]
    out = BytesIO()  # gives its bytes away without a copy
    # Its size beforehand: as it grew, it would be moved, and be there twice.
    out.seek(sum(map(_length, parts)) - 1)
    out.write(b"}")
    out.seek(0)
    for part in parts:
        if isinstance(part, bytes):
            out.write(part)
        else:
            for at in range(0, len(part), PIECE):
                out.write(binascii.b2a_base64(part[at : at + PIECE], newline=False))
    return out.getvalue()


def _parts(fields: Mapping[str, Any], pictures: AbstractSet[str]) -> Iterator[_Part]:
    """JSON, and the pictures that are to be encoded between."""
    before = b"{"
    for name, value in fields.items():
        yield before
        before = b","
        if name in pictures:
            yield _json(name) + b":"
            yield from _picture(value)
        else:
            yield _json({name: value})[1:-1]  # a name may be a number, which JSON puts in quotes
    yield b"}"


def _picture(value: object) -> Iterator[_Part]:
    if isinstance(value, (bytes, PictureSource)):
        yield b'"'
        yield memoryview(value) if isinstance(value, bytes) else value
        yield b'"'
    elif isinstance(value, list):
        before = b"["
        for each in cast("list[object]", value):
            yield before
            before = b","
            yield from _picture(each)
        yield b"]" if value else b"[]"
    else:
        yield _json(value)


def _length(part: _Part) -> int:
    """Bytes that a part takes in the body: those of a picture in base64, padded."""
    if isinstance(part, bytes):
        return len(part)
    size = part.size if isinstance(part, PictureSource) else len(part)
    return (size + 2) // 3 * 4


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
