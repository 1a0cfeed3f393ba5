"""What one client exchanges: creates, queries, uploads, downloads. Every foreign error is mapped on the way out."""

import io
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio
import httpx

from apimodels_async._http import versions
from apimodels_async._http.answers import as_stream, read_answer, unwind
from apimodels_async._http.bodies import PIECE, BodyInPieces
from apimodels_async._http.error_mapping import closed, request_failed, translated
from apimodels_async._http.headers import PICTURE_HEADERS, api_headers
from apimodels_async._http.in_flight import InFlight
from apimodels_async._http.lanes import CLOSING, CONNECTIONS, Lanes
from apimodels_async._http.trace import SendTrace, Stream
from apimodels_async._secret import Secret
from apimodels_async._wire.answer import RawResponse
from apimodels_async.errors import ConfigurationError

if TYPE_CHECKING:
    from httpx_aiohttp import AiohttpTransport

HttpClient: TypeAlias = httpx.AsyncClient
Timeout: TypeAlias = httpx.Timeout

DEFAULT_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
"""For one exchange, seconds. A create's answer is read for `CREATE_READ_TIMEOUT` instead."""
CREATE_READ_TIMEOUT = 300.0
"""Seconds: some models answer a create only when the picture is done."""

_PREPARED = 1024
"""So many queries are kept ready to be sent again."""


class Http:
    """What one client sends and receives."""

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
        self.base_url: str = base_url
        self._given_timeout = timeout
        self._given = given
        self._in_flight = InFlight()

    @cached_property
    def lanes(self) -> Lanes:
        """The connections; none is made before it is needed."""
        return Lanes(self._given, self._timeout, self._in_flight)

    @cached_property
    def _headers(self) -> httpx.Headers:
        return api_headers(self._api_key)

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
    def queries_at_once(self) -> int:
        """How many queries can be under way."""
        return self.lanes.queries_at_once

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
        if self._in_flight.closing:
            raise closed()

    async def pause(self, awaited: Callable[[], Awaitable[object]], seconds: float) -> None:
        """Wait for something, for `seconds` at most.

        Raises:
            ConfigurationError: the client was closed meanwhile.
        """
        with self._in_flight.exchange(seconds):
            await awaited()
        if self._in_flight.closing:
            raise closed()

    # --- the API

    async def submit(self, body: Secret[bytes], trace: SendTrace) -> RawResponse:
        """POST a create request.

        Raises:
            RequestFailed: there is no answer; its trace says whether the request can have left.
        """
        self._check_open()
        if self._given is not None:
            await trace.announce()
        self._check_open()
        async with self.lanes.submit.acquire() as lane:

            async def send() -> httpx.Response:
                return await _send(lane, self._create_request(lane, body, trace))

            return await self._exchange(send, self._create_timeout, trace)

    def _create_request(self, lane: httpx.AsyncClient, body: Secret[bytes], trace: SendTrace) -> httpx.Request:
        url = self.base_url + "/images/generations"
        extensions = {"trace": trace, "timeout": self._create_timeout.as_dict()}
        # A caller's own client may have hooks and transports that want to see a body whole.
        if self._given is not None or len(body.reveal()) <= PIECE:
            return lane.build_request(
                "POST", url, headers=self._json_headers, content=body.reveal(), extensions=extensions
            )
        headers = httpx.Headers({**lane.headers, **self._json_headers})
        headers["Host"] = httpx.URL(url).netloc.decode("ascii")
        headers["Content-Length"] = str(len(body.reveal()))
        return httpx.Request("POST", url, headers=headers, stream=BodyInPieces(body), extensions=extensions)

    async def query(self, path: str, **params: str) -> RawResponse:
        """GET something that may be asked as often as one likes.

        Raises:
            RequestFailed: there is no answer.
            ConfigurationError: the client was closed meanwhile.
        """
        async with self._query_places:
            self._check_open()
            await self.lanes.load_fast()
            fast = self.lanes.fast_now()
            return await self._exchange(
                partial(self._query_once, fast, path, params), self._timeout, straight=fast is not None
            )

    async def _query_once(self, fast: "AiohttpTransport | None", path: str, params: dict[str, str]) -> httpx.Response:
        if self._given is not None:
            return await self._build_and_send("GET", path, params=params, timeout=self._timeout)
        request, can_be_fast = self._prepared(path, **params)
        if fast is None or not can_be_fast:
            return await _send(self.lanes.query, request)
        return await fast.handle_async_request(request)

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
            return request, self.lanes.keeps(str(request.url))

        return prepare

    async def _build_and_send(self, method: str, path: str, **parts: Any) -> httpx.Response:
        lane = self.lanes.query
        return await _send(lane, lane.build_request(method, self.base_url + path, headers=self._headers, **parts))

    async def _exchange(
        self,
        send: Callable[[], Awaitable[httpx.Response]],
        timeout: httpx.Timeout,
        trace: SendTrace | None = None,
        *,
        straight: bool = False,
    ) -> RawResponse:
        """`straight`: what is sent back comes from a transport, and no client has touched it."""
        bound = _whole(timeout)
        # Any exception counts, not only httpx's: a user's transport or hook may raise what it likes, and for a
        # create the question is only whether the request can have left.
        try:
            with self._in_flight.exchange(bound):
                return await read_answer(await send(), self._api_key, straight=straight)
        except Exception as error:
            if trace is None and isinstance(error, ConfigurationError):  # no lane: the client was closed
                raise
            failure = translated(error)
        else:
            failure = TimeoutError(f"no whole answer within {bound or 0.0:g} s")
        if self._in_flight.closing and trace is None:
            raise closed()
        raise request_failed(failure, trace) from failure

    # --- pictures

    @asynccontextmanager
    async def stream(self, url: str) -> AsyncGenerator[Stream]:
        """GET a picture: no key, no header of the API, no cookie, no redirect followed, no compression wanted.

        Raises:
            RequestFailed: there is no answer, or its body broke off (from `Stream.chunks`).
            ConfigurationError: the client was closed meanwhile.
            ValueError: no URL that httpx can make sense of.
        """
        self._check_open()
        await self.lanes.load_fast()
        # Built by hand: build_request would add the default headers and cookies of a caller's own client.
        try:
            request = httpx.Request(
                "GET", url, headers=PICTURE_HEADERS, extensions={"timeout": self._timeout.as_dict()}
            )
        except httpx.InvalidURL as error:
            raise ValueError(f"no link that can be fetched: {error}") from None
        with self._in_flight.exchange(None):
            response = await self._picture(request)
            stream = as_stream(response)
            try:
                yield stream
            finally:
                with anyio.CancelScope(shield=True):
                    await response.aclose()
                    await unwind(stream.chunks)
            return
        raise closed()

    async def _picture(self, request: httpx.Request) -> httpx.Response:
        try:
            fast = self.lanes.fast_now()
            if fast is None or not self.lanes.keeps(str(request.url)):
                return await _send(self.lanes.download, request)
            response = await fast.handle_async_request(request)
            versions.in_pieces_of(response.stream, PIECE)
        except ConfigurationError:
            raise
        except Exception as error:  # noqa: BLE001  (raised below, as in `_exchange`)
            failure = translated(error)
        else:
            return response
        if self._in_flight.closing:
            raise closed()
        raise request_failed(failure) from failure

    async def aclose(self) -> None:
        """Cut off what is under way, and close the lanes made here; a client that was given stays open."""
        await self._in_flight.aclose(CLOSING)
        await self.lanes.aclose()


async def _send(lane: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    return await lane.send(request, stream=True, auth=None, follow_redirects=False)


def _whole(timeout: httpx.Timeout) -> float | None:
    """Seconds for a whole exchange: httpx bounds each step, and an answer that drips takes any number of steps."""
    steps = (timeout.connect, timeout.read, timeout.write, timeout.pool)
    return None if None in steps else sum(step for step in steps if step is not None)
