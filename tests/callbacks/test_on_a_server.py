"""The receiver behind a real server, where bodies are slow, lengths lie and connections are used again."""

import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette

from apimodels_async.callbacks import CallbackReceiver, asgi
from tests.callbacks.conftest import PUBLIC_URL, SECRETS, Heard, body_of
from tests.proofs import callback_abuse as abuse
from tests.support.servers import asgi_server


class Line:
    """A raw connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def post(self, url: str, body: bytes, length: int | None = None) -> None:
        path = url.removeprefix("https://example.com")
        length = len(body) if length is None else length
        self.send(f"POST {path} HTTP/1.1\r\nHost: example.com\r\nContent-Length: {length}\r\n\r\n".encode() + body)

    def answer(self) -> tuple[int, dict[str, str]]:
        status = int(self._file.readline().split()[1])
        headers: dict[str, str] = {}
        while line := self._file.readline().decode().strip():
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        self._file.read(int(headers["content-length"]))
        return status, headers

    def is_closed(self) -> bool:
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True


@pytest.fixture
def receiver() -> CallbackReceiver:
    return CallbackReceiver(PUBLIC_URL, SECRETS)


@pytest.fixture(params=["h11", "httptools"])
def port(request: pytest.FixtureRequest, receiver: CallbackReceiver) -> Iterator[int]:
    """Of a server that runs the receiver."""
    if request.param == "httptools":
        pytest.importorskip("httptools")
    with asgi_server(receiver, http=request.param) as port:
        yield port


def test_one_connection_serves_many_callbacks(port: int, receiver: CallbackReceiver) -> None:
    intent, url = receiver.issue()
    heard = Heard()
    receiver.subscribe(intent, heard)
    with Line(port) as line:
        for body in (body_of("a"), body_of("a"), b"broken"):
            line.post(url, body)
            assert line.answer()[0] == 200
        line.post(receiver.issue()[1], b"broken")
        assert line.answer()[0] == 400
        line.post(receiver.issue()[1], body_of("b"))
        assert line.answer()[0] == 200
    assert heard == ["a"]


def test_a_refusal_comes_before_the_body_and_closes_the_connection(port: int) -> None:
    with Line(port) as line:
        line.post(PUBLIC_URL + "/k1/a/b", b"", length=1000)
        status, headers = line.answer()
        assert (status, headers["connection"]) == (404, "close")
        assert line.is_closed()


def test_a_slow_body_is_not_waited_for(port: int, receiver: CallbackReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "BODY_SECONDS", 0.3)
    with Line(port) as line:
        line.post(receiver.issue()[1], b"{", length=1000)
        assert line.answer()[0] == 408
        assert line.is_closed()


def test_a_body_that_is_longer_than_it_may_be_is_answered_when_it_was_read(
    port: int, receiver: CallbackReceiver
) -> None:
    with Line(port) as line:
        line.post(receiver.issue()[1], b" " * (2 * asgi.MOST_BYTES))
        assert line.answer()[0] == 413


def test_a_length_that_lies_is_no_use(port: int, receiver: CallbackReceiver) -> None:
    intent, url = receiver.issue()
    heard = Heard()
    receiver.subscribe(intent, heard)
    with Line(port) as line:  # less than it says
        line.post(url, body_of("a"), length=3_000_000_000)
    with Line(port) as line:  # more than it says
        line.post(url, body_of("a"), length=10)
        assert line.answer()[0] == 400
    path = url.removeprefix("https://example.com")
    with Line(port) as line:  # in chunks, without a length
        line.send(f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(asgi.MOST_BYTES // 0x10000 + 2):
            line.send(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        line.send(b"0\r\n\r\n")
        assert line.answer()[0] == 413
    assert heard == []


def test_half_a_body_leaves_nothing_behind(port: int, receiver: CallbackReceiver) -> None:
    intent, url = receiver.issue()
    heard = Heard()
    receiver.subscribe(intent, heard)
    with Line(port) as line:
        line.post(url, body_of("half")[:-5], length=len(body_of("half")))
    with Line(port) as line:
        line.post(url, body_of("whole"))
        assert line.answer()[0] == 200
    assert heard == ["whole"]


def test_it_is_mounted_in_starlette() -> None:
    receiver = CallbackReceiver("https://example.com/hooks/pictures", SECRETS)
    app = Starlette()
    app.mount("/hooks/pictures", receiver)
    intent, url = receiver.issue()
    heard = Heard()
    receiver.subscribe(intent, heard)
    with asgi_server(app) as port:
        for address, status in ((url, 200), (url.replace("/k1/", "/k2/"), 404), (url.replace("/hooks", ""), 404)):
            with Line(port) as line:
                line.post(address, body_of("a"))
                assert line.answer()[0] == status
    assert heard == ["a"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("kept", ["in memory", "in a file"])
def test_it_bears_a_thousand_callbacks_most_of_which_are_abuse(kept: str, tmp_path: Any) -> None:
    result = abuse.run(1000, "" if kept == "in memory" else str(tmp_path / "callbacks.db"))

    assert result.wrong == []
    assert (result.forged, result.missed, result.repeated, result.errors) == (0, 0, 0, 0)
    assert set(result.statuses["slow"]) == {408}  # each begins again for as long as the others go on
    assert result.statuses["slow"][408] >= abuse.SLOW
    assert result.memory <= 20e6
