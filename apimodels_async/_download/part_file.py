"""Pictures going out: into a part file beside their place, flushed to the disk, then renamed. Blocking, for threads."""

import contextlib
import os
import secrets
import threading
from collections.abc import Generator
from io import BufferedWriter
from pathlib import Path


class PartFile:
    """A file that is either not there at all or there whole.

    Its name ends in ``.part`` and is unlike any other's, so that two downloads of one task cannot mix.

    Nobody can call a worker thread back: ``asyncio.Task.cancel`` pierces a shield and leaves the thread alone at its
    work. So `discard` may be called at any moment, and if a thread is at work, that thread cleans up when it is done.
    """

    def __init__(self, directory: Path, stem: str) -> None:
        self.path = directory / f"{stem}.{secrets.token_hex(4)}.part"
        self._file: BufferedWriter | None = None
        self._lock = threading.Lock()
        self._unwanted = False

    def begin(self) -> None:
        """Make the file, and its directory if that is not there.

        Raises:
            OSError: as the system says.
        """
        with self._working():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("xb")

    def write(self, data: bytes) -> None:
        """Append.

        Raises:
            OSError: as the system says, such as a full disk.
        """
        with self._working():
            self._begun.write(data)

    def finish(self, name: str) -> Path:
        """Flush to the disk and rename to `name`, over a file of that name if there is one.

        Raises:
            OSError: as the system says.
        """
        place = self.path.with_name(name)
        with self._working():
            self._begun.flush()
            os.fsync(self._begun.fileno())
            self._begun.close()
            self.path.replace(place)
            _flush_directory(place.parent)
        return place

    def discard(self) -> None:
        """Leave nothing behind. Harmless after `finish`."""
        self._unwanted = True
        if self._lock.acquire(blocking=False):
            try:
                if self._file is not None:
                    with contextlib.suppress(OSError):  # what a full disk says to the last buffered bytes
                        self._file.close()
                with contextlib.suppress(OSError):  # such as a folder that is a file: there is no part then
                    self.path.unlink(missing_ok=True)
            finally:
                self._lock.release()

    @property
    def _begun(self) -> BufferedWriter:
        assert self._file is not None  # noqa: S101  (`begin` comes first)
        return self._file

    @contextlib.contextmanager
    def _working(self) -> Generator[None]:
        try:
            with self._lock:
                yield
        finally:
            # Looked at with the lock given back: whoever comes second, this thread or `discard`, cleans up.
            if self._unwanted:
                self.discard()


def _flush_directory(directory: Path) -> None:
    """Make a rename durable, where the system and the file system can: some refuse, and the picture is there."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
