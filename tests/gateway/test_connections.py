"""Connections that are idle are closed, and never keep others out."""

import asyncio
import contextlib
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import h11
import httpx
import pytest

from apimodels_async.gateway import DEFAULT_API_KEY, LocalGateway
from apimodels_async.gateway.connections import ConnectionLimits, max_connections, quiet_about_accept
from apimodels_async.gateway.limits import MAX_SMALL_CHUNKS, SMALL_CHUNK

KEY = {"Authorization": f"Bearer {DEFAULT_API_KEY}"}


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch, painter: Any) -> Iterator[Callable[..., LocalGateway]]:
    """Starts a gateway with short time limits."""
    monkeypatch.setattr("apimodels_async.gateway.connections.HEAD_TIME", 0.5)
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(LocalGateway(paint=painter, latency="0/0", **options))


def connect(gateway: LocalGateway) -> socket.socket:
    parts = urlsplit(gateway.base_url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20)


def ended(connection: socket.socket) -> bool:
    """Waits for the end of a connection."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return True


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HT",
        b"GET /api/v1/models HTTP/1.1\r\nHost: localhost\r\n",
        b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\nGET /ag",
    ],
)
def test_a_connection_without_a_request_under_way_is_closed(hurried: Callable[..., LocalGateway], sent: bytes) -> None:
    with connect(hurried()) as connection:
        connection.sendall(sent)
        assert ended(connection)


def test_a_head_that_drips_is_cut_off(hurried: Callable[..., LocalGateway]) -> None:
    with connect(hurried()) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: ")
        over = threading.Event()

        def drip() -> None:
            with contextlib.suppress(OSError):
                while not over.wait(0.05):
                    connection.sendall(b"x")

        with ThreadPoolExecutor(1) as threads:
            dripping = threads.submit(drip)
            assert ended(connection)
            over.set()
            dripping.result(10)


def test_a_request_under_way_is_not_cut_off(hurried: Callable[..., LocalGateway]) -> None:
    async def slowly(_: float) -> None:
        await asyncio.sleep(1.5)

    gateway = hurried(sleep=slowly)
    body = {"model": "sparkpix-image", "prompt": "a fox", "size": "16x16"}
    answer = httpx.post(f"{gateway.base_url}/images/generations", json=body, headers=KEY, trust_env=False, timeout=30)
    assert answer.json()["data"]["state"] == "completed"


def test_one_who_does_not_read_is_cut_off(painter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apimodels_async.gateway.connections.SEND_TIME", 0.3)
    with LocalGateway(paint=lambda **_: bytes(64 << 20), latency="0/0") as gateway:
        with httpx.Client(headers=KEY, trust_env=False, base_url=gateway.base_url, timeout=30) as client:
            body = {"model": "grok-4.2-image", "prompt": "a fox"}
            task_id = client.post("/images/generations", json=body).json()["data"]["taskId"]
            (url,) = client.get("/images/generations", params={"task_id": task_id}).json()["data"]["resultUrls"]
        with connect(gateway) as connection:
            connection.sendall(f"GET {urlsplit(url).path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            pieces = 0
            with contextlib.suppress(ConnectionError):
                while pieces < 300:  # nothing is read until the gateway has closed the connection
                    time.sleep(0.1)
                    connection.sendall(b"x")
                    pieces += 1
            assert pieces < 300


def test_the_connection_that_is_idle_longest_makes_room() -> None:
    class Fake:
        dropped = False

        def drop(self) -> None:
            self.dropped = True

    limits = ConnectionLimits(3, lambda: False)
    idle: list[Any] = [Fake() for _ in range(3)]
    for each in idle:
        limits.opened()
        limits.idle[each] = None
    limits.opened()
    assert [each.dropped for each in idle] == [True, False, False]
    limits.closed(idle[0])
    limits.opened()
    assert [each.dropped for each in idle] == [True, True, False]
    limits.closed(idle[1])
    limits.closed(idle[2])
    limits.opened()


def test_descriptors_are_left_for_other_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for soft, expected in ((128, 48), (64, 8), (1024, 944), (1_000_000, 1000), (resource.RLIM_INFINITY, 1000)):
        monkeypatch.setattr("resource.getrlimit", lambda _, soft=soft: (soft, soft))
        assert max_connections() == expected


SERVE = """
import logging, resource
logging.basicConfig(format="%(levelname)s %(message)s")
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
from apimodels_async.gateway import serve
serve(port=0, latency="0/0", on_ready=lambda url: print(url, flush=True), paint=lambda **_: b"paint")
"""


def test_with_few_descriptors_idle_connections_keep_nobody_out() -> None:
    process = subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    port = urlsplit(url).port or 0
    with contextlib.ExitStack() as stack:
        stack.callback(process.kill)
        for _ in range(400):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            connection.sendall(b"GET / HTTP/1.1\r\nHo")
        for _ in range(5):
            answer = httpx.get(f"{url}/balance", headers=KEY, trust_env=False, timeout=20)
            assert answer.status_code == 200
        process.terminate()
        _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert len(err.splitlines()) <= 1, err  # it says once, if at all, that it has no descriptor left


def test_that_no_descriptor_is_left_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(quiet_about_accept())
        for _ in range(1000):
            error = OSError(24, "Too many open files")
            context = {"message": "socket.accept() out of system resource", "exception": error}
            loop.call_exception_handler(context)
        loop.call_exception_handler({"message": "something else"})

    asyncio.run(main())
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "no file descriptor is left",
        "something else",
    ]


def test_leaving_while_a_picture_is_painted_and_awaited_logs_nothing(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apimodels_async.gateway.workers.CLOSE_TIME", 0.2)
    begun, go = threading.Event(), threading.Event()

    def slow(**_: Any) -> bytes:
        begun.set()
        assert go.wait(60)
        return b"paint"

    def ask(url: str) -> None:
        httpx.get(url, trust_env=False, timeout=30)

    with ThreadPoolExecutor(1) as threads:
        with LocalGateway(paint=slow, latency="0/0") as gateway:
            body = {"model": "grok-4.2-image", "prompt": "a fox"}
            answer = httpx.post(
                f"{gateway.base_url}/images/generations", json=body, headers=KEY, trust_env=False, timeout=60
            )
            origin = gateway.base_url.removesuffix("/api/v1")
            waiting = threads.submit(ask, f"{origin}/results/{answer.json()['data']['taskId']}-0.png")
            assert begun.wait(20)
        go.set()
        assert isinstance(waiting.exception(20), httpx.HTTPError)
    messages = [record.getMessage() for record in caplog.records if record.name.startswith(("uvicorn", "asyncio"))]
    assert [message for message in messages if "Traceback" in message or "Exception" in message] == []
    assert [record for record in caplog.records if record.exc_info] == []
    assert "Traceback" not in capfd.readouterr().err


# --- many small pieces

CHUNKED = (
    "POST /api/v1/images/generations HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
    f"Authorization: {KEY['Authorization']}\r\n\r\n"
).encode()


def answered(connection: socket.socket, *sent: bytes) -> bytes:
    """Send all, and return what comes back until the connection ends or an answer is whole."""
    received = b""
    with contextlib.suppress(ConnectionError):
        for each in sent:
            connection.sendall(each)
        while b"}" not in received and (piece := connection.recv(65536)):
            received += piece
    return received


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


BODY = b'{"model": "sparkpix-image-edit", "prompt": "a"%b}'


@pytest.mark.parametrize(
    ("blanks", "size"), [(0, 1), (MAX_SMALL_CHUNKS - 100, 1), (SMALL_CHUNK * (MAX_SMALL_CHUNKS + 9), SMALL_CHUNK)]
)
def test_a_body_may_come_in_chunks_of_any_size(hurried: Callable[..., LocalGateway], blanks: int, size: int) -> None:
    with connect(hurried()) as connection:
        sent = chunked(BODY % (b" " * blanks), size)
        assert b'"code":200' in answered(connection, CHUNKED, sent)


@pytest.mark.parametrize("size", [1, SMALL_CHUNK - 1])
def test_too_many_small_chunks_are_refused(hurried: Callable[..., LocalGateway], size: int) -> None:
    with connect(hurried()) as connection:
        received = answered(connection, CHUNKED, chunked(BODY % (b" " * (size * MAX_SMALL_CHUNKS)), size))
        assert not received or received.startswith(b"HTTP/1.1 400")
        assert b'"code":200' not in received


@pytest.mark.parametrize("bad", [b"zz\r\n", b"1\r\n \r\n" * (MAX_SMALL_CHUNKS + 9)])
@pytest.mark.parametrize("waits", [True, False])
def test_chunks_that_are_refused_after_the_answer_close_the_connection_quietly(
    hurried: Callable[..., LocalGateway], caplog: pytest.LogCaptureFixture, bad: bytes, *, waits: bool
) -> None:
    start = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n \r\n"
    with connect(hurried()) as connection:
        connection.sendall(start if waits else start + bad)
        if waits:
            assert connection.recv(1).startswith(b"H")
            with contextlib.suppress(ConnectionError):
                connection.sendall(bad)
        assert ended(connection)
    assert not [record for record in caplog.records if record.exc_info]


def test_what_costs_much_to_parse_is_read_a_little_at_a_time(
    hurried: Callable[..., LocalGateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    receive = h11.Connection.receive_data

    def noted(parser: h11.Connection, data: bytes) -> None:
        sizes.append(len(data))
        receive(parser, data)

    monkeypatch.setattr(h11.Connection, "receive_data", noted)
    with connect(hurried()) as connection:
        sent = chunked(BODY % (b" " * (1 << 20)), 1 << 16)
        assert b'"code":200' in answered(connection, CHUNKED, sent)
    assert sum(sizes) == len(CHUNKED) + len(sent)
    assert max(sizes) <= 32 << 10


def test_a_head_has_16_kib_at_most(hurried: Callable[..., LocalGateway]) -> None:
    lines = b"X: y\r\n" * 20_000
    with connect(hurried()) as connection:
        received = answered(connection, b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n" + lines + b"\r\n")
        assert not received or received.startswith(b"HTTP/1.1 400")
