"""Request bodies, handed to the transport in pieces.

Not by generators: nothing ends the generator of a body that is not sent to its end.
"""

from collections.abc import AsyncIterator, Iterable

import httpx

from apimodels_async._secret import Secret

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
