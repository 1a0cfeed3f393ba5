"""How an answer is read: whole and bounded, or piece by piece, and ended properly where it is not read to its end."""

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime

import anyio
import httpx

from apimodels_async._exchange import Stream
from apimodels_async._http._failures import failed, translated
from apimodels_async._retrying import http_date, retry_after

MAX_ANSWER = 64 << 20
"""Bytes of an answer of the API, unpacked: pictures may come inside it, in base64."""
_SHOWN = 4096
"""Bytes of a longer one that are kept, to show what it was."""
_BUFFERED = 1 << 16
"""More pieces of a body than can have been received and not been read: h11 keeps 64 KiB."""


async def read_body(response: httpx.Response, *, as_it_is: bool) -> tuple[bytes, bool]:
    """An answer's body, and whether that is only its beginning, because it is longer than any answer should be.

    `as_it_is`: nothing has to be unpacked, and no hook of a caller's can have read it before. httpx's own reader
    takes a tenth of a whole query.
    """
    chunks = (
        aiter(response.stream)
        if as_it_is and isinstance(response.stream, httpx.AsyncByteStream)
        else response.aiter_bytes()
    )
    parts: list[bytes] = []
    size = 0
    try:
        async for part in chunks:
            parts.append(part)
            size += len(part)
            if size > MAX_ANSWER:
                break
    except BaseException:
        with anyio.CancelScope(shield=True):
            await response.aclose()
        raise
    if size <= MAX_ANSWER:
        await response.aclose()
        return b"".join(parts), False
    with anyio.CancelScope(shield=True):
        await response.aclose()
        await unwind(chunks)
    return b"".join(parts)[:_SHOWN], True


def as_stream(response: httpx.Response) -> Stream:
    """The answer to a download, its body yet to be read."""
    headers = response.headers
    length = headers.get("content-length", "")
    return Stream(
        status=response.status_code,
        location=headers.get("location"),
        length=int(length) if length.isascii() and length.isdigit() else None,
        encoded=headers.get("content-encoding", "identity").lower() not in ("", "identity"),
        date=http_date(headers.get("date")),
        retry_after=asked_pause(headers),
        chunks=_chunks(response),
    )


def asked_pause(headers: httpx.Headers) -> float | None:
    """Seconds that a server asks to wait."""
    return retry_after(headers.get("retry-after"), headers.get("date"), datetime.now(UTC))


async def _chunks(response: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.aiter_raw():
            yield chunk
    except Exception as error:  # noqa: BLE001  (raised below, in httpx's words and without aiohttp's)
        failure = translated(error)
    else:
        return
    raise failed(failure) from failure


async def unwind(chunks: AsyncIterator[bytes]) -> None:
    """End a body that was not read to its end, after its connection is closed.

    What is below are seven nested generators of httpx and httpcore. Closing the outermost would leave the others to
    the garbage collector, of which trio warns for each; the error of a read from the closed connection ends them all.
    """
    with suppress(Exception):
        for _ in range(_BUFFERED):
            await anext(chunks)
