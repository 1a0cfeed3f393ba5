"""Sending one request over one lane, by httpx or by aiohttp: streamed, nothing followed, no key added."""

from typing import TYPE_CHECKING

import httpx

from apimodels_async._http.observing import with_headers

if TYPE_CHECKING:
    from apimodels_async._http.answers import Received
    from apimodels_async._http.fast import FastLane, FastRequest


async def send(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    """Send by httpx."""
    return await client.send(with_headers(request), stream=True, auth=None, follow_redirects=False)


async def send_prepared(request: httpx.Request, client: httpx.AsyncClient) -> httpx.Response:
    """Send by httpx, with the lane as the last argument."""
    return await send(client, request)


async def send_fast(request: "FastRequest", lane: "FastLane") -> "Received":
    """Send by aiohttp."""
    return await lane.send(request)
