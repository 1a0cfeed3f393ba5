"""How finished pictures come onto the disk: whole or not at all, without hurting anybody."""

import hashlib
import logging
import math
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

import anyio
import anyio.to_thread

from apimodels_async._download.links import MAX_REDIRECTS, check_link, file_stem, next_hop
from apimodels_async._download.part_file import PartFile
from apimodels_async._download.writer import gather, write_stream
from apimodels_async._http.trace import RequestFailed, Stream
from apimodels_async._http.transport import Http
from apimodels_async._limits import full_jitter
from apimodels_async._poll.poller import Poller
from apimodels_async._wire import pictures
from apimodels_async.errors import ApimodelsError, ConfigurationError, DownloadError, ResultExpiredError
from apimodels_async.models import Task, TaskState

logger = logging.getLogger("apimodels_async")

T = TypeVar("T")

FRESH = 60.0
"""Seconds after completion in which a 404 may be a content network that lags."""
RATE_WINDOW = 10.0
"""Seconds over which the rate is measured."""


class DownloadLimits(NamedTuple):
    """What one picture may cost.

    Attributes:
        max_bytes: size of one picture.
        timeout: seconds for one picture, all attempts together; ``None`` for no bound.
        min_rate: bytes a second, averaged over ten seconds; slower is given up and tried again.
        attempts: how often one picture is fetched.
    """

    max_bytes: int = 512 << 20
    timeout: float | None = 600.0
    min_rate: int = 1024
    attempts: int = 5


class Downloader:
    """Fetches the pictures of one client's tasks."""

    def __init__(self, http: Http, poller: Poller, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self.http = http
        self.poller = poller
        self.uniform = uniform

    async def download(self, task: Task, directory: Path, limits: DownloadLimits | None = None) -> list[Path]:
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
        limits = limits or DownloadLimits()
        started = anyio.current_time()
        fetches = [_Fetch(self, task, at, directory, limits) for at in range(len(task.result_urls))]
        saved: list[Path | None] = [None] * len(fetches)
        failures: list[ApimodelsError] = []

        async def one(at: int) -> None:
            try:
                saved[at] = await fetches[at].run()
            except ApimodelsError as error:
                failures.append(error)

        async with anyio.create_task_group() as group:
            for at in range(len(fetches)):
                group.start_soon(one, at)
        if failures:
            raise failures[0]
        paths = [path for path in saved if path is not None]
        logger.info(
            "task %s: pictures saved: %d",
            task.id,
            len(paths),
            extra={
                "task_id": task.id,
                "model": task.model,
                "attempt": max(fetch.attempts for fetch in fetches),
                "elapsed": anyio.current_time() - started,
            },
        )
        return paths


class _GoneError(Exception):
    """403 or 404: the picture is not at its link."""

    def __init__(self, status: int, age: float | None) -> None:
        super().__init__(f"HTTP {status}")
        self.age = age


class _SpoiledError(Exception):
    """This attempt brought nothing usable; the next may. `pause` is what the server asked for, in seconds."""

    def __init__(self, message: str, pause: float = 0.0) -> None:
        super().__init__(message)
        self.pause = pause


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

    async def run(self) -> Path:
        async with self.owner.http.download_places:
            return await self._run()

    async def _run(self) -> Path:
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

    async def _once_more(self, url: str, gone: _GoneError) -> Path:
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

    async def _insist(self, url: str) -> Path:
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
            except (_SpoiledError, RequestFailed) as spoiled:
                if number + 1 >= self.limits.attempts:
                    raise self._error(f"not saved in {number + 1} attempts: {spoiled}") from spoiled.__cause__
                self.trouble = str(spoiled)
                pause = spoiled.pause if isinstance(spoiled, _SpoiledError) else 0.0
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

    async def _fetch(self, url: str) -> Path:
        if url[:5].lower() == "data:":
            data = await anyio.to_thread.run_sync(pictures.from_data_uri, url)
            try:
                return await self._save(_one(data), len(data))
            except _SpoiledError as spoiled:  # it will be no better the next time
                raise ValueError(str(spoiled)) from None
        base_url = self.owner.http.base_url
        check_link(url, base_url=base_url)
        for _ in range(MAX_REDIRECTS + 1):
            async with self.owner.http.stream(url) as stream:
                if stream.status // 100 == 3:
                    url = next_hop(url, stream.location, base_url=base_url)
                    continue
                self._check(stream)
                return await self._save(stream.chunks, stream.length)
        raise ValueError(f"more than {MAX_REDIRECTS} redirects")

    def _check(self, stream: Stream) -> None:
        if stream.status in (403, 404, 410):
            done = self.task.complete_time
            age = None if done is None else ((stream.date or datetime.now(UTC)) - done).total_seconds()
            raise _GoneError(stream.status, age)
        if stream.status != 200:
            raise _SpoiledError(f"HTTP {stream.status}", stream.retry_after or 0.0)
        if stream.encoded:
            raise _SpoiledError("the server compressed it although that was declined")
        if stream.length is not None and stream.length > self.limits.max_bytes:
            raise ValueError(f"it is {stream.length} bytes; at most {self.limits.max_bytes} are taken (max_bytes)")

    async def _save(self, chunks: AsyncIterator[bytes], length: int | None) -> Path:
        link = self.task.result_urls[self.at]
        stem = file_stem(self.task.id, "picture-" + hashlib.sha256(link.encode()).hexdigest()[:16], self.at)
        part = PartFile(self.directory, stem)
        tally = _Tally(self.limits, anyio.current_time())

        def seen(chunk: bytes) -> None:
            tally.count(chunk, anyio.current_time())

        try:
            piece, more = await gather(chunks, seen)
            if not more:  # most pictures: one turn in a thread does it all
                return await _in_thread(_keep, part, piece, stem + tally.judge(length).suffix)
            await _in_thread(part.begin)
            await write_stream(piece, chunks, seen, part)
            return await _in_thread(part.finish, stem + tally.judge(length).suffix)
        except BaseException:
            part.discard()
            raise

    def _late(self) -> DownloadError:
        return self._error(f"not saved within {self.limits.timeout or 0.0:g} s: {self.trouble}")

    def _error(self, what: str) -> DownloadError:
        return DownloadError(f"task {self.task.id}: picture {self.at} {what}", task_id=self.task.id)


class _Tally:
    """What is known of a picture while it streams by: how much, how fast, its first and its last bytes.

    The rate is watched here because a read timeout never sees a byte that comes every third of a second.
    """

    def __init__(self, limits: DownloadLimits, now: float) -> None:
        self.limits = limits
        self.window_began = now
        self.in_window = 0
        self.total = 0
        self.head = b""
        self.tail = b""

    def count(self, chunk: bytes, now: float) -> None:
        self.total += len(chunk)
        if self.total > self.limits.max_bytes:
            raise ValueError(f"it is longer than {self.limits.max_bytes} bytes (max_bytes)")
        if len(self.head) < pictures.HEAD:
            self.head = (self.head + chunk)[: pictures.HEAD]
        self.tail = (self.tail + chunk[-pictures.TAIL :])[-pictures.TAIL :]
        self.in_window += len(chunk)
        if now - self.window_began >= RATE_WINDOW:
            if self.in_window < self.limits.min_rate * (now - self.window_began):
                raise _SpoiledError(f"slower than {self.limits.min_rate} bytes a second")
            self.window_began, self.in_window = now, 0

    def judge(self, length: int | None) -> pictures.Kind:
        """The format of a whole picture; `length` is what the server announced."""
        if length is not None and self.total != length:
            raise _SpoiledError(f"{self.total} bytes of {length} came")
        kind = pictures.sniff(self.head)
        if kind is None:
            raise _SpoiledError(f"what came is no picture; it begins with {self.head[:16]!r}")
        if not pictures.is_whole(kind, self.total, self.head, self.tail):
            raise _SpoiledError(f"it breaks off after {self.total} bytes")
        return kind


def _keep(part: PartFile, pieces: list[bytes], name: str) -> Path:
    part.begin()
    part.write(b"".join(pieces))
    return part.finish(name)


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _in_thread(work: Callable[..., T], *args: object) -> T:
    return await anyio.to_thread.run_sync(lambda: work(*args))
