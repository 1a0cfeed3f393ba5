"""A large request body, handed to the transport in pieces."""

from collections.abc import AsyncIterator

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


class _Pieces:
    """Not a generator: a create request may be cut off, and nothing ends the generators of a body."""

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
