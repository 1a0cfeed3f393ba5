"""The page's file: rows go into an unnamed file as they come, and the whole page is replaced from it. Blocking."""

import functools
import os
import tempfile
import threading
from base64 import b64encode
from collections import deque
from pathlib import Path
from typing import IO
from urllib.parse import quote

from apimodels_async._download.part_file import SWEPT_SUFFIX, PartFile
from apimodels_async._page.document import MARK, PageSource, Summary, frame
from apimodels_async._page.rows import PageRow
from apimodels_async._thumbnails import MEDIA_TYPE, MOST_PIXELS, thumbnail
from apimodels_async._wire.picture_structure import examine
from apimodels_async.errors import ConfigurationError

_MARKED_WITHIN = 2048
_CHUNK = 1 << 20


@functools.cache
def _template() -> PageSource:
    here = Path(__file__)
    html, css, js = (here.with_name(f"page.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js"))
    return PageSource(html, css, js)


def check_replaceable(path: Path) -> None:
    """Check that `path` is free, or holds a page of ours.

    Raises:
        ConfigurationError: it is something else, which is not replaced.
    """
    try:
        with path.open("rb") as file:
            ours = MARK.encode() in file.read(_MARKED_WITHIN)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"page: {str(path)!r} cannot be used: {error}") from error
    if not ours:
        raise ConfigurationError(
            f"page: {str(path)!r} is there and is not the page of a batch: move it away, or name another file"
        )


class PageFile:
    """The page of one batch. Its methods may be called in any thread, one after another.

    Args:
        path: of the page.
    """

    def __init__(self, path: Path) -> None:
        self.path: Path = path
        self._title = path.absolute().parent.name or "pictures"
        self._rows: IO[bytes] | None = None
        self._end = 0
        self._turn = threading.Lock()

    def add(self, pending: deque[PageRow], *, most: int, thumbnails: bool = True) -> None:
        """Write up to `most` rows, and remove each from `pending` when it is written.

        Raises:
            OSError: as the system says, such as a full disk. The row that could not be written is still there.
        """
        with self._turn:
            for _ in range(most):
                if not pending:
                    return
                row = pending[0]
                small = [_data_uri(path) if thumbnails else None for path in row.files]
                links = [_link(path, self.path.parent) for path in row.files]
                self._append(row.encode(links, small) + b",\n")
                pending.popleft()

    def _append(self, line: bytes) -> None:
        if self._rows is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._rows = tempfile.TemporaryFile(dir=self.path.parent, buffering=0)  # noqa: SIM115  (closed in `close`)
        self._rows.seek(self._end)
        left = memoryview(line)
        while left:  # an unbuffered file may take a part
            left = left[self._rows.write(left) :]
        self._end += len(line)

    def publish(self, state: str, updated: float) -> None:
        """Replace the page by one with all rows so far.

        Args:
            state: of the batch, as in `Summary`.
            updated: epoch seconds.

        Raises:
            OSError: as the system says. The page of before is still there.
        """
        before, after = frame(_template(), Summary(self._title, state, updated))
        with self._turn:
            part = PartFile(self.path.parent, self.path.name, SWEPT_SUFFIX)
            try:
                part.begin()
                part.write(before)
                left = self._end
                if self._rows is not None:
                    self._rows.seek(0)
                    while left and (chunk := self._rows.read(min(left, _CHUNK))):
                        part.write(chunk)
                        left -= len(chunk)
                part.write(after)
                part.finish(self.path.name)
            finally:
                part.discard()

    def close(self) -> None:
        """Close what is open. The page stays."""
        with self._turn:
            if self._rows is not None:
                self._rows.close()
                self._rows = None


def _data_uri(path: Path) -> str | None:
    """A thumbnail of a picture; ``None`` if there can be none."""
    try:
        data = path.read_bytes()
        # Before Pillow opens it, which would print a warning about a very large one.
        width, height = examine(data).upright_size or (0, 0)
        if not 0 < width * height <= MOST_PIXELS:
            return None
        small = thumbnail(data)
    except (OSError, ValueError):
        return None
    return f"data:{MEDIA_TYPE};base64,{b64encode(small).decode()}"


def _link(path: Path, folder: Path) -> str:
    """The link from a page in `folder` to a file: relative, so that both can move together."""
    try:
        place = Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()
    except ValueError:  # on Windows, another drive
        return path.absolute().as_uri()
    # "./", or a name with a colon would be read as a scheme.
    return "./" + quote(os.fsencode(place))
