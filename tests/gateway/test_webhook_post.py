"""One POST to somebody who may be anybody."""

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from apimodels_async.gateway.urls import AllowedHosts, parse_url
from apimodels_async.gateway.webhook_post import WebhookClient

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
BODY = b'{"code": 200}'


class Peer:
    """A server that does with a connection what it was given, after it has read the request."""

    def __init__(self, answer: bytes = b"HTTP/1.1 204 No Content\r\n\r\n", *, then: Serve | None = None) -> None:
        self.answer = answer
        self.then = then
        self.requests: list[bytes] = []
        self.port = 0
        self._connections: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections[asyncio.current_task()] = writer
        with contextlib.suppress(OSError, EOFError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(head + await reader.readexactly(len(BODY)))
            writer.write(self.answer)
            await writer.drain()
            if self.then is not None:
                await self.then(reader, writer)
        writer.close()

    @contextlib.asynccontextmanager
    async def listening(self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, host, 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for writer in self._connections.values():
                writer.transport.abort()
            await asyncio.gather(*filter(None, self._connections))


def post(
    peer: Peer | None,
    url: str = "http://127.0.0.1:{port}/hook?a=b",
    *,
    hosts: tuple[str, ...] = (),
    pace: float = 1,
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
) -> int:
    """What a POST comes to; `pace` is how many times as fast the poster's time goes."""

    async def main() -> int:
        async with contextlib.AsyncExitStack() as stack:
            if peer is not None:
                await stack.enter_async_context(peer.listening(host, tls))
            poster = WebhookClient(AllowedHosts.parse(hosts), lambda seconds: asyncio.sleep(seconds / pace))
            await stack.enter_async_context(poster)
            return await poster.post(parse_url("callback_url", url.format(port=peer and peer.port)), BODY)

    return asyncio.run(main())


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names stand for; a question takes its answer away, so that it can be asked once."""
    known: dict[str, list[str]] = {}

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "nobody knows")
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in known.pop(host)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


def test_it_sends_one_plain_request() -> None:
    peer = Peer()
    assert post(peer) == 204
    assert peer.requests == [
        f"POST /hook?a=b HTTP/1.1\r\nHost: 127.0.0.1:{peer.port}\r\nUser-Agent: apimodels-gateway\r\n"
        f"Accept: */*\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n"
        "Connection: close\r\n\r\n".encode()
        + BODY
    ]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200),
        (b"HTTP/1.0 500 Oh no\r\n\r\n", 500),
        (b"HTTP/1.1 200\r\n\r\n", 200),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 201 Created\r\n\r\n", 201),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/elsewhere\r\n\r\n", 302),
        (b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\n\r\n", 307),
    ],
)
def test_of_the_answer_the_status_counts_and_a_redirect_is_just_one(answer: bytes, status: int) -> None:
    peer = Peer(answer)
    assert post(peer) == status
    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        *(b"", b"HTTP/1.1 200 OK\r\n", b"hello\r\n\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 999 ?\r\n\r\n"),
        *(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, b"x" * 1_000_000, b"\x15\x03\x01\x00\x02\x02\x50\r\n\r\n"),
    ],
)
def test_what_is_no_http_is_an_error(answer: bytes) -> None:
    with pytest.raises(OSError, match="not HTTP"):
        post(Peer(answer))


async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(bytes(65536))
        await writer.drain()


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    ("answer", "then"), [(b"", hang), (b"HTTP/1.1 200 OK\r\n", hang), (b"HTTP/1.1 200 OK\r\nX: ", drip)]
)
def test_an_answer_is_waited_for_10_seconds(answer: bytes, then: Serve) -> None:
    with pytest.raises(TimeoutError, match="10 s"):
        post(Peer(answer, then=then), pace=50)


@pytest.mark.parametrize("then", [hang, flood, drip])
def test_a_body_that_never_ends_is_not_read_to_its_end(then: Serve) -> None:
    assert post(Peer(b"HTTP/1.1 200 OK\r\n\r\n", then=then), pace=10) == 200


def test_a_slow_name_takes_no_more_than_the_10_seconds_either(monkeypatch: pytest.MonkeyPatch) -> None:
    over, ended = threading.Event(), threading.Event()

    def slow(*_: object, **__: object) -> list[Any]:
        assert over.wait(60)
        ended.set()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with pytest.raises(TimeoutError):
        post(None, "http://hooks.example/", hosts=("hooks.example",), pace=50)
    over.set()
    assert ended.wait(60)


def test_nobody_there_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        post(None, f"http://127.0.0.1:{port}/")


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_localhost_is_found_where_it_listens() -> None:
    for host in ("127.0.0.1", "::1"):
        assert post(Peer(), "http://localhost:{port}/", host=host) == 204


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert post(Peer()) == 204


def test_a_name_is_asked_for_once_and_its_address_is_the_one_connected_to(names: dict[str, list[str]]) -> None:
    names["hooks.example"] = ["127.0.0.1"]
    peer = Peer()
    assert post(peer, "http://hooks.example:{port}/", hosts=("hooks.example",)) == 204
    assert f"\r\nHost: hooks.example:{peer.port}\r\n".encode() in peer.requests[0]


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["127.0.0.1", "169.254.169.254"], ["93.184.216.34", "fd00::1"]])
def test_a_name_with_one_address_that_is_not_allowed_is_not_called(
    names: dict[str, list[str]], addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names["hooks.example"] = addresses
    monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", None)
    with pytest.raises(PermissionError, match=f"{addresses[-1]}, which callback_hosts does not allow"):
        post(None, "http://hooks.example/", hosts=("hooks.example",))


def test_an_address_that_was_allowed_once_is_checked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", None)
    with pytest.raises(PermissionError):
        post(None, "http://10.0.0.1/")


def test_a_name_nobody_knows_is_an_error(names: dict[str, list[str]]) -> None:
    assert names == {}
    with pytest.raises(OSError, match="nobody knows"):
        post(None, "http://hooks.example/", hosts=("hooks.example",))


def test_many_who_ask_for_one_name_ask_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    go = threading.Event()

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        assert go.wait(60)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    async def main() -> list[int]:
        peer = Peer()
        async with peer.listening(), WebhookClient(AllowedHosts.parse(["hooks.example"]), asyncio.sleep) as poster:
            to = parse_url("callback_url", f"http://hooks.example:{peer.port}/")
            posts = [asyncio.create_task(poster.post(to, BODY)) for _ in range(20)]
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_later(0.05, go.set)
            return await asyncio.gather(*posts)

    assert asyncio.run(main()) == [204] * 20
    assert asked == ["hooks.example"]


# --- https


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of hooks.example, which is its own authority, with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate")
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    extensions = ("subjectAltName=DNS:hooks.example", "keyUsage=digitalSignature,keyCertSign")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=hooks.example"),
            *(word for extension in extensions for word in ("-addext", extension)),
            *("-keyout", str(path.with_name("key.pem")), "-out", str(path)),
        ],
        check=True,
        capture_output=True,
        timeout=30,
    )
    return path


def server_context(certificate: Path, asked_for: list[str | None]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))

    def remember(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
        asked_for.append(name)

    context.sni_callback = remember
    return context


def test_https_asks_for_the_name_and_checks_that_the_certificate_is_the_names(
    certificate: Path, names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    asked_for: list[str | None] = []
    hosts = ("hooks.example", "other.example")

    names["hooks.example"] = ["127.0.0.1"]
    tls = server_context(certificate, asked_for)
    assert post(Peer(), "https://hooks.example:{port}/", hosts=hosts, tls=tls) == 204
    assert asked_for == ["hooks.example"]

    names["other.example"] = ["127.0.0.1"]
    peer = Peer()
    with pytest.raises(ssl.SSLCertVerificationError, match=r"other\.example"):
        post(peer, "https://other.example:{port}/", hosts=hosts, tls=server_context(certificate, asked_for))
    assert peer.requests == []


def test_https_trusts_no_certificate_that_the_system_does_not(certificate: Path, names: dict[str, list[str]]) -> None:
    names["hooks.example"] = ["127.0.0.1"]
    peer = Peer()
    with pytest.raises(ssl.SSLCertVerificationError):
        post(peer, "https://hooks.example:{port}/", hosts=("hooks.example",), tls=server_context(certificate, []))
    assert peer.requests == []
