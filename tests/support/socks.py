"""A SOCKS5 proxy (RFC 1928) for one destination whatever is asked for, in threads."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self


class SocksProxy:
    """Forwards every connection to one port of this machine.

    Args:
        port: where to.

    Attributes:
        asked: the hosts that clients asked for.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._sockets: list[socket.socket] = []
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        """What a variable is set to."""
        return f"socks5://127.0.0.1:{self._listener.getsockname()[1]}"

    def _start(self, *work: object) -> None:
        thread = threading.Thread(target=work[0], args=work[1:])  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        self._sockets.append(client)
        with suppress(OSError):
            _, count = client.recv(2)
            client.recv(count)
            client.sendall(b"\x05\x00")
            _, _, _, kind = client.recv(4)
            length = client.recv(1)[0] if kind == 3 else 4
            host = client.recv(length)
            self.asked.append(host.decode() if kind == 3 else socket.inet_ntoa(host))
            client.recv(2)
            server = socket.create_connection(("127.0.0.1", self._to))
            self._sockets.append(server)
            client.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
            self._start(self._pass_on, server, client)
            self._pass_on(client, server)

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(30)
        for each in self._sockets:
            each.close()
