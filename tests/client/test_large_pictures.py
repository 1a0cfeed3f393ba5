"""Large pictures going in: as they were, and with little of them at hand at once."""

import base64
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx
import pytest

from apimodels_async import AsyncImagesClient, GenerationRequest, SubmissionUnknownError
from apimodels_async._batch import creator
from apimodels_async._create.prepare import PreparedRequest
from apimodels_async._http.bodies import PIECE
from tests.bench.inputs import BATCH, BATCHED, CREATE, FLAT, LARGEST, REQUESTS, UPLOAD, measure, pictures
from tests.bench.servers.vendor import ROOMY
from tests.support.picture_server import PictureServer, Reply, as_json, reset
from tests.support.pictures import JPEG

pytestmark = pytest.mark.anyio

PICTURE = JPEG + bytes(range(256)) * 4000
"""1 MB: several pieces."""


class Client(AsyncImagesClient):
    """Remembers what it prepared.

    Attributes:
        most: bytes of the bodies that were at hand at once.
        most_at_once: how many those were.
    """

    def __init__(self, base_url: str, **arguments: Any) -> None:
        super().__init__("sk_test", base_url=base_url, model="m", **arguments)
        self.prepared: list[PreparedRequest] = []
        self.most = self.most_at_once = 0
        self._real_prepare = self._engine.prepare
        self._engine.prepare = self._noted_prepare  # type: ignore[method-assign]

    async def _noted_prepare(self, request: GenerationRequest, *, for_ledger: bool = False) -> PreparedRequest:
        prepared = await self._real_prepare(request, for_ledger=for_ledger)
        self.prepared.append(prepared)
        sizes = [each.size for each in self.prepared if at_hand(each)]
        self.most, self.most_at_once = max(self.most, sum(sizes)), max(self.most_at_once, len(sizes))
        return prepared


def at_hand(prepared: PreparedRequest) -> bool:
    try:
        prepared.body.reveal()
    except AttributeError:
        return False
    return True


def refused() -> Reply:
    return as_json({"code": 429, "msg": "slow down"}, 429)


def read(body: bytes) -> bytes:
    """The picture in a create request."""
    return base64.b64decode(json.loads(body)["image"], validate=True)


# --- on the wire


async def test_a_large_picture_arrives_byte_for_byte_with_its_length_announced() -> None:
    with PictureServer() as server:
        server.create(server.accepted())
        async with AsyncImagesClient("sk_test", base_url=server.base_url, model="m") as client:
            await client.create("a cat", image=PICTURE)
    (seen,) = server.seen
    assert read(seen.body) == PICTURE
    assert len(seen.body) > 4 * PIECE
    assert seen.header("content-length") == [str(len(seen.body))]
    assert seen.header("transfer-encoding") == []
    assert seen.header("host") == [server.origin.removeprefix("http://")]
    assert seen.header("content-type") == ["application/json"]
    assert seen.header("authorization") == ["Bearer sk_test"]


async def test_a_large_create_that_was_not_taken_is_sent_again_whole() -> None:
    with PictureServer() as server:
        server.create(refused(), refused(), server.accepted())
        async with AsyncImagesClient("sk_test", base_url=server.base_url, model="m") as client:
            await client.create("a cat", image=PICTURE)
    assert [read(seen.body) for seen in server.seen] == [PICTURE] * 3


async def test_a_caller_s_own_client_is_given_a_large_body_whole() -> None:
    bodies: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        return httpx.Response(200, json={"code": 200, "data": {"taskId": "t", "state": "pending"}})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        client = AsyncImagesClient("sk_test", base_url="https://api.example/v1", model="m", http_client=http)
        async with client:
            await client.create("a cat", image=PICTURE)
    assert [read(body) for body in bodies] == [PICTURE]


async def test_a_large_upload_arrives_byte_for_byte() -> None:
    with PictureServer() as server:
        server.play("/api/v1/files", as_json({"code": 200, "data": {"publicUrl": "https://files.example/a.jpg"}}))
        async with AsyncImagesClient("sk_test", base_url=server.base_url) as client:
            assert await client.upload(PICTURE) == "https://files.example/a.jpg"
    (seen,) = server.seen
    assert PICTURE in seen.body
    assert seen.header("content-length") == [str(len(seen.body))]


# --- how many are at hand


async def test_the_bodies_of_a_batch_take_no_more_than_their_room_however_many_may_be_under_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(creator, "BODIES", 5 << 20)
    file = tmp_path / "a.jpg"
    file.write_bytes(PICTURE)
    with PictureServer() as server:
        server.create(server.accepted(state="completed", resultUrls=["https://pictures.example/a.png"]))
        async with Client(server.base_url) as client:
            requests = [GenerationRequest("a cat", image=file if at % 2 else PICTURE) for at in range(40)]
            outcomes = await client.generate_many(requests, max_in_flight=1000)
    assert all(outcome.ok for outcome in outcomes)
    assert client.most <= 5 << 20
    assert client.most_at_once > 1
    assert not any(at_hand(each) for each in client.prepared)


async def test_a_picture_larger_than_all_the_room_is_made_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creator, "BODIES", 1 << 20)
    with PictureServer() as server:
        server.create(server.accepted(state="completed", resultUrls=["https://pictures.example/a.png"]))
        async with Client(server.base_url) as client:
            await client.generate_many([GenerationRequest("a cat", image=PICTURE)] * 8)
    assert server.posts == 8
    assert client.most_at_once == 1


@pytest.mark.parametrize("ledger", [False, True], ids=["no ledger", "ledger"])
async def test_large_pictures_that_fail_and_are_tried_again_do_not_wait_for_one_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ledger: bool
) -> None:
    monkeypatch.setattr(creator, "BODIES", 1 << 20)
    with PictureServer() as server:
        server.create(
            *[server.accepted(state="failed", retryable=True)] * 3,
            server.accepted(state="completed", resultUrls=["https://pictures.example/a.png"]),
        )
        async with Client(server.base_url) as client:
            requests = [GenerationRequest(f"cat {at}", image=PICTURE) for at in range(3)]
            with anyio.fail_after(30.0):
                outcomes = await client.generate_many(
                    requests, max_in_flight=1, retry_failed=5, ledger=tmp_path / "a.db" if ledger else None
                )
    assert all(outcome.ok for outcome in outcomes)
    assert server.posts == 6
    assert client.most_at_once <= 2  # the next one is summed up for the ledger meanwhile


async def test_an_error_that_is_kept_does_not_keep_the_picture() -> None:
    with PictureServer() as server:
        server.create(reset(b"{"))
        async with Client(server.base_url) as client:
            with pytest.raises(SubmissionUnknownError) as error:
                await client.create("a cat", image=PICTURE)
    assert error.value.__cause__ is not None
    assert [at_hand(each) for each in client.prepared] == [False]


# --- what it takes of the memory, in a process of its own


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not sys.platform.startswith("linux"):
        pytest.skip("reads what the kernel says of the process")
    folder = tmp_path_factory.mktemp("pictures")
    pictures(folder)
    return folder


@pytest.mark.parametrize(
    ("work", "path"),
    [(UPLOAD, "/v1"), (CREATE, "/v1"), (CREATE, ROOMY)],
    ids=["uploaded", "uploaded before its create request", "sent in its create request"],
)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_file_of_60_megabytes_takes_no_more_memory_than_a_small_part_of_it(
    laid_out: Path, work: str, path: str
) -> None:
    taken = await anyio.to_thread.run_sync(partial(measure, work, laid_out, large="largest.png", path=path))
    assert taken.memory <= FLAT < LARGEST / 3


@pytest.mark.once
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_64_pictures_of_10_megabytes_take_less_memory_than_half_of_them(laid_out: Path) -> None:
    taken = await anyio.to_thread.run_sync(measure, BATCH, laid_out)
    assert taken.memory <= REQUESTS * BATCHED / 2
