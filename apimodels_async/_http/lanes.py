"""The httpx clients and transports of one client: made on first use, closed together.

Creates have lanes of their own, on which it can be proved whether a byte was sent, with as many connections as
creates may be waiting: synchronous models hold one for a minute. Queries share a few connections behind a limiter of
ours, because httpx's pool grows slow with connections and with a queue inside it. Downloads go over a client that has
never seen the API key. On asyncio, with the extra `fast`, queries and downloads take aiohttp's transport instead.
"""

import sys
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies

import anyio
import anyio.lowlevel
import httpx

from apimodels_async._http.error_mapping import closed
from apimodels_async._http.in_flight import InFlight
from apimodels_async._http.pools import PoolSet
from apimodels_async._threads import WorkerThreads

if TYPE_CHECKING:
    from httpx_aiohttp import AiohttpTransport

CONNECTIONS = 8
"""For queries, and as many again for downloads: about the best of httpx's pool (measured, see the design page)."""
FAST_CONNECTIONS = 32
"""For queries over aiohttp, which does not mind how many there are: so the distance to the server decides."""
SUBMIT_KEEPALIVE = 2.0
"""Seconds. On a kept-alive connection that the server is just closing, a create becomes unknown for nothing."""
KEEPALIVE = 30.0
"""Seconds, for queries."""
CLOSING = 5.0
"""Seconds in which requests that were cut off by closing must have ended."""

FAST = "apimodels_async._http.fast"
"""The module that imports aiohttp."""
_LOADING = WorkerThreads("loading", 1)


def load() -> Any:
    """Import aiohttp and what goes with it; ``None`` where that fails. Takes tenths of a second."""
    try:
        return import_module(FAST)
    except Exception:  # noqa: BLE001  (a library that is there and broken must not fail what httpx can do)
        return None


class Lanes:
    """The lanes of one client.

    Args:
        given: the caller's own httpx client, which then is every lane, and is not closed here.
        timeout: the default of the clients made here.
        in_flight: says whether the client is being closed.
    """

    def __init__(self, given: httpx.AsyncClient | None, timeout: httpx.Timeout, in_flight: InFlight) -> None:
        self.given: httpx.AsyncClient | None = given
        self._timeout = timeout
        self._in_flight = in_flight
        self._owned: list[httpx.AsyncClient] = []
        self._fast: Any = None
        self._loaded = False

    @cached_property
    def tls(self) -> Any:
        """The TLS context of all lanes."""
        return httpx.create_ssl_context()

    def _client(self, limits: httpx.Limits) -> httpx.AsyncClient:
        if self.given is not None:
            return self.given
        if self._in_flight.closing:
            raise closed()
        client = httpx.AsyncClient(verify=self.tls, limits=limits, timeout=self._timeout)
        self._owned.append(client)
        return client

    async def _close_client(self, client: httpx.AsyncClient) -> None:
        if client in self._owned:
            self._owned.remove(client)
            await client.aclose()

    @cached_property
    def submit(self) -> PoolSet[httpx.AsyncClient]:
        """For creates."""
        # No bound on idle ones: with one, a wave of creates would close connections only to open them again.
        limits = httpx.Limits(keepalive_expiry=SUBMIT_KEEPALIVE)
        return PoolSet(
            lambda: self._client(limits), self._close_client, idle=SUBMIT_KEEPALIVE, clock=anyio.current_time
        )

    @cached_property
    def query(self) -> httpx.AsyncClient:
        """For queries over httpx."""
        return self._client(httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=KEEPALIVE))

    @cached_property
    def download(self) -> httpx.AsyncClient:
        """For downloads over httpx."""
        return self._client(httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=5.0))

    # --- aiohttp

    @cached_property
    def may_be_fast(self) -> bool:
        """Whether queries and downloads can go over aiohttp; nothing is imported to find out.

        Not through a caller's own client, not on trio, and not with a proxy in the environment, which is left to httpx.
        """
        asyncio: Any = sys.modules.get("asyncio")  # imported, if its loop runs
        loop = anyio.lowlevel.current_token().native_token
        proxies = getproxies()
        return (
            self.given is None
            and find_spec("httpx_aiohttp") is not None
            and asyncio is not None
            and isinstance(loop, asyncio.AbstractEventLoop)
            and not any(proxies.get(scheme) for scheme in ("http", "https", "all"))
        )

    async def load_fast(self) -> None:
        """Import aiohttp beside the loop, where it will be used."""
        if self.may_be_fast and not self._loaded:
            self._fast = await _LOADING.run(load)
            self._loaded = True

    @cached_property
    def fast(self) -> "AiohttpTransport | None":
        """For queries and downloads, on asyncio and with the extra `fast`. `load_fast` comes first."""
        if self._fast is None:
            return None
        if self._in_flight.closing:
            raise closed()
        made: AiohttpTransport = self._fast.new_transport(self.tls, KEEPALIVE)
        return made

    def keeps(self, url: str) -> bool:
        """Whether the fast lane would ask for just this URL."""
        return self._fast is not None and bool(self._fast.keeps(url))

    def fast_now(self) -> "AiohttpTransport | None":
        """The fast lane, where there is one, and where nothing stands in httpx's place that must see all requests."""
        return None if self._fast is None or self._fast.is_replaced() else self.fast

    @property
    def queries_at_once(self) -> int:
        """As many as there are connections for them; more would only wait for one another."""
        return FAST_CONNECTIONS if self.may_be_fast else CONNECTIONS

    async def aclose(self) -> None:
        """Close what was made here."""
        with anyio.move_on_after(CLOSING, shield=True):
            for client in list(self._owned):
                await client.aclose()
            if (made := vars(self).get("fast")) is not None:
                await made.aclose()
