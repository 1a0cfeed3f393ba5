"""Files that appear complete or not at all: written to a part file, flushed to the disk, then renamed. Blocking."""

import contextlib
import errno
import hashlib
import os
import re
import secrets
import stat
import sys
import time
from collections.abc import Iterable
from io import BufferedWriter, FileIO
from pathlib import Path

from apimodels_async._download.part import PicturePart

SUFFIX = ".part"
SWEPT_SUFFIX = ".apimodels.part"
"""The suffix of part files that `sweep` removes once no process is writing them."""
_SWEPT = re.compile(r".+\.[0-9a-f]{8}" + re.escape(SWEPT_SUFFIX))
YOUNG = 60.0
"""Seconds for which an unlocked part file may be one that was just created."""


class PartFile(PicturePart):
    """A file that is either absent or complete.

    Its name is unique and ends in ``.part``, so that two downloads of one task cannot mix. While it is being written it
    is locked, if the file system has locks, which shows `sweep` that its process is alive.

    Args:
        directory: where the file will be.
        stem: the start of its name until it is complete.
        suffix: the end of its name until it is complete.

    Attributes:
        path: of the part file.
    """

    def __init__(self, directory: Path, stem: str, suffix: str = SUFFIX) -> None:
        super().__init__()
        self.path = directory / f"{stem}.{secrets.token_hex(4)}{suffix}"
        self._file: BufferedWriter | None = None

    def begin(self) -> None:
        """Create the file, and its directory if that is missing.

        Raises:
            OSError: as the system says.
        """
        with self._working():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("xb")
            _lock(self._file)

    def flush(self) -> None:
        """Flush what was written to the disk.

        Raises:
            OSError: as the system says.
        """
        with self._working():
            self._sync()

    def finish(self, name: str) -> Path:
        """Flush to the disk and rename to `name`, over a file of that name if there is one.

        Raises:
            OSError: as the system says.
        """
        place = self.path.with_name(name)
        with self._working():
            self._sync()
            if os.name == "nt":  # elsewhere the lock is held until the file has its name
                self._begun.close()
            self.path.replace(place)
            self._begun.close()
            _flush_directory(place.parent)
        return place

    def finish_new(self, names: Iterable[str], *, again: bool = False) -> Path:
        """Flush to the disk and rename to the first of `names` that no file has, whatever other processes do meanwhile.

        Args:
            names: to try, one after another.
            again: whether an earlier run may have written this file already: then a file that is there, with the same
                bytes, is it.

        Raises:
            OSError: as the system says.
        """
        with self._working():
            self._sync()
            for name in names:
                place = self.path.with_name(name)
                if again and _has_sum(place, self.sha256):
                    self._begun.close()
                    self.path.unlink(missing_ok=True)
                    return place
                if _give_name(self.path, place, self._begun):
                    _flush_directory(place.parent)
                    return place
        raise FileExistsError(errno.EEXIST, "every name is taken", str(self.path.parent))

    def _append(self, data: bytes) -> None:
        self._begun.write(data)

    def _sync(self) -> None:
        self._begun.flush()
        os.fsync(self._begun.fileno())

    def _remove(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # a full disk fails on the last buffered bytes
                self._file.close()
        # Such as a folder that is a file, or a name with a NUL: then there is no part file.
        with contextlib.suppress(OSError, ValueError):
            self.path.unlink(missing_ok=True)

    @property
    def _begun(self) -> BufferedWriter:
        assert self._file is not None  # noqa: S101  (`begin` comes first)
        return self._file


def sweep(directory: Path, now: float | None = None) -> list[Path]:
    """Remove the part files in `directory` that dead processes left behind, and return their paths.

    A file counts as left behind if it ends in `SWEPT_SUFFIX`, was not written for a minute, and can be locked: the
    system releases the locks of a process when it ends, in any way. A file in doubt is kept.
    """
    removed: list[Path] = []
    now = time.time() if now is None else now
    with contextlib.suppress(OSError):
        for path in sorted(directory.iterdir()):
            if _SWEPT.fullmatch(path.name) is not None and _is_left_behind(path, now):
                with contextlib.suppress(OSError):
                    path.unlink()
                    removed.append(path)
    return removed


def _is_left_behind(path: Path, now: float) -> bool:
    try:
        # Not a symbolic link, and nothing whose opening could block.
        handle = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return False
    with os.fdopen(handle, "r+b", buffering=0) as file:
        try:
            facts = os.fstat(file.fileno())
            return stat.S_ISREG(facts.st_mode) and now - facts.st_mtime > YOUNG and _lock(file)
        except OSError:
            return False


def _has_sum(place: Path, sha256: str) -> bool:
    try:
        with place.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False


def _give_name(path: Path, place: Path, file: BufferedWriter) -> bool:
    """Rename a part file, and close it; ``False`` if there is a file of that name, which stays as it is."""
    if os.name == "nt":  # an open file cannot be renamed, and a rename never replaces
        file.close()
        try:
            path.rename(place)
        except FileExistsError:
            return False
        return True
    try:
        place.hardlink_to(path)
    except FileExistsError:
        return False
    except OSError:  # a file system without links: the name is claimed by an empty file, for a moment
        try:
            os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        except FileExistsError:
            return False
        path.replace(place)
    else:
        path.unlink()
    file.close()
    return True


if sys.platform == "win32":

    def _lock(file: "BufferedWriter | FileIO") -> bool:
        """Return ``True``: Windows does not let open files be removed."""
        return True

else:
    import fcntl

    def _lock(file: "BufferedWriter | FileIO") -> bool:
        """Lock the file until it is closed; return whether it worked. No error if the file system has no locks."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def _flush_directory(directory: Path) -> None:
    """Make a rename durable if the file system can. Errors are ignored, because the picture itself is complete."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
