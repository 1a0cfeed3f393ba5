"""Pictures that are paid for and odd: each finds its way to the disk, or is refused for a reason; and into memory."""

import base64
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from apimodels_async import AsyncImagesClient, DownloadError, ImagesClient, Picture, Task, TaskState
from tests.support.picture_server import KEY, PictureServer, Reply, answer, bomb, picture, short, until_close
from tests.support.pictures import JPEG, PNG, WEBP

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("lane")]

UNKNOWN = bytes(range(255, -1, -1)) * 3
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'/>"


@pytest.fixture
def server() -> Iterator[PictureServer]:
    with PictureServer() as running:
        yield running


def done(*urls: str) -> Task:
    return Task(id="task-1", state=TaskState.COMPLETED, result_urls=urls)


def names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


async def save(server: PictureServer, url: str, folder: Path, *, check: bool = True) -> bytes:
    async with AsyncImagesClient(KEY, base_url=server.base_url) as client:
        (path,) = await client.download(done(url), folder, check=check)
    assert names(folder) == [path.name]
    return path.read_bytes()


@pytest.mark.parametrize("coding", ["aws-chunked", "binary", "utf-8", "none", "identity, identity", "gzip"])
async def test_a_picture_that_is_not_compressed_is_saved_whatever_its_header_says(
    server: PictureServer, tmp_path: Path, coding: str
) -> None:
    url = server.play("/a", picture(PNG, ("Content-Encoding", coding)))
    assert await save(server, url, tmp_path) == PNG
    assert server.count("/a") == 1


async def test_a_format_that_is_not_known_is_saved_with_a_warning_when_it_came_twice(
    server: PictureServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = server.play("/a", picture(UNKNOWN))
    with caplog.at_level(logging.WARNING, "apimodels_async"):
        assert await save(server, url, tmp_path) == UNKNOWN
    assert (tmp_path / "task-1-0.bin").exists()
    assert server.count("/a") == 2
    assert "picture 0 is kept although it is of no known format" in caplog.text


async def test_bytes_that_differ_each_time_are_not_taken_for_a_picture(server: PictureServer, tmp_path: Path) -> None:
    url = server.play("/a", *(picture(UNKNOWN + bytes([number])) for number in range(6)))
    with pytest.raises(DownloadError, match="not saved in 5 attempts: it is of no known format"):
        await save(server, url, tmp_path)
    assert names(tmp_path) == []


async def test_a_drawing_is_saved_under_its_own_suffix(server: PictureServer, tmp_path: Path) -> None:
    assert await save(server, server.play("/a", picture(SVG)), tmp_path) == SVG
    assert (tmp_path / "task-1-0.svg").exists()


@pytest.mark.parametrize("reply", [picture(PNG[:-4]), until_close(PNG[:-4])], ids=["length", "no length"])
async def test_what_breaks_off_is_saved_only_if_it_is_asked_for(
    server: PictureServer, tmp_path: Path, reply: Reply
) -> None:
    url = server.play("/a", reply)
    with pytest.raises(DownloadError, match=r"it breaks off after 63 bytes \(check=False saves it as it is\)"):
        await save(server, url, tmp_path)
    assert await save(server, url, tmp_path, check=False) == PNG[:-4]


async def test_an_unchecked_download_is_still_as_long_as_was_announced(server: PictureServer, tmp_path: Path) -> None:
    url = server.play("/a", short(PNG), picture(PNG))
    assert await save(server, url, tmp_path, check=False) == PNG
    assert server.count("/a") == 2


async def test_a_picture_inside_the_answer_needs_to_come_once(server: PictureServer, tmp_path: Path) -> None:
    uri = "data:application/octet-stream;base64," + base64.b64encode(UNKNOWN).decode().rstrip("=")
    assert await save(server, uri, tmp_path) == UNKNOWN


async def test_white_space_around_a_link_is_no_part_of_it(server: PictureServer, tmp_path: Path) -> None:
    assert await save(server, f" {server.play('/a', picture(PNG))}\n", tmp_path) == PNG


# --- into memory


async def test_pictures_are_fetched_into_memory_in_the_order_of_their_links(server: PictureServer) -> None:
    urls = [
        server.play("/a", picture(PNG[:-4]), picture(PNG)),
        server.play("/b", picture(JPEG)),
        server.play("/c", picture(WEBP)),
    ]
    async with AsyncImagesClient(KEY, base_url=server.base_url) as client:
        found = await client.fetch(done(*urls))
    assert found == [
        Picture(data=PNG, media_type="image/png", url=urls[0]),
        Picture(data=JPEG, media_type="image/jpeg", url=urls[1]),
        Picture(data=WEBP, media_type="image/webp", url=urls[2]),
    ]
    assert "<67 bytes>" in repr(found[0])
    assert (server.posts, server.queries) == (0, 0)


async def test_a_large_picture_is_fetched_whole(server: PictureServer) -> None:
    large = PNG + bytes(3 << 20)
    async with AsyncImagesClient(KEY, base_url=server.base_url) as client:
        (found,) = await client.fetch(done(server.play("/a", picture(large))))
    assert found.data == large


@pytest.mark.parametrize("reply", [picture(PNG[:-4]), answer(200, b"<html>"), bomb(1 << 20), picture(PNG + bytes(90))])
async def test_what_cannot_be_fetched_is_a_download_error(server: PictureServer, reply: Reply) -> None:
    url = server.play("/a", reply)
    async with AsyncImagesClient(KEY, base_url=server.base_url) as client:
        with pytest.raises(DownloadError) as caught:
            await client.fetch(done(url), max_bytes=100)
    assert caught.value.task_id == "task-1"


async def test_a_task_that_is_not_done_has_no_pictures_to_fetch(server: PictureServer) -> None:
    async with AsyncImagesClient(KEY, base_url=server.base_url) as client:
        with pytest.raises(DownloadError, match="wait for it first"):
            await client.fetch(Task(id="task-1", state=TaskState.PENDING))


def test_the_blocking_client_fetches_too(server: PictureServer) -> None:
    with ImagesClient(KEY, base_url=server.base_url) as client:
        (found,) = client.fetch(done(server.play("/a", picture(PNG))))
    assert found.data == PNG
