"""Replies of a hostile server: streamed piece by piece, so that what they cost is the reader's memory alone."""

import itertools
import socket
import zlib
from collections.abc import Iterable, Iterator

from tests.support.picture_server import Reply, Seen, head

PIECE = 1 << 20
CHUNKED = ("Transfer-Encoding", "chunked")
MOST_SENT = 1 << 30
"""Bytes after which even an endless reply ends: a reader that takes so much has failed."""


def streamed(pieces: Iterable[bytes], *headers: tuple[str, str], start: bytes | None = None) -> Reply:
    """The pieces after a head, until the other side goes away, and then the end of the connection."""

    def reply(connection: socket.socket, _: Seen) -> bool:
        connection.sendall(head(200, ("Connection", "close"), *headers) if start is None else start)
        sent = 0
        for piece in pieces:
            connection.sendall(piece)
            sent += len(piece)
            if sent > MOST_SENT:
                break
        return False

    return reply


class Repeated(Iterable[bytes]):
    """`piece`, over and over, until there are `size` bytes, between a beginning and an end."""

    def __init__(self, piece: bytes, size: int, start: bytes = b"", end: bytes = b"") -> None:
        self._block = piece * max(1, PIECE // len(piece))
        self._times = max(1, size // len(self._block))
        self._start, self._end = start, end

    def __iter__(self) -> Iterator[bytes]:
        yield self._start
        yield from itertools.repeat(self._block, self._times)
        yield self._end


def deflated(pieces: Iterable[bytes], wbits: int = 31) -> bytes:
    """Pieces, packed: gzip by default."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return b"".join([*map(packer.compress, pieces), packer.flush()])


def zeros(megabytes: int) -> Iterable[bytes]:
    """So many megabytes of nothing."""
    return itertools.repeat(bytes(1 << 20), megabytes)


def packed_to_nothing() -> bytes:
    """A megabyte of a gzip stream that stands for no byte at all: empty stored blocks."""
    return b"\x00\x00\x00\xff\xff" * (PIECE // 5)


GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"

DRIPS = {
    "silence": (b"", b""),
    "status line": (b"", b"H"),
    "reason": (b"HTTP/1.1 200 ", b"O"),
    "header": (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "informational": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "body": (head(200, ("Content-Length", "1000000")), b"x"),
    "unframed body": (head(200, ("Connection", "close")), b"x"),
    "chunk size": (head(200, CHUNKED), b"0"),
    "chunk extension": (head(200, CHUNKED) + b"1;", b"x"),
    "chunks": (head(200, CHUNKED), b"1\r\nx\r\n"),
    "trailers": (head(200, CHUNKED) + b"1\r\nx\r\n0\r\n", b"X: y\r\n"),
}
"""Each phase of an answer: how it begins, and what comes again and again."""


def dripping(start: bytes, drip: bytes, every: float = 0.05) -> Reply:
    """A reply that never ends, and is never silent for long."""

    def reply(connection: socket.socket, _: Seen) -> bool:
        connection.sendall(start)
        connection.settimeout(every)
        while True:
            try:
                if not connection.recv(1):
                    return False
            except TimeoutError:
                if drip:
                    connection.sendall(drip)

    return reply


def flooding(start: bytes, drip: bytes) -> Reply:
    """The same as fast as it is read."""
    return streamed(Repeated(drip or b"\r\n", MOST_SENT), start=start)
