"""Connections that are kept alive, that die in silence, and that are never made."""

import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import anyio
import httpcore
import httpx
import pytest

from apimodels_async import AsyncImagesClient, ConnectionFailedError
from apimodels_async._http.network import BoundedConnection
from apimodels_async._http.timeouts import DEFAULT_TIMEOUT, Timeouts
from tests.support.early import read_head
from tests.support.picture_server import KEY, PictureServer, enveloped, raw

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("lane")]

PENDING = {"taskId": "task-1", "state": "pending"}


@pytest.fixture
def server() -> Iterator[PictureServer]:
    with PictureServer() as running:
        running.create(running.accepted())
        running.query(enveloped(PENDING))
        yield running


def client_of(base_url: str, **options: Any) -> AsyncImagesClient:
    return AsyncImagesClient(KEY, base_url=base_url, model="m", max_retries=0, **options)


async def test_a_refused_connection_is_told_as_that() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    async with client_of(f"http://127.0.0.1:{port}/api/v1") as client:
        for call in (client.balance, partial(client.create, "a cat"), partial(client.get, "task-1")):
            with pytest.raises(ConnectionFailedError, match=rf"Connection refused.*; at 127\.0\.0\.1:{port}\b"):
                await call()


@pytest.mark.skipif(not hasattr(socket, "TCP_KEEPIDLE"), reason="named otherwise here")
async def test_every_connection_asks_the_system_to_keep_it_alive(
    server: PictureServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    opened: list[socket.socket] = []
    connect_ex, connect = socket.socket.connect_ex, socket.socket.connect

    def noted(method: Any) -> Any:
        def call(self: socket.socket, address: Any) -> Any:
            if address[:2] == ("127.0.0.1", httpx.URL(server.origin).port):
                opened.append(self.dup())
            return method(self, address)

        return call

    monkeypatch.setattr(socket.socket, "connect", noted(connect))
    monkeypatch.setattr(socket.socket, "connect_ex", noted(connect_ex))
    async with client_of(server.base_url) as client:
        await client.create("a cat")
        await client.get("task-1")
    assert len(opened) == 2
    for each in opened:
        with each:
            assert each.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            assert [each.getsockopt(socket.IPPROTO_TCP, option) for option in options] == [15, 5, 3]
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                assert each.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000


class Full(httpcore.AsyncNetworkStream):
    """Has this many bytes at once, and then a thousand at a time."""

    def __init__(self, full: int) -> None:
        self.full = full
        self.asked: list[int] = []

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.asked.append(max_bytes)
        given = min(max_bytes, self.full or 1_000)
        self.full -= min(self.full, given)
        return bytes(given)


async def test_more_is_read_at_once_as_long_as_that_is_there() -> None:
    stream = Full(700 << 10)
    connection = BoundedConnection(stream, until=0.0, handshakes=0)
    sizes = [len(await connection.read(64 << 10)) for _ in range(6)]
    await connection.read(4 << 10)

    assert sizes == [64 << 10, 256 << 10, 256 << 10, 124 << 10, 1_000, 1_000]
    assert [asked >> 10 for asked in stream.asked] == [64, 256, 256, 256, 256, 64, 4]


async def test_a_query_over_a_connection_that_was_just_closed_is_repeated_once(server: PictureServer) -> None:
    async with client_of(server.base_url) as client:
        server.query(enveloped(PENDING), raw(b""), enveloped({**PENDING, "state": "processing"}))
        await client.get("task-1")
        assert (await client.get("task-1")).state == "processing"
        server.query(raw(b""))
        with pytest.raises(ConnectionFailedError):
            await client.get("task-1")
    assert server.queries == 5


async def test_a_query_over_a_new_connection_is_not_repeated(server: PictureServer) -> None:
    server.query(raw(b""), enveloped(PENDING))
    async with client_of(server.base_url) as client:
        with pytest.raises(ConnectionFailedError):
            await client.get("task-1")
        assert server.queries == 1
        assert (await client.get("task-1")).state == "pending"


class Silent:
    """Answers each connection's first request, and is silent after it for good."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.connections: list[socket.socket] = []
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
        self.answer_all = threading.Barrier(4)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}/api/v1"

    def serve(self) -> None:
        body = b'{"code": 200, "data": {"taskId": "task-1", "state": "pending"}}'
        threads: list[threading.Thread] = []
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                break
            self.connections.append(connection)
            first = len(self.connections) <= 4

            def talk(connection: socket.socket = connection, first: bool = first) -> None:
                read_head(connection)
                if first:
                    assert self.answer_all.wait(60) in range(4)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

            threads.append(threading.Thread(target=talk))
            threads[-1].start()
        for thread in threads:
            thread.join(30)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(30)
        for connection in self.connections:
            connection.close()


async def test_one_query_without_an_answer_clears_all_idle_connections_of_its_lane() -> None:
    server = Silent()
    try:
        async with client_of(server.base_url, timeout=httpx.Timeout(10.0, read=0.5)) as client:
            async with anyio.create_task_group() as group:
                for _ in range(4):
                    group.start_soon(client.get, "task-1")
            assert len(server.connections) == 4
            with pytest.raises(ConnectionFailedError, match=r"no answer came in time|ReadTimeout"):
                await client.get("task-1")
            assert (await client.get("task-1")).state == "pending"
            assert len(server.connections) == 5
    finally:
        server.close()


@pytest.mark.skipif(not hasattr(socket, "TCP_KEEPIDLE"), reason="the queue of connections is counted otherwise here")
async def test_connecting_is_bounded_however_many_addresses_a_name_has(
    monkeypatch: pytest.MonkeyPatch, server: PictureServer
) -> None:
    """Thirty addresses that never answer: their queues are full."""
    listeners = [socket.socket() for _ in range(30)]
    fillers: list[socket.socket] = []
    for number, listener in enumerate(listeners, 1):
        listener.bind((f"127.0.0.{number + 10}", 0 if number == 1 else listeners[0].getsockname()[1]))
        listener.listen(0)
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
    port = listeners[0].getsockname()[1]
    found = socket.getaddrinfo

    def resolved(host: Any, *rest: Any, **more: Any) -> Any:
        if host in ("thirty.localhost", b"thirty.localhost"):
            return [
                entry for each in listeners for entry in found(each.getsockname()[0], port, type=socket.SOCK_STREAM)
            ]
        return found(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    try:
        async with client_of(
            f"http://thirty.localhost:{port}/api/v1", timeout=httpx.Timeout(30.0, connect=1.0)
        ) as client:
            for ask in (partial(client.get, "task-1"), partial(client.create, "a cat")):
                began = time.monotonic()
                with pytest.raises(ConnectionFailedError) as failed:
                    await ask()
                assert isinstance(failed.value.__cause__, httpx.ConnectTimeout)
                assert time.monotonic() - began < 20.0  # one second for each address would be thirty
    finally:
        for each in (*listeners, *fillers):
            each.close()


async def test_a_refused_connection_names_the_place(server: PictureServer) -> None:
    async with client_of("http://127.0.0.1:9/api/v1") as client:
        for ask in (partial(client.get, "task-1"), partial(client.create, "a cat"), client.balance):
            with pytest.raises(ConnectionFailedError, match=r"at 127\.0\.0\.1:9"):
                await ask()


def test_the_default_times_are_the_documented_ones() -> None:
    default = Timeouts(DEFAULT_TIMEOUT)
    assert (default.query.read, default.create.read, default.other.read) == (10.0, 300.0, 30.0)
    assert {each.connect for each in (default.query, default.create, default.other)} == {10.0}
    own = Timeouts(7.0)
    assert own.query == own.create == own.other == httpx.Timeout(7.0)
    assert Timeouts(None).create.read is None
