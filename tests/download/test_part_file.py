import errno
import os
import secrets
import shutil
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from apimodels_async._download import part_file
from apimodels_async._download.part_file import PartFile


def begun(directory: Path, stem: str) -> PartFile:
    part = PartFile(directory, stem)
    part.begin()
    return part


def names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "pictures" / "of today"


def test_a_finished_file_is_there_whole_under_its_name_and_nothing_else_is(out: Path) -> None:
    part = begun(out, "t-0")
    part.write(b"one ")
    part.write(b"two")

    place = part.finish("t-0.png")

    assert place == out / "t-0.png"
    assert place.read_bytes() == b"one two"
    assert names(out) == ["t-0.png"]


def test_the_directory_is_made_with_all_that_is_above_it(out: Path) -> None:
    begun(out, "t-0").discard()

    assert out.is_dir()


def test_until_it_is_finished_there_is_only_a_part(out: Path) -> None:
    part = begun(out, "t-0")
    part.write(b"half")

    (name,) = names(out)
    assert name.startswith("t-0.")
    assert name.endswith(".part")
    assert part.path == out / name

    part.discard()


def test_what_is_discarded_leaves_nothing(out: Path) -> None:
    part = begun(out, "t-0")
    part.write(b"half")

    part.discard()
    part.discard()

    assert names(out) == []


def test_discarding_after_the_end_does_no_harm(out: Path) -> None:
    part = begun(out, "t-0")
    part.write(b"whole")
    place = part.finish("t-0.png")

    part.discard()

    assert place.read_bytes() == b"whole"


def test_discarding_a_part_that_somebody_removed_does_no_harm(out: Path) -> None:
    part = begun(out, "t-0")
    part.path.unlink()

    part.discard()

    assert names(out) == []


def test_two_parts_of_one_picture_do_not_mix(out: Path) -> None:
    one, other = begun(out, "t-0"), begun(out, "t-0")
    one.write(b"one")
    other.write(b"other")

    assert one.path != other.path
    assert one.finish("t-0.png").read_bytes() == b"one"
    assert other.finish("t-0.png").read_bytes() == b"other"
    assert names(out) == ["t-0.png"]


def test_a_part_never_takes_a_file_that_is_there(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda _: "0000")
    part = begun(out, "t-0")
    part.write(b"whole")

    with pytest.raises(FileExistsError):
        begun(out, "t-0")
    assert part.finish("t-0.png").read_bytes() == b"whole"

    part.discard()


def test_an_existing_file_of_that_name_is_replaced_whole(out: Path) -> None:
    out.mkdir(parents=True)
    (out / "t-0.png").write_bytes(b"a longer picture of yesterday")
    part = begun(out, "t-0")
    part.write(b"new")
    assert (out / "t-0.png").read_bytes() == b"a longer picture of yesterday"

    part.finish("t-0.png")

    assert (out / "t-0.png").read_bytes() == b"new"
    assert names(out) == ["t-0.png"]


def test_a_file_is_flushed_to_the_disk_before_it_gets_its_name_and_its_directory_after(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[bool, list[str]]] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(handle).st_mode), names(out)))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    part = begun(out, "t-0")
    part.write(b"whole")

    part.finish("t-0.png")

    assert synced == [(False, [part.path.name]), (True, ["t-0.png"])]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failure_at_the_end_leaves_no_file_of_that_name(
    out: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "input/output error")

    part = begun(out, "t-0")
    part.write(b"whole")
    monkeypatch.setattr(*((os, "fsync", fail) if call == "fsync" else (Path, "replace", fail)))

    with pytest.raises(OSError, match="input/output error"):
        part.finish("t-0.png")
    part.discard()

    assert names(out) == []


def test_a_directory_that_has_the_files_name_stays(out: Path) -> None:
    (out / "t-0.png").mkdir(parents=True)
    part = begun(out, "t-0")
    part.write(b"whole")

    with pytest.raises(OSError, match="directory"):
        part.finish("t-0.png")
    part.discard()

    assert names(out) == ["t-0.png"]


@pytest.mark.parametrize("name", ["../t-0.png", "a/b.png", ""])
def test_a_name_that_leads_elsewhere_is_refused(out: Path, name: str) -> None:
    part = begun(out, "t-0")

    with pytest.raises(ValueError, match="name"):
        part.finish(name)
    part.discard()

    assert names(out) == []
    assert names(out.parent) == ["of today"]


def test_a_directory_that_cannot_be_made_is_the_systems_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(NotADirectoryError):
        begun(tmp_path / "file" / "out", "t-0")
    with pytest.raises(FileExistsError):
        begun(tmp_path / "file", "t-0")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="nothing is closed to root")
def test_a_directory_that_may_not_be_written_is_the_systems_error(out: Path) -> None:
    out.mkdir(parents=True)
    out.chmod(0o500)

    with pytest.raises(PermissionError):
        begun(out, "t-0")


def test_without_a_way_to_flush_directories_the_file_is_saved_all_the_same(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = begun(out, "t-0")
    part.write(b"whole")
    monkeypatch.setattr(part_file, "os", SimpleNamespace(name="nt", fsync=os.fsync))

    assert part.finish("t-0.png").read_bytes() == b"whole"


@pytest.mark.parametrize("call", ["open", "fsync"])
def test_a_file_system_that_refuses_to_flush_a_directory_is_put_up_with(
    out: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EINVAL, "invalid argument")

    def refuse_directories(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            refuse()

    part = begun(out, "t-0")
    part.write(b"whole")
    monkeypatch.setattr(os, call, refuse if call == "open" else refuse_directories)

    assert part.finish("t-0.png").read_bytes() == b"whole"


# --- discarded while a thread is at work, which nobody can call back


def test_a_part_that_was_given_up_before_it_was_begun_is_not_left_behind(out: Path) -> None:
    part = PartFile(out, "t-0")

    part.discard()
    part.begin()

    assert names(out) == []


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_thread_whose_part_is_given_up_meanwhile_cleans_up_after_itself(
    out: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    at_work, go_on = threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        at_work.set()
        assert go_on.wait(10)
        raise OSError(errno.EIO, "input/output error")

    def work() -> None:
        with pytest.raises(OSError, match="input/output error"):
            part.finish("t-0.png")

    part = begun(out, "t-0")
    part.write(b"whole")
    monkeypatch.setattr(*((os, "fsync", hang) if call == "fsync" else (Path, "replace", hang)))
    thread = threading.Thread(target=work)
    thread.start()
    assert at_work.wait(10)

    part.discard()
    assert names(out) == [part.path.name]
    go_on.set()
    thread.join(10)

    assert names(out) == []


# --- a full disk


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB, where this machine lets one be made."""
    disk, mount = tmp_path / "disk", shutil.which("mount")
    disk.mkdir()
    command = [str(mount), "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if mount is None or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(part: PartFile, chunk: int) -> None:
    for _ in range(2000):
        part.write(bytes(chunk))


@pytest.mark.parametrize("chunk", [100, 1 << 20])
def test_a_full_disk_is_the_systems_error_and_leaves_nothing(tiny_disk: Path, chunk: int) -> None:
    part = begun(tiny_disk, "t-0")

    with pytest.raises(OSError, match="No space left") as error:
        fill(part, chunk)
    part.discard()

    assert error.value.errno == errno.ENOSPC
    assert names(tiny_disk) == []
    again = begun(tiny_disk, "t-1")
    again.write(b"small")
    assert again.finish("t-1.png").read_bytes() == b"small"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_disk_that_is_full_only_at_the_last_flush_leaves_nothing(out: Path) -> None:
    part = begun(out, "t-0")
    full = Path("/dev/full").open("wb")  # noqa: SIM115  (closed by the part)
    assert part._file is not None
    part._file.close()
    part._file = full
    part.write(b"few enough bytes to stay in the buffer")

    with pytest.raises(OSError, match="No space left"):
        part.finish("t-0.png")
    part.discard()

    assert names(out) == []
    assert full.closed


class TestANameThatIsTaken:
    """`finish_new` never replaces a file."""

    def names(self) -> Iterator[str]:
        yield from (f"cat{end}.png" for end in ("", "-2", "-3"))

    def finished(self, out: Path, data: bytes, *, again: bool = False) -> Path:
        part = begun(out, "cat")
        part.write(data)
        try:
            return part.finish_new(self.names(), again=again)
        finally:
            part.discard()

    def test_the_next_one_is_taken(self, out: Path) -> None:
        places = [self.finished(out, data) for data in (b"one", b"two", b"one")]

        assert [place.name for place in places] == ["cat.png", "cat-2.png", "cat-3.png"]
        assert [place.read_bytes() for place in places] == [b"one", b"two", b"one"]
        assert names(out) == ["cat-2.png", "cat-3.png", "cat.png"]

    def test_a_file_that_an_earlier_run_has_saved_is_not_saved_twice(self, out: Path) -> None:
        self.finished(out, b"another's")
        self.finished(out, b"one")

        assert self.finished(out, b"one", again=True) == out / "cat-2.png"
        assert self.finished(out, b"new", again=True) == out / "cat-3.png"
        assert names(out) == ["cat-2.png", "cat-3.png", "cat.png"]

    def test_on_a_file_system_without_links_as_well(self, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def no_links(*_: object) -> None:
            raise OSError(errno.EPERM, "no links here")

        monkeypatch.setattr(Path, "hardlink_to", no_links)

        assert [self.finished(out, data).read_bytes() for data in (b"one", b"two")] == [b"one", b"two"]
        assert names(out) == ["cat-2.png", "cat.png"]

    def test_two_processes_at_once_lose_nothing(self, out: Path) -> None:
        parts = [begun(out, "cat") for _ in range(3)]
        for number, part in enumerate(parts):
            part.write(b"%d" % number)
        threads = [threading.Thread(target=part.finish_new, args=(self.names(),)) for part in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(path.read_bytes() for path in out.iterdir()) == [b"0", b"1", b"2"]
        assert names(out) == ["cat-2.png", "cat-3.png", "cat.png"]

    def test_where_every_name_is_taken_it_says_so(self, out: Path) -> None:
        for _ in range(3):
            self.finished(out, b"x")
        with pytest.raises(FileExistsError, match="every name is taken"):
            self.finished(out, b"y")
