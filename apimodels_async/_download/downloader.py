"""Saving of finished pictures: each file is complete or absent, and connections, memory and time are bounded."""

import hashlib
import logging
import random
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple, TypeVar

import anyio

from apimodels_async._clock import loop_time
from apimodels_async._download.destination import Destination, Place, destination
from apimodels_async._download.hosts import PictureHosts
from apimodels_async._download.limits import DownloadLimits
from apimodels_async._download.links import file_stem
from apimodels_async._download.names import PictureName
from apimodels_async._download.part import PicturePart
from apimodels_async._download.picture_fetch import PictureFetch, Reach, in_thread
from apimodels_async._download.writer import gather, write_stream
from apimodels_async._http.transport import Http
from apimodels_async._poll.poller import Poller
from apimodels_async.errors import ApimodelsError, DownloadError
from apimodels_async.models import Picture, Task

logger = logging.getLogger("apimodels_async")

T = TypeVar("T")
R = TypeVar("R")

_LARGE = 8 << 20
MOST_PICTURES = 1000
"""Pictures of one task: more are refused, because each takes a task of the loop and a file."""


class SavedPicture(NamedTuple):
    """A picture that was saved.

    Attributes:
        path: where: its path, or its URL in a store.
        size: bytes.
        sha256: of its bytes as they arrived, in hexadecimal.
    """

    path: Place
    size: int
    sha256: str


class GivenName(NamedTuple):
    """A name for the pictures of one task, in place of the task's id.

    Attributes:
        name: the name.
        again: whether an earlier run may have saved them by that name already.
    """

    name: PictureName
    again: bool = False


class Downloader:
    """Fetches the pictures of one client's tasks.

    Attributes:
        reach: what it asks with.
        limits: of a picture for which no others are given.
    """

    def __init__(self, http: Http, poller: Poller, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self.reach: Reach = Reach(http, poller, uniform)
        self.limits: DownloadLimits = DownloadLimits()

    def waiting_for(self, patience: float | None) -> "Downloader":
        """Return a downloader whose pictures wait together while their host is away, for `patience` seconds at most.

        ``None`` is for no limit. Meanwhile attempts do not count, and a picture has as many seconds more.
        """
        waiting = Downloader(self.reach.http, self.reach.poller, self.reach.uniform)
        waiting.reach = self.reach._replace(hosts=PictureHosts(patience))
        within = None if patience is None or self.limits.timeout is None else self.limits.timeout + patience
        waiting.limits = self.limits._replace(timeout=within)
        return waiting

    async def prepare_folder(self, directory: Place) -> Place:
        """Make `directory` and try it, before anything is paid for; and return it with ``~`` expanded.

        Raises:
            DownloadError: it cannot be written to.
            ConfigurationError: a library for this store is not installed.
        """
        return await in_thread(destination(directory).prepare)

    async def download(
        self, task: Task, directory: Place, limits: DownloadLimits | None = None, given: GivenName | None = None
    ) -> list[SavedPicture]:
        """Save all pictures of a task, in the order of its links.

        They are named by the task's id and their indices. With a `given` name, no file is replaced.

        Raises:
            DownloadError: no links, or a picture could not be saved; what was saved before stays.
            ConfigurationError: a library for this store is not installed.
            ResultExpiredError: a picture is no longer there.
        """
        limits, place = limits or self.limits, destination(directory)
        return await self._all(task, lambda at: _ToDestination(self.reach, task, at, limits, place=place, given=given))

    async def fetch(self, task: Task, limits: DownloadLimits | None = None) -> list[Picture]:
        """Bring all pictures of a task into memory, in the order of its links.

        Raises:
            DownloadError: no links, or a picture could not be fetched.
            ResultExpiredError: a picture is no longer there.
        """
        wanted = limits or self.limits
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
        started = loop_time()
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

        if len(fetches) == 1:
            await one(0)
        else:
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
                "elapsed": loop_time() - started,
            },
        )
        return pictures


class _ToDestination(PictureFetch[SavedPicture]):
    def __init__(
        self, reach: Reach, task: Task, at: int, limits: DownloadLimits, *, place: Destination, given: GivenName | None
    ) -> None:
        super().__init__(reach, task, at, limits)
        self.place = place
        self.given = given

    async def _save(self, chunks: AsyncIterator[bytes], length: int | None, *, encoded: bool) -> SavedPicture:
        name = self.task.id
        if not name:
            name = await in_thread(_name_of, self.task.result_urls[self.at])
        stem = file_stem(name, self.at)
        part = self.place.part(stem)
        tally = self._tally(encoded=encoded)

        def seen(chunk: bytes) -> None:
            tally.count(chunk, loop_time())

        try:
            piece, more = await gather(chunks, seen)
            if not more:  # most pictures: one turn in a thread does it all
                whole = b"".join(piece)
                found = self._judge(tally, length, lambda: _digest(whole))
                return await in_thread(self._write_whole, part, whole, stem, found.suffix)
            await in_thread(part.begin)
            await write_stream(piece, chunks, seen, part)
            suffix = self._judge(tally, length, lambda: part.sha256).suffix
            return await in_thread(self._finish, part, stem, suffix)
        except BaseException:
            part.discard()
            raise

    def _write_whole(self, part: PicturePart, data: bytes, stem: str, suffix: str) -> SavedPicture:
        part.begin()
        part.write(data)
        return self._finish(part, stem, suffix)

    def _finish(self, part: PicturePart, stem: str, suffix: str) -> SavedPicture:
        if self.given is None:
            return SavedPicture(part.finish(stem + suffix), part.size, part.sha256)
        suffix = self.given.name.suffix or suffix
        names = (each + suffix for each in self.given.name.stems(self.at))
        return SavedPicture(part.finish_new(names, again=self.given.again), part.size, part.sha256)


class _ToMemory(PictureFetch[Picture]):
    async def _save(self, chunks: AsyncIterator[bytes], length: int | None, *, encoded: bool) -> Picture:
        tally = self._tally(encoded=encoded)
        pieces: list[bytes] = []
        async for chunk in chunks:
            tally.count(chunk, loop_time())
            pieces.append(chunk)
        # A large one takes longer to join than an event loop may be blocked.
        data = b"".join(pieces) if tally.total < _LARGE else await in_thread(b"".join, pieces)
        found = self._judge(tally, length, lambda: _digest(data))
        return Picture(data=data, media_type=found.media_type, url=self.task.result_urls[self.at])


def _name_of(link: str) -> str:
    """A name for a picture whose task has no id. Its link may be the picture itself."""
    return "picture-" + hashlib.sha256(link.encode()).hexdigest()[:16]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
