"""What one client exchanges: creates, queries, uploads, downloads. Every foreign error is mapped on the way out."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import anyio
import httpx

from apimodels_async._cancellation import as_error
from apimodels_async._http import timeouts
from apimodels_async._http.answers import Asked, Received, as_stream, leave, read_answer
from apimodels_async._http.channel import Channel
from apimodels_async._http.creates import Creates
from apimodels_async._http.error_mapping import closed, place, request_failed, translated
from apimodels_async._http.headers import PICTURE_HEADERS, api_headers
from apimodels_async._http.http2 import Sending
from apimodels_async._http.in_flight import InFlight
from apimodels_async._http.lanes import CLOSING, CONNECTIONS, Lanes
from apimodels_async._http.observing import Purpose, exchange_details, exchanged
from apimodels_async._http.pools import PoolSet
from apimodels_async._http.redaction import Redactor
from apimodels_async._http.senders import send, send_fast, send_prepared
from apimodels_async._http.storage import Storage
from apimodels_async._http.trace import RequestFailed, SendTrace, Stream
from apimodels_async._secret import Secret
from apimodels_async._text import printable
from apimodels_async._wire.answer import RawResponse
from apimodels_async._wire.bodies import StreamedBody
from apimodels_async.errors import ConfigurationError
from apimodels_async.instrumentation.port import observes

if TYPE_CHECKING:
    from apimodels_async._http.fast import FastRequest

T = TypeVar("T")
HttpClient: TypeAlias = httpx.AsyncClient

_PLAIN = re.compile(r"[A-Za-z0-9._~-]+", re.ASCII)
"""What stands in a URL as it is."""
_PREPARED = 1024
"""Maximum prepared queries that are kept for reuse."""


class Http:
    """What one client sends and receives.

    Raises:
        ConfigurationError: the environment names a proxy or certificates that cannot be used.
    """

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
        self._redactor = Redactor(api_key)
        self.base_url: str = base_url
        self._timeouts = timeouts.Timeouts(timeout)
        self._given = given
        self._in_flight = InFlight()
        self.lanes: Lanes = Lanes(base_url, given, self._in_flight)

    @cached_property
    def _headers(self) -> httpx.Headers:
        return api_headers(self._api_key)

    def create_bound(self, size: int) -> float | None:
        """Seconds for the whole exchange of a create request of `size` bytes, which its sender sees to."""
        bound = timeouts.whole(self._timeouts.create)
        return None if bound is None else bound + timeouts.for_size(size)

    @property
    def where(self) -> str:
        """Where requests to the API go, in words."""
        return place(self.base_url, self.lanes.proxy)

    @property
    def is_own(self) -> bool:
        """Whether the connections are made here, and not by a caller's client."""
        return self._given is None

    @property
    def queries_at_once(self) -> int:
        """How many queries can be under way."""
        return self.lanes.queries_at_once

    @cached_property
    def _query_places(self) -> anyio.Semaphore:
        return anyio.Semaphore(self.queries_at_once, fast_acquire=True)

    @cached_property
    def download_places(self) -> anyio.Semaphore:
        """Maximum number of pictures at once; taken before a picture's own time begins to run."""
        return anyio.Semaphore(CONNECTIONS, fast_acquire=True)

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

    async def submit(self, body: Secret[bytes] | Secret[StreamedBody], trace: SendTrace) -> RawResponse:
        """POST a create request.

        Raises:
            RequestFailed: there is no answer; its trace says whether the request can have left.
        """
        return await self._creates.submit(body, trace)

    @cached_property
    def _creates(self) -> Creates:
        return Creates(self._channel)

    @property
    def _channel(self) -> Channel:
        return Channel(
            self.base_url, self._headers, self._timeouts, self.lanes, self._given, self._check_open, self._exchange
        )

    async def query(self, path: str, **params: str) -> RawResponse:
        """GET something that may be asked for any number of times.

        Raises:
            RequestFailed: there is no answer.
            ConfigurationError: the client was closed meanwhile.
        """
        url = self.base_url + path
        async with self._query_places:
            self._check_open()
            await self.lanes.prepare(fast=True)
            if self._given is not None:
                build = partial(
                    self._build_and_send, method="GET", path=path, params=params, timeout=self._timeouts.query
                )
                return await self._ask(self.lanes.query, build, url)
            prepared = self._prepared(path, fast=self.lanes.fast_now(), **params)
            if isinstance(prepared, httpx.Request):
                return await self._ask(self.lanes.query, partial(send_prepared, prepared), url)
            return await self._ask(self.lanes.fast, partial(send_fast, prepared), url, fast=True)

    async def _ask(
        self,
        pools: PoolSet[T],
        send: Callable[[T], Awaitable[httpx.Response | Received]],
        url: str,
        *,
        fast: bool = False,
    ) -> RawResponse:
        """Over one lane; and once more over a new one, if a connection of this one was old and broke off.

        A lane over which nothing came in time gets no more queries: its other connections may be as dead.
        """
        again = False
        while True:
            async with pools.acquire() as lane:
                may_be_old = lane.served and not again and self._given is None
                try:
                    answer = await self._exchange(
                        partial(send, lane.pool), url, self._timeouts.whole_query, purpose="query", fast=fast
                    )
                except RequestFailed as failure:
                    if failure.silent or failure.broken:
                        pools.retire(lane)
                    if not (failure.broken and may_be_old):
                        raise
                    again = True
                else:
                    lane.served = True
                    return answer

    @cached_property
    def storage(self) -> Storage:
        """For uploads."""
        return Storage(self._channel, self._query_places)

    @cached_property
    def _prepared(self) -> "Callable[..., httpx.Request | FastRequest]":
        """The request of a query, which a task needs several times: as aiohttp takes it where it can and may."""
        bounds = self._timeouts.query.as_dict()

        @lru_cache
        def prepare_fast(url: str) -> "FastRequest | None":
            return self.lanes.fast_request("GET", url, self._headers, self._timeouts.query)

        @lru_cache(_PREPARED)
        def prepare(path: str, *, fast: bool, **params: str) -> "httpx.Request | FastRequest":
            url = self.base_url + path
            if params and all(map(_PLAIN.fullmatch, params.values())):
                query = "&".join(f"{name}={value}" for name, value in params.items())
                # Parsing a URL would cost a tenth of the whole query, and of tens of thousands of tasks each is new.
                if fast and (request := prepare_fast(url)) is not None:
                    return self.lanes.fast_request_at(request, query)
                url = f"{url}?{query}"
            elif params:
                url = str(httpx.URL(url, params=params))
            request = prepare_fast(url) if fast else None
            return request or httpx.Request("GET", url, headers=self._headers, extensions={"timeout": bounds})

        return prepare

    async def _build_and_send(self, client: httpx.AsyncClient, method: str, path: str, **parts: Any) -> httpx.Response:
        request = client.build_request(method, self.base_url + path, headers=self._headers, **parts)
        return await send(client, request)

    @observes(exchange_details, exchanged)
    async def _exchange(
        self,
        send: Callable[[], Awaitable[httpx.Response | Received]],
        url: str,
        bound: float | None,
        *,
        purpose: Purpose,
        trace: SendTrace | None = None,
        sending: Sending | None = None,
        fast: bool = False,
    ) -> RawResponse:
        asked = Asked(url, self.lanes.proxy, self._given is None, trace)
        # Any exception counts, not only httpx's: a user's transport or hook may raise what it likes, and for a
        # create the question is only whether the request can have left.
        try:
            with self._in_flight.fast_exchange(bound) if fast else self._in_flight.exchange(bound):
                return await read_answer(await send(), self._redactor, asked)
        except BaseException as error:  # noqa: BLE001  (raised below, in httpx's words and without aiohttp's)
            failure = translated(as_error(error, "the transport"), self._redactor)
        else:
            failure = TimeoutError(f"no whole answer within {bound or 0.0:g} s")
        if self._in_flight.closing and trace is None:
            raise closed()
        if sending is not None and sending.answer is not None:
            return await read_answer(sending.answer, self._redactor, asked)
        raise request_failed(failure, place(url, self.lanes.proxy), trace) from failure

    def without_key(self, words: str) -> str:
        """What another host said, without the API key, and without what a terminal would obey."""
        return printable(self._redactor.text(words))

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
        await self.lanes.prepare(fast=True)
        fast = self._fast_picture(url)
        if fast is not None:
            answer = self._picture(self.lanes.fast, partial(send_fast, fast), url)
        else:
            answer = self._picture(self.lanes.download(url), partial(send_prepared, self._picture_request(url)), url)
        async with answer as stream:
            yield stream

    def _fast_picture(self, url: str) -> "FastRequest | None":
        """The request for a picture as aiohttp takes it, where it can and may."""
        if not self.lanes.fast_now() or self.lanes.proxy_of(url) is not None:
            return None
        return self.lanes.fast_request("GET", url, PICTURE_HEADERS, self._timeouts.other)

    def _picture_request(self, url: str) -> httpx.Request:
        # Built by hand: build_request would add the default headers and cookies of a caller's own client.
        try:
            return httpx.Request(
                "GET", url, headers=PICTURE_HEADERS, extensions={"timeout": self._timeouts.other.as_dict()}
            )
        except httpx.InvalidURL as error:
            raise ValueError(f"no link that can be fetched: {error}") from None

    @asynccontextmanager
    async def _picture(
        self, pools: PoolSet[T], send: Callable[[T], Awaitable[httpx.Response | Received]], url: str
    ) -> AsyncGenerator[Stream]:
        where = place(url, self.lanes.proxy_of(url))
        async with pools.acquire() as lane:
            with self._in_flight.exchange(None):
                try:
                    answer = await send(lane.pool)
                except BaseException as error:  # noqa: BLE001  (raised below, as in `_exchange`)
                    failure = translated(as_error(error, "the transport"), self._redactor)
                else:
                    stream = as_stream(answer, where)
                    try:
                        yield stream
                    finally:
                        await leave(answer, stream)
                    return
                if self._in_flight.closing:
                    raise closed()
                raise request_failed(failure, where) from failure
            raise closed()

    async def cut_off(self) -> bool:
        """End the connections made here without their event loop, and return whether there were any."""
        self._in_flight.closing = True
        return await self.lanes.cut_off()

    async def aclose(self) -> None:
        """Cut off what is under way, and close the lanes made here; a client that was given stays open."""
        await self._in_flight.aclose(CLOSING)
        await self.lanes.aclose()
