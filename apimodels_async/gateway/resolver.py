"""Host names looked up in threads of their own."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

__all__ = ["Resolver"]

_MAX_LOOKUPS = 8


class Resolver:
    """Looks up names, each at most once at a time: a lookup that hangs must not delay the others."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._lookups: dict[tuple[str, int], asyncio.Task[list[str]]] = {}

    async def __aenter__(self) -> Self:
        """Make the threads."""
        self._threads = ThreadPoolExecutor(_MAX_LOOKUPS, "apimodels-gateway-resolver")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop. A lookup that hangs is not waited for."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        lookups = list(self._lookups.values())
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)

    async def look_up(self, host: str, port: int) -> list[str]:
        """The addresses of `host`.

        Raises:
            OSError: the name is unknown, or cannot be looked up.
        """
        lookup = self._lookups.get((host, port))
        if lookup is None:
            lookup = asyncio.create_task(self._ask(host, port))
            self._lookups[host, port] = lookup
            lookup.add_done_callback(lambda done: self._forget(host, port, done))
        return await asyncio.shield(lookup)

    async def _ask(self, host: str, port: int) -> list[str]:
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    def _forget(self, host: str, port: int, done: "asyncio.Task[list[str]]") -> None:
        del self._lookups[host, port]
        if not done.cancelled():
            done.exception()  # if all callers stopped waiting, asyncio would report an exception never retrieved
