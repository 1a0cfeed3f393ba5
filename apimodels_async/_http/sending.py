"""How a request is sent over each kind of transport."""

from typing import TYPE_CHECKING, NamedTuple

import httpx

if TYPE_CHECKING:
    from httpx_aiohttp import AiohttpTransport


class PreparedQuery(NamedTuple):
    """A query, as httpx sends it, and as aiohttp does where it can."""

    stock: httpx.Request
    fast: httpx.Request | None


async def send_over(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    return await client.send(request, stream=True, auth=None, follow_redirects=False)


async def send_prepared(request: httpx.Request, client: httpx.AsyncClient) -> httpx.Response:
    return await send_over(client, request)


async def send_fast(request: httpx.Request, transport: "AiohttpTransport") -> httpx.Response:
    return await transport.handle_async_request(request)
