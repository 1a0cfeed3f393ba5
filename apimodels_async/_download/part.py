"""What the bytes of one picture are written to before it is known to be whole. Blocking, for threads."""

import contextlib
import hashlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable
from pathlib import Path


class PicturePart(ABC):
    """A file or an object that will be there whole or not at all, under a name that is given at the end.

    A worker thread cannot be cancelled: ``asyncio.Task.cancel`` interrupts a shield and leaves the thread running. So
    `discard` may be called at any moment; if a thread is writing, that thread cleans up when it is done.

    Attributes:
        size: bytes written so far.
    """

    def __init__(self) -> None:
        self.size = 0
        self._digest = hashlib.sha256()
        self._lock = threading.Lock()
        self._unwanted = False

    @property
    def sha256(self) -> str:
        """The sha256 of what was written so far, in hexadecimal."""
        return self._digest.hexdigest()

    @abstractmethod
    def begin(self) -> None:
        """Make what is written to.

        Raises:
            OSError: as the system says.
        """

    def write(self, data: bytes) -> None:
        """Append.

        Raises:
            OSError: as the system says, such as a full disk.
        """
        with self._working():
            self._append(data)
            self._digest.update(data)
            self.size += len(data)

    @abstractmethod
    def finish(self, name: str) -> Path | str:
        """Put it in its place as `name`, over what has that name already, and return its path or URL.

        Raises:
            OSError: as the system or the store says.
        """

    @abstractmethod
    def finish_new(self, names: Iterable[str], *, again: bool = False) -> Path | str:
        """Put it in its place as the first of `names` that is not taken, and return its path or URL.

        Args:
            names: to try, one after another. What has such a name stays as it is.
            again: whether an earlier run may have saved it already: then what is there, with the same bytes, is it.

        Raises:
            OSError: as the system or the store says.
        """

    def discard(self) -> None:
        """Remove what was written. Does nothing after `finish`."""
        self._unwanted = True
        if self._lock.acquire(blocking=False):
            try:
                self._remove()
            finally:
                self._lock.release()

    @abstractmethod
    def _append(self, data: bytes) -> None: ...

    @abstractmethod
    def _remove(self) -> None: ...

    @contextlib.contextmanager
    def _working(self) -> Generator[None]:
        try:
            with self._lock:
                yield
        finally:
            # Checked after the lock is released: of this thread and `discard`, the later one cleans up.
            if self._unwanted:
                self.discard()
