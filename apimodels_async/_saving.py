"""Pictures going out: into a part file beside their place, flushed to the disk, then renamed. Blocking, for threads."""

import contextlib
import os
import secrets
from pathlib import Path


class PartFile:
    """A file that is either not there at all or there whole.

    Its name ends in ``.part`` and is unlike any other's, so that two downloads of one task cannot mix.
    """

    def __init__(self, directory: Path, stem: str) -> None:
        """Begin a file in `directory`, which is made if it is not there.

        Raises:
            OSError: as the system says.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / f"{stem}.{secrets.token_hex(4)}.part"
        self._file = self.path.open("xb")

    def write(self, data: bytes) -> None:
        """Append.

        Raises:
            OSError: as the system says, such as a full disk.
        """
        self._file.write(data)

    def finish(self, name: str) -> Path:
        """Flush to the disk and rename to `name`, over a file of that name if there is one.

        Raises:
            OSError: as the system says.
        """
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        place = self.path.with_name(name)
        self.path.replace(place)
        _flush_directory(place.parent)
        return place

    def discard(self) -> None:
        """Leave nothing behind. Harmless after `finish`."""
        with contextlib.suppress(OSError):  # what a full disk says to the last buffered bytes
            self._file.close()
        self.path.unlink(missing_ok=True)


def _flush_directory(directory: Path) -> None:
    """Make a rename durable, where the system lets a directory be opened for it."""
    if os.name != "posix":
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
