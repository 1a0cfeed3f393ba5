"""An outage of the pictures' host makes the pictures of a batch wait; a picture in trouble alone ends as before."""

import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio
import httpx
import pytest

from apimodels_async import AsyncImagesClient, DownloadError, Task, TaskState
from apimodels_async._download.hosts import PictureHosts
from apimodels_async._limits import CAP
from apimodels_async.pacing import FixedPacing
from tests.support.picture_server import KEY, PictureServer, answer, picture, together
from tests.support.pictures import PNG
from tests.support.virtual import virtually

# --- the rule


def away(hosts: PictureHosts, now: float, since: float, *, picture: str = "a", reached: bool = False) -> bool:
    return hosts.is_away("a.test", picture, now=now, since=since, reached=reached)


def that_brought(patience: float | None) -> PictureHosts:
    """A host that brought a picture at second 0."""
    hosts = PictureHosts(patience)
    hosts.brought("a.test", 0.0)
    return hosts


def test_a_host_that_cannot_be_reached_any_more_is_away_until_the_patience_is_over() -> None:
    hosts = that_brought(300.0)
    assert away(hosts, 1.0, since=0.5)
    assert away(hosts, 300.0, since=290.0)
    assert not away(hosts, 300.6, since=300.0)


def test_a_host_that_refuses_one_picture_is_not_away_and_one_that_refuses_two_is() -> None:
    hosts = that_brought(300.0)
    assert not away(hosts, 1.0, since=0.5, reached=True)
    assert not away(hosts, 2.0, since=1.0, reached=True)
    assert away(hosts, 2.5, since=1.0, reached=True, picture="b")
    assert away(hosts, 3.0, since=2.0, reached=True)


def test_a_picture_that_fails_while_others_come_is_itself_in_trouble() -> None:
    hosts = that_brought(None)
    hosts.brought("a.test", 2.0)
    assert not away(hosts, 3.0, since=1.0)
    assert away(hosts, 5.0, since=3.0)


def test_a_host_that_has_brought_nothing_yet_may_be_none() -> None:
    hosts = that_brought(None)
    assert not hosts.is_away("b.test", "a", now=3.0, since=1.0, reached=False)


def test_each_outage_has_the_whole_patience() -> None:
    hosts = that_brought(10.0)
    assert away(hosts, 9.0, since=0.5)
    hosts.brought("a.test", 9.5)
    assert away(hosts, 18.0, since=9.6)
    assert not away(hosts, 19.7, since=18.0)


def test_without_a_limit_a_host_may_be_away_for_a_day() -> None:
    hosts = that_brought(None)
    assert away(hosts, 1.0, since=0.5)
    assert away(hosts, 86400.0, since=86390.0)


# --- pictures


class _Body(httpx.AsyncByteStream):
    def __init__(self, data: bytes) -> None:
        self._data = data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._data


async def fetched(trouble: Callable[[str, float], str], patience: float | None, number: int = 40) -> list[str]:
    """Fetch pictures at once, as a batch does; what is in `trouble` at a path and a second fails so."""
    began = anyio.current_time()

    async def host(request: httpx.Request) -> httpx.Response:
        await anyio.sleep(0.5)
        fault = trouble(request.url.path, anyio.current_time() - began)
        if fault == "refused":
            raise httpx.ConnectError("Connection refused", request=request)
        status, body = (503, b"<title>busy</title>") if fault == "503" else (200, b"<p>log in" if fault else PNG)
        return httpx.Response(status, headers={"Content-Length": str(len(body))}, stream=_Body(body))

    outcomes: list[str] = []

    async def fetch(at: int) -> None:
        task = Task(id=f"t{at}", state=TaskState.COMPLETED, result_urls=(f"https://pictures.example/{at}",))
        try:
            assert [each.data for each in await downloader.fetch(task)] == [PNG]
        except DownloadError as error:
            outcomes.append(str(error))
        else:
            outcomes.append("")

    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(host)) as given,
        AsyncImagesClient("sk_test", http_client=given) as client,
        anyio.create_task_group() as group,
    ):
        downloader = client._downloader.waiting_for(patience)
        for at in range(number):
            group.start_soon(fetch, at)
    assert len(outcomes) == number
    return outcomes


@pytest.mark.parametrize("seconds", [3.0, 30.0, 120.0])
@pytest.mark.parametrize("fault", ["refused", "503", "page"])
@virtually
async def test_an_outage_of_the_host_costs_no_picture(anyio_backend: str, fault: str, seconds: float) -> None:
    began = anyio.current_time()

    outcomes = await fetched(lambda _path, now: fault if 1.2 < now < 1.2 + seconds else "", 300.0)

    assert outcomes == [""] * 40
    assert anyio.current_time() - began < seconds + CAP + 10.0


@virtually
async def test_a_second_outage_right_after_the_first_costs_no_picture_either(anyio_backend: str) -> None:
    def trouble(_path: str, now: float) -> str:
        return "refused" if 1.2 < now < 40.0 or 49.0 < now < 88.0 else ""  # longer together than the patience

    assert await fetched(trouble, 60.0) == [""] * 40


@virtually
async def test_a_host_that_stays_away_ends_all_pictures_soon_after_the_patience(anyio_backend: str) -> None:
    began = anyio.current_time()

    outcomes = await fetched(lambda _path, now: "refused" if now > 0.7 else "", 30.0, number=80)

    assert all("Connection refused" in words for words in outcomes if words)
    assert 0 < sum(map(bool, outcomes)) < 80
    assert 30.0 < anyio.current_time() - began < 30.0 + 3 * 6 * CAP


@virtually
async def test_one_picture_that_never_comes_does_not_take_the_patience_of_the_others(anyio_backend: str) -> None:
    asked: list[float] = []

    def trouble(path: str, now: float) -> str:
        if path != "/0":
            return ""
        asked.append(now)
        return "503"

    outcomes = await fetched(trouble, 300.0, number=400)

    assert len([words for words in outcomes if words]) == 1
    assert len(asked) <= 6  # the first may come before any other picture has


@virtually
async def test_pictures_of_a_host_that_was_never_there_end_after_their_attempts(anyio_backend: str) -> None:
    began = anyio.current_time()

    outcomes = await fetched(lambda _path, _now: "refused", 300.0, number=16)

    assert all("not saved in 5 attempts: ConnectError: Connection refused" in words for words in outcomes)
    assert anyio.current_time() - began < 5 * CAP


@pytest.mark.anyio
async def test_a_batch_waits_for_the_host_of_its_pictures(tmp_path: Path) -> None:
    first_saved = anyio.Event()

    async def requests() -> AsyncIterator[str]:
        yield "a kite"
        await first_saved.wait()
        yield "a weir"

    with PictureServer() as server:
        both = threading.Barrier(2)  # neither is asked for again before the other has failed as often
        link = server.play("/a.png", picture(PNG), *[together(both, answer(503, b"busy"))] * 24, picture(PNG))
        server.create(server.accepted())
        # Two pictures of one task are asked for together: neither fails alone.
        server.query(server.completed(link), server.completed(link, link + "?second"))
        async with AsyncImagesClient(
            KEY, base_url=server.base_url, model="m", timeout=5.0, pacing=FixedPacing(0.01)
        ) as client:
            client._downloader.reach = client._downloader.reach._replace(uniform=lambda low, _: low)
            errors = []
            async with client.batch(requests(), download_to=tmp_path, outage_timeout=60.0) as batch:
                async for outcome in batch:
                    errors.append(outcome.error)
                    first_saved.set()

    assert errors == [None] * 2
    assert server.count("/a.png") == 27
