"""One POST of a webhook: to a checked address, without redirects or proxies, and within 10 s."""

import ssl
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import Self

import httpcore

from apimodels_async.gateway.outgoing import open_exchange
from apimodels_async.gateway.resolver import Resolver
from apimodels_async.gateway.timeouts import Sleep, within
from apimodels_async.gateway.urls import AllowedHosts, HttpUrl, address_of

__all__ = ["TIME_LIMIT", "WebhookClient"]

TIME_LIMIT = 10.0
"""Seconds that an attempt may take until the head of the answer has been received."""

_DRAIN_TIME = 1.0
"""Seconds to go on reading the answer, so that a simple server is not interrupted while it sends."""
_DRAIN_BYTES = 64 * 1024


class WebhookClient:
    """Posts JSON to callback URLs.

    Args:
        hosts: the hosts it may post to.
        sleep: waits some seconds.
    """

    def __init__(self, hosts: AllowedHosts, sleep: Sleep) -> None:
        self._hosts = hosts
        self._sleep = sleep
        self._resolver = Resolver()
        self._tls: ssl.SSLContext | None = None

    async def __aenter__(self) -> Self:
        """Get ready to look up names."""
        await self._resolver.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop looking up names."""
        await self._resolver.__aexit__(kind, error, traceback)

    async def post(self, to: HttpUrl, body: bytes) -> int:
        """Post `body` and return the status of the answer.

        Raises:
            OSError: no answer in time, an answer that is not HTTP, or a host with an address that is not allowed.
        """
        async with AsyncExitStack() as stack:
            response = await within(self._sleep, TIME_LIMIT, self._send(to, body, stack))
            with suppress(OSError, httpcore.NetworkError, httpcore.ProtocolError):
                await within(self._sleep, _DRAIN_TIME, _drain(response))
            return response.status

    async def _send(self, to: HttpUrl, body: bytes, stack: AsyncExitStack) -> httpcore.Response:
        exchange = open_exchange(
            "POST",
            to,
            await self._checked_addresses(to),
            headers=[("Content-Type", "application/json")],
            body=body,
            tls=self._context() if to.tls else None,
        )
        return await stack.enter_async_context(exchange)

    async def _checked_addresses(self, to: HttpUrl) -> list[str]:
        addresses = self._hosts.known(to.host) or await self._resolver.look_up(to.host, to.port)
        for text in addresses:
            address = address_of(text)
            if address is None or not self._hosts.allow_address(to.host, address):
                raise PermissionError(f"{to.host} has the address {text}, which callback_hosts does not allow")
        return addresses

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()  # not sooner: it reads all the system's certificates
        return self._tls


async def _drain(response: httpcore.Response) -> None:
    left = _DRAIN_BYTES
    async for chunk in response.aiter_stream():
        left -= len(chunk)
        if left <= 0:
            return
