"""Reading what comes back: an answer of the API whole, a picture as it comes."""

import codecs
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum, auto
from functools import partial
from io import BytesIO
from typing import Any, NamedTuple, Protocol, cast

import anyio
import anyio.lowlevel
import httpx

from apimodels_async._http import versions
from apimodels_async._http.bodies import PIECE
from apimodels_async._http.decoding import Decoder
from apimodels_async._http.error_mapping import request_failed, translated
from apimodels_async._http.long_answers import Outline
from apimodels_async._http.proxies import Proxy
from apimodels_async._http.redaction import Redactor
from apimodels_async._http.trace import SendTrace, Stream
from apimodels_async._text import printable
from apimodels_async._threads import WorkerThreads
from apimodels_async._wire.answer import RawResponse, envelope_code
from apimodels_async._wire.headers import http_date, retry_after
from apimodels_async._wire.parsing import json_object
from apimodels_async._wire.refusals import is_of_api
from apimodels_async._wire.tasks import has_links_alone

MAX_ANSWER = 64 << 20
"""Bytes of an answer of the API, unpacked: pictures may come inside it, in base64."""

MAX_PICTURES_ANSWER = 384 << 20
"""Bytes of an answer with pictures in it, of which only their links are kept: ten of the largest, hardly compressed."""

_KEPT = 1 << 20
"""Bytes of an answer that are kept for an error to show."""
_OUTLINED = 128 << 10
"""Bytes of a long answer that are looked through at once."""
_WIDE = 16 << 20
"""Bytes of an answer that are read if it is not in UTF-8: decoding takes several times as many."""
_INLINE = 256 << 10
"""Bytes of an answer that are read as JSON in the loop. Longer ones go to a thread."""
_PARSING = WorkerThreads("parsing", 2)
_WORDS = ("msg", "message", "error", "detail", "failMsg")
"""Where a server's words stand."""
_SHOWN = 4096
"""Bytes of a longer one that are kept, to show what it was."""
_IN_A_ROW = 64
"""Pieces of a body after which others get their turn: one read may bring ten thousand chunks of a byte, each of
which takes h11 some 60 microseconds."""
_BUFFERED = 1 << 16
"""More pieces of a body than can have been received and not been read: h11 keeps 64 KiB."""


class _Extent(Enum):
    """How much of an answer was kept."""

    WHOLE = auto()
    OUTLINE = auto()
    BEGINNING = auto()


class Asked(NamedTuple):
    """What an answer belongs to.

    Attributes:
        url: that was asked.
        proxy: on the way.
        own: it went over a lane of ours: no hook of a caller's can have read the answer.
        trace: of a create request.
    """

    url: str
    proxy: Proxy | None
    own: bool
    trace: SendTrace | None

    def was_not_taken(self, status: int) -> bool:
        """Whether a status alone says that the request was refused, whatever its body might have said.

        407 comes from a proxy that passed nothing on. Any 4xx that came before the request had been sent refuses what
        could not be read whole. Their senders hang up, and much of the page is lost on the way.
        """
        return status == 407 or (self.trace is not None and self.trace.cut_short and 400 <= status <= 499)


class Received(Protocol):
    """An answer, its body still to come."""

    status: int
    headers: Mapping[bytes, bytes]
    """By their names in lower case."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body as it comes."""
        ...

    async def aclose(self, *, whole: bool) -> None:
        """Give back the connection, or close it if the body was not read to its end."""
        ...


async def read_answer(response: httpx.Response | Received, redactor: Redactor, asked: Asked) -> RawResponse:
    """Read an answer of the API to its end, or to its limit.

    Args:
        response: the answer, its body still to come.
        redactor: removes the API key from what the server says.
        asked: what it belongs to.

    Raises:
        httpx.DecodingError: it is packed in a way that was not asked for.
    """
    if isinstance(response, httpx.Response):
        headers = {name.lower(): value for name, value in response.headers.raw}
        body, extent = await _body(response, asked)
        finish = partial(_finished, response.status_code, headers, body, redactor, asked, extent=extent)
    else:
        body, extent = await _received(response, asked)
        finish = partial(_finished, response.status, response.headers, body, redactor, asked, extent=extent)
    return await _PARSING.run(finish) if body.tell() > _INLINE else finish()


def _finished(
    status: int, headers: Mapping[bytes, bytes], received: BytesIO, redactor: Redactor, asked: Asked, *, extent: _Extent
) -> RawResponse:
    body = received.getvalue()  # no copy of it
    received.close()

    def header(name: bytes, other: bytes = b"") -> str | None:
        value = headers.get(name, headers.get(other))
        return None if value is None else printable(redactor.text(value.decode("latin-1")))

    long, encoding = len(body) > _KEPT, _encoding(body)
    cut = extent is _Extent.BEGINNING or (encoding != "utf-8" and len(body) > _WIDE)
    begin = body[:_KEPT]
    if encoding != "utf-8":
        with suppress(UnicodeDecodeError):
            begin = begin.decode(encoding, "replace" if long else "strict").encode()
    shown = redactor.body(begin)
    parsed = [redactor.plain(body, encoding) if long else shown]
    del body  # taken out of the list, it is gone before its values are made: a long one must not be there twice
    payload = {} if cut else json_object(parsed.pop())
    if extent is _Extent.OUTLINE and not has_links_alone(payload):
        payload, cut = {}, True
    inner: object = payload.get("data")
    for part in (payload, cast("dict[str, Any]", inner) if isinstance(inner, dict) else {}) if long else ():
        for name in _WORDS:
            if isinstance(part.get(name), str):
                part[name] = redactor.text(part[name][:_SHOWN])
    pause = header(b"retry-after")
    return RawResponse(
        status=status,
        body=shown,
        request_id=header(b"x-request-id", b"cf-ray"),
        retry_after=None if pause is None else retry_after(pause, header(b"date"), datetime.now(UTC)),
        cut=cut,
        url=asked.url,
        via="" if asked.proxy is None else str(asked.proxy),
        # who sent a page, or the JSON of a gateway, in place of the API's answer
        server="" if is_of_api(payload, envelope_code(payload)) else header(b"server") or "",
        location=header(b"location") or "" if status // 100 == 3 else "",
        payload=payload,
    )


def _encoding(body: bytes) -> str:
    """Which encoding JSON is written in: UTF-8, or UTF-16 or UTF-32 with its byte order."""
    if b"\0" not in body[:4]:
        return "utf-8"
    found = json.detect_encoding(body[:4])
    if found in ("utf-16", "utf-32"):  # as the mark at the beginning says
        return f"{found}-{'le' if body.startswith(codecs.BOM_UTF16_LE) else 'be'}"
    return "utf-8" if found == "utf-8-sig" else found


async def _body(response: httpx.Response, asked: Asked) -> tuple[BytesIO, _Extent]:
    """An answer's body, unpacked, and how much of it."""
    if not asked.own and response.is_stream_consumed:  # a hook of the caller's has read it
        await response.aclose()
        extent = _Extent.WHOLE if len(response.content) <= MAX_ANSWER else _Extent.BEGINNING
        return _shown(BytesIO(response.content), extent)
    # httpx's own reader takes a tenth of a whole query, and unpacks without a limit.
    stream = response.stream
    chunks = aiter(stream) if asked.own and isinstance(stream, httpx.AsyncByteStream) else response.aiter_raw()
    body = BytesIO()
    extent = _Extent.WHOLE
    try:
        extent = await _unpack(chunks, response.headers.get("content-encoding", ""), body, asked)
    except BaseException as error:
        with anyio.CancelScope(shield=True):
            await response.aclose()
            await unwind(chunks)
        if not isinstance(error, httpx.TransportError) or not asked.was_not_taken(response.status_code):
            raise
    versions.drop_if_more_came(response)
    with anyio.CancelScope(shield=extent is _Extent.BEGINNING):
        await response.aclose()
        if extent is _Extent.BEGINNING:
            await unwind(chunks)
    return _shown(body, extent)


async def _received(answer: Received, asked: Asked) -> tuple[BytesIO, _Extent]:
    """The same, of what did not come through httpx."""
    body = BytesIO()
    extent = _Extent.BEGINNING
    try:
        codings = answer.headers.get(b"content-encoding", b"").decode("latin-1")
        extent = await _unpack(aiter(answer), codings, body, asked)
    finally:
        await answer.aclose(whole=extent is not _Extent.BEGINNING)
    return _shown(body, extent)


async def _unpack(chunks: AsyncIterator[bytes], codings: str, body: BytesIO, asked: Asked) -> _Extent:
    """Add to `body` what a body stands for. No more is read than it may have.

    That of a create request may be longer if that is because of the pictures in it: then their links are looked for,
    because it is paid.
    """
    decoder = Decoder(codings)
    outline: Outline | None = None
    read = length = 0
    async for chunk in chunks:
        read += 1
        if read % _IN_A_ROW == 0:
            await anyio.lowlevel.checkpoint()
        for number, part in enumerate(decoder.pieces(chunk)):
            if number:
                await anyio.lowlevel.checkpoint()  # a bomb must not hold up the loop
            length += len(part)
            body.write(part)
            if outline is None and length > MAX_ANSWER and asked.trace is not None:
                outline = Outline()
            if outline is None and length > MAX_ANSWER:
                return _Extent.BEGINNING
            if outline is not None and not (await _outlined(outline, body) and length <= MAX_PICTURES_ANSWER):
                body.write(outline.json())
                return _Extent.BEGINNING
    if outline is None:
        return _Extent.WHOLE
    body.write(outline.json())
    return _Extent.OUTLINE


async def _outlined(outline: Outline, body: BytesIO) -> bool:
    """Add what has come to the outline, and forget it. False if the outline is too long."""
    body.seek(0)
    short = True
    while short and (piece := body.read(_OUTLINED)):
        await anyio.lowlevel.checkpoint()
        short = outline.add(piece)
    body.seek(0)
    body.truncate()
    return short


def _shown(body: BytesIO, extent: _Extent) -> tuple[BytesIO, _Extent]:
    """A body, or its beginning."""
    if extent is _Extent.BEGINNING:
        body.truncate(_SHOWN)
    body.seek(0, os.SEEK_END)
    return body, extent


def as_stream(answer: httpx.Response | Received, where: str) -> Stream:
    """The answer to a download, its body still to come; `where` it comes from, in words."""
    headers: Mapping[bytes, bytes]
    if isinstance(answer, httpx.Response):
        versions.in_pieces_of(answer.stream, PIECE)
        status, chunks = answer.status_code, _whole(answer)
        headers = {name.lower(): value for name, value in answer.headers.raw}
    else:
        status, chunks, headers = answer.status, aiter(answer), answer.headers

    def header(name: bytes) -> str | None:
        value = headers.get(name)
        if value is None:
            return None
        with suppress(UnicodeDecodeError):
            return value.decode()
        return value.decode("latin-1")

    length, date = header(b"content-length") or "", header(b"date")
    return Stream(
        status=status,
        location=header(b"location"),
        length=int(length) if length.isascii() and length.isdigit() else None,
        encoded=(header(b"content-encoding") or "").lower() not in ("", "identity"),
        date=http_date(date) if status != 200 else None,
        retry_after=retry_after(header(b"retry-after"), date, datetime.now(UTC)),
        chunks=_chunks(chunks, where),
    )


async def _whole(answer: httpx.Response) -> AsyncIterator[bytes]:
    """The body, after which the connection is not given back yet."""
    if isinstance(answer.stream, httpx.AsyncByteStream) and not answer.is_stream_consumed:
        async for piece in answer.stream:
            yield piece
        versions.drop_if_more_came(answer)
    else:
        async for piece in answer.aiter_raw():
            yield piece


async def leave(answer: httpx.Response | Received, stream: Stream) -> None:
    """Give back the connection of a download, or close it if the body was not read to its end."""
    if isinstance(answer, httpx.Response):
        with anyio.CancelScope(shield=True):
            await answer.aclose()
            await unwind(stream.chunks)
    else:
        await answer.aclose(whole=False)  # waits for nothing; a connection whose answer has come is back already
        await unwind(stream.chunks)


async def _chunks(pieces: AsyncIterator[bytes], where: str) -> AsyncIterator[bytes]:
    read = 0
    try:
        async for piece in pieces:
            read += 1
            if read % _IN_A_ROW == 0:
                await anyio.lowlevel.checkpoint()
            yield piece
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
        for read in range(1, _BUFFERED):
            await anext(chunks)
            if read % _IN_A_ROW == 0:
                await anyio.lowlevel.checkpoint()
