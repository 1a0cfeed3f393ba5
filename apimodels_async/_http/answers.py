"""Reading what comes back: an answer of the API whole, a picture as it comes."""

from collections.abc import AsyncIterator
from contextlib import suppress

import anyio
import httpx

from apimodels_async._http.error_mapping import request_failed, translated
from apimodels_async._http.headers import retry_after_of
from apimodels_async._http.trace import Stream
from apimodels_async._secret import Secret
from apimodels_async._wire.answer import RawResponse
from apimodels_async._wire.headers import http_date

MAX_ANSWER = 64 << 20
"""Bytes of an answer of the API, unpacked: pictures may come inside it, in base64."""

_SHOWN = 4096
"""Bytes of a longer one that are kept, to show what it was."""
_BUFFERED = 1 << 16
"""More pieces of a body than can have been received and not been read: h11 keeps 64 KiB."""


async def read_answer(response: httpx.Response, key: Secret[str], url: str, *, straight: bool) -> RawResponse:
    """Read an answer of the API to its end.

    Args:
        response: the answer, its body still to come.
        key: is removed from what the server says, as it may quote it in a refusal: errors carry its words.
        url: that was asked.
        straight: it comes from a transport, and no client has touched it.
    """
    headers = {name.lower(): value for name, value in response.headers.raw}
    body, cut = await _body(response, as_it_is=straight and b"content-encoding" not in headers)
    request_id = headers.get(b"x-request-id") or headers.get(b"cf-ray")
    asked = headers.get(b"retry-after")
    return RawResponse(
        status=response.status_code,
        body=_without_key(body, key),
        request_id=None if request_id is None else _without_key(request_id, key).decode("latin-1"),
        retry_after=None if asked is None else retry_after_of(response.headers),
        cut=cut,
        url=url,
        server=_without_key(headers.get(b"server", b""), key).decode("latin-1"),
    )


def _without_key(text: bytes, secret: Secret[str]) -> bytes:
    # The key is a local here, where nothing can fail, and so in no traceback.
    key = secret.reveal().encode()
    # Nothing so short is a key, and its letters might stand in the names of fields.
    return text.replace(key, b"[API key]") if len(key) >= 8 else text


async def _body(response: httpx.Response, *, as_it_is: bool) -> tuple[bytes, bool]:
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


def as_stream(response: httpx.Response, where: str) -> Stream:
    """The answer to a download, its body still to come; `where` it comes from, in words."""
    headers = response.headers
    length = headers.get("content-length", "")
    return Stream(
        status=response.status_code,
        location=headers.get("location"),
        length=int(length) if length.isascii() and length.isdigit() else None,
        encoded=headers.get("content-encoding", "identity").lower() not in ("", "identity"),
        date=http_date(headers.get("date")),
        retry_after=retry_after_of(headers),
        chunks=_chunks(response, where),
    )


async def _chunks(response: httpx.Response, where: str) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.aiter_raw():
            yield chunk
    except Exception as error:  # noqa: BLE001  (raised below, in httpx's words and without aiohttp's)
        failure = translated(error)
    else:
        return
    raise request_failed(failure, where) from failure


async def unwind(chunks: AsyncIterator[bytes]) -> None:
    """End a body that was not read to its end, after its connection is closed.

    What is below are seven nested generators of httpx and httpcore. Closing the outermost would leave the others to
    the garbage collector, of which trio warns for each; the error of a read from the closed connection ends them all.
    """
    with suppress(Exception):
        for _ in range(_BUFFERED):
            await anext(chunks)
