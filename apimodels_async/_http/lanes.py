"""The pools of connections of one client: made on first use, closed together.

Creates have lanes of their own, on which it can be proved whether a byte was sent, with as many connections as
creates may be waiting: synchronous models hold one for a minute. Queries share a few connections behind a limiter of
ours, because httpx's pool grows slow with connections and with a queue inside it. Downloads go over a client that has
never seen the API key. On asyncio, with the extra `fast`, queries, downloads and small creates go over aiohttp instead.
"""

import logging
import os
import sys
import threading
from contextlib import suppress
from functools import cached_property, partial
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies

import anyio
import httpx

from apimodels_async._clock import loop_clock
from apimodels_async._http import tls, versions
from apimodels_async._http.error_mapping import closed
from apimodels_async._http.in_flight import InFlight
from apimodels_async._http.pools import PoolSet
from apimodels_async._http.proxies import Proxy, ProxyRules
from apimodels_async._http.sockets import OpenSockets
from apimodels_async._http.trace import describe
from apimodels_async._threads import WorkerThreads, is_trio, load_module, running_loop
from apimodels_async.errors import ConfigurationError

logger = logging.getLogger("apimodels_async")

if TYPE_CHECKING:
    import ssl

    from apimodels_async._http.fast import FastLane, FastRequest

CONNECTIONS = 8
"""For queries, and as many again for downloads: about the best of httpx's pool (measured, see the design page)."""
FAST_CONNECTIONS = 32
"""For queries over aiohttp, which does not mind how many there are: so the distance to the server decides."""
SUBMIT_KEEPALIVE = 2.0
"""Seconds. On a kept-alive connection that the server is just closing, a create request becomes unknown for nothing."""
KEEPALIVE = 5.0
"""Seconds, for queries and downloads. A middlebox may forget what is idle for longer; a new connection is cheap."""
CLOSING = 5.0
"""Seconds in which requests that closing cancels must have ended."""

FEW = 16
"""Create requests for which aiohttp is not loaded, if there is no query."""

FAST = "apimodels_async._http.fast"
"""The module that imports aiohttp."""
NETWORK = "apimodels_async._http.network"
"""The module that imports httpcore, which httpx imports only when it is needed."""
_LOADING = WorkerThreads("loading", 1)


def load() -> Any:
    """Import aiohttp and what goes with it; ``None`` where that fails. Takes tenths of a second."""
    try:
        return load_module(FAST)
    except Exception:  # noqa: BLE001  (a library that is there and broken must not fail what httpx can do)
        return None


def _load_basics() -> "ssl.SSLContext":
    """What every lane needs, httpcore first: where the context is ready, so is the module.

    Raises:
        ConfigurationError: httpcore, or what it imports, is there and broken; or as `tls.shared_context`.
    """
    try:
        load_module(NETWORK)
    except Exception as error:
        raise ConfigurationError(f"httpcore cannot be imported ({describe(error)}): no request can be sent") from error
    return tls.shared_context()


def _for_httpx(proxy: Proxy | None, context: "ssl.SSLContext") -> httpx.Proxy | None:
    if proxy is None:
        return None
    return httpx.Proxy(proxy.url, ssl_context=context if proxy.url.startswith("https") else None)


class _Transport(httpx.AsyncHTTPTransport):
    """httpx's, without the words of the status line: httpx logs them as they are, and no one else reads them."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and return the response."""
        response = await super().handle_async_request(request)
        response.extensions.pop("reason_phrase", None)
        return response


class Lanes:
    """The lanes of one client.

    Args:
        base_url: of the API.
        given: the caller's own httpx client, which then is every lane, and is not closed here.
        in_flight: says whether the client is being closed.

    Raises:
        ConfigurationError: the environment names a proxy or certificates for this URL that cannot be used.
    """

    def __init__(self, base_url: str, given: httpx.AsyncClient | None, in_flight: InFlight) -> None:
        self._base_url = base_url
        self._given = given
        self._in_flight = in_flight
        self._sockets = OpenSockets()
        self._owned: list[httpx.AsyncClient | FastLane] = []
        self._downloads: dict[tuple[Proxy | None, bool], PoolSet[httpx.AsyncClient]] = {}
        self._fast: Any = None
        self._looked_for_fast = False
        self._distrusted = False
        self._creates = 0
        self._network: Any = None
        self._tls: ssl.SSLContext | None = None
        self._rules = ProxyRules(getproxies() if given is None else {}, os.environ)
        self.proxy: Proxy | None = self.proxy_of(base_url)
        if given is None and base_url.startswith("https"):
            tls.check_environment()

    def proxy_of(self, url: str) -> Proxy | None:
        """The proxy by which a URL is reached.

        Raises:
            ConfigurationError: it cannot be used.
        """
        proxy = self._rules.for_url(url)
        if proxy is not None and proxy.is_socks and find_spec("socksio") is None:
            raise ConfigurationError(
                f"{proxy}: a SOCKS proxy needs the extra socks: pip install 'apimodels-async[socks]', or unset it"
            )
        return proxy

    async def prepare(self, *, fast: bool = False) -> None:
        """Load beside the loop what takes long: certificates, and aiohttp if it can be used and `fast` asks for it.

        Raises:
            ConfigurationError: the environment names certificates that cannot be used.
        """
        if self._given is not None:
            return
        if self._tls is None:
            self._tls = tls.ready_context() or await _LOADING.run(_load_basics)
            self._network = import_module(NETWORK)  # by now it is there
        if fast and not self._looked_for_fast:
            self._fast = await _LOADING.run(load) if self.may_be_fast else None
            self._looked_for_fast = True

    def count_create(self) -> None:
        """One more create request. When there have been several, aiohttp is loaded beside what runs.

        Before, they are not worth its import; until it is there, they go over httpx.
        """
        self._creates += 1
        if self._creates == FEW and not self._looked_for_fast and self.may_be_fast:
            threading.Thread(target=self._load_fast, name="apimodels_async loading", daemon=True).start()

    def _load_fast(self) -> None:
        self._fast = load()
        self._looked_for_fast = True

    def _client(
        self, limits: httpx.Limits, proxy: Proxy | None, url: str, *, watched: bool = False
    ) -> httpx.AsyncClient:
        if self._given is not None:
            return self._given
        if self._in_flight.closing:
            raise closed()
        assert self._tls is not None  # noqa: S101  (`prepare` comes first)
        try:
            transport = _Transport(verify=self._tls, limits=limits, proxy=_for_httpx(proxy, self._tls), trust_env=False)
        except Exception as error:
            raise ConfigurationError(f"{proxy or url}: no connection can be set up ({describe(error)})") from error
        tunnel = proxy is not None and not proxy.is_socks and url.startswith("https")
        handshakes = (1 + proxy.url.startswith("https")) if proxy is not None and tunnel else 0
        replies = 0 if proxy is None else proxy.replies
        network = partial(
            self._network.Network, opened=self._sockets, watched=watched, handshakes=handshakes, replies=replies
        )
        versions.set_network(transport, network)
        client = httpx.AsyncClient(transport=transport, trust_env=False)
        self._owned.append(client)
        return client

    async def _close(self, made: "httpx.AsyncClient | FastLane") -> None:
        if made in self._owned:
            self._owned.remove(made)
            await made.aclose()

    def _pools(
        self, limits: httpx.Limits, idle: float, proxy: Proxy | None, url: str, *, watched: bool = False
    ) -> PoolSet[httpx.AsyncClient]:
        make = partial(self._client, limits, proxy, url, watched=watched)
        return PoolSet(make, self._close, idle=idle, clock=loop_clock())

    @cached_property
    def submit(self) -> PoolSet[httpx.AsyncClient]:
        """For creates."""
        # No bound on idle ones: with one, a wave of creates would close connections only to open them again.
        limits = httpx.Limits(keepalive_expiry=SUBMIT_KEEPALIVE)
        return self._pools(limits, SUBMIT_KEEPALIVE, self.proxy, self._base_url, watched=True)

    @cached_property
    def query(self) -> PoolSet[httpx.AsyncClient]:
        """For queries over httpx."""
        limits = httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=KEEPALIVE)
        return self._pools(limits, KEEPALIVE, self.proxy, self._base_url)

    def download(self, url: str) -> PoolSet[httpx.AsyncClient]:
        """For downloads over httpx.

        Raises:
            ConfigurationError: the proxy of this URL cannot be used.
        """
        proxy = self.proxy_of(url)
        kind = proxy, url.startswith("https")
        if kind not in self._downloads:
            limits = httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=KEEPALIVE)
            self._downloads[kind] = self._pools(limits, KEEPALIVE, proxy, url)
        return self._downloads[kind]

    # --- aiohttp

    @cached_property
    def may_be_fast(self) -> bool:
        """Whether queries and downloads can go over aiohttp; nothing is imported to find out.

        Not through a caller's own client, not on trio, and not through a proxy. httpx-aiohttp, which comes with the
        extra `fast`, tells an aiohttp that was chosen for this from one that is there for something else.
        """
        return (
            self._given is None
            and self.proxy is None
            and find_spec("httpx_aiohttp") is not None
            and not is_trio(running_loop())
        )

    @cached_property
    def fast(self) -> "PoolSet[FastLane]":
        """For queries and downloads over aiohttp, where `fast_now` says so."""
        return self._fast_pools(KEEPALIVE, FAST_CONNECTIONS + CONNECTIONS)

    @cached_property
    def fast_submit(self) -> "PoolSet[FastLane]":
        """For small creates over aiohttp, where `creates_fast_now` says so."""
        return self._fast_pools(SUBMIT_KEEPALIVE, sys.maxsize)

    def _fast_pools(self, keepalive: float, width: int) -> "PoolSet[FastLane]":
        return PoolSet(partial(self._new_fast, keepalive), self._close, idle=keepalive, clock=loop_clock(), width=width)

    def _new_fast(self, keepalive: float) -> "FastLane":
        if self._in_flight.closing:
            raise closed()
        made: FastLane = self._fast.FastLane(self._tls, keepalive, self._sockets, self._distrust_fast)
        self._owned.append(made)
        return made

    def creates_fast_now(self) -> bool:
        """Whether aiohttp can be used for creates: it says what these must know, whether a byte can have left."""
        return self.fast_now() and bool(self._fast.can_create())

    def fast_request(
        self, method: str, url: str, headers: httpx.Headers, timeout: httpx.Timeout
    ) -> "FastRequest | None":
        """Return a request as aiohttp takes it; ``None`` if it would ask for another URL."""
        made: FastRequest | None = self._fast.prepare(method, url, headers, timeout)
        return made

    def fast_request_at(self, request: "FastRequest", query: str) -> "FastRequest":
        """Return the same request with a query string, in which nothing needs to be quoted."""
        made: FastRequest = self._fast.at(request, query)
        return made

    def fast_now(self) -> bool:
        """Whether aiohttp can be used.

        It is there, can read the answers, and nothing stands in httpx's place that must see all requests.
        """
        return self._fast is not None and not self._distrusted and not self._fast.is_replaced()

    def _distrust_fast(self) -> None:
        """Leave aiohttp: what it could not parse, httpx may. It is stricter, about repeated headers for example."""
        if not self._distrusted:
            self._distrusted = True
            logger.warning("aiohttp cannot read an answer of this server: from now on httpx is used")

    @property
    def queries_at_once(self) -> int:
        """As many as there are connections for them; more would only wait for one another."""
        return FAST_CONNECTIONS if self.may_be_fast else CONNECTIONS

    async def cut_off(self) -> bool:
        """End the connections made here without their event loop, and return whether there were any."""
        found = self._sockets.cut_off()
        owned, self._owned = self._owned, []
        for made in owned:  # they note that they are closed, and then fail
            with anyio.move_on_after(CLOSING / 10, shield=True), suppress(Exception):
                await made.aclose()
        return found

    async def aclose(self) -> None:
        """Close what was made here."""
        with anyio.move_on_after(CLOSING, shield=True):
            for made in list(self._owned):
                await made.aclose()
