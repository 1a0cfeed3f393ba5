"""Unpacking an answer's body step by step, and never further than it may be. Pure."""

import zlib
from collections.abc import Iterator

import httpx

STEP = 1 << 20
"""Bytes that are unpacked at once: a few kilobytes can stand for a gigabyte."""


class Decoder:
    """Unpacks one body.

    Args:
        codings: what the header ``Content-Encoding`` says.

    Raises:
        httpx.DecodingError: several codings, or one that was not asked for.
    """

    def __init__(self, codings: str) -> None:
        names = [name for each in codings.lower().split(",") if (name := each.strip()) not in _NONE]
        if len(names) > 1:
            raise httpx.DecodingError(f"packed {len(names)} times over: {codings[:100]!r}")
        if names and names[0] not in ("gzip", "x-gzip", "deflate"):
            raise httpx.DecodingError(f"packed as {names[0][:100]!r}, which was not asked for")
        self._inflate = zlib.decompressobj(_ANY) if names else None
        self._begin: bytes = b""  # of a further member, of which the rest is still to come
        self._head: bytes | None = b"" if names and names[0] == "deflate" else None

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What some bytes of the body stand for, at most `STEP` bytes at once.

        Raises:
            httpx.DecodingError: they are not packed as the header says.
        """
        if self._inflate is None:
            yield data
            return
        if self._head is not None:
            self._head += data
            if len(self._head) < _WRAPPER:
                return
            data, self._head = self._head, None
            if not _is_wrapped(data):
                self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        while data:
            if self._inflate.eof and not (data := self._next_member(data)):
                return
            try:
                piece = self._inflate.decompress(data, STEP)
            except zlib.error as error:
                raise httpx.DecodingError(str(error)) from error
            data = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
            if piece:
                yield piece

    def _next_member(self, data: bytes) -> bytes:
        """Begin another member, and return its bytes; nothing if what follows the end is padding, or still to come."""
        data, self._begin = self._begin + data, b""
        if not data.startswith(_MEMBER):
            self._begin = data if data == _MEMBER[:1] else b""
            return b""
        self._inflate = zlib.decompressobj(_ANY)
        return data


_NONE = frozenset({"", "identity", "none", "utf-8", "utf8", "binary", "7bit", "8bit", "aws-chunked"})
"""What is seen in the header and packs nothing: character sets, the names of MIME, and what S3 leaves there."""
_MEMBER = b"\x1f\x8b"
"""How each member of a gzip file begins (RFC 1952): some servers send several."""
_WRAPPER = 2
"""Bytes by which zlib's wrapper is known."""


def _is_wrapped(data: bytes) -> bool:
    """Whether deflate comes in zlib's wrapper, as it should; some servers leave it out (RFC 1950, section 2.2)."""
    return data[0] & 15 == zlib.DEFLATED and int.from_bytes(data[:_WRAPPER], "big") % 31 == 0


_ANY = zlib.MAX_WBITS | 32
"""gzip or zlib, as its first bytes say."""
