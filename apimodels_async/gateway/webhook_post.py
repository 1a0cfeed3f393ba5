"""One POST to somebody who may be anybody: to a checked address, without redirects, proxies, or patience.

Written on asyncio's streams, because what matters here is what usual clients do not promise: the address that was
checked is the one that is connected to, while Host header, SNI and certificate are those of the name; and of the answer
nothing counts but its status.
"""

import asyncio
import re
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Self

from apimodels_async.gateway.timeouts import Sleep, within
from apimodels_async.gateway.webhook_url import Destination, Hosts, address_of

__all__ = ["TIME_LIMIT", "Poster"]

TIME_LIMIT = 10.0
"""Seconds that an attempt may take until the head of the answer is there."""

_FAREWELL = 1.0
"""Seconds that the rest of the answer is waited for, so that a simple server is not cut off in the middle of it."""
_LONGEST_HEAD = 16 * 1024
_MOST_OF_THE_REST = 64 * 1024
_LOOKUPS_AT_ONCE = 8
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])[ \r]")


class Poster:
    """Posts JSON to URLs.

    Args:
        hosts: where it may go.
        sleep: waits some seconds.
    """

    def __init__(self, hosts: Hosts, sleep: Sleep) -> None:
        self._hosts = hosts
        self._sleep = sleep
        self._resolvers: ThreadPoolExecutor | None = None
        self._lookups: dict[tuple[str, int], asyncio.Task[list[str]]] = {}
        self._tls: ssl.SSLContext | None = None

    async def __aenter__(self) -> Self:
        """Get ready to look up names."""
        self._resolvers = ThreadPoolExecutor(_LOOKUPS_AT_ONCE, "apimodels-gateway-resolver")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Look up no more names. A resolver that hangs is not waited for."""
        if self._resolvers is not None:
            self._resolvers.shutdown(wait=False, cancel_futures=True)
        lookups = list(self._lookups.values())
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)

    async def post(self, to: Destination, body: bytes) -> int:
        """The status that the answer to a POST of `body` has.

        Raises:
            OSError: there is none in time, or none that is HTTP, or the host has an address that is not allowed.
        """
        with ExitStack() as stack:
            try:
                status, reader = await within(self._sleep, TIME_LIMIT, self._exchange(to, body, stack))
            except OSError:
                raise  # some of them, a wrong certificate for one, are ValueErrors as well
            except (EOFError, asyncio.LimitOverrunError, ValueError) as error:
                raise ConnectionError("the answer is not HTTP") from error
            with suppress(OSError):
                await within(self._sleep, _FAREWELL, _drain(reader))
            return status

    async def _exchange(self, to: Destination, body: bytes, stack: ExitStack) -> tuple[int, asyncio.StreamReader]:
        reader, writer = await self._connect(to)
        stack.callback(_cut, writer)
        head = (
            f"POST {to.target} HTTP/1.1\r\nHost: {to.netloc}\r\nUser-Agent: apimodels-gateway\r\nAccept: */*\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode("ascii") + body)
        await writer.drain()
        while True:
            match = _STATUS.match(await reader.readuntil(b"\r\n\r\n"))
            if match is None:
                raise ValueError("no status line")
            if not match[1].startswith(b"1"):  # what is told in between, as 103 Early Hints
                return int(match[1]), reader

    async def _connect(self, to: Destination) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        addresses = self._hosts.known(to.host) or await self._look_up(to.host, to.port)
        for text in addresses:
            address = address_of(text)
            if address is None or not self._hosts.reach(to.host, address):
                raise PermissionError(f"{to.host} has the address {text}, which callback_hosts does not allow")
        failures: list[OSError] = []
        for text in addresses:
            try:
                return await asyncio.open_connection(
                    text,
                    to.port,
                    limit=_LONGEST_HEAD,
                    ssl=self._context() if to.tls else None,
                    server_hostname=to.host if to.tls else None,
                )
            except OSError as error:
                failures.append(error)
        raise failures[0] if failures else OSError(f"{to.host} has no address")

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()  # not sooner: it reads all the system's certificates
        return self._tls

    async def _look_up(self, host: str, port: int) -> list[str]:
        # One question at a time for each name: a resolver that hangs over one must not keep the others waiting.
        lookup = self._lookups.get((host, port))
        if lookup is None:
            lookup = asyncio.create_task(self._ask_resolver(host, port))
            self._lookups[host, port] = lookup
            lookup.add_done_callback(lambda done: self._forget(host, port, done))
        return await asyncio.shield(lookup)

    async def _ask_resolver(self, host: str, port: int) -> list[str]:
        found = await asyncio.get_running_loop().run_in_executor(
            self._resolvers, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    def _forget(self, host: str, port: int, done: "asyncio.Task[list[str]]") -> None:
        del self._lookups[host, port]
        if not done.cancelled():
            done.exception()  # whoever asked may have stopped waiting: asyncio would complain that nobody looked


def _cut(writer: asyncio.StreamWriter) -> None:
    # Until then the writer must live: it closes its connection when it is collected.
    writer.transport.abort()


async def _drain(reader: asyncio.StreamReader) -> None:
    left = _MOST_OF_THE_REST
    while left > 0 and (data := await reader.read(left)):
        left -= len(data)
