"""Pictures that are too large for a request: announced, PUT to the storage, and sent as their URL."""

import base64
import json
import socket
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest

from apimodels_async import (
    APIError,
    AsyncImagesClient,
    AuthenticationError,
    BatchEvent,
    ConnectionFailedError,
    GenerationRequest,
    ProtocolError,
)
from apimodels_async._create.inputs import LARGE
from apimodels_async._create.uploads import STEPS, UploadProgress
from tests.support.picture_server import KEY, PictureServer, Reply, Seen, answer, as_json, enveloped, reset
from tests.support.pictures import JPEG, PNG

pytestmark = pytest.mark.anyio

PHOTO = JPEG + bytes(range(256)) * 12_000
"""3.07 MB, with something behind the picture as phones put it there."""
FILES, STORE, CREATE = "/api/v1/files", "/store/1", "/api/v1/images/generations"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(PHOTO)
    assert len(PHOTO) > LARGE
    return path


def announced(server: PictureServer, upload: str | None = None, **more: Any) -> Reply:
    links = {"uploadUrl": upload or server.origin + STORE, "publicUrl": f"{server.origin}/hosted/1"}
    return enveloped({**links, "expiresAt": "2026-05-30T09:30:00.000Z", **more})


def ready(server: PictureServer, *puts: Reply, **more: Any) -> None:
    """A server that hosts what is announced, and takes every create."""
    server.play(FILES, announced(server, **more))
    server.play(STORE, *(puts or (answer(200),)))
    server.create(server.accepted())


def client_of(server: PictureServer, **arguments: Any) -> AsyncImagesClient:
    client = AsyncImagesClient(KEY, base_url=server.base_url, model="m", **arguments)
    client._engine.submitter._uniform = lambda low, _: low
    return client


def asked(server: PictureServer) -> list[tuple[str, str]]:
    return [(seen.method, seen.path) for seen in server.seen]


def fields(seen: Seen) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(seen.body)
    return found


ONE_EACH = [("POST", FILES), ("PUT", STORE), ("POST", CREATE)]


# --- what is sent


@pytest.mark.parametrize("form", [Path, str, Path.read_bytes], ids=["Path", "str", "bytes"])
async def test_a_large_picture_is_announced_put_without_the_key_and_sent_as_its_url(
    photo: Path, form: Callable[[Path], Any]
) -> None:
    with PictureServer() as server:
        ready(server)
        async with client_of(server) as client:
            task = await client.create("snow", image=form(photo), size="auto")
    assert task.id == "task-1"
    assert asked(server) == ONE_EACH
    announcement, put, create = server.seen
    assert fields(announcement) == {"filename": "upload.jpg", "contentType": "image/jpeg", "fileSize": len(PHOTO)}
    assert announcement.header("authorization") == [f"Bearer {KEY}"]
    assert put.body == PHOTO
    assert put.header("content-type") == ["image/jpeg"]
    assert put.header("content-length") == [str(len(PHOTO))]
    assert put.header("transfer-encoding") == []
    assert put.header("host") == [server.origin.removeprefix("http://")]
    assert put.header("authorization") == put.header("cookie") == []
    assert KEY not in str(put)
    assert fields(create) == {"model": "m", "prompt": "snow", "size": "auto", "image_url": f"{server.origin}/hosted/1"}


async def test_a_callers_own_client_adds_nothing_to_what_is_put(photo: Path) -> None:
    with PictureServer() as server:
        ready(server)
        async with (
            httpx.AsyncClient(headers={"X-Mine": "1"}, cookies={"c": "1"}, auth=("me", "pass")) as http,
            client_of(server, http_client=http) as client,
        ):
            await client.create("snow", image=photo)
    assert asked(server) == ONE_EACH
    put = server.seen[1]
    assert put.body == PHOTO
    assert put.header("x-mine") == put.header("cookie") == put.header("authorization") == []
    assert put.header("content-length") == [str(len(PHOTO))]


async def test_a_picture_of_3_megabytes_goes_inline(tmp_path: Path) -> None:
    data = JPEG + bytes(LARGE - len(JPEG))
    with PictureServer() as server:
        ready(server)
        async with client_of(server) as client:
            await client.create("snow", image=data)
    assert asked(server) == [("POST", CREATE)]
    assert base64.b64decode(fields(server.seen[0])["image"]) == data


async def test_of_several_pictures_only_the_large_ones_are_uploaded(photo: Path) -> None:
    with PictureServer() as server:
        ready(server)
        async with client_of(server) as client:
            await client.create("both", images=[PNG, photo, "https://a.example/1.png"])
    small, hosted, url = fields(server.seen[2])["images"]
    assert base64.b64decode(small) == PNG
    assert (hosted, url) == (f"{server.origin}/hosted/1", "https://a.example/1.png")


async def test_the_picture_is_uploaded_and_its_mask_goes_inline(photo: Path) -> None:
    mask = JPEG
    with PictureServer() as server:
        ready(server)
        async with client_of(server) as client:
            await client.create("snow", image=photo, mask=mask)
    create = fields(server.seen[2])
    assert create["image_url"] == f"{server.origin}/hosted/1"
    assert base64.b64decode(create["mask"]) == mask


async def test_a_mask_that_is_too_large_is_an_error_that_says_so_and_nothing_is_created(photo: Path) -> None:
    with PictureServer() as server:
        ready(server)
        async with client_of(server) as client:
            with pytest.raises(ValueError, match=r"mask: it has 3\.1 MB.* 4\.5 MB"):
                await client.create("snow", image="https://a.example/1.png", mask=photo)
            [outcome] = await client.generate_many([GenerationRequest("a", image=photo, mask=photo)])
    assert isinstance(outcome.error, ValueError)
    assert server.posts == 0
    assert server.count(STORE, "PUT") == 0


# --- where it goes inline


async def test_an_address_that_the_catalogue_lists_gets_it_inline(photo: Path) -> None:
    bodies: list[bytes] = []

    def reply(request: httpx.Request) -> httpx.Response:
        assert request.url == "https://api.apimodels.app/v1/images/generations"
        assert request.headers["content-length"] == str(len(request.content))
        bodies.append(request.content)
        return httpx.Response(200, json={"code": 200, "data": {"taskId": "t"}})

    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(reply)) as http,
        AsyncImagesClient(KEY, base_url="https://api.apimodels.app/v1", model="m", http_client=http) as client,
    ):
        await client.create("snow", image=photo, mask=JPEG)
        await client.create("snow", images=[PHOTO, PHOTO])
    first, second = map(json.loads, bodies)
    assert [base64.b64decode(first[name]) for name in ("image", "mask")] == [PHOTO, JPEG]
    assert [base64.b64decode(each) for each in second["images"]] == [PHOTO, PHOTO]


async def test_a_server_that_says_that_it_takes_more_gets_it_inline(photo: Path) -> None:
    with PictureServer() as server:
        ready(server, maxBody=50 << 20)
        async with client_of(server) as client:
            for _ in range(2):
                await client.create("snow", image=photo, mask=photo)
    assert asked(server) == [("POST", FILES), ("POST", CREATE), ("POST", CREATE)]
    for create in server.seen[1:]:
        assert base64.b64decode(fields(create)["image"]) == base64.b64decode(fields(create)["mask"]) == PHOTO
        assert create.header("content-length") == [str(len(create.body))]


@pytest.mark.parametrize("said", [0, -1, 1000, "lots", None, True])
async def test_a_server_that_says_less_or_nothing_of_use_changes_nothing(photo: Path, said: object) -> None:
    with PictureServer() as server:
        ready(server, maxBody=said)
        async with client_of(server) as client:
            await client.create("snow", image=photo)
    assert asked(server) == ONE_EACH


# --- what goes wrong


def unwilling(status: int) -> Reply:
    return as_json({"code": status, "msg": "not now"}, status)


@pytest.mark.parametrize("trouble", [unwilling(429), unwilling(500), answer(503), reset(b"{}")])
async def test_trouble_with_an_upload_is_tried_again_and_the_request_is_sent_once(photo: Path, trouble: Reply) -> None:
    with PictureServer() as server:
        ready(server, trouble, answer(200))
        async with client_of(server) as client:
            await client.create("snow", image=photo)
    assert [seen.body for seen in server.seen if seen.path == STORE][-1] == PHOTO
    assert server.count(STORE, "PUT") == 2
    assert server.posts == 1


async def test_trouble_with_the_announcement_is_tried_again(photo: Path) -> None:
    with PictureServer() as server:
        ready(server)
        server.play(FILES, unwilling(429), unwilling(503), announced(server))
        async with client_of(server) as client:
            await client.create("snow", image=photo)
    assert asked(server) == [("POST", FILES), ("POST", FILES), *ONE_EACH]


async def test_a_picture_that_is_hosted_is_not_uploaded_again_when_the_request_is_sent_again(photo: Path) -> None:
    with PictureServer() as server:
        ready(server)
        server.create(unwilling(429), unwilling(429), server.accepted())
        async with client_of(server) as client:
            await client.create("snow", image=photo)
    assert asked(server) == [*ONE_EACH, ("POST", CREATE), ("POST", CREATE)]


@pytest.mark.parametrize(
    ("files", "store", "error", "words"),
    [
        (unwilling(401), answer(200), AuthenticationError, "not now"),
        (enveloped({"publicUrl": "https://f/1"}), answer(200), ProtocolError, "without uploadUrl"),
        (None, answer(403, b"<Error><Message>expired</Message></Error>"), APIError, "403"),
        (None, answer(302, b"", ("Location", "/elsewhere")), APIError, "302"),
        (None, answer(404), APIError, "nothing is served at the URL that the server gave for an upload"),
    ],
)
async def test_an_upload_that_is_refused_is_an_error_and_no_request_is_sent(
    photo: Path, files: Reply | None, store: Reply, error: type[Exception], words: str
) -> None:
    with PictureServer() as server:
        ready(server, store)
        if files is not None:
            server.play(FILES, files)
        async with client_of(server) as client:
            with pytest.raises(error, match=words):
                await client.create("snow", image=photo)
            with pytest.raises(error, match=words):
                await client.upload(photo)
    assert server.posts == 0


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1/store", "ftp://a.example/1", "https://me:secret@a.example/1", "https://127.1/x"]
)
async def test_a_picture_goes_nowhere_that_a_picture_may_not_come_from(photo: Path, url: str) -> None:
    with PictureServer() as server:
        ready(server)
        server.play(FILES, announced(server, upload=url))
        async with client_of(server) as client:
            with pytest.raises(ProtocolError, match="the server's URL for an upload is ") as odd:
                await client.create("snow", image=photo)
    assert "secret" not in str(odd.value)
    assert server.posts == 0


async def test_an_upload_that_never_works_is_a_failed_connection_and_nothing_was_created(photo: Path) -> None:
    with PictureServer() as server:
        ready(server, reset(b"{}"))
        async with client_of(server, max_retries=1) as client:
            with pytest.raises(ConnectionFailedError, match="image: the upload got no answer"):
                await client.create("snow", image=photo)
    assert server.count(STORE, "PUT") == 2
    assert server.posts == 0


async def test_a_file_that_is_changed_while_it_is_sent_is_an_error_that_names_it(photo: Path) -> None:
    with PictureServer() as server:

        def change(connection: socket.socket, seen: Seen) -> bool:
            photo.write_bytes(PHOTO + b"x")
            return announced(server)(connection, seen)

        ready(server)
        server.play(FILES, change)
        async with client_of(server) as client:
            with pytest.raises(ValueError, match="image: the file was changed before all of it was sent"):
                await client.create("snow", image=photo)
    assert server.posts == 0


async def test_a_caller_that_is_cancelled_during_an_upload_leaves_nothing_behind(photo: Path) -> None:
    release, arrived = threading.Event(), threading.Event()

    def hold(connection: socket.socket, seen: Seen) -> bool:
        arrived.set()
        return release.wait(30.0) and answer(200)(connection, seen)

    with PictureServer() as server:
        ready(server, hold)
        async with client_of(server) as client, anyio.create_task_group() as group:
            group.start_soon(partial(client.create, "snow", image=photo))
            assert await anyio.to_thread.run_sync(arrived.wait, 10.0)
            group.cancel_scope.cancel()
        assert client.detached == []
        release.set()
        assert server.all_closed()
    assert server.posts == 0


# --- in a batch


async def test_a_batch_tells_how_far_an_upload_is(photo: Path) -> None:
    events: list[BatchEvent] = []
    with PictureServer() as server:
        ready(server)
        server.create(server.accepted(state="completed", resultUrls=["https://p.example/1.png"]))
        async with client_of(server) as client:
            async with client.batch([GenerationRequest("a", image=photo)], on_event=events.append) as batch:
                [outcome] = [each async for each in batch]
            stats = batch.stats
    assert outcome.ok
    uploading = [event for event in events if event.kind == "uploading"]
    assert [event.kind for event in events] == ["uploading"] * len(uploading) + ["submitted", "completed"]
    sent = [event.sent for event in uploading]
    assert (sent[0], sent[-1]) == (0, len(PHOTO))
    assert sent == sorted(sent)
    assert 3 < len(sent) <= STEPS + 1
    assert {event.size for event in uploading} == {len(PHOTO)}
    assert stats.uploaded == len(PHOTO)


async def test_an_upload_waits_with_the_batch_while_the_server_takes_nothing(photo: Path) -> None:
    with PictureServer() as server:
        ready(server, unwilling(503), unwilling(503), answer(200))
        server.create(server.accepted(state="completed", resultUrls=["https://p.example/1.png"]))
        server.play("/api/v1/balance", enveloped({"balance": 1}))
        async with client_of(server, max_retries=0) as client:
            [outcome] = await client.generate_many([GenerationRequest("a", image=photo)])
    assert outcome.ok, outcome.error
    assert server.count(STORE, "PUT") == 3
    assert server.posts == 1


@pytest.mark.parametrize(
    "page",
    [
        answer(404, b"<h1>default backend - 404</h1>"),
        answer(401, b"<h1>sign in</h1>"),
        as_json({"message": "no Route matched with those values"}, 404),
        answer(302, b"", ("Location", "https://portal.test/")),
        answer(200, b"<h1>Welcome to the hotel</h1>"),
        answer(200, b""),
    ],
    ids=["404", "401", "gateway", "redirect", "portal", "empty"],
)
async def test_a_page_in_place_of_the_announcement_makes_a_batch_wait(photo: Path, page: Reply) -> None:
    with PictureServer() as server:
        ready(server)
        server.play(FILES, page, page, announced(server))
        server.create(server.accepted(state="completed", resultUrls=["https://p.example/1.png"]))
        async with client_of(server) as client:
            client._engine._brake.gate._uniform = lambda low, _: low / 10
            [outcome] = await client.generate_many([GenerationRequest("snow", image=photo)], outage_timeout=30.0)
    assert outcome.ok, outcome.error
    assert asked(server) == [("POST", FILES)] * 2 + ONE_EACH


async def test_a_ledger_knows_a_picture_by_its_bytes_wherever_it_went(photo: Path, tmp_path: Path) -> None:
    with PictureServer() as server:
        ready(server)
        async with client_of(server) as client:
            first = await client.create("a", image=photo, ledger=tmp_path / "a.db", key="one")
            again = await client.create("a", image=PHOTO, ledger=tmp_path / "a.db", key="one")
            with pytest.raises(ValueError, match="was used for another request"):
                await client.create("a", image=PHOTO + b"x", ledger=tmp_path / "a.db", key="one")
    assert first == again
    assert server.posts == 1


# --- upload


async def test_upload_does_the_same_by_size(photo: Path) -> None:
    with PictureServer() as server:
        ready(server)
        async with client_of(server) as client:
            for form in (photo, str(photo), PHOTO):
                assert await client.upload(form) == f"{server.origin}/hosted/1"
            assert await client.upload(PNG) == f"{server.origin}/hosted/1"
    assert asked(server) == [("POST", FILES), ("PUT", STORE)] * 3 + [("POST", FILES)]
    assert all(seen.body == PHOTO for seen in server.seen if seen.method == "PUT")
    assert server.seen[-1].header("content-type")[0].startswith("multipart/form-data")


def test_progress_is_told_in_a_bounded_number_of_steps() -> None:
    from apimodels_async._create.uploads import _Steps

    told: list[UploadProgress] = []
    steps = _Steps(told.append, "image", 1_000_000)
    for sent in range(0, 1_000_001, 1000):
        steps(sent)
    assert len(told) == STEPS + 1
    assert (told[0].sent, told[-1].sent) == (0, 1_000_000)
