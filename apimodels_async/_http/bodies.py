"""Request bodies, handed to the transport in pieces.

Not by generators: nothing ends the generator of a body that is not sent to its end.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import partial

import httpx

from apimodels_async._secret import Secret
from apimodels_async._threads import FILES
from apimodels_async._wire.bodies import PictureSource

PIECE = 256 << 10
"""Bytes of a body that are given to the transport at once, or taken from it."""


class BodyInPieces(httpx.AsyncByteStream):
    """A large body, piece by piece: asyncio copies what it is given at once and cannot send at once.

    It can be sent again from its beginning.
    """

    def __init__(self, body: Secret[bytes]) -> None:
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Pieces(self._body)


class FormInPieces(httpx.AsyncByteStream):
    """A form with files, as httpx has built it.

    Args:
        form: yields the form, from its beginning each time.
    """

    def __init__(self, form: Iterable[bytes]) -> None:
        self._form = form

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Parts(self._form)


class _Parts:
    def __init__(self, form: Iterable[bytes]) -> None:
        self._parts = iter(form)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        part = next(self._parts, None)
        if part is None:
            raise StopAsyncIteration
        return part


class _Pieces:
    def __init__(self, body: Secret[bytes]) -> None:
        self._body = body
        self._at = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        begin, self._at = self._at, self._at + PIECE
        if begin >= len(self._body.reveal()):
            raise StopAsyncIteration
        return self._body.reveal()[begin : self._at]


class ReadInPieces(httpx.AsyncByteStream):
    """A body that is read while it is sent, in worker threads. It can be sent again from its beginning.

    Args:
        pieces: the body from its beginning; blocking.
        on_sent: called with the number of bytes that the transport has taken so far.
    """

    def __init__(self, pieces: Callable[[], Iterator[bytes]], on_sent: Callable[[int], object] | None) -> None:
        self._pieces = pieces
        self._on_sent = on_sent

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _ReadPieces(self._pieces(), self._on_sent)


class _ReadPieces:
    """Not a generator, as `_Pieces`."""

    def __init__(self, pieces: Iterator[bytes], on_sent: Callable[[int], object] | None) -> None:
        self._pieces = pieces
        self._on_sent = on_sent
        self._sent = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._on_sent is not None:
            self._on_sent(self._sent)
        piece: bytes | None = await FILES.run(partial(next, self._pieces, None), abandon=True)
        if piece is None:
            raise StopAsyncIteration
        self._sent += len(piece)
        return piece


def file_stream(source: PictureSource, on_sent: Callable[[int], object] | None) -> ReadInPieces:
    """A picture as a body of its own."""

    def pieces() -> Iterator[bytes]:
        for at in range(0, source.size, PIECE):
            yield source.read(at, PIECE)

    return ReadInPieces(pieces, on_sent)
