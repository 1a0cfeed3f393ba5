"""The names that are being given to pictures in one folder, so that two tasks never choose the same. Blocking."""

import threading
from itertools import count
from pathlib import Path

from apimodels_async._download.names import PictureName
from apimodels_async._wire.picture_formats import PictureFormat

_SUFFIXES = tuple(dict.fromkeys([".json", ".jpeg", ".tif", *(each.suffix for each in PictureFormat)]))
"""What may stand beside a picture under its name."""


class ReservedNames:
    """Reserves a name for all pictures of a task, before they are saved one by one.

    What another process writes meanwhile is seen when a picture gets its name, which then has a number more.

    Args:
        directory: where the pictures go.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._reserved: set[str] = set()
        self._numbers: dict[str, int] = {}  # of names that were wanted more than once, the last number

    def reserve(self, wanted: PictureName, pictures: int) -> PictureName:
        """Reserve a name, or the first of its numbered forms that is free.

        Args:
            wanted: the name.
            pictures: how many there are.
        """
        key = _folded(wanted.text)
        with self._lock:
            number, name = next(
                (number, name)
                for number in count(self._numbers.get(key, 1))
                if self._is_free(name := wanted.numbered(number), pictures)
            )
            if number > 1:
                self._numbers[key] = number
            self._reserved.add(_folded(name.text))
        return name

    def release(self, name: PictureName) -> None:
        """The pictures are on the disk, or will not come."""
        with self._lock:
            self._reserved.discard(_folded(name.text))

    def _is_free(self, name: PictureName, pictures: int) -> bool:
        if _folded(name.text) in self._reserved:
            return False
        stems = [name.stem(index) for index in range(pictures)]
        return not any((self._directory / f"{stem}{suffix}").exists() for stem in stems for suffix in _SUFFIXES)


def _folded(text: str) -> str:
    return text.casefold()  # many file systems do not tell A from a
