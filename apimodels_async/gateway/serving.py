"""The gateway on a real socket: in a thread for tests and programs, or in the foreground for the command line."""

import asyncio
import contextlib
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from functools import partial
from types import TracebackType
from typing import Self, Unpack, cast

import uvicorn

from apimodels_async._arguments import whole
from apimodels_async.gateway.app import DEFAULT_API_KEY, PREFIXES, create_app
from apimodels_async.gateway.connections import (
    ACCEPTED_AT_ONCE,
    Connection,
    ConnectionLimits,
    max_connections,
    quiet_about_accept,
)
from apimodels_async.gateway.options import Options
from apimodels_async.gateway.requests import check_keys
from apimodels_async.gateway.workers import give_memory_back_at_once

__all__ = ["LocalGateway", "serve"]

_BACKLOG = 2048
_GRACE = 1.0
"""Seconds that requests under way may take to end."""
_TURN = 0.001
"""Seconds after which a thread that reads bodies or decodes pictures lets the event loop go on. Python's own are five
times as many, and a small request waits for a dozen turns."""
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (the address to reach it by when it listens on all)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    # Inherited by every connection. asyncio does not set it on a socket made like this, and without it head and body of
    # each answer are 40 ms apart.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _base_url(listener: socket.socket) -> str:
    name, port = listener.getsockname()[:2]
    host = _WILDCARDS.get(name, str(name))
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{PREFIXES[0]}"


class _Server(uvicorn.Server):
    """uvicorn that leaves the process's signals alone, reports that it listens, and ends without a traceback."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], object]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or []:
            listener.listen(_BACKLOG)  # uvicorn has set the small number that it accepts at once
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        # uvicorn would do the same, and log an error for each request.
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=_GRACE)
        for task in list(self.server_state.tasks):
            task.cancel()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # until they are notified
        await super().shutdown(sockets)


class _Run:
    """One app on one socket, for the time of its lifespan."""

    def __init__(self, listener: socket.socket, on_ready: Callable[[], object], options: Options) -> None:
        self._listener = listener
        self._app = create_app(**options)
        # The lifespan is entered here and not by uvicorn, which would log its errors and end the process.
        limits = ConnectionLimits(max_connections(), lambda: self.server.should_exit)
        config = uvicorn.Config(
            self._app,
            http=cast("type[asyncio.Protocol]", partial(Connection, limits)),
            backlog=ACCEPTED_AT_ONCE,
            lifespan="off",
            log_config=None,
            access_log=False,
            ws="none",
            timeout_graceful_shutdown=1,
        )
        self.server = _Server(config, on_ready)

    async def __call__(self) -> None:
        asyncio.get_running_loop().set_exception_handler(quiet_about_accept())
        async with self._app.router.lifespan_context(self._app):
            await self.server.serve([self._listener])


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8787,
    on_ready: Callable[[str], object] | None = None,
    **options: Unpack[Options],
) -> None:
    """Run the gateway until the process is interrupted (SIGINT) or asked to end (SIGTERM).

    Args:
        host: the address to listen on.
        port: the port; 0 for a free one.
        on_ready: called with the base URL as soon as the gateway answers there.
        **options: those of `create_app`.

    Raises:
        OSError: the port is in use, or the store cannot be used.
        ValueError: a bad option.
    """
    with _bind(host, port) as listener:
        base_url = _base_url(listener)
        run = _Run(listener, lambda: on_ready and on_ready(base_url), options)

        async def main() -> None:
            loop = asyncio.get_running_loop()
            # Outside the main thread, and on Windows, the loop takes no signals.
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                for number in (signal.SIGINT, signal.SIGTERM):
                    loop.add_signal_handler(number, run.server.handle_exit, number, None)
            await run()

        give_memory_back_at_once()
        interval = sys.getswitchinterval()
        sys.setswitchinterval(_TURN)
        try:
            asyncio.run(main())
        finally:
            sys.setswitchinterval(interval)


class LocalGateway:
    """The gateway in a thread of this process, on 127.0.0.1, for as long as the ``with`` block lasts.

    For example::

        with LocalGateway() as gateway:
            client = AsyncImagesClient(gateway.api_key, base_url=gateway.base_url)

    Args:
        port: the port; 0 for a free one.
        **options: those of `create_app`.

    Attributes:
        api_key: the first of the keys it accepts.
        base_url: the URL of the API, such as ``"http://127.0.0.1:40123/api/v1"``; known inside the block.

    Raises:
        OSError: on entering: the port is in use, or the store cannot be used.
        ValueError: a bad option.
    """

    def __init__(self, *, port: int = 0, **options: Unpack[Options]) -> None:
        self._port = whole("port", port, least=0)
        self._options = options
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self.api_key: str = check_keys(options.get("api_keys", (DEFAULT_API_KEY,)))[0].decode()
        self.base_url: str = ""

    def __enter__(self) -> Self:
        """Start the gateway, and return when it answers."""
        listener = _bind("127.0.0.1", self._port)
        try:
            ready: Future[None] = Future()
            run = _Run(listener, lambda: ready.set_result(None), self._options)

            def work() -> None:
                try:
                    asyncio.run(run())
                except BaseException as error:
                    if ready.done():
                        raise
                    ready.set_exception(error)

            # A daemon: a program that forgets to leave the block can still end.
            thread = threading.Thread(target=work, name="apimodels-gateway", daemon=True)
            thread.start()
            try:
                ready.result()
            except BaseException:
                run.server.should_exit = True
                thread.join()
                raise
        except BaseException:
            listener.close()
            raise
        self._server, self._thread = run.server, thread
        self.base_url = _base_url(listener)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the gateway, and return when it has closed everything."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
        self._server = self._thread = None
