"""An answer that comes before the request was sent is that answer, and not a broken connection."""

import json
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from apimodels_async import APIError, AsyncImagesClient, ConnectionFailedError, SubmissionUnknownError
from apimodels_async._http.early_answers import is_final
from apimodels_async._http.trace import RequestFailed
from tests.support.early import Behaviour, EarlyServer, answered, read_head
from tests.support.pictures import PNG

PICTURE = PNG + bytes(4_600_000)
SMALL = PNG + bytes(30_000)


class Trust(NamedTuple):
    server: ssl.SSLContext
    authority: Path


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    """A certificate for localhost, and a file with the authority that issued it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    path = tmp_path_factory.mktemp("trust") / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    return Trust(context, path)


@pytest.fixture(params=["plain", "tls", "tls 1.2"])
def way(
    request: pytest.FixtureRequest, trust: Trust, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ssl.SSLContext | None]:
    if request.param == "plain":
        yield None
        return
    monkeypatch.setenv("SSL_CERT_FILE", str(trust.authority))
    trust.server.maximum_version = (
        ssl.TLSVersion.TLSv1_2 if request.param == "tls 1.2" else ssl.TLSVersion.MAXIMUM_SUPPORTED
    )
    yield trust.server


async def created(server: EarlyServer, picture: bytes | None = PICTURE) -> object:
    async with AsyncImagesClient("sk_test", base_url=server.base_url, model="m", max_retries=0) as client:
        client._engine.uploads._learned = 2 * len(PICTURE)  # else it would be uploaded first
        return await client.create("a cat", image=picture)


@pytest.mark.anyio
@pytest.mark.parametrize("after", [0, 300_000, 2_000_000])
@pytest.mark.parametrize("status", [413, 401])
async def test_a_refusal_in_the_middle_of_a_large_body_is_that_refusal(
    way: ssl.SSLContext | None, status: int, after: int
) -> None:
    with EarlyServer(answered(status, b"<title>Too large, says the proxy</title>", after=after), way) as server:
        for _ in range(6):
            with pytest.raises(APIError, match=r"Too large, says the proxy .*by early") as refused:
                await created(server)
            assert (refused.value.status, refused.value.from_api) == (status, False)
        assert server.connections == 6


@pytest.mark.anyio
@pytest.mark.parametrize("picture", [None, SMALL], ids=["no picture", "a small one"])
async def test_a_refusal_right_after_the_head_is_that_refusal(
    way: ssl.SSLContext | None, picture: bytes | None
) -> None:
    with EarlyServer(answered(407), way) as server:
        for _ in range(10):
            with pytest.raises(APIError) as refused:
                await created(server, picture)
            assert refused.value.status == 407
        assert server.connections == 10


@pytest.mark.anyio
async def test_an_upload_that_is_refused_before_it_was_sent_is_that_refusal(way: ssl.SSLContext | None) -> None:
    with EarlyServer(answered(413, b"<title>Too large, says the proxy</title>", after=300_000), way) as server:
        async with AsyncImagesClient("sk_test", base_url=server.base_url, model="m") as client:
            for _ in range(3):
                with pytest.raises(APIError, match=r"Too large, says the proxy .*by early"):
                    await client.upload(PICTURE[:2_900_000])


@pytest.mark.anyio
async def test_a_task_that_is_named_early_is_not_lost(way: ssl.SSLContext | None) -> None:
    accepted = json.dumps({"code": 200, "data": {"taskId": "task-1", "state": "pending"}}).encode()
    with EarlyServer(answered(200, accepted, after=100_000), way) as server:
        assert getattr(await created(server), "id", None) == "task-1"


@pytest.mark.anyio
@pytest.mark.parametrize(
    "interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"]
)
async def test_an_announcement_of_an_answer_does_not_end_the_sending(
    way: ssl.SSLContext | None, interim: bytes
) -> None:
    lengths: list[int] = []

    def behave(connection: socket.socket) -> None:
        head, _, body = read_head(connection).partition(b"\r\n\r\n")
        connection.sendall(interim)
        length = int(
            next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")).split()[1]
        )
        received = len(body)
        while received < length:
            received += len(connection.recv(65536))
        lengths.append(length)
        answer = b'{"code": 200, "data": {"taskId": "task-1", "state": "pending"}}'
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)

    with EarlyServer(behave, way) as server:
        assert getattr(await created(server), "id", None) == "task-1"
    assert lengths[0] > len(PICTURE)


def _hangs_up(connection: socket.socket) -> None:
    read_head(connection)


def _ends_its_side(connection: socket.socket) -> None:
    read_head(connection)
    with suppress(ssl.SSLError):
        connection.shutdown(socket.SHUT_WR)
    connection.recv(1)


def _half_a_status_line(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(b"HTTP/1.1 4")


@pytest.mark.anyio
@pytest.mark.parametrize("behave", [_hangs_up, _ends_its_side, _half_a_status_line])
@pytest.mark.parametrize("picture", [None, PICTURE], ids=["no picture", "a large one"])
async def test_a_create_whose_connection_breaks_without_an_answer_is_unknown(
    way: ssl.SSLContext | None, behave: Behaviour, picture: bytes | None
) -> None:
    with EarlyServer(behave, way) as server:
        with pytest.raises(SubmissionUnknownError):
            await created(server, picture)
        assert server.connections == 1


@pytest.mark.anyio
async def test_a_connection_that_is_reset_in_the_middle_of_the_body_is_told_as_that(way: ssl.SSLContext | None) -> None:
    def behave(connection: socket.socket) -> None:
        read_head(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with EarlyServer(behave, way) as server:
        with pytest.raises(SubmissionUnknownError, match=r"Connection reset by peer|Broken pipe"):
            await created(server)
        assert server.connections == 1


@pytest.mark.anyio
@pytest.mark.usefixtures("lane")
async def test_a_certificate_that_is_not_trusted_is_named_as_the_cause(trust: Trust) -> None:
    with EarlyServer(answered(200), trust.server) as server:
        client = AsyncImagesClient("sk_test", base_url=server.base_url, model="m", max_retries=0)
        async with client:
            for call in (client.create, client.get):
                with pytest.raises(ConnectionFailedError, match=r"certificate verify failed.*at localhost:\d+"):
                    await call("a cat")
            with pytest.raises(RequestFailed) as failed:
                await client._engine.http.query("/balance")
            assert failed.value.certificate


# --- what an answer is

FINAL = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"
interims = st.lists(
    st.sampled_from(
        [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.0 102 Processing\n\n", b"HTTP/1.1 103 So\r\nLink: a\r\n\r\n"]
    )
).map(b"".join)


@given(interims, st.data())
def test_only_the_status_of_a_final_answer_counts_wherever_the_bytes_are_cut(
    interim: bytes, data: st.DataObject
) -> None:
    whole = interim + FINAL
    cut = data.draw(st.integers(0, len(whole)))

    assert is_final(whole[:cut]) == (cut >= len(interim) + len(b"HTTP/1.1 413"))


def test_what_is_no_http_is_final() -> None:
    assert is_final(b"SSH-2.0-OpenSSH_9.2")
