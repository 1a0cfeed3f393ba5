"""Bytes behind an answer are no answer: the connection on which they came carries no further request."""

import json
import socket
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from apimodels_async import AsyncImagesClient, SubmissionUnknownError, Task, TaskState
from apimodels_async.pacing import FixedPacing
from tests.support.picture_server import KEY, PictureServer, Reply, Seen, picture
from tests.support.pictures import GIF, PNG

pytestmark = pytest.mark.anyio

ANOTHER = json.dumps({"code": 200, "data": {"taskId": "another", "state": "completed"}}).encode()
SURPLUS = {
    "a line end": b"\n",
    "a whole line end": b"\r\n",
    "408": b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n",
    "429": b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n",
    "402": b"HTTP/1.1 402 Payment Required\r\nContent-Length: 0\r\n\r\n",
    "another task": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(ANOTHER), ANOTHER),
}
anything = pytest.mark.parametrize("surplus", [pytest.param(data, id=name) for name, data in SURPLUS.items()])


class _Gathered:
    """Takes what is to be sent."""

    def __init__(self) -> None:
        self.data = b""

    def sendall(self, data: bytes) -> None:
        self.data += data


def followed_by(surplus: bytes, then: Reply) -> Reply:
    """An answer, and in the same segment what nobody has asked for."""

    def reply(connection: socket.socket, seen: Seen) -> bool:
        gathered = _Gathered()
        stays = then(cast("Any", gathered), seen)
        connection.sendall(gathered.data + surplus)
        return stays

    return reply


@anything
async def test_each_create_gets_its_own_answer_and_is_sent_once(create_lane: str, surplus: bytes) -> None:
    with PictureServer() as server:
        server.create(followed_by(surplus, server.accepted()))
        async with AsyncImagesClient(KEY, base_url=server.base_url, model="m", timeout=10.0) as client:
            got = [(await client.create(f"picture {number}")).id for number in range(4)]

        assert got == server.created
        assert server.posts == 4


@pytest.mark.parametrize("create_lane", ["stock"], indirect=True)  # aiohttp takes the answer itself for broken then
async def test_a_stray_byte_is_no_answer_either(create_lane: str) -> None:
    with PictureServer() as server:
        server.create(followed_by(b"\0", server.accepted()))
        async with AsyncImagesClient(KEY, base_url=server.base_url, model="m", timeout=10.0) as client:
            got = [(await client.create(f"picture {number}")).id for number in range(4)]

        assert got == server.created


async def test_an_answer_that_aiohttp_cannot_read_is_the_last_over_aiohttp(create_lane: str) -> None:
    """It refuses a length that stands there twice, which is allowed (RFC 9112, section 6.3) and httpx reads."""
    with PictureServer() as server:

        def twice(connection: socket.socket, seen: Seen) -> bool:
            gathered = _Gathered()
            stays = server.accepted()(cast("Any", gathered), seen)
            head, _, body = gathered.data.partition(b"\r\n\r\n")
            connection.sendall(head + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            return stays

        server.create(twice)
        server.query(server.completed("https://a.test/1.png"))
        got = []
        async with AsyncImagesClient(KEY, base_url=server.base_url, model="m", timeout=10.0) as client:
            for number in range(4):
                try:
                    got.append((await client.create(f"picture {number}")).id)
                except SubmissionUnknownError:
                    got.append(None)

    lost = 1 if create_lane == "fast" else 0
    assert got == [None] * lost + server.created[lost:]


@anything
async def test_a_batch_pays_for_each_request_once(create_lane: str, tmp_path: Path, surplus: bytes) -> None:
    with PictureServer() as server:
        link = server.play("/a.png", picture(PNG))
        server.create(followed_by(surplus, server.accepted()))
        server.query(followed_by(surplus, server.completed(link)))
        async with AsyncImagesClient(
            KEY, base_url=server.base_url, model="m", timeout=10.0, pacing=FixedPacing(0.01)
        ) as client:
            outcomes = await client.generate_many(list(map(str, range(6))), ledger=tmp_path / "ledger.db")

        assert [outcome.error for outcome in outcomes] == [None] * 6
        assert server.posts == 6
        assert {outcome.task.id for outcome in outcomes if outcome.task is not None} == set(server.created)


@anything
async def test_each_query_gets_its_own_answer(lane: str, surplus: bytes) -> None:
    with PictureServer() as server:
        server.query(followed_by(surplus, server.completed("https://a.test/1.png")))
        async with AsyncImagesClient(KEY, base_url=server.base_url, model="m", timeout=10.0) as client:
            got = [(await client.get(f"t{number}")).id for number in range(4)]

    assert got == [f"t{number}" for number in range(4)]


async def test_each_download_brings_its_own_picture(lane: str, tmp_path: Path) -> None:
    other = _Gathered()
    picture(GIF)(cast("Any", other), Seen("GET", "/", [], b""))
    with PictureServer() as server:
        links = [server.play(f"/{name}.png", followed_by(other.data, picture(PNG))) for name in "abc"]
        async with AsyncImagesClient(KEY, base_url=server.base_url, model="m", timeout=10.0) as client:
            for name, link in zip("abc", links, strict=True):
                task = Task(id=name, state=TaskState.COMPLETED, result_urls=(link,))
                (saved,) = await client.download(task, tmp_path)
                assert await anyio.Path(saved).read_bytes() == PNG
