"""Servers that run in a thread for as long as a block lasts: handlers of the standard library, and ASGI apps.

Those that misbehave below HTTP are `FaultServer` (server.py) and `PictureServer` (picture_server.py).
"""

import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import uvicorn

PATIENCE = 60.0
"""Seconds after which a server that does not start or end is a failure."""


class Handler(BaseHTTPRequestHandler):
    """Answers with a length, logs nothing, and does not mind a client that is gone."""

    protocol_version = "HTTP/1.1"

    def body(self) -> bytes:
        """What was sent."""
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def get(self) -> None:
        """Answer a GET."""
        self.answer(405)

    def post(self) -> None:
        """Answer a POST."""
        self.answer(405)

    def do_GET(self) -> None:
        """As the standard library names it."""
        self.get()

    def do_POST(self) -> None:
        """As the standard library names it."""
        self.post()

    def answer(
        self,
        status: int,
        body: bytes = b"",
        media_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send an answer; `headers` come after the usual ones, except for a Content-Length, which is used instead."""
        given = {"Content-Type": media_type, "Content-Length": str(len(body)), **(headers or {})}
        try:
            self.send_response(status)
            for name, value in given.items():
                self.send_header(name, value)
            self.end_headers()
            for start in range(0, len(body), 1 << 20):
                self.wfile.write(body[start : start + (1 << 20)])
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves in the middle is what is being tried; anything else is printed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def http_server(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serves on a free port of 127.0.0.1, each connection in a thread; yields the URL, without a slash at its end."""
    with _HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def asgi_server(app: Any, listener: socket.socket | None = None, **options: Any) -> Iterator[int]:
    """Serves an ASGI app by uvicorn, on a free port of 127.0.0.1 unless there is a `listener`; yields the port."""
    import uvicorn

    started = threading.Event()

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            started.set()

    with listener or socket.create_server(("127.0.0.1", 0)) as open_socket:
        config = _config(app, **options)
        server = Server(config)
        thread = threading.Thread(target=server.run, args=([open_socket],), daemon=True)
        thread.start()
        try:
            assert started.wait(PATIENCE)
            yield open_socket.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
            assert not thread.is_alive()


def _config(app: Any, **options: Any) -> "uvicorn.Config":
    import uvicorn

    return uvicorn.Config(
        app, **{"log_config": None, "access_log": False, "ws": "none", "timeout_graceful_shutdown": 1, **options}
    )
