"""The names that are being given to pictures in one place, so that two tasks never choose the same. Blocking."""

import threading
from itertools import count

from apimodels_async._download.destination import Place, destination
from apimodels_async._download.names import PictureName
from apimodels_async._wire.picture_formats import PictureFormat

_SUFFIXES = tuple(dict.fromkeys([".json", ".jpeg", ".tif", *(each.suffix for each in PictureFormat)]))
"""What may stand beside a picture under its name."""


class ReservedNames:
    """Reserves a name for all pictures of a task, before they are saved one by one.

    What another process writes meanwhile is seen when a picture gets its name, which then has a number more.

    Args:
        place: where the pictures go.
    """

    def __init__(self, place: Place) -> None:
        self._destination = destination(place)
        self._lock = threading.Lock()
        self._reserved: set[str] = set()
        self._numbers: dict[str, int] = {}  # of names that were wanted more than once, the last number

    def reserve(self, wanted: PictureName, pictures: int) -> PictureName:
        """Reserve a name, or the first of its numbered forms that is free.

        Args:
            wanted: the name.
            pictures: how many there are.

        Raises:
            OSError: as the system or the store says.
        """
        key = _folded(wanted.text)
        with self._lock:
            first = self._numbers.get(key, 1)
        number, name = next(
            (number, name)
            for number in count(first)
            if self._claim(name := wanted.numbered(number)) and self._is_free(name, pictures)
        )
        if number > 1:
            with self._lock:
                self._numbers[key] = max(number, self._numbers.get(key, 1))
        return name

    def release(self, name: PictureName) -> None:
        """The pictures are saved, or will not come."""
        with self._lock:
            self._reserved.discard(_folded(name.text))

    def _claim(self, name: PictureName) -> bool:
        """Take a name, before it is looked for without the lock: a store may take long to answer."""
        with self._lock:
            known = len(self._reserved)
            self._reserved.add(_folded(name.text))
            return len(self._reserved) > known

    def _is_free(self, name: PictureName, pictures: int) -> bool:
        """Whether nothing has a name that was claimed. If something has, or that is not known, it is released."""
        is_free = False
        try:
            is_free = not any(self._destination.has(name.stem(index), _SUFFIXES) for index in range(pictures))
        finally:
            if not is_free:
                self.release(name)
        return is_free


def _folded(text: str) -> str:
    return text.casefold()  # many file systems do not tell A from a
