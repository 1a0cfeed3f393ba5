"""A picture on the disk that is read while it is sent."""

import os
from pathlib import Path

import pytest

from apimodels_async._create.draft import LargePicture
from apimodels_async._create.inputs import LARGE, large_fields, request_fields, weight
from apimodels_async._create.picture_file import PictureFile
from apimodels_async.models import GenerationRequest
from tests.support.pictures import JPEG, PNG

DATA = bytes(range(256)) * 40


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.bin"
    path.write_bytes(DATA)
    return path


def test_it_is_read_in_pieces_and_leaves_nothing_open(path: Path) -> None:
    file = PictureFile(path, "image", path.stat())
    assert file.size == len(DATA)
    assert b"".join(file.read(at, 1000) for at in range(0, len(DATA), 1000)) == DATA


@pytest.mark.parametrize("change", ["longer", "newer", "another", "gone"])
def test_a_file_that_has_changed_is_not_sent(path: Path, change: str) -> None:
    file = PictureFile(path, "images[1]", path.stat())
    match change:
        case "longer":
            path.write_bytes(DATA + b"x")
        case "newer":
            os.utime(path, ns=(0, 0))
        case "another":
            other = path.with_name("b.bin")
            other.write_bytes(DATA)
            os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
            other.replace(path)
        case _:
            path.unlink()
    with pytest.raises(ValueError, match=r"images\[1\]: (the file was changed before|it cannot be read any more)"):
        file.read(0, 10)


def large(folder: Path, name: str, size: int) -> Path:
    path = folder / name
    path.write_bytes(JPEG + bytes(size - len(JPEG)))
    return path


def test_a_file_of_more_than_3_megabytes_is_checked_and_not_kept(tmp_path: Path) -> None:
    path = large(tmp_path, "a.jpg", LARGE + 1)
    found = large_fields(GenerationRequest("a", image=path), digest=True)["image"]
    assert isinstance(found, LargePicture)
    assert isinstance(found.source, PictureFile)
    assert found.sha256
    assert weight(GenerationRequest("a", image=path)) < LARGE
    assert request_fields(GenerationRequest("a", image=path)) == {"image": path.read_bytes()}


def test_a_file_of_3_megabytes_is_read_whole(tmp_path: Path) -> None:
    path = large(tmp_path, "a.jpg", LARGE)
    assert large_fields(GenerationRequest("a", image=str(path))) == {"image": path.read_bytes()}


def test_small_pictures_that_are_large_together_can_each_be_uploaded(tmp_path: Path) -> None:
    paths = [large(tmp_path, f"{at}.jpg", 2_000_000) for at in range(2)]
    request = GenerationRequest("a", images=[paths[0], "https://a.example/1.png", paths[1].read_bytes()])
    sent = large_fields(request)["images"]
    assert isinstance(sent, list)
    one, url, two = sent
    assert url == "https://a.example/1.png"
    for each, argument in ((one, "images[0]"), (two, "images[2]")):
        assert isinstance(each, LargePicture)
        assert (each.argument, each.source.size) == (argument, 2_000_000)


@pytest.mark.parametrize("form", [str, Path])
def test_a_large_file_that_breaks_off_or_is_no_picture_is_refused(tmp_path: Path, form: type) -> None:
    cut, none = tmp_path / "cut.png", tmp_path / "none.png"
    cut.write_bytes(PNG[:-12] + b"\x00\x7f\xff\xffIDAT" + bytes(LARGE))
    none.write_bytes(b"x" * (LARGE + 1))
    with pytest.raises(ValueError, match=r"image: this PNG breaks off"):
        large_fields(GenerationRequest("a", image=form(cut)))
    with pytest.raises(ValueError, match=r"mask: no picture in its first"):
        large_fields(GenerationRequest("a", image=PNG, mask=form(none)))
