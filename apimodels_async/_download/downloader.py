"""Saving of finished pictures: each file is complete or absent, and connections, memory and time are bounded."""

import hashlib
import logging
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import anyio

from apimodels_async._download.folder import expand, prepare_folder
from apimodels_async._download.limits import DownloadLimits
from apimodels_async._download.links import file_stem
from apimodels_async._download.part_file import SWEPT_SUFFIX, PartFile
from apimodels_async._download.picture_fetch import PictureFetch, Reach, in_thread
from apimodels_async._download.writer import gather, write_stream
from apimodels_async._http.transport import Http
from apimodels_async._poll.poller import Poller
from apimodels_async.errors import ApimodelsError, DownloadError
from apimodels_async.models import Picture, Task

logger = logging.getLogger("apimodels_async")

T = TypeVar("T")
R = TypeVar("R")

MOST_PICTURES = 1000
"""Pictures of one task: more are refused, because each takes a task of the loop and a file."""


class SavedPicture(NamedTuple):
    """A picture on the disk.

    Attributes:
        path: where.
        size: bytes.
        sha256: of its bytes as they arrived, in hexadecimal.
    """

    path: Path
    size: int
    sha256: str


class Downloader:
    """Fetches the pictures of one client's tasks."""

    def __init__(self, http: Http, poller: Poller, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self.reach: Reach = Reach(http, poller, uniform)

    async def prepare_folder(self, directory: Path) -> Path:
        """Make `directory` and try it, before anything is paid for; and return it with ``~`` expanded.

        Raises:
            DownloadError: it cannot be written to.
        """
        return await in_thread(prepare_folder, directory)

    async def download(self, task: Task, directory: Path, limits: DownloadLimits | None = None) -> list[SavedPicture]:
        """Save all pictures of a task, in the order of its links.

        Raises:
            DownloadError: no links, or a picture could not be saved; what was saved before stays.
            ResultExpiredError: a picture is no longer there.
        """
        limits, directory = limits or DownloadLimits(), expand(directory)
        return await self._all(task, lambda at: _ToDisk(self.reach, task, at, directory, limits))

    async def fetch(self, task: Task, limits: DownloadLimits | None = None) -> list[Picture]:
        """Bring all pictures of a task into memory, in the order of its links.

        Raises:
            DownloadError: no links, or a picture could not be fetched.
            ResultExpiredError: a picture is no longer there.
        """
        wanted = limits or DownloadLimits()
        return await self._all(task, lambda at: _ToMemory(self.reach, task, at, wanted))

    async def _all(self, task: Task, begin: Callable[[int], PictureFetch[R]]) -> list[R]:
        if not task.result_urls:  # the links decide, not the name of the state
            hint = "" if task.is_terminal else ": wait for it first"
            raise DownloadError(
                f"task {task.id} is {task.state or 'of no known state'} and has no pictures{hint}", task_id=task.id
            )
        if len(task.result_urls) > MOST_PICTURES:
            raise DownloadError(
                f"task {task.id} has {len(task.result_urls)} links to pictures; at most {MOST_PICTURES} are fetched",
                task_id=task.id,
            )
        started = anyio.current_time()
        fetches = [begin(at) for at in range(len(task.result_urls))]
        saved: list[R | None] = [None] * len(fetches)
        failures: list[ApimodelsError] = []

        async def one(at: int) -> None:
            try:
                saved[at] = await fetches[at].run()
            except ApimodelsError as error:
                failures.append(error)
            except Exception as error:  # noqa: BLE001  (a task group would wrap it into a group)
                failure = DownloadError(
                    f"task {task.id}: picture {at} not saved: {type(error).__name__}: {error}", task_id=task.id
                )
                failure.__cause__ = error
                failures.append(failure)

        async with anyio.create_task_group() as group:
            for at in range(len(fetches)):
                group.start_soon(one, at)
        if failures:
            raise failures[0]
        pictures = [picture for picture in saved if picture is not None]
        logger.info(
            "task %s: pictures saved: %d",
            task.id,
            len(pictures),
            extra={
                "task_id": task.id,
                "model": task.model,
                "attempt": max(fetch.attempts for fetch in fetches),
                "elapsed": anyio.current_time() - started,
            },
        )
        return pictures


class _ToDisk(PictureFetch[SavedPicture]):
    def __init__(self, reach: Reach, task: Task, at: int, directory: Path, limits: DownloadLimits) -> None:
        super().__init__(reach, task, at, limits)
        self.directory = directory

    async def _save(self, chunks: AsyncIterator[bytes], length: int | None, *, encoded: bool) -> SavedPicture:
        link = self.task.result_urls[self.at]
        stem = file_stem(self.task.id, "picture-" + hashlib.sha256(link.encode()).hexdigest()[:16], self.at)
        part = PartFile(self.directory, stem, SWEPT_SUFFIX)
        tally = self._tally(encoded=encoded)

        def seen(chunk: bytes) -> None:
            tally.count(chunk, anyio.current_time())

        try:
            piece, more = await gather(chunks, seen)
            if not more:  # most pictures: one turn in a thread does it all
                whole = b"".join(piece)
                found = self._judge(tally, length, lambda: _digest(whole))
                return await in_thread(_write_whole, part, whole, stem + found.suffix)
            await in_thread(part.begin)
            await write_stream(piece, chunks, seen, part)
            return await in_thread(_finish, part, stem + self._judge(tally, length, lambda: part.sha256).suffix)
        except BaseException:
            part.discard()
            raise


class _ToMemory(PictureFetch[Picture]):
    async def _save(self, chunks: AsyncIterator[bytes], length: int | None, *, encoded: bool) -> Picture:
        tally = self._tally(encoded=encoded)
        pieces: list[bytes] = []
        async for chunk in chunks:
            tally.count(chunk, anyio.current_time())
            pieces.append(chunk)
        data = b"".join(pieces)
        found = self._judge(tally, length, lambda: _digest(data))
        return Picture(data=data, media_type=found.media_type, url=self.task.result_urls[self.at])


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write_whole(part: PartFile, data: bytes, name: str) -> SavedPicture:
    part.begin()
    part.write(data)
    return _finish(part, name)


def _finish(part: PartFile, name: str) -> SavedPicture:
    return SavedPicture(part.finish(name), part.size, part.sha256)
