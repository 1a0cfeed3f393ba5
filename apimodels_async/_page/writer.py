"""Keeps the page of a batch up to date beside the batch, which never waits for it and never fails because of it."""

import logging
import math
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path

import anyio

from apimodels_async._clock import loop_time
from apimodels_async._page.page_file import PageFile, check_replaceable
from apimodels_async._page.rows import PageRow
from apimodels_async._threads import WorkerThreads
from apimodels_async._thumbnails import check_pillow

logger = logging.getLogger("apimodels_async")

SHORTEST_PAUSE = 2.0
"""Seconds between two versions of the page, at least."""
PAUSE_FOR_WORK = 10.0
"""A version that took long to write is followed by a pause of this many times as long."""
LONGEST_ADDING = 5.0
"""Seconds after which a version is written although there are more rows, because thumbnails take time."""
ROWS_AT_ONCE = 8
"""Rows that are written without a look at whether the batch has ended."""
LEAVING_TIME = 20.0
"""Seconds that the last version may take when the batch is left."""
_THREADS = WorkerThreads("pages", 1)


class PageWriter:
    """The page of one batch.

    A page that cannot be written is logged once, and tried again with the next version.

    Args:
        path: of the page.
        now: the time, epoch seconds.
    """

    def __init__(self, path: Path, *, now: Callable[[], float] = time.time) -> None:
        self._file = PageFile(path)
        self._now = now
        self._pending: deque[PageRow] = deque()
        self._more = anyio.Event()
        self._ending = anyio.Event()
        self._finished = anyio.Event()
        self._troubled = False

    async def open(self) -> None:
        """Check that there can be a page, before anything is sent.

        Raises:
            ConfigurationError: Pillow is not installed, or the file is there and is no page of ours.
        """
        check_pillow()
        await _THREADS.run(partial(check_replaceable, self._file.path))

    def add(self, row: PageRow) -> None:
        """Add a row; returns at once."""
        self._pending.append(row)
        self._more.set()

    async def run(self) -> None:
        """Write a version whenever there is something new, until `finish` is called."""
        while not self._ending.is_set():
            began = loop_time()
            await self._write("running", within=LONGEST_ADDING)
            with anyio.move_on_after(max(SHORTEST_PAUSE, PAUSE_FOR_WORK * (loop_time() - began))):
                await self._ending.wait()
            while not self._pending and not self._ending.is_set():
                self._more = anyio.Event()
                await self._more.wait()
        await self._write("done")
        self._finished.set()

    async def finish(self) -> None:
        """Write the last version, all thumbnails included, and return when it is there. `run` must be running."""
        self._ending.set()
        self._more.set()
        await self._finished.wait()

    async def close(self) -> None:
        """Write what is still missing without thumbnails, if anything is, and close. `run` has ended."""
        with anyio.CancelScope(shield=True, deadline=loop_time() + LEAVING_TIME):
            if not self._finished.is_set():
                await self._write("left", thumbnails=False)
            await _THREADS.run(self._file.close, abandon=True)

    async def _write(self, state: str, *, within: float = math.inf, thumbnails: bool = True) -> None:
        try:
            until = loop_time() + within
            while self._pending and loop_time() < until:
                add = partial(self._file.add, self._pending, most=ROWS_AT_ONCE, thumbnails=thumbnails)
                await _THREADS.run(add, abandon=True)
            await _THREADS.run(partial(self._file.publish, state, self._now()), abandon=True)
        except Exception as error:  # noqa: BLE001  (no page is worth a batch)
            if not self._troubled:
                logger.warning("the page %s cannot be written: %s: %s", self._file.path, type(error).__name__, error)
            self._troubled = True
        else:
            self._troubled = False
