"""The seam to httpx: the only file that imports it. Requests go out here, and every foreign error is mapped here.

Creates have lanes of their own, on which it can be proved whether a byte was sent, with as many connections as creates
may be waiting: synchronous models hold one for a minute. Queries share a few connections
behind a limiter of ours, because httpx's pool grows slow with connections and with a queue inside it. Downloads
go over a client that has never seen the API key.
"""

import io
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any, NamedTuple, TypeAlias

import anyio
import httpx

from apimodels_async._lanes import Lanes
from apimodels_async._retrying import Trace, http_date, retry_after
from apimodels_async._secret import Secret
from apimodels_async._version import __version__
from apimodels_async._wire import Answer
from apimodels_async.errors import ConfigurationError, ConnectionFailedError

HttpClient: TypeAlias = httpx.AsyncClient
Timeout: TypeAlias = httpx.Timeout

DEFAULT_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
"""For one exchange, seconds. A create's answer is read for `CREATE_READ_TIMEOUT` instead."""
CREATE_READ_TIMEOUT = 300.0
"""Seconds: some models answer a create only when the picture is done."""
CONNECTIONS = 8
"""For queries, and as many again for downloads: about the best of httpx's pool (measured, see the design page)."""
SUBMIT_KEEPALIVE = 2.0
"""Seconds. On a kept-alive connection that the server is just closing, a create becomes unknown for nothing."""

PIECE = 256 << 10
"""Bytes of a body that are given to the transport at once."""
_BUFFERED = 1 << 16
"""More pieces of a body than can have been received and not been read: h11 keeps 64 KiB."""

_USER_AGENT = f"apimodels-async/{__version__}"


class RequestFailed(Exception):  # noqa: N818  (internal: always translated before a user sees it)
    """There is no answer. `trace` says what is known of the request; ``__cause__`` is the foreign error."""

    def __init__(self, message: str, trace: Trace) -> None:
        super().__init__(message)
        self.trace = trace


async def _nothing() -> None:
    """The default of `Watch.before_first_byte`."""


class Watch:
    """Follows one request through the transport's trace events.

    `before_first_byte` is awaited before anything is written; what it raises ends the request with nothing sent.
    Through a caller's own client it may be awaited twice.
    """

    __slots__ = ("_before_first_byte", "header_sent", "spoke")

    def __init__(self, before_first_byte: Callable[[], Awaitable[None]] = _nothing) -> None:
        self._before_first_byte = before_first_byte
        self.header_sent: bool = False
        self.spoke: bool = False

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        """What httpcore calls at each event."""
        self.spoke = True
        # A CONNECT to a proxy reports the same event about itself.
        if event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT":
            await self._before_first_byte()
            self.header_sent = True

    async def announce(self) -> None:
        """Let `before_first_byte` know before the call, for a transport that may report no events.

        Raises:
            RequestFailed: it does not want the request to be sent.
        """
        try:
            await self._before_first_byte()
        except Exception as error:
            raise RequestFailed(describe(error), Trace(header_sent=False, spoke=True, refused=False)) from error

    def trace(self, error: BaseException) -> Trace:
        """What is known now that the request has failed with `error`."""
        refused = isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
        return Trace(header_sent=self.header_sent, spoke=self.spoke, refused=refused)


class Stream(NamedTuple):
    """The answer to a download, its body still to come.

    Attributes:
        status: the HTTP status.
        location: of a redirect.
        length: bytes, as the server announces them.
        encoded: whether the body is compressed although that was declined.
        date: the server's clock, where it tells.
        retry_after: seconds.
        chunks: the body as it comes.
    """

    status: int
    location: str | None
    length: int | None
    encoded: bool
    date: datetime | None
    retry_after: float | None
    chunks: AsyncIterator[bytes]


class Http:
    """The lanes of one client. Each is made on first use; what was made here is closed by `aclose`."""

    def __init__(
        self,
        api_key: Secret[str],
        base_url: str,
        timeout: float | httpx.Timeout | None,
        given: httpx.AsyncClient | None,
    ) -> None:
        if not isinstance(given, httpx.AsyncClient | None):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"http_client={type(given).__name__}: give an httpx.AsyncClient, or leave it out")
        self._api_key = api_key
        self.base_url = base_url
        self._given_timeout = timeout
        self._given = given
        self._owned: list[httpx.AsyncClient] = []
        self._closed = False

    @cached_property
    def _headers(self) -> httpx.Headers:
        # httpx's own type hides Authorization in its repr; a dict in a traceback's locals would not.
        return httpx.Headers(
            {
                "Authorization": f"Bearer {self._api_key.reveal()}",
                "User-Agent": _USER_AGENT,
                "Accept": "application/json",
            }
        )

    @cached_property
    def _json_headers(self) -> httpx.Headers:
        headers = self._headers.copy()
        headers["Content-Type"] = "application/json"
        return headers

    @cached_property
    def _timeout(self) -> httpx.Timeout:
        given = self._given_timeout
        return given if isinstance(given, httpx.Timeout) else httpx.Timeout(given)

    @cached_property
    def _create_timeout(self) -> httpx.Timeout:
        if self._given_timeout is not DEFAULT_TIMEOUT:
            return self._timeout
        return httpx.Timeout(30.0, connect=10.0, read=CREATE_READ_TIMEOUT)

    @cached_property
    def _ssl(self) -> Any:
        return httpx.create_ssl_context()

    def _client(self, limits: httpx.Limits) -> httpx.AsyncClient:
        if self._given is not None:
            return self._given
        if self._closed:
            raise ConfigurationError("this client was closed while it was being used")
        client = httpx.AsyncClient(verify=self._ssl, limits=limits, timeout=self._timeout)
        self._owned.append(client)
        return client

    async def _let_go(self, client: httpx.AsyncClient) -> None:
        if client in self._owned:
            self._owned.remove(client)
            await client.aclose()

    @cached_property
    def _submit_lanes(self) -> Lanes[httpx.AsyncClient]:
        # No bound on idle ones: with one, a wave of creates would close connections only to open them again.
        limits = httpx.Limits(keepalive_expiry=SUBMIT_KEEPALIVE)
        return Lanes(lambda: self._client(limits), self._let_go, idle=SUBMIT_KEEPALIVE, clock=anyio.current_time)

    @cached_property
    def _query_lane(self) -> httpx.AsyncClient:
        return self._client(httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=30.0))

    @cached_property
    def _download_lane(self) -> httpx.AsyncClient:
        return self._client(httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=5.0))

    @cached_property
    def _query_limit(self) -> anyio.CapacityLimiter:
        return anyio.CapacityLimiter(CONNECTIONS)

    @cached_property
    def download_places(self) -> anyio.CapacityLimiter:
        """So many pictures at once; taken before a picture's own time begins to run."""
        return anyio.CapacityLimiter(CONNECTIONS)

    def _check_open(self, client: httpx.AsyncClient) -> None:
        if client.is_closed and self._given is not None:
            raise ConfigurationError("http_client= is closed: keep it open as long as this client is used")
        if client.is_closed:
            raise ConfigurationError("this client was closed while it was being used")

    async def submit(self, body: Secret[bytes], watch: Watch) -> Answer:
        """POST a create.

        Raises:
            RequestFailed: there is no answer; its trace says whether the request can have left.
        """
        if self._given is not None:
            await watch.announce()
        async with self._submit_lanes.one() as lane:
            return await self._exchange(
                lane, partial(self._create, lane, body, watch), watch, timeout=self._create_timeout
            )

    async def query(self, path: str, **params: str) -> Answer:
        """GET something that may be asked as often as one likes.

        Raises:
            RequestFailed: there is no answer.
        """
        async with self._query_limit:
            make = partial(self._request, "GET", path, params=params or None, timeout=self._timeout)
            return await self._exchange(self._query_lane, make, Watch(), timeout=self._timeout)

    async def upload(self, name: str, data: bytes, media_type: str) -> Answer:
        """POST a file as multipart/form-data.

        Raises:
            RequestFailed: there is no answer.
        """
        async with self._query_limit:
            files = {"file": (name, io.BytesIO(data), media_type)}  # read in pieces, and not copied
            make = partial(self._request, "POST", "/files", files=files, timeout=self._create_timeout)
            return await self._exchange(self._query_lane, make, Watch(), timeout=self._create_timeout)

    def _request(self, method: str, path: str, **parts: Any) -> httpx.Request:
        return self._query_lane.build_request(method, self.base_url + path, headers=self._headers, **parts)

    async def _exchange(
        self,
        client: httpx.AsyncClient,
        make: Callable[[], httpx.Request],
        watch: Watch,
        *,
        timeout: httpx.Timeout,
    ) -> Answer:
        self._check_open(client)
        bound = _whole(timeout)
        # Any exception counts, not only httpx's: a user's transport or hook may raise what it likes, and for a
        # create the question is only whether the request can have left.
        try:
            with anyio.move_on_after(bound):
                return self._answer(await client.send(make(), auth=None, follow_redirects=False))
        except Exception as error:
            raise RequestFailed(describe(error), watch.trace(error)) from error
        late = TimeoutError(f"no whole answer within {bound:g} s")
        raise RequestFailed(str(late), watch.trace(late)) from late

    def _create(self, lane: httpx.AsyncClient, body: Secret[bytes], watch: Watch) -> httpx.Request:
        url = self.base_url + "/images/generations"
        extensions = {"trace": watch, "timeout": self._create_timeout.as_dict()}
        # A caller's own client may have hooks and transports that want to see a body whole.
        if self._given is not None or len(body.reveal()) <= PIECE:
            return lane.build_request(
                "POST", url, headers=self._json_headers, content=body.reveal(), extensions=extensions
            )
        headers = httpx.Headers({**lane.headers, **self._json_headers})
        headers["Host"] = httpx.URL(url).netloc.decode("ascii")
        headers["Content-Length"] = str(len(body.reveal()))
        return httpx.Request("POST", url, headers=headers, stream=_InPieces(body), extensions=extensions)

    def _answer(self, response: httpx.Response) -> Answer:
        headers = response.headers
        request_id = headers.get("x-request-id") or headers.get("cf-ray")
        return Answer(
            status=response.status_code,
            body=self._without_key(response.content),
            request_id=request_id and self._without_key(request_id.encode()).decode(),
            retry_after=retry_after(headers.get("retry-after"), headers.get("date"), datetime.now(UTC)),
        )

    def _without_key(self, text: bytes) -> bytes:
        """What a server said, without the key that it may quote in a refusal: errors carry its words.

        The key is a local here, where nothing can fail, and so in no traceback.
        """
        key = self._api_key.reveal().encode()
        # Nothing so short is a key, and its letters might stand in the names of fields.
        return text.replace(key, b"[API key]") if len(key) >= 8 else text

    @asynccontextmanager
    async def stream(self, url: str) -> AsyncGenerator[Stream]:
        """GET a picture: no key, no header of the API, no cookie, no redirect followed, no compression wanted.

        Raises:
            RequestFailed: there is no answer, or its body broke off (from `Stream.chunks`).
            ValueError: no URL that httpx can make sense of.
        """
        client = self._download_lane
        self._check_open(client)
        # Built by hand: build_request would add the default headers and cookies of a caller's own client.
        try:
            request = httpx.Request(
                "GET",
                url,
                headers={"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": _USER_AGENT},
                extensions={"timeout": self._timeout.as_dict()},
            )
        except httpx.InvalidURL as error:
            raise ValueError(f"no link that can be fetched: {error}") from None
        try:
            response = await client.send(request, stream=True, auth=None, follow_redirects=False)
        except Exception as error:
            raise RequestFailed(describe(error), Watch().trace(error)) from error
        stream = _as_stream(response)
        try:
            yield stream
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()
                await _unwind(stream.chunks)

    async def aclose(self) -> None:
        """Close the clients made here; a client that was given stays open."""
        self._closed = True
        for client in list(self._owned):
            await client.aclose()


class _InPieces(httpx.AsyncByteStream):
    """A large body, piece by piece: what is given to asyncio at once and cannot be sent at once, it copies.

    It can be sent again from its beginning.
    """

    def __init__(self, body: Secret[bytes]) -> None:
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Pieces(self._body)


class _Pieces:
    """Not a generator: a create may be cut off, and nobody ends the generators of a body."""

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


def _as_stream(response: httpx.Response) -> Stream:
    headers = response.headers
    length = headers.get("content-length", "")
    return Stream(
        status=response.status_code,
        location=headers.get("location"),
        length=int(length) if length.isascii() and length.isdigit() else None,
        encoded=headers.get("content-encoding", "identity").lower() not in ("", "identity"),
        date=http_date(headers.get("date")),
        retry_after=retry_after(headers.get("retry-after"), headers.get("date"), datetime.now(UTC)),
        chunks=_chunks(response),
    )


async def _chunks(response: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.aiter_raw():
            yield chunk
    except Exception as error:
        raise RequestFailed(describe(error), Watch().trace(error)) from error


async def _unwind(chunks: AsyncIterator[bytes]) -> None:
    """End a body that was not read to its end, after its connection is closed.

    What is below are seven nested generators of httpx and httpcore. Closing the outermost would leave the others to
    the garbage collector, of which trio warns for each; the error of a read from the closed connection ends them all.
    """
    with suppress(Exception):
        for _ in range(_BUFFERED):
            await anext(chunks)


def _whole(timeout: httpx.Timeout) -> float | None:
    """Seconds for a whole exchange: httpx bounds each step, and an answer that drips takes any number of steps."""
    steps = (timeout.connect, timeout.read, timeout.write, timeout.pool)
    return None if None in steps else sum(step for step in steps if step is not None)


def describe(error: BaseException) -> str:
    """A foreign error in a few words; some of httpx's say nothing but their class."""
    words = str(error).strip()
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


class Forwarder:
    """Posts bodies on to one URL, as they came: no header of the API, no redirect followed.

    Args:
        url: where to.
        timeout: seconds for one exchange.
    """

    def __init__(self, url: str, *, timeout: float) -> None:
        self._url = url
        # What is on this machine is not reached by a proxy.
        self._client = httpx.AsyncClient(timeout=timeout, trust_env=False)

    async def post(self, body: bytes) -> int:
        """The status of the answer.

        Raises:
            ConnectionFailedError: there is none.
        """
        headers = {"Content-Type": "application/json", "User-Agent": _USER_AGENT}
        try:
            response = await self._client.post(self._url, content=body, headers=headers, follow_redirects=False)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ConnectionFailedError(describe(error)) from error
        return response.status_code

    async def aclose(self) -> None:
        """Close its connections."""
        await self._client.aclose()
