"""The output folder: made and tried before anything is paid for, and swept of what killed runs left behind."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from apimodels_async import DownloadError
from apimodels_async._download.folder import expand, prepare_folder
from apimodels_async._download.part_file import SWEPT_SUFFIX, YOUNG, PartFile, sweep

LATER = 1e10
"""Seconds since the epoch: no part file is young then."""


def names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def left_behind(directory: Path, stem: str = "task-1-0") -> Path:
    """A part file as a killed run leaves it: nothing is cleaned up, and its lock is gone."""
    program = (
        "import os, sys; from pathlib import Path; from apimodels_async._download.part_file import *;"
        "part = PartFile(Path(sys.argv[1]), sys.argv[2], SWEPT_SUFFIX); part.begin(); part.write(b'half');"
        "print(part.path, flush=True); os.kill(os.getpid(), 9)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(directory), stem], capture_output=True, text=True, check=False
    )
    path = Path(ran.stdout.strip())
    assert path.exists(), ran.stderr
    return path


# --- making and trying


def test_a_folder_is_made_with_all_that_is_above_it_and_left_empty(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "out"

    assert prepare_folder(folder) == folder
    assert names(folder) == []


def test_a_leading_tilde_is_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    assert prepare_folder(Path("~/pictures")) == tmp_path / "pictures"
    assert names(tmp_path / "pictures") == []


def test_a_folder_whose_name_merely_begins_with_a_tilde_is_taken_as_it_is() -> None:
    assert expand(Path("~no-such-user/x")) == Path("~no-such-user/x")


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A file system that cannot be written to, where this machine lets one be mounted."""
    folder, mount = tmp_path / "read-only", shutil.which("mount")
    folder.mkdir()
    command = [str(mount), "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A disk without a free byte, where this machine lets one be mounted."""
    folder, mount = tmp_path / "full", shutil.which("mount")
    folder.mkdir()
    command = [str(mount), "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    with pytest.raises(OSError, match="No space"):
        (folder / "fill").write_bytes(bytes(1 << 20))
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_read_only_file_system_is_an_error_that_names_the_folder(read_only: Path) -> None:
    with pytest.raises(DownloadError, match=r"read-only.*Read-only file system"):
        prepare_folder(read_only / "out")


def test_a_full_disk_is_noticed_although_the_folder_can_be_made(full: Path) -> None:
    with pytest.raises(DownloadError, match="No space left"):
        prepare_folder(full)
    assert names(full) == ["fill"]


def test_what_is_no_folder_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere" / "x")
    for path, reason in (
        (tmp_path / "file", "File exists"),
        (tmp_path / "file" / "out", "Not a directory"),
        (tmp_path / "dangling", "File exists"),
        (tmp_path / "a\0b", "null"),
    ):
        with pytest.raises(DownloadError, match=reason):
            prepare_folder(path)
    assert (tmp_path / "file").read_text() == "mine"


def test_an_existing_folder_keeps_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "task-1-0.png").write_bytes(b"a picture")
    prepare_folder(tmp_path)
    assert names(tmp_path) == ["task-1-0.png"]


# --- sweeping


def test_the_part_file_of_a_killed_run_is_removed_when_the_next_batch_begins(tmp_path: Path) -> None:
    part = left_behind(tmp_path)
    old = part.stat().st_mtime - YOUNG - 1
    os.utime(part, (old, old))

    prepare_folder(tmp_path)

    assert names(tmp_path) == []


def test_a_part_file_that_was_just_written_may_belong_to_a_run_that_begins(tmp_path: Path) -> None:
    part = left_behind(tmp_path)

    assert sweep(tmp_path) == []
    assert sweep(tmp_path, part.stat().st_mtime + YOUNG + 1) == [part]


def test_a_part_file_that_is_being_written_is_left_alone_however_old_it_is(tmp_path: Path) -> None:
    part = PartFile(tmp_path, "task-1-0", SWEPT_SUFFIX)
    part.begin()
    part.write(b"half")

    assert sweep(tmp_path, LATER) == []
    assert part.finish("task-1-0.png").read_bytes() == b"half"
    assert names(tmp_path) == ["task-1-0.png"]


@pytest.mark.parametrize(
    "name",
    [
        "film.part",
        "task-1-0.0123abcd.part",
        "results.jsonl.0123abcd.part",
        "task-1-0.png",
        "task-1-0.XYZ.apimodels.part",
        ".0123abcd.apimodels.part",
        "task-1-0.0123abcd.apimodels.part.bak",
    ],
)
def test_files_that_are_not_named_as_ours_are_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"another program's")

    assert sweep(tmp_path, LATER) == []
    assert names(tmp_path) == [name]


def test_a_link_or_a_folder_of_such_a_name_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"another program's")
    (tmp_path / "a.0123abcd.apimodels.part").symlink_to(other)
    (tmp_path / "b.0123abcd.apimodels.part").mkdir()
    os.mkfifo(tmp_path / "c.0123abcd.apimodels.part")

    assert sweep(tmp_path, LATER) == []
    assert len(names(tmp_path)) == 4


def test_where_the_file_system_has_no_locks_nothing_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    part = left_behind(tmp_path)
    monkeypatch.setattr(fcntl, "flock", refuse)

    assert sweep(tmp_path, LATER) == []
    assert names(tmp_path) == [part.name]
    again = PartFile(tmp_path, "task-2-0", SWEPT_SUFFIX)
    again.begin()
    again.write(b"whole")
    assert again.finish("task-2-0.png").read_bytes() == b"whole"


def test_a_folder_that_cannot_be_listed_is_not_swept(tmp_path: Path) -> None:
    assert sweep(tmp_path / "missing", LATER) == []


# --- sums


def test_size_and_sum_are_those_of_the_bytes_that_were_written(tmp_path: Path) -> None:
    part = PartFile(tmp_path, "task-1-0")
    part.begin()
    part.write(b"one ")
    part.write(b"two")
    part.finish("task-1-0.png")

    assert part.size == 7
    assert part.sha256 == hashlib.sha256(b"one two").hexdigest()
