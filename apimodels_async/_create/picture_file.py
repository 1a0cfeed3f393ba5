"""A picture on the disk that is read while it is sent. Blocking, for threads."""

import os
from pathlib import Path

from apimodels_async._arguments import ArgumentError


class PictureFile:
    """A file, opened for each piece: a request may be cut off, and leaves nothing open.

    Args:
        path: the file.
        argument: the name for messages.
        seen: the file's status when it was checked.

    Attributes:
        size: bytes.
    """

    def __init__(self, path: Path, argument: str, seen: os.stat_result) -> None:
        self._path = path
        self._argument = argument
        self._seen = _identity(seen)
        self.size: int = seen.st_size

    def read(self, at: int, length: int) -> bytes:
        """The bytes from `at`, `length` of them unless it ends before.

        Raises:
            ValueError: the file has changed since it was checked, or cannot be read any more.
        """
        wanted = min(length, self.size - at)
        try:
            with self._path.open("rb") as file:
                unchanged = _identity(os.fstat(file.fileno())) == self._seen
                file.seek(at)
                data = file.read(wanted)
        except OSError as error:
            raise ArgumentError(self._argument, f"it cannot be read any more: {error.strerror or error}") from error
        if not unchanged or len(data) != wanted:
            raise ArgumentError(self._argument, "the file was changed before all of it was sent")
        return data


def _identity(seen: os.stat_result) -> tuple[int, ...]:
    return seen.st_size, seen.st_mtime_ns, seen.st_ino
