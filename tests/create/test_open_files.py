"""Open files: read again by each request, read one at a time, and awaited where they have to be."""

import importlib
import io
import tempfile
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread
from PIL import Image
from starlette.datastructures import UploadFile

from apimodels_async._create.open_files import is_awaited, read_awaited, read_awaited_pictures
from apimodels_async._create.sources import read_picture
from apimodels_async.models import GenerationRequest


def png() -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((60, 40), 100).save(buffer, "PNG")
    return buffer.getvalue()


PNG = png()
aiofiles: Any = importlib.import_module("aiofiles")  # it has no types of its own


class Stream(io.RawIOBase):
    """A file that cannot be put back, and gives a few bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self.left = data

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece, self.left = self.left[:7], self.left[7:]
        buffer[: len(piece)] = piece
        return len(piece)


# --- files that are read at once


def test_a_file_serves_several_requests() -> None:
    file = io.BytesIO(PNG)

    for _ in range(3):
        assert read_picture(file, "image").data == PNG
    assert file.tell() == 0


def test_a_file_is_put_back_to_where_it_was() -> None:
    file = io.BytesIO(b"a header" + PNG)
    file.seek(8)

    for _ in range(2):
        assert read_picture(file, "image").data == PNG
        assert file.tell() == 8


def test_a_file_that_was_just_written_is_read_from_its_beginning() -> None:
    file = io.BytesIO()
    file.write(PNG)

    for _ in range(2):
        assert read_picture(file, "image").data == PNG


def test_a_file_that_is_no_picture_is_put_back_too() -> None:
    file = io.BytesIO(b"text" * 100)
    file.seek(4)

    with pytest.raises(ValueError, match="no picture in its first 256 bytes"):
        read_picture(file, "image")
    assert file.tell() == 4


def test_a_stream_is_read_once_and_then_refused_as_read() -> None:
    stream: Any = Stream(PNG)

    assert read_picture(stream, "image").data == PNG
    with pytest.raises(ValueError, match=r"^image: has no bytes left: it is empty, or has been read before"):
        read_picture(stream, "image")


def test_a_file_that_gives_less_than_it_was_asked_for_is_read_to_its_end() -> None:
    class Pieces:
        left = io.BytesIO(PNG)

        def read(self, _: int = -1) -> bytes:
            return self.left.read(100)

    pieces: Any = Pieces()
    assert read_picture(pieces, "image").data == PNG


@pytest.mark.anyio
async def test_one_file_in_many_threads_is_read_whole_in_each(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    found: list[bytes] = []

    def read() -> None:
        found.extend(read_picture(file, "image").data for _ in range(20))

    with path.open("rb") as file:
        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(to_thread.run_sync, read)

    assert found == [PNG] * 160


# --- files that are awaited


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    return path


@pytest.mark.anyio
async def test_an_upload_of_a_web_framework_is_awaited_and_serves_several_requests() -> None:
    with tempfile.SpooledTemporaryFile() as spooled:
        spooled.write(PNG)
        for start in (0, len(PNG)):
            spooled.seek(start)
            upload = UploadFile(spooled)  # type: ignore[arg-type]

            assert is_awaited(upload)
            for _ in range(2):
                assert await read_awaited(upload, "image") == PNG
            assert spooled.tell() == start


@pytest.mark.anyio
async def test_a_file_of_anyio_is_awaited(path: Path) -> None:
    async with await anyio.open_file(path, "rb") as file:
        for _ in range(2):
            assert await read_awaited(file, "image") == PNG
    assert await read_awaited(anyio.Path(path), "image") == anyio.Path(path)
    assert read_picture(anyio.Path(path), "image").data == PNG


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_file_of_aiofiles_is_awaited(path: Path) -> None:
    async with aiofiles.open(path, "rb") as file:
        for _ in range(2):
            assert await read_awaited(file, "image") == PNG


@pytest.mark.anyio
async def test_the_awaited_pictures_of_a_request_become_bytes(path: Path) -> None:
    async with await anyio.open_file(path, "rb") as file:
        request = GenerationRequest("a", images=[file, path, file], mask=file)
        read = await read_awaited_pictures(request)

    assert (read.images, read.mask) == ((PNG, path, PNG), PNG)
    plain = GenerationRequest("a", image=path)
    assert await read_awaited_pictures(plain) is plain


@pytest.mark.anyio
async def test_many_requests_read_one_awaited_file_one_after_the_other(path: Path) -> None:
    found: list[object] = []

    async def read() -> None:
        found.append(await read_awaited(file, "image"))

    async with await anyio.open_file(path, "rb") as file, anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(read)

    assert found == [PNG] * 10


class Slow:
    """A file whose whole never comes, and that counts where it is."""

    def __init__(self) -> None:
        self.at = 0
        self.begun = anyio.Event()

    async def read(self, size: int = -1) -> bytes:
        if size < 0:
            self.at = 100
            self.begun.set()
            await anyio.sleep_forever()
        self.at += size
        return PNG[:size]

    async def seek(self, at: int) -> None:
        self.at = at

    async def tell(self) -> int:
        return self.at


@pytest.mark.anyio
async def test_a_file_whose_reading_is_cancelled_is_put_back() -> None:
    file = Slow()
    file.at = 3
    async with anyio.create_task_group() as group:
        group.start_soon(read_awaited, file, "image")
        await file.begun.wait()
        group.cancel_scope.cancel()

    assert file.at == 3


class Failing:
    def __init__(self, error: Exception) -> None:
        self.error = error

    async def read(self, _: int = -1) -> bytes:
        raise self.error


@pytest.mark.anyio
async def test_what_an_awaited_file_raises_names_the_argument() -> None:
    with pytest.raises(ValueError, match=r"^mask: the file cannot be read \(KeyError: 'x'\)"):
        await read_awaited(Failing(KeyError("x")), "mask")


@pytest.mark.anyio
async def test_an_awaited_file_of_text_or_of_no_picture_is_refused(path: Path) -> None:
    async with await anyio.open_file(path, "r", encoding="latin-1") as file:
        with pytest.raises(TypeError, match="image: the file gives str; open it in binary mode"):
            await read_awaited(file, "image")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="image: no picture in these 4 bytes"):
        await read_awaited(UploadFile(io.BytesIO(b"text")), "image")


class Hidden:
    """A file that has to be awaited, which its method does not show."""

    def __init__(self) -> None:
        self.read = lambda size: Failing(OSError()).read(size)


def test_a_file_that_would_have_to_be_awaited_is_refused_in_a_thread() -> None:
    with pytest.raises(TypeError, match="image is a file that has to be awaited"):
        read_picture(Hidden(), "image")  # type: ignore[arg-type]
