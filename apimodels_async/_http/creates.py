"""POST of create requests, on which it can be proved whether a byte was sent."""

from functools import cached_property, partial
from typing import TYPE_CHECKING, cast

import httpx

from apimodels_async._http.bodies import BodyInPieces, ReadInPieces
from apimodels_async._http.channel import Channel
from apimodels_async._http.http2 import Sending
from apimodels_async._http.senders import send
from apimodels_async._http.trace import SendTrace
from apimodels_async._secret import Secret
from apimodels_async._wire.answer import RawResponse
from apimodels_async._wire.bodies import StreamedBody

if TYPE_CHECKING:
    from apimodels_async._http.fast import FastRequest

_SMALL = 64 << 10
"""Maximum bytes of a create request over aiohttp, which are written at once. A refusal that comes while a larger one
is still being sent would be lost there: asyncio throws away what has arrived when a write fails."""


class Creates:
    """The create requests of one client.

    Args:
        channel: to the API.
    """

    def __init__(self, channel: Channel) -> None:
        self._url = channel.base_url + "/images/generations"
        self._headers = channel.headers.copy()
        self._headers["Content-Type"] = "application/json"
        self._timeout = channel.timeouts.create
        self._lanes = channel.lanes
        self._given = channel.given
        self._ready = channel.ready
        # Without a bound: see `Http.create_bound`.
        self._exchange = partial(channel.exchange, url=self._url, bound=None, purpose="create")

    async def submit(self, body: Secret[bytes] | Secret[StreamedBody], trace: SendTrace) -> RawResponse:
        """POST a create request.

        Raises:
            RequestFailed: there is no answer; its trace says whether the request can have left.
        """
        self._ready()
        sending = None
        if self._given is not None:
            await trace.announce()
            sending = Sending(self._given, trace, self._timeout)
        await self._lanes.prepare()  # does not wait for aiohttp, which another thread may be importing
        self._lanes.count_create()
        self._ready()
        fast = self._fast_request if self._lanes.creates_fast_now() and _is_small(body) else None
        if fast is not None:
            async with self._lanes.fast_submit.acquire() as fast_lane:
                send_fast = partial(fast_lane.pool.create, fast, cast("Secret[bytes]", body), trace)
                return await self._exchange(send_fast, trace=trace)
        async with self._lanes.submit.acquire() as lane:

            async def send_it() -> httpx.Response:
                return await send(lane.pool, self._request(lane.pool, body, sending or trace))

            return await self._exchange(send_it, trace=trace, sending=sending)

    @cached_property
    def _fast_request(self) -> "FastRequest | None":
        """A create request as aiohttp takes it, without its body. aiohttp is there."""
        return self._lanes.fast_request("POST", self._url, self._headers, self._timeout)

    def _request(
        self, lane: httpx.AsyncClient, body: Secret[bytes] | Secret[StreamedBody], trace: SendTrace | Sending
    ) -> httpx.Request:
        timeout = trace.timeouts if isinstance(trace, Sending) else self._timeout.as_dict()
        extensions = {"trace": trace, "timeout": timeout}
        content = body.reveal()
        if isinstance(content, StreamedBody):
            headers = httpx.Headers({**self._headers, "Content-Length": str(len(content))})
            stream = ReadInPieces(content.pieces, content.on_sent)
            request = lane.build_request("POST", self._url, headers=headers, content=stream, extensions=extensions)
            request.stream = stream
            return request
        # A caller's own client may have hooks and transports that want to see a body whole.
        if self._given is not None:
            request = lane.build_request(
                "POST", self._url, headers=self._headers, content=content, extensions=extensions
            )
            # httpx's own is a generator, which nothing ends if sending fails
            request.stream = BodyInPieces(cast("Secret[bytes]", body))
            return request
        headers = httpx.Headers({**lane.headers, **self._headers})
        headers["Host"] = httpx.URL(self._url).netloc.decode("ascii")
        headers["Content-Length"] = str(len(content))
        return httpx.Request(
            "POST", self._url, headers=headers, stream=BodyInPieces(cast("Secret[bytes]", body)), extensions=extensions
        )


def _is_small(body: Secret[bytes] | Secret[StreamedBody]) -> bool:
    return not isinstance(body.reveal(), StreamedBody) and len(body.reveal()) <= _SMALL
