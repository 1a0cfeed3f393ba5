"""Saving of finished pictures: each file is complete or absent, and connections, memory and time are bounded."""

import hashlib
import logging
import math
import random
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

import anyio

from apimodels_async._download.folder import expand, prepare_folder
from apimodels_async._download.limits import DownloadLimits
from apimodels_async._download.links import MAX_REDIRECTS, check_link, file_stem, next_hop
from apimodels_async._download.part_file import SWEPT_SUFFIX, PartFile
from apimodels_async._download.tally import PictureTally, SpoiledError
from apimodels_async._download.words import READ, words_of
from apimodels_async._download.writer import THREADS, gather, write_stream
from apimodels_async._http.trace import RequestFailed, Stream
from apimodels_async._http.transport import Http
from apimodels_async._limits import full_jitter
from apimodels_async._poll.poller import Poller
from apimodels_async._wire.data_uris import is_data_uri, parse_data_uri
from apimodels_async.errors import ApimodelsError, ConfigurationError, DownloadError, ResultExpiredError
from apimodels_async.models import Task, TaskState

logger = logging.getLogger("apimodels_async")

T = TypeVar("T")

MOST_PICTURES = 1000
"""Pictures of one task: more are refused, because each takes a task of the loop and a file."""
EXPIRED_AFTER = 24 * 3600.0
"""Seconds after completion in which a picture that is not at its link is not taken to have expired: results are kept
for 7 days."""
WORDS_WITHIN = 2.0
"""Seconds for which the words of a refusal are waited for."""
FRESH = 60.0
"""Seconds after completion in which a 404 may be a content network that lags."""


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
        self.http = http
        self.poller = poller
        self.uniform = uniform

    async def prepare_folder(self, directory: Path) -> Path:
        """Make `directory` and try it, before anything is paid for; and return it with ``~`` expanded.

        Raises:
            DownloadError: it cannot be written to.
        """
        return await _in_thread(prepare_folder, directory)

    async def download(self, task: Task, directory: Path, limits: DownloadLimits | None = None) -> list[SavedPicture]:
        """Save all pictures of a completed task, in the order of its links.

        Raises:
            DownloadError: not completed, or a picture could not be saved; what was saved before stays.
            ResultExpiredError: a picture is no longer there.
        """
        if task.state != TaskState.COMPLETED or not task.result_urls:
            raise DownloadError(
                f"task {task.id} is {task.state or 'of no known state'} and has no pictures: wait for it first",
                task_id=task.id,
            )
        if len(task.result_urls) > MOST_PICTURES:
            raise DownloadError(
                f"task {task.id} has {len(task.result_urls)} links to pictures; at most {MOST_PICTURES} are fetched",
                task_id=task.id,
            )
        limits = limits or DownloadLimits()
        directory = expand(directory)
        started = anyio.current_time()
        fetches = [_Fetch(self, task, at, directory, limits) for at in range(len(task.result_urls))]
        saved: list[SavedPicture | None] = [None] * len(fetches)
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


class _GoneError(Exception):
    """403 or 404: the picture is not at its link."""

    def __init__(self, message: str, age: float | None) -> None:
        super().__init__(message)
        self.age = age


class _Fetch:
    """One picture of one task."""

    def __init__(self, owner: Downloader, task: Task, at: int, directory: Path, limits: DownloadLimits) -> None:
        self.owner = owner
        self.task = task
        self.at = at
        self.directory = directory
        self.limits = limits
        self.attempts = 0
        self.deadline = math.inf
        self.trouble = "too slow"

    async def run(self) -> SavedPicture:
        async with self.owner.http.download_places:
            return await self._run()

    async def _run(self) -> SavedPicture:
        url = self.task.result_urls[self.at]
        try:
            # Not fail_after: its TimeoutError could not be told from the disk's own.
            with anyio.move_on_after(self.limits.timeout) as scope:
                self.deadline = scope.deadline
                try:
                    return await self._insist(url)
                except _GoneError as gone:
                    return await self._once_more(url, gone)
            raise self._late()
        except _GoneError as gone:
            if gone.age is not None and gone.age < EXPIRED_AFTER:
                raise self._error(f"could not be fetched: its host says {gone}") from None
            raise ResultExpiredError(
                f"task {self.task.id}: picture {self.at} is no longer at its link ({gone}); results are deleted "
                f"after 7 days",
                task_id=self.task.id,
            ) from None
        except ConfigurationError as error:  # the client was closed meanwhile
            error.task_id = self.task.id
            raise
        except ValueError as refused:
            raise self._error(f"refused: {refused}") from None
        except OSError as error:
            raise self._error(f"cannot be written: {error}") from error

    async def _once_more(self, url: str, gone: _GoneError) -> SavedPicture:
        """The link is dead: ask the API once whether there is another by now."""
        if self.task.id is None:
            raise gone
        try:
            task = await self.owner.poller.query(self.task.id, self.task.model)
        except ConfigurationError:  # the client was closed meanwhile
            raise
        except ApimodelsError:
            raise gone from None
        links = task.result_urls
        if len(links) <= self.at or links[self.at] == url:
            raise gone
        return await self._insist(links[self.at])

    async def _insist(self, url: str) -> SavedPicture:
        """Fetch, again and again while that may help."""
        number = 0
        while True:
            self.attempts += 1
            try:
                return await self._fetch(url)
            except _GoneError as gone:
                late = gone.age is not None and gone.age > FRESH
                if late or number + 1 >= self.limits.attempts:
                    raise
                self.trouble, pause = str(gone), 0.0
            except (SpoiledError, RequestFailed) as spoiled:
                if number + 1 >= self.limits.attempts:
                    raise self._error(f"not saved in {number + 1} attempts: {spoiled}") from spoiled.__cause__
                self.trouble = str(spoiled)
                pause = spoiled.pause if isinstance(spoiled, SpoiledError) else 0.0
                if anyio.current_time() + pause > self.deadline:
                    raise self._late() from None
                logger.info(
                    "task %s: picture %d: %s; trying again",
                    self.task.id,
                    self.at,
                    spoiled,
                    extra={"task_id": self.task.id, "model": self.task.model, "attempt": number + 1},
                )
            await anyio.sleep(pause + full_jitter(number, self.owner.uniform))
            number += 1

    async def _fetch(self, url: str) -> SavedPicture:
        if is_data_uri(url):
            data = (await _in_thread(parse_data_uri, url)).data
            try:
                return await self._save(_one(data), len(data))
            except SpoiledError as spoiled:  # it will be no better the next time
                raise ValueError(str(spoiled)) from None
        base_url = self.owner.http.base_url
        check_link(url, base_url=base_url)
        for _ in range(MAX_REDIRECTS + 1):
            async with self.owner.http.stream(url) as stream:
                if stream.status // 100 == 3:
                    url = next_hop(url, stream.location, base_url=base_url)
                    continue
                await self._check(stream)
                return await self._save(stream.chunks, stream.length)
        raise ValueError(f"more than {MAX_REDIRECTS} redirects")

    async def _check(self, stream: Stream) -> None:
        if stream.status in (403, 404, 410):
            done = self.task.complete_time
            age = None if done is None else ((stream.date or datetime.now(UTC)) - done).total_seconds()
            raise _GoneError(self.owner.http.without_key(await _said(stream)), age)
        if stream.status != 200:
            raise SpoiledError(self.owner.http.without_key(await _said(stream)), stream.retry_after or 0.0)
        if stream.encoded:
            raise SpoiledError("the server compressed it although that was declined")
        if stream.length is not None and stream.length > self.limits.max_bytes:
            raise ValueError(f"it is {stream.length} bytes; at most {self.limits.max_bytes} are taken (max_bytes)")

    async def _save(self, chunks: AsyncIterator[bytes], length: int | None) -> SavedPicture:
        link = self.task.result_urls[self.at]
        stem = file_stem(self.task.id, "picture-" + hashlib.sha256(link.encode()).hexdigest()[:16], self.at)
        part = PartFile(self.directory, stem, SWEPT_SUFFIX)
        tally = PictureTally(self.limits, anyio.current_time())

        def seen(chunk: bytes) -> None:
            tally.count(chunk, anyio.current_time())

        try:
            piece, more = await gather(chunks, seen)
            if not more:  # most pictures: one turn in a thread does it all
                return await _in_thread(_write_whole, part, piece, stem + tally.judge(length).suffix)
            await _in_thread(part.begin)
            await write_stream(piece, chunks, seen, part)
            return await _in_thread(_finish, part, stem + tally.judge(length).suffix)
        except BaseException:
            part.discard()
            raise

    def _late(self) -> DownloadError:
        return self._error(f"not saved within {self.limits.timeout or 0.0:g} s: {self.trouble}")

    def _error(self, what: str) -> DownloadError:
        return DownloadError(f"task {self.task.id}: picture {self.at} {what}", task_id=self.task.id)


def _write_whole(part: PartFile, pieces: list[bytes], name: str) -> SavedPicture:
    part.begin()
    part.write(b"".join(pieces))
    return _finish(part, name)


def _finish(part: PartFile, name: str) -> SavedPicture:
    return SavedPicture(part.finish(name), part.size, part.sha256)


async def _said(stream: Stream) -> str:
    """The status of a refusal and its words, if it has some and they are there soon."""
    body = b""
    with anyio.move_on_after(WORDS_WITHIN), suppress(RequestFailed):
        async for chunk in stream.chunks:
            body += chunk[:READ]
            if len(body) >= READ:
                break
    words = "" if stream.encoded else words_of(body[:READ])
    return f"HTTP {stream.status}: {words}" if words else f"HTTP {stream.status}"


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _in_thread(work: Callable[..., T], *args: object) -> T:
    return await THREADS.run(lambda: work(*args))
