"""The seam to httpx: the only file that imports it. Requests go out here, and every foreign error is mapped here.

Creates have lanes of their own, on which it can be proved whether a byte was sent, with as many connections as
creates may be waiting: synchronous models hold one for a minute. Queries share a few connections behind a limiter of
ours, because httpx's pool grows slow with connections and with a queue inside it. Downloads go over a client that has
never seen the API key. On asyncio, with the extra `fast`, queries and downloads take aiohttp's transport instead.
"""

import io
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio
import anyio.to_thread
import httpx

from apimodels_async._http import fast
from apimodels_async._http.in_flight import InFlight
from apimodels_async._http.pools import PoolSet
from apimodels_async._http.trace import RequestFailed, SendTrace, Stream, describe
from apimodels_async._secret import Secret
from apimodels_async._version import __version__
from apimodels_async._wire.headers import http_date, retry_after
from apimodels_async._wire.tasks import RawResponse
from apimodels_async.errors import ConfigurationError, ConnectionFailedError

if TYPE_CHECKING:
    from httpx_aiohttp import AiohttpTransport

HttpClient: TypeAlias = httpx.AsyncClient
Timeout: TypeAlias = httpx.Timeout

DEFAULT_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
"""For one exchange, seconds. A create's answer is read for `CREATE_READ_TIMEOUT` instead."""
CREATE_READ_TIMEOUT = 300.0
"""Seconds: some models answer a create only when the picture is done."""
CONNECTIONS = 8
"""For queries, and as many again for downloads: about the best of httpx's pool (measured, see the design page)."""
FAST_CONNECTIONS = 32
"""For queries over aiohttp, which does not mind how many there are: so the distance to the server decides."""
SUBMIT_KEEPALIVE = 2.0
"""Seconds. On a kept-alive connection that the server is just closing, a create becomes unknown for nothing."""
KEEPALIVE = 30.0
"""Seconds, for queries."""
MAX_ANSWER = 64 << 20
"""Bytes of an answer of the API, unpacked: pictures may come inside it, in base64."""
CLOSING = 5.0
"""Seconds in which requests that were cut off by closing must have ended."""

PIECE = 256 << 10
"""Bytes of a body that are given to the transport at once, or taken from it."""
_SHOWN = 4096
"""Bytes of a longer one that are kept, to show what it was."""
_BUFFERED = 1 << 16
"""More pieces of a body than can have been received and not been read: h11 keeps 64 KiB."""
_PREPARED = 1024
"""So many queries are kept ready to be sent again."""
_USER_AGENT = f"apimodels-async/{__version__}"


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
        self._under_way = InFlight()

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

    @property
    def create_bound(self) -> float | None:
        """Seconds for the whole exchange of a create request, which its sender sees to."""
        return _whole(self._create_timeout)

    @cached_property
    def _ssl(self) -> Any:
        return httpx.create_ssl_context()

    def _client(self, limits: httpx.Limits) -> httpx.AsyncClient:
        if self._given is not None:
            return self._given
        if self._under_way.closing:
            raise _closed()
        client = httpx.AsyncClient(verify=self._ssl, limits=limits, timeout=self._timeout)
        self._owned.append(client)
        return client

    async def _let_go(self, client: httpx.AsyncClient) -> None:
        if client in self._owned:
            self._owned.remove(client)
            await client.aclose()

    @cached_property
    def _submit_lanes(self) -> PoolSet[httpx.AsyncClient]:
        # No bound on idle ones: with one, a wave of creates would close connections only to open them again.
        limits = httpx.Limits(keepalive_expiry=SUBMIT_KEEPALIVE)
        return PoolSet(lambda: self._client(limits), self._let_go, idle=SUBMIT_KEEPALIVE, clock=anyio.current_time)

    @cached_property
    def _query_lane(self) -> httpx.AsyncClient:
        return self._client(httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=KEEPALIVE))

    @cached_property
    def _download_lane(self) -> httpx.AsyncClient:
        return self._client(httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=5.0))

    @cached_property
    def _may_be_fast(self) -> bool:
        return self._given is None and fast.is_installed() and fast.usable()

    async def _load(self) -> None:
        """Import aiohttp where the loop can go on meanwhile: it takes tenths of a second."""
        with suppress(ImportError):
            await anyio.to_thread.run_sync(fast.load)

    @cached_property
    def _fast_lane(self) -> "AiohttpTransport | None":
        """For queries and downloads, on asyncio and with the extra `fast`: made and closed as the others are."""
        if not self._may_be_fast:
            return None
        try:
            from httpx_aiohttp import AiohttpTransport  # noqa: PLC0415  (slow to import, and perhaps not there)
        except ImportError:
            return None
        if self._under_way.closing:
            raise _closed()
        return AiohttpTransport(verify=self._ssl, client=partial(fast.new_session, self._ssl, KEEPALIVE))

    def _can_be_fast(self, request: httpx.Request) -> bool:
        return self._fast_lane is not None and fast.keeps(str(request.url))

    @property
    def queries_at_once(self) -> int:
        """As many as there are connections for them; more would only wait for one another."""
        return FAST_CONNECTIONS if self._may_be_fast else CONNECTIONS

    @cached_property
    def _query_places(self) -> anyio.Semaphore:
        return anyio.Semaphore(self.queries_at_once, fast_acquire=True)

    @cached_property
    def download_places(self) -> anyio.CapacityLimiter:
        """So many pictures at once; taken before a picture's own time begins to run."""
        return anyio.CapacityLimiter(CONNECTIONS)

    def _check_open(self) -> None:
        if self._given is not None and self._given.is_closed:
            raise ConfigurationError("http_client= is closed: keep it open as long as this client is used")
        if self._under_way.closing:
            raise _closed()

    async def pause(self, awaited: Callable[[], Awaitable[object]], seconds: float) -> None:
        """Wait for something, for `seconds` at most.

        Raises:
            ConfigurationError: the client was closed meanwhile.
        """
        with self._under_way.one(seconds):
            await awaited()
        if self._under_way.closing:
            raise _closed()

    async def submit(self, body: Secret[bytes], watch: SendTrace) -> RawResponse:
        """POST a create.

        Raises:
            RequestFailed: there is no answer; its trace says whether the request can have left.
        """
        self._check_open()
        if self._given is not None:
            await watch.announce()
        self._check_open()
        async with self._submit_lanes.one() as lane:

            async def send() -> httpx.Response:
                return await _send(lane, self._create(lane, body, watch))

            return await self._exchange(send, self._create_timeout, watch)

    async def query(self, path: str, **params: str) -> RawResponse:
        """GET something that may be asked as often as one likes.

        Raises:
            RequestFailed: there is no answer.
            ConfigurationError: the client was closed meanwhile.
        """
        async with self._query_places:
            self._check_open()
            if self._may_be_fast and not fast.is_loaded():
                await self._load()
            if self._given is not None:
                send = partial(self._build_and_send, "GET", path, params=params, timeout=self._timeout)
                return await self._exchange(send, self._timeout)
            request, can_be_fast = self._prepared(path, **params)
            lane = self._fast_lane
            if lane is None or not can_be_fast or _mocked():
                return await self._exchange(partial(_send, self._query_lane, request), self._timeout)
            return await self._exchange(partial(lane.handle_async_request, request), self._timeout, straight=True)

    async def upload(self, name: str, data: bytes, media_type: str) -> RawResponse:
        """POST a file as multipart/form-data.

        Raises:
            RequestFailed: there is no answer.
            ConfigurationError: the client was closed meanwhile.
        """
        files = {"file": (name, io.BytesIO(data), media_type)}  # read in pieces, and not copied
        async with self._query_places:
            self._check_open()
            send = partial(self._build_and_send, "POST", "/files", files=files, timeout=self._create_timeout)
            return await self._exchange(send, self._create_timeout)

    @cached_property
    def _prepared(self) -> Callable[..., tuple[httpx.Request, bool]]:
        """The request of a query, and whether the fast lane can take it. Parsing its URL would cost a tenth of all."""
        headers = self._headers.copy()
        headers["Accept-Encoding"] = "gzip, deflate"  # what httpx can always unpack
        extensions = {"timeout": self._timeout.as_dict()}

        @lru_cache(_PREPARED)
        def prepare(path: str, **params: str) -> tuple[httpx.Request, bool]:
            url = httpx.URL(self.base_url + path, params=params or None)
            request = httpx.Request("GET", url, headers=headers, extensions=extensions)
            return request, self._can_be_fast(request)

        return prepare

    async def _build_and_send(self, method: str, path: str, **parts: Any) -> httpx.Response:
        lane = self._query_lane
        return await _send(lane, lane.build_request(method, self.base_url + path, headers=self._headers, **parts))

    def _create(self, lane: httpx.AsyncClient, body: Secret[bytes], watch: SendTrace) -> httpx.Request:
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

    async def _exchange(
        self,
        send: Callable[[], Awaitable[httpx.Response]],
        timeout: httpx.Timeout,
        watch: SendTrace | None = None,
        *,
        straight: bool = False,
    ) -> RawResponse:
        """`straight`: what is sent back comes from a transport, and no client has touched it."""
        bound = _whole(timeout) if watch is None else None  # see `create_bound`
        # Any exception counts, not only httpx's: a user's transport or hook may raise what it likes, and for a
        # create the question is only whether the request can have left.
        try:
            with self._under_way.one(bound):
                return await self._read(await send(), straight=straight)
        except Exception as error:  # noqa: BLE001  (raised below, in httpx's words and without aiohttp's)
            failure = _translated(error)
        else:
            failure = TimeoutError(f"no whole answer within {bound or 0.0:g} s")
        if self._under_way.closing and watch is None:
            raise _closed()
        raise _failed(failure, watch) from failure

    async def _read(self, response: httpx.Response, *, straight: bool) -> RawResponse:
        headers = {name.lower(): value for name, value in response.headers.raw}
        body, cut = await _body(response, as_it_is=straight and b"content-encoding" not in headers)
        request_id = headers.get(b"x-request-id") or headers.get(b"cf-ray")
        asked = headers.get(b"retry-after")
        return RawResponse(
            status=response.status_code,
            body=self._without_key(body),
            request_id=None if request_id is None else self._without_key(request_id).decode("latin-1"),
            retry_after=None if asked is None else _retry_after(response.headers),
            cut=cut,
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
            ConfigurationError: the client was closed meanwhile.
            ValueError: no URL that httpx can make sense of.
        """
        self._check_open()
        if self._may_be_fast and not fast.is_loaded():
            await self._load()
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
        with self._under_way.one(None):
            response = await self._ask_for(request)
            stream = _as_stream(response)
            try:
                yield stream
            finally:
                with anyio.CancelScope(shield=True):
                    await response.aclose()
                    await _unwind(stream.chunks)
            return
        raise _closed()

    async def _ask_for(self, request: httpx.Request) -> httpx.Response:
        try:
            lane = self._fast_lane
            if lane is None or _mocked() or not self._can_be_fast(request):
                return await _send(self._download_lane, request)
            return await _in_large_pieces(lane, request)
        except Exception as error:  # noqa: BLE001  (raised below, as in `_exchange`)
            failure = _translated(error)
        if self._under_way.closing:
            raise _closed()
        raise _failed(failure) from failure

    async def aclose(self) -> None:
        """Cut off what is under way, and close the lanes made here; a client that was given stays open."""
        await self._under_way.aclose(CLOSING)
        with anyio.move_on_after(CLOSING, shield=True):
            for lane in list(self._owned):
                await lane.aclose()
            if (made := vars(self).get("_fast_lane")) is not None:
                await made.aclose()


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


async def _send(lane: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    return await lane.send(request, stream=True, auth=None, follow_redirects=False)


async def _in_large_pieces(lane: "AiohttpTransport", request: httpx.Request) -> httpx.Response:
    response = await lane.handle_async_request(request)
    # By itself it gives 16 KiB at once, which makes a large picture take nearly twice the time.
    setattr(response.stream, "CHUNK_SIZE", PIECE)  # noqa: B010
    return response


def _mocked() -> bool:
    """Whether something stands where httpx's network would be (respx, pytest-httpx): it must see all requests."""
    httpcore: Any = sys.modules.get("httpcore")
    seams = (
        getattr(httpx.AsyncClient, "_transport_for_url", None),
        httpx.AsyncHTTPTransport.handle_async_request,
        None if httpcore is None else httpcore.AsyncConnectionPool.handle_async_request,
    )
    return any(seam is not None and not str(seam.__module__).startswith(("httpx.", "httpcore.")) for seam in seams)


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
        await _unwind(chunks)
    return b"".join(parts)[:_SHOWN], True


def _as_stream(response: httpx.Response) -> Stream:
    headers = response.headers
    length = headers.get("content-length", "")
    return Stream(
        status=response.status_code,
        location=headers.get("location"),
        length=int(length) if length.isascii() and length.isdigit() else None,
        encoded=headers.get("content-encoding", "identity").lower() not in ("", "identity"),
        date=http_date(headers.get("date")),
        retry_after=_retry_after(headers),
        chunks=_chunks(response),
    )


def _retry_after(headers: httpx.Headers) -> float | None:
    return retry_after(headers.get("retry-after"), headers.get("date"), datetime.now(UTC))


async def _chunks(response: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.aiter_raw():
            yield chunk
    except Exception as error:  # noqa: BLE001  (raised below, in httpx's words and without aiohttp's)
        failure = _translated(error)
    else:
        return
    raise _failed(failure) from failure


async def _unwind(chunks: AsyncIterator[bytes]) -> None:
    """End a body that was not read to its end, after its connection is closed.

    What is below are seven nested generators of httpx and httpcore. Closing the outermost would leave the others to
    the garbage collector, of which trio warns for each; the error of a read from the closed connection ends them all.
    """
    with suppress(Exception):
        for _ in range(_BUFFERED):
            await anext(chunks)


def _translated(error: Exception) -> Exception:
    """`error`, but an httpx error of its own in place of aiohttp's.

    What httpx-aiohttp makes of them is not enough: a refused connection and a reset one become the same. Nothing of
    aiohttp's stays in the chain, because some of its errors show the headers of the request.
    """
    origin = error.__cause__ if isinstance(error, httpx.HTTPError) else error
    name = fast.fault(origin) if isinstance(origin, Exception) else None
    return error if name is None else getattr(httpx, name)(str(origin) or type(origin).__name__)


def _failed(failure: Exception, watch: SendTrace | None = None) -> RequestFailed:
    refused = isinstance(failure, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
    facts = (watch or SendTrace()).trace(refused=refused)
    return RequestFailed(describe(failure), facts, certificate=_is_certificate_fault(failure))


def _is_certificate_fault(failure: BaseException) -> bool:
    each: BaseException | None = failure
    for _ in range(16):
        if each is None or type(each).__name__ == "SSLCertVerificationError":
            break
        each = each.__cause__ or each.__context__
    return each is not None or "certificate verify failed" in str(failure).lower()


def _closed() -> ConfigurationError:
    return ConfigurationError("this client was closed while it was being used")


def _whole(timeout: httpx.Timeout) -> float | None:
    """Seconds for a whole exchange: httpx bounds each step, and an answer that drips takes any number of steps."""
    steps = (timeout.connect, timeout.read, timeout.write, timeout.pool)
    return None if None in steps else sum(step for step in steps if step is not None)


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
