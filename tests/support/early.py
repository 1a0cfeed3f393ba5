"""A server that answers before it has read the request, and hangs up: what proxies do with what they refuse."""

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

Behaviour = Callable[[socket.socket], None]
"""What is done with one connection, after which it is closed with unread bytes: the kernel sends a reset."""


class EarlyServer:
    """The server, in a thread for each connection.

    Args:
        behave: what to do with each.
        tls: speaks TLS with this context.

    Attributes:
        connections: how many there were.
    """

    def __init__(self, behave: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self._behave = behave
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept)
        self.connections = 0

    @property
    def port(self) -> int:
        """Where it is."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def base_url(self) -> str:
        """What a client is given."""
        return f"{'http' if self._tls is None else 'https'}://localhost:{self.port}/api/v1"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            # Else an answer might wait for an acknowledgement, and the reset would overtake it.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=[connection])
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(30)
        try:
            with suppress(OSError):
                if self._tls is not None:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                self._behave(connection)
        finally:
            connection.close()

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in (self._accepting, *self._threads):
            thread.join(30)


def read_head(connection: socket.socket) -> bytes:
    """The head of a request, and what came with it."""
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(4096)
        if not more:
            raise OSError("gone")
        received += more
    return received


def answered(status: int, page: bytes = b"<title>No</title>", *, after: int = 0, interim: bytes = b"") -> Behaviour:
    """Answer after the head and `after` bytes of the body, then hang up."""

    def behave(connection: socket.socket) -> None:
        received = len(read_head(connection).partition(b"\r\n\r\n")[2])
        if interim:
            connection.sendall(interim)
        while received < after:
            received += len(connection.recv(65536))
        head = f"HTTP/1.1 {status} So\r\nContent-Length: {len(page)}\r\nConnection: close\r\nServer: early\r\n\r\n"
        connection.sendall(head.encode() + page)

    return behave
