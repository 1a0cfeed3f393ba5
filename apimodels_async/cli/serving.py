"""An ASGI app on a socket, until Ctrl-C. Needs the extra ``gateway``."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import uvicorn

__all__ = ["bind", "serve"]

_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (what to dial when it listens on all)


def bind(host: str, port: int) -> tuple[socket.socket, str]:
    """A socket that listens, and the URL to reach it by from this machine.

    Raises:
        OSError: the address or the port cannot be had.
    """
    listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or head and body of an answer are 40 ms apart
    name, real_port = listener.getsockname()[:2]
    name = _WILDCARDS.get(name, str(name))
    return listener, f"http://{f'[{name}]' if ':' in name else name}:{real_port}"


class Server(uvicorn.Server):
    """uvicorn without its hands on the process's signals, which would be raised again when it has ended."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave them alone."""
        yield


def serve(
    listener: socket.socket, app: Any, *, ready: Callable[[Server], object], done: Callable[[], Awaitable[None]]
) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        listener: the socket.
        app: the app; it gets no lifespan events of the server.
        ready: called with the server before it begins; ``server.should_exit = True`` ends it.
        done: awaited in the end.
    """
    config = uvicorn.Config(
        app, lifespan="off", log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1
    )
    server = Server(config)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # on Windows the loop takes none
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, server.handle_exit, number, None)
        ready(server)
        try:
            await server.serve([listener])
        finally:
            await done()

    asyncio.run(main())
