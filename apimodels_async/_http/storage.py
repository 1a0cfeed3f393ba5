"""Uploads: a small file in a form, a large one announced first and then PUT to the storage."""

import io
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import anyio
import httpx

from apimodels_async._http.bodies import FormInPieces, file_stream
from apimodels_async._http.channel import Channel
from apimodels_async._http.headers import PUT_HEADERS
from apimodels_async._http.http2 import Sending
from apimodels_async._http.observing import Purpose
from apimodels_async._http.pools import PoolSet
from apimodels_async._http.senders import send
from apimodels_async._http.timeouts import for_size, whole
from apimodels_async._http.trace import SendTrace
from apimodels_async._wire.answer import RawResponse
from apimodels_async._wire.bodies import PictureSource

Build: TypeAlias = Callable[[httpx.AsyncClient], httpx.Request]
"""Makes a request for the client that sends it."""


class Storage:
    """What one client uploads.

    Args:
        channel: to the API.
        places: limits the requests to the API at once.
    """

    def __init__(self, channel: Channel, places: anyio.Semaphore) -> None:
        self._url = channel.base_url + "/files"
        self._headers = channel.headers
        self._timeouts = channel.timeouts
        self._lanes = channel.lanes
        self._places = places
        self._given = channel.given
        self._ready = channel.ready
        self._answer = channel.exchange

    async def upload(self, name: str, data: bytes, media_type: str) -> RawResponse:
        """POST a file as multipart/form-data.

        Raises:
            RequestFailed: there is no answer.
            ConfigurationError: the client was closed meanwhile.
        """
        files = {"file": (name, io.BytesIO(data), media_type)}  # read in pieces, and not copied
        return await self._post(self._timeouts.create, files=files)

    async def announce(self, fields: dict[str, Any]) -> RawResponse:
        """POST what a file will be, which costs nothing.

        Raises:
            RequestFailed, ConfigurationError: as `upload`.
        """
        return await self._post(self._timeouts.other, json=fields)

    async def _post(self, timeout: httpx.Timeout, **content: Any) -> RawResponse:
        def build(client: httpx.AsyncClient) -> httpx.Request:
            request = client.build_request("POST", self._url, headers=self._headers, timeout=timeout, **content)
            if "files" in content and isinstance(request.stream, httpx.SyncByteStream):
                request.stream = FormInPieces(request.stream)
            return request

        async with self._places:
            # The lanes of create requests read an answer that comes before all was sent.
            return await self._exchange(lambda: self._lanes.submit, build, self._url, timeout, purpose="upload")

    async def put(
        self, url: str, source: PictureSource, media_type: str, *, on_sent: Callable[[int], object] | None = None
    ) -> RawResponse:
        """PUT a picture to a URL that the server gave for it: no key, no cookie, no redirect followed.

        Args:
            url: where to.
            source: the picture; it is read while it is sent.
            media_type: of the picture.
            on_sent: called with the number of bytes that were sent so far.

        Raises:
            RequestFailed, ConfigurationError: as `upload`.
        """
        timeout = self._timeouts.other

        def build(_: httpx.AsyncClient) -> httpx.Request:
            # By hand: build_request would add the default headers and cookies of a caller's own client.
            headers = {**PUT_HEADERS, "Content-Type": media_type, "Content-Length": str(source.size)}
            stream = file_stream(source, on_sent)
            request = httpx.Request(
                "PUT", url, headers=headers, content=stream, extensions={"timeout": timeout.as_dict()}
            )
            request.stream = stream  # httpx would wrap it in a generator, which nothing ends if it is cut off
            return request

        return await self._exchange(
            lambda: self._lanes.download(url), build, url, timeout, purpose="storage", size=source.size
        )

    async def _exchange(
        self,
        pools: Callable[[], PoolSet[httpx.AsyncClient]],
        build: Build,
        url: str,
        timeout: httpx.Timeout,
        *,
        purpose: Purpose,
        size: int = 0,
    ) -> RawResponse:
        self._ready()
        await self._lanes.prepare()
        async with pools().acquire() as lane:
            request, sending = build(lane.pool), None
            if self._given is not None:
                sending = Sending(self._given, SendTrace(), timeout)
                request.extensions = {**request.extensions, "trace": sending, "timeout": sending.timeouts}
            send_it = partial(send, lane.pool, request)
            bound = whole(timeout)
            bound = None if bound is None else bound + for_size(size)
            return await self._answer(send_it, url, bound, purpose=purpose, sending=sending)
