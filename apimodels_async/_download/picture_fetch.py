"""One picture of a task on its way: attempts, redirects, refusals, dead links. Where it goes is for others to say."""

import logging
import math
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import urlsplit

import anyio
import anyio.lowlevel

from apimodels_async._clock import loop_time
from apimodels_async._download.hosts import PictureHosts
from apimodels_async._download.limits import DownloadLimits
from apimodels_async._download.links import MAX_REDIRECTS, next_hop
from apimodels_async._download.tally import DoubtfulError, Judgement, NoPictureError, PictureTally, SpoiledError
from apimodels_async._download.words import READ, words_of
from apimodels_async._download.writer import THREADS
from apimodels_async._http.trace import RequestFailed, Stream
from apimodels_async._http.transport import Http
from apimodels_async._limits import full_jitter
from apimodels_async._poll.poller import Poller
from apimodels_async._urls import check_link, origin, split_http_url
from apimodels_async._wire.data_uris import is_data_uri, parse_data_uri
from apimodels_async.errors import ApimodelsError, ConfigurationError, DownloadError, ResultExpiredError
from apimodels_async.instrumentation import port
from apimodels_async.instrumentation.details import DownloadDetails, RequestDetails, RetryDetails
from apimodels_async.models import Task

logger = logging.getLogger("apimodels_async")

T = TypeVar("T")
R = TypeVar("R")

_GONE = (403, 404, 410)
_PASSING = (408, 421, 423, 425, 429)
"""Refusals of the moment: another attempt may help."""
EXPIRED_AFTER = 24 * 3600.0
"""Seconds after completion in which a picture that is not at its link is not taken to have expired: results are kept
for 7 days."""
WORDS_WITHIN = 2.0
"""Seconds for which the words of a refusal are waited for."""
_PIECE = 256 << 10
"""Bytes of a picture in memory that are examined at once."""
FRESH = 60.0
"""Seconds after completion in which a 404 may be a content network that lags."""


class Reach(NamedTuple):
    """What a fetch asks with.

    Attributes:
        http: for the pictures.
        poller: for new links.
        uniform: the source of jitter.
        hosts: what is known of the hosts, where pictures may wait for one that is away.
    """

    http: Http
    poller: Poller
    uniform: Callable[[float, float], float]
    hosts: PictureHosts | None = None


class _GoneError(Exception):
    """The picture is not at its link, or its host refuses it.

    Attributes:
        age: seconds since the task's completion, where it is known.
        is_refusal: whether the host refuses the request as such: asking for the same again changes nothing, and it
            does not say that the picture has expired.
    """

    def __init__(self, message: str, age: float | None, *, is_refusal: bool) -> None:
        super().__init__(message)
        self.age = age
        self.is_refusal = is_refusal


def _download_details(fetch: "PictureFetch[Any]") -> DownloadDetails:
    return DownloadDetails(fetch.task.id, fetch.task.model, fetch.at)


def _downloaded(_: object, fetch: "PictureFetch[Any]") -> dict[str, int]:
    return {"size": fetch.size, "attempts": fetch.attempts}


def _link_details(_: "PictureFetch[Any]", url: str) -> RequestDetails | None:
    try:
        return None if is_data_uri(url) else RequestDetails("picture", "GET", origin(split_http_url(url)))
    except ValueError:  # refused before anything is sent
        return None


def _followed(*_: object) -> dict[str, int]:
    return {"status": 200}


class PictureFetch(Generic[R]):
    """One picture of one task. Where it goes is the matter of a subclass."""

    def __init__(self, reach: Reach, task: Task, at: int, limits: DownloadLimits) -> None:
        self.reach = reach
        self.task = task
        self.at = at
        self.limits = limits
        self.attempts = 0
        self.size = 0
        self.doubtful = ""  # the digest of what came last, if it was complete and may be a picture
        self.deadline = math.inf
        self.trouble = "too slow"
        self.host = ""  # that was asked last
        self.answered = False  # by that host

    @port.observes(_download_details, _downloaded)
    async def run(self) -> R:
        async with self.reach.http.download_places:
            return await self._run()

    async def _run(self) -> R:
        url = self.task.result_urls[self.at].strip()
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
            if gone.is_refusal or (gone.age is not None and gone.age < EXPIRED_AFTER):
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

    async def _once_more(self, url: str, gone: _GoneError) -> R:
        """The link is dead: ask the API once whether there is another by now."""
        if self.task.id is None:
            raise gone
        try:
            task = await self.reach.poller.query(self.task.id, self.task.model)
        except ConfigurationError:  # the client was closed meanwhile
            raise
        except ApimodelsError:
            raise gone from None
        links = task.result_urls
        if len(links) <= self.at or links[self.at].strip() == url:
            raise gone
        return await self._insist(links[self.at].strip())

    async def _insist(self, url: str) -> R:
        """Fetch, again and again while that may help."""
        number = counted = 0
        since = loop_time()
        while True:
            self.attempts += 1
            try:
                return await self._fetch(url)
            except _GoneError as gone:
                late = gone.age is not None and gone.age > FRESH
                counted += 1
                if gone.is_refusal or late or counted >= self.limits.attempts:
                    raise
                self.trouble, pause = str(gone), 0.0
            except (SpoiledError, RequestFailed) as spoiled:
                counted += not self._is_away(spoiled, since)
                if counted >= self.limits.attempts:
                    raise self._error(f"not saved in {number + 1} attempts: {spoiled}") from spoiled.__cause__
                self.trouble = str(spoiled)
                pause = spoiled.pause if isinstance(spoiled, SpoiledError) else 0.0
                if loop_time() + pause > self.deadline:
                    raise self._late() from None
                logger.info(
                    "task %s: picture %d: %s; trying again",
                    self.task.id,
                    self.at,
                    spoiled,
                    extra={"task_id": self.task.id, "model": self.task.model, "attempt": number + 1},
                )
                if port.active is not None:
                    again = RetryDetails("download", number + 1, pause, spoiled, self.task.model, self.task.id)
                    port.note(again)
            since = loop_time()
            await anyio.sleep(pause + full_jitter(number, self.reach.uniform))
            number += 1

    def _is_away(self, trouble: SpoiledError | RequestFailed, since: float) -> bool:
        """Whether an attempt failed because its host is away, for which a batch waits."""
        hosts = self.reach.hosts
        if hosts is None or not self.host or (self.answered and not isinstance(trouble, NoPictureError)):
            return False
        reached = not isinstance(trouble, RequestFailed) or not trouble.unreachable
        return hosts.is_away(self.host, self, now=loop_time(), since=since, reached=reached)

    @port.observes(_link_details, _followed)
    async def _fetch(self, url: str) -> R:
        if is_data_uri(url):
            data = (await in_thread(parse_data_uri, url)).data
            try:
                try:
                    return await self._save(_in_pieces(data), len(data), encoded=False)
                except DoubtfulError:  # it cannot come otherwise
                    return await self._save(_in_pieces(data), len(data), encoded=False)
            except SpoiledError as spoiled:  # it will be no better the next time
                raise ValueError(str(spoiled)) from None
        base_url = self.reach.http.base_url
        check_link(url, base_url=base_url)
        for _ in range(MAX_REDIRECTS + 1):
            self.host, self.answered = urlsplit(url).netloc, False
            async with self.reach.http.stream(url) as stream:
                self.answered = True
                if stream.status // 100 == 3:
                    url = next_hop(url, stream.location, base_url=base_url)
                    continue
                await self._check(stream)
                saved = await self._save(stream.chunks, stream.length, encoded=stream.encoded)
                if self.reach.hosts is not None:
                    self.reach.hosts.brought(self.host, loop_time())
                return saved
        raise ValueError(f"more than {MAX_REDIRECTS} redirects")

    async def _check(self, stream: Stream) -> None:
        if 400 <= stream.status < 500 and stream.status not in _PASSING:
            done = self.task.complete_time
            age = None if done is None else ((stream.date or datetime.now(UTC)) - done).total_seconds()
            raise _GoneError(
                self.reach.http.without_key(await _said(stream)), age, is_refusal=stream.status not in _GONE
            )
        if stream.status != 200:
            raise NoPictureError(self.reach.http.without_key(await _said(stream)), stream.retry_after or 0.0)
        if stream.length is not None and stream.length > self.limits.max_bytes:
            raise ValueError(f"it is {stream.length} bytes; at most {self.limits.max_bytes} are taken (max_bytes)")

    @abstractmethod
    async def _save(self, chunks: AsyncIterator[bytes], length: int | None, *, encoded: bool) -> R: ...

    def _tally(self, *, encoded: bool) -> PictureTally:
        return PictureTally(self.limits, loop_time(), encoded=encoded)

    def _judge(self, tally: PictureTally, length: int | None, digest: Callable[[], str]) -> Judgement:
        """Judge what came; if that is doubtful, by whether the attempt before brought the same."""
        self.size = tally.total
        try:
            found = tally.judge(length)
        except DoubtfulError:
            before, self.doubtful = self.doubtful, digest()
            if before != self.doubtful:
                raise
            found = tally.judge(length, again=True)
        if found.warning is not None:
            extra = {"task_id": self.task.id, "model": self.task.model, "attempt": self.attempts}
            logger.warning("task %s: picture %d is kept although %s", self.task.id, self.at, found.warning, extra=extra)
        return found

    def _late(self) -> DownloadError:
        return self._error(f"not saved within {self.limits.timeout or 0.0:g} s: {self.trouble}")

    def _error(self, what: str) -> DownloadError:
        return DownloadError(f"task {self.task.id}: picture {self.at} {what}", task_id=self.task.id)


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


async def _in_pieces(data: bytes) -> AsyncIterator[bytes]:
    """As a host would send it: a large picture at once would block the event loop while it is examined."""
    for start in range(0, len(data), _PIECE):
        yield data[start : start + _PIECE]
        await anyio.lowlevel.checkpoint()


async def in_thread(work: Callable[..., T], *args: object) -> T:
    """Call `work` in a thread for what waits for the disk."""
    return await THREADS.run(lambda: work(*args))
