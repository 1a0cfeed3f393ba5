"""Downloads: whole or nothing, under our own names, without hurting anybody, whatever the host of the pictures does."""

import base64
import errno
import os
import shutil
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import BufferedWriter
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest

from apimodels_async import AsyncImagesClient, ConfigurationError, DownloadError, ResultExpiredError, Task, TaskState
from apimodels_async._download import part_file, picture_fetch, tally
from apimodels_async.pacing import FixedPacing
from tests.support.picture_server import (
    KEY,
    PictureServer,
    Reply,
    answer,
    bomb,
    broken_chunks,
    chunked,
    drip,
    enveloped,
    head,
    picture,
    raw,
    redirect,
    reset,
    short,
    silent,
    until_close,
)
from tests.support.pictures import GIF, JPEG, PNG, WEBP, chunk

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("lane")]

HTML = answer(200, b"<!doctype html><p>Sign in to the hotel's network")


@pytest.fixture
def server() -> Iterator[PictureServer]:
    with PictureServer() as running:
        yield running


@pytest.fixture(scope="session")
def trust() -> ssl.SSLContext:
    return httpx.create_ssl_context()


@pytest.fixture(autouse=True)
def _read_the_certificates_once(trust: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are half of what a client costs, and nothing here is encrypted."""
    monkeypatch.setattr(httpx, "create_ssl_context", lambda **_: trust)


@pytest.fixture(autouse=True)
def _no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries follow at once; how long they wait is a rule with tests of its own."""
    monkeypatch.setattr(picture_fetch, "full_jitter", lambda *_: 0.0)


def done(*links: str, task_id: str | None = "task-1", age: float = 3600.0) -> Task:
    """A task that was completed `age` seconds ago."""
    return Task(
        id=task_id,
        state=TaskState.COMPLETED,
        result_urls=links,
        complete_time=datetime.now(UTC) - timedelta(seconds=age),
    )


async def fetch(server: PictureServer, task: Task, out: Path, **options: Any) -> list[Path]:
    """One download by a client of its own, which leaves no connection behind."""
    try:
        async with AsyncImagesClient(KEY, base_url=server.base_url, timeout=5.0) as client:
            return await client.download(task, out, **options)
    finally:
        assert server.all_closed()


def names(directory: Path) -> list[str]:
    return sorted(each.name for each in directory.iterdir()) if directory.exists() else []


# --- what is good


@pytest.mark.parametrize("send", [picture, chunked, until_close], ids=lambda send: send.__name__)
@pytest.mark.parametrize(
    ("data", "suffix"), [(PNG, "png"), (JPEG, "jpg"), (WEBP, "webp"), (GIF, "gif")], ids=["png", "jpeg", "webp", "gif"]
)
async def test_a_picture_is_saved_whole_however_it_is_framed(
    server: PictureServer, tmp_path: Path, send: Callable[[bytes], Reply], data: bytes, suffix: str
) -> None:
    paths = await fetch(server, done(server.play("/a", send(data))), tmp_path / "deep" / "out")
    assert paths == [tmp_path / "deep" / "out" / f"task-1-0.{suffix}"]
    assert paths[0].read_bytes() == data
    assert names(paths[0].parent) == [paths[0].name]
    assert server.count("/a") == 1


async def test_the_suffix_comes_from_the_bytes_not_from_the_server(server: PictureServer, tmp_path: Path) -> None:
    liar = picture(WEBP, ("Content-Type", "image/png"), ("Content-Disposition", 'attachment; filename="../../x.exe"'))
    (path,) = await fetch(server, done(server.play("/a.jpg", liar)), tmp_path)
    assert path.name == "task-1-0.webp"


async def test_a_picture_over_an_older_one_replaces_it(server: PictureServer, tmp_path: Path) -> None:
    (tmp_path / "task-1-0.png").write_bytes(b"older")
    (path,) = await fetch(server, done(server.play("/a", picture())), tmp_path)
    assert path.read_bytes() == PNG


# --- what is bad once


HURTS_ONCE: dict[str, Reply] = {
    "shorter than its Content-Length": short(PNG),
    "reset midway": reset(PNG),
    "chunks without an end": broken_chunks(PNG),
    "a PNG cut off, with a length": picture(PNG[:-4]),
    "a PNG cut off, without a length": until_close(PNG[:-12]),
    "a JPEG cut off, with a length": picture(JPEG[:-2]),
    "a JPEG cut off, without a length": until_close(JPEG[:-1]),
    "a WebP cut off, with a length": picture(WEBP[:-1]),
    "a WebP cut off, without a length": until_close(WEBP[:-1]),
    "a page in place of the picture": HTML,
    "nothing at all": answer(200),
    "204": answer(204),
    "206, half of it": answer(206, PNG[:40]),
    "compressed although that was declined": bomb(1 << 20),
    "closed without an answer": raw(b""),
    "no HTTP": raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "a length that is no number": raw(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n" + PNG),
    "408": answer(408),
    "429 with Retry-After: 0": answer(429, b"", ("Retry-After", "0")),
    "500": answer(500, b"<html>"),
    "502": answer(502),
    "503 with Retry-After: 0": answer(503, b"", ("Retry-After", "0")),
}


@pytest.mark.parametrize("fault", HURTS_ONCE)
async def test_what_goes_wrong_once_is_tried_again(server: PictureServer, tmp_path: Path, fault: str) -> None:
    (path,) = await fetch(server, done(server.play("/a", HURTS_ONCE[fault], picture())), tmp_path)
    assert path.read_bytes() == PNG
    assert names(tmp_path) == ["task-1-0.png"]
    assert server.count("/a") == 2
    assert server.posts == server.queries == 0


@pytest.mark.parametrize("fault", HURTS_ONCE)
async def test_what_goes_wrong_for_ever_ends_after_five_attempts_with_nothing_on_disk(
    server: PictureServer, tmp_path: Path, fault: str
) -> None:
    with pytest.raises(DownloadError, match="task task-1: picture 0 not saved in 5 attempts") as caught:
        await fetch(server, done(server.play("/a", HURTS_ONCE[fault])), tmp_path)
    assert type(caught.value) is DownloadError
    assert caught.value.task_id == "task-1"
    assert names(tmp_path) == []
    assert server.count("/a") == 5
    assert server.posts == server.queries == 0


async def test_a_silent_host_is_left_at_the_read_timeout(server: PictureServer, tmp_path: Path) -> None:
    url = server.play("/a", silent(), silent(head(200, ("Content-Length", "900")) + PNG[:50]), picture())
    async with AsyncImagesClient(KEY, base_url=server.base_url, timeout=0.2) as client:
        (path,) = await client.download(done(url), tmp_path)
    assert path.read_bytes() == PNG
    assert server.count("/a") == 3


async def test_a_failed_download_leaves_the_older_picture_alone(server: PictureServer, tmp_path: Path) -> None:
    (tmp_path / "task-1-0.png").write_bytes(PNG)
    with pytest.raises(DownloadError):
        await fetch(server, done(server.play("/a", short(PNG))), tmp_path)
    assert names(tmp_path) == ["task-1-0.png"]
    assert (tmp_path / "task-1-0.png").read_bytes() == PNG


async def test_retry_after_is_waited_for(server: PictureServer, tmp_path: Path) -> None:
    url = server.play("/a", answer(429, b"", ("Retry-After", "0.3")), picture())
    started = time.monotonic()
    await fetch(server, done(url), tmp_path)
    assert time.monotonic() - started >= 0.3


async def test_retry_after_beyond_the_deadline_ends_at_once_and_says_why(server: PictureServer, tmp_path: Path) -> None:
    url = server.play("/a", answer(429, b"", ("Retry-After", "3600")))
    with pytest.raises(DownloadError, match="not saved within 600 s: HTTP 429"):
        await fetch(server, done(url), tmp_path)
    assert server.count("/a") == 1


# --- time and size


async def test_a_byte_now_and_then_is_given_up_for_its_rate(
    server: PictureServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally, "RATE_WINDOW", 0.4)
    (path,) = await fetch(server, done(server.play("/a", drip(JPEG, 0.1), picture(JPEG))), tmp_path)
    assert path.read_bytes() == JPEG
    assert names(tmp_path) == ["task-1-0.jpg"]
    assert server.count("/a") == 2


async def test_a_byte_now_and_then_for_ever_is_a_download_error(
    server: PictureServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally, "RATE_WINDOW", 0.1)
    with pytest.raises(DownloadError, match="not saved in 5 attempts: slower than 1024 bytes a second"):
        await fetch(server, done(server.play("/a", drip(JPEG, 0.06, first=0))), tmp_path)
    assert names(tmp_path) == []


async def test_the_rate_may_be_as_low_as_one_likes(
    server: PictureServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally, "RATE_WINDOW", 0.05)
    url = server.play("/a", drip(PNG, 0.03, first=len(PNG) - 10))
    (path,) = await fetch(server, done(url), tmp_path, min_rate=0)
    assert path.read_bytes() == PNG
    assert server.count("/a") == 1


@pytest.mark.parametrize(
    "reply",
    [silent(), silent(head(200, ("Content-Length", "900")) + PNG[:50]), drip(JPEG, 0.05)],
    ids=["before the answer", "in the body", "drip by drip"],
)
async def test_a_picture_has_a_deadline(server: PictureServer, tmp_path: Path, reply: Reply) -> None:
    with pytest.raises(DownloadError, match=r"not saved within 0\.3 s") as caught:
        await fetch(server, done(server.play("/a", reply)), tmp_path, timeout=0.3)
    assert caught.value.task_id == "task-1"
    assert names(tmp_path) == []


async def test_the_deadline_is_for_all_attempts_together(server: PictureServer, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"not saved within 0\.3 s: HTTP 500"):
        await fetch(server, done(server.play("/a", answer(500), silent())), tmp_path, timeout=0.3)
    assert server.count("/a") == 2


async def test_what_is_announced_too_long_is_not_read(server: PictureServer, tmp_path: Path) -> None:
    url = server.play("/a", silent(head(200, ("Content-Length", str(1 << 40))) + PNG))
    with pytest.raises(DownloadError, match=r"refused: it is 1099511627776 bytes; .*max_bytes"):
        await fetch(server, done(url), tmp_path)
    assert server.count("/a") == 1
    assert names(tmp_path) == []


@pytest.mark.parametrize("send", [chunked, until_close], ids=lambda send: send.__name__)
async def test_what_is_longer_than_allowed_is_cut_off(
    server: PictureServer, tmp_path: Path, send: Callable[..., Reply]
) -> None:
    body = PNG[:33] + bytes(3 << 20)
    url = server.play("/a", send(body, 4096) if send is chunked else send(body))
    with pytest.raises(DownloadError, match="longer than 1000000 bytes"):
        await fetch(server, done(url), tmp_path, max_bytes=1_000_000)
    assert server.count("/a") == 1
    assert names(tmp_path) == []


async def test_a_picture_of_exactly_the_allowed_size_is_taken(server: PictureServer, tmp_path: Path) -> None:
    await fetch(server, done(server.play("/a", picture())), tmp_path, max_bytes=len(PNG))
    with pytest.raises(DownloadError):
        await fetch(server, done(server.play("/a", picture())), tmp_path, max_bytes=len(PNG) - 1)


# --- gone


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_a_picture_that_is_not_there_yet_is_asked_for_again(
    server: PictureServer, tmp_path: Path, status: int
) -> None:
    url = server.play("/a", answer(status), answer(status), answer(status), picture())
    (path,) = await fetch(server, done(url, age=1.0), tmp_path)
    assert path.read_bytes() == PNG
    assert (server.count("/a"), server.queries, server.posts) == (4, 0, 0)


DAY = 24 * 3600.0


@pytest.mark.parametrize("status", [403, 404, 410])
@pytest.mark.parametrize(
    ("age", "expired"),
    [(1.0, False), (3600.0, False), (23 * 3600.0, False), (25 * 3600.0, True), (30 * DAY, True)],
    ids=["fresh", "an hour old", "23 hours old", "25 hours old", "a month old"],
)
async def test_a_picture_that_is_gone_is_looked_up_once_and_never_made_again(
    server: PictureServer, tmp_path: Path, status: int, age: float, expired: bool
) -> None:
    url = server.play("/a", answer(status))
    server.query(server.completed(url))
    with pytest.raises(DownloadError, match=f"HTTP {status}") as caught:
        await fetch(server, done(url, age=age), tmp_path)
    assert isinstance(caught.value, ResultExpiredError) is expired
    assert caught.value.task_id == "task-1"
    requests = 5 if age < 60.0 else 1
    assert (server.count("/a"), server.queries, server.posts) == (requests, 1, 0)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access\nDenied</Message></Error>",
            "Access Denied",
        ),
        (b"<html><head><title>403 Forbidden &amp; gone</title></head>", "403 Forbidden & gone"),
        (b'{"error": "signature has expired"}', "signature has expired"),
        (b"no such object\n", "no such object"),
    ],
    ids=["xml", "html", "json", "text"],
)
async def test_a_refusal_by_the_host_keeps_its_words(
    server: PictureServer, tmp_path: Path, body: bytes, words: str
) -> None:
    url = server.play("/a", answer(403, body))
    server.query(server.completed(url))
    with pytest.raises(DownloadError, match=f"its host says HTTP 403: {words}"):
        await fetch(server, done(url), tmp_path)


@pytest.mark.parametrize("age", [1.0, 30 * DAY], ids=["fresh", "a month old"])
@pytest.mark.parametrize("status", [400, 401, 402, 405, 406, 409, 414, 416, 431, 451])
async def test_a_refusal_that_will_not_change_is_an_error_at_once(
    server: PictureServer, tmp_path: Path, status: int, age: float
) -> None:
    url = server.play("/a", answer(status, b"<Message>not for you</Message>"))
    server.query(server.completed(url))
    with pytest.raises(DownloadError, match=f"its host says HTTP {status}: not for you") as caught:
        await fetch(server, done(url, age=age), tmp_path)
    assert not isinstance(caught.value, ResultExpiredError)
    assert (server.count("/a"), server.queries, server.posts) == (1, 1, 0)
    assert names(tmp_path) == []


async def test_a_new_link_is_taken_after_a_refusal_too(server: PictureServer, tmp_path: Path) -> None:
    refused, live = server.play("/refused", answer(400, b"token has expired")), server.play("/live", picture())
    server.query(server.completed(live))
    (path,) = await fetch(server, done(refused), tmp_path)
    assert path.name == "task-1-0.png"
    assert (server.count("/refused"), server.count("/live")) == (1, 1)


@pytest.mark.parametrize("status", [408, 421, 423, 425, 429])
async def test_a_refusal_of_the_moment_is_tried_again(server: PictureServer, tmp_path: Path, status: int) -> None:
    url = server.play("/a", answer(status), picture())
    (path,) = await fetch(server, done(url), tmp_path)
    assert path.name == "task-1-0.png"
    assert (server.count("/a"), server.queries) == (2, 0)


async def test_a_task_with_more_pictures_than_any_has_is_refused_at_once(server: PictureServer, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="1001 links to pictures; at most 1000") as caught:
        await fetch(server, done(*[server.play("/a", picture())] * 1001), tmp_path)
    assert caught.value.task_id == "task-1"
    assert server.received == 0
    assert names(tmp_path) == []


async def test_a_new_link_is_taken_where_the_api_has_one(server: PictureServer, tmp_path: Path) -> None:
    dead, live = server.play("/dead", answer(404)), server.play("/live", picture())
    server.query(server.completed(live))
    (path,) = await fetch(server, done(dead), tmp_path)
    assert path.name == "task-1-0.png"
    assert (server.count("/dead"), server.count("/live"), server.queries, server.posts) == (1, 1, 1, 0)


async def test_a_new_link_that_is_dead_as_well_is_the_end(server: PictureServer, tmp_path: Path) -> None:
    dead, other = server.play("/dead", answer(404)), server.play("/other", answer(404))
    server.query(server.completed(other))
    with pytest.raises(ResultExpiredError):
        await fetch(server, done(dead, age=30 * DAY), tmp_path)
    assert (server.queries, server.posts) == (1, 0)


@pytest.mark.parametrize(
    "reply",
    [
        enveloped(None, 404, "no such task", 404),
        enveloped(None, 500, "oops", 500),
        answer(200, b"<html>"),
        raw(b""),
        enveloped({"taskId": "task-1", "state": "completed"}),
    ],
    ids=["404", "500", "a page", "no answer", "no links"],
)
async def test_a_lookup_that_fails_leaves_the_picture_expired(
    server: PictureServer, tmp_path: Path, reply: Reply
) -> None:
    server.query(reply)
    with pytest.raises(ResultExpiredError) as caught:
        await fetch(server, done(server.play("/a", answer(404)), age=30 * DAY), tmp_path)
    assert caught.value.task_id == "task-1"
    assert (server.queries, server.posts) == (1, 0)


async def test_a_picture_of_no_task_cannot_be_looked_up(server: PictureServer, tmp_path: Path) -> None:
    with pytest.raises(ResultExpiredError) as caught:
        await fetch(server, done(server.play("/a", answer(404)), task_id=None, age=30 * DAY), tmp_path)
    assert caught.value.task_id is None
    assert server.queries == 0


async def test_age_is_told_by_the_servers_own_clock(server: PictureServer, tmp_path: Path) -> None:
    """By the clock here the task is an hour old; by the server's it has just been done."""
    task = done("", age=3600.0)
    assert task.complete_time is not None
    date = (task.complete_time + timedelta(seconds=2)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    url = server.play("/a", answer(404, b"", ("Date", date)), picture())
    await fetch(server, Task(id="t", state=task.state, result_urls=(url,), complete_time=task.complete_time), tmp_path)
    assert server.count("/a") == 2


# --- redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_three_redirects_are_followed(server: PictureServer, tmp_path: Path, status: int) -> None:
    url = server.play("/1", redirect("/2", status))
    server.play("/2", redirect(server.origin + "/deep/3", status))
    server.play("/deep/3", redirect("4?size=full", status))
    server.play("/deep/4", picture())
    (path,) = await fetch(server, done(url), tmp_path)
    assert path.name == "task-1-0.png"
    assert [seen.target for seen in server.seen] == ["/1", "/2", "/deep/3", "/deep/4?size=full"]


async def test_a_fourth_redirect_is_refused(server: PictureServer, tmp_path: Path) -> None:
    url = server.play("/1", redirect("/1"))
    with pytest.raises(DownloadError, match="refused: more than 3 redirects"):
        await fetch(server, done(url), tmp_path)
    assert server.count("/1") == 4
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "location",
    [
        None,
        "",
        "http://pictures.invalid/a.png",
        "http://user:password@127.0.0.1/a.png",
        "https://user@pictures.invalid/a.png",
        "file:///etc/passwd",
        "ftp://pictures.invalid/a.png",
        "data:image/png;base64,iVBORw0KGgo=",
        "http://[::1",
        "https:///a.png",
        "https://127.1:1/a.png",
        "https://2130706433:1/a.png",
    ],
)
async def test_a_redirect_to_where_no_picture_may_be_fetched_from_is_refused(
    server: PictureServer, tmp_path: Path, location: str | None
) -> None:
    with pytest.raises(DownloadError, match=r"refused|Invalid ?URL") as caught:
        await fetch(server, done(server.play("/1", redirect(location))), tmp_path)
    assert caught.value.task_id == "task-1"
    assert "password" not in str(caught.value)
    assert {seen.path for seen in server.seen} == {"/1"}


@pytest.mark.parametrize(
    "link", ["http://127.0.0.1:{port}/a", "https://localhost:{port}/a", "https://127.1:{port}/a", "https://0:{port}/a"]
)
async def test_a_server_elsewhere_cannot_make_us_knock_at_our_own_doors(
    server: PictureServer, tmp_path: Path, link: str
) -> None:
    port = server.origin.rpartition(":")[2]
    server.play("/a", picture())
    async with AsyncImagesClient(KEY, base_url="https://api.invalid/v1") as client:
        with pytest.raises(DownloadError, match="refused"):
            await client.download(done(link.format(port=port)), tmp_path)
    assert server.received == 0


# --- names


@pytest.mark.parametrize(
    "path", ["/%2f..%2f..%2fetc%2fpasswd", "/a%00.png", "/a%0d%0ab.png", "/%2e%2e/%2e%2e/x", "/a/../../x.png", "/CON"]
)
async def test_the_name_of_a_link_is_never_used(server: PictureServer, tmp_path: Path, path: str) -> None:
    server.play("/x", picture())
    server.play("/x.png", picture())
    server.play(path, picture())
    (saved,) = await fetch(server, done(server.origin + path), tmp_path / "out")
    assert saved == tmp_path / "out" / "task-1-0.png"
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("character", ["\r\n", "\0", "\x7f", "\ud800"], ids=ascii)
async def test_a_link_that_is_no_url_is_refused_before_a_byte_is_sent(
    server: PictureServer, tmp_path: Path, character: str
) -> None:
    with pytest.raises(DownloadError, match="refused") as caught:
        await fetch(server, done(f"{server.origin}/a{character}b"), tmp_path)
    assert caught.value.task_id == "task-1"
    assert server.received == 0


@pytest.mark.parametrize(
    "task_id",
    ["../../evil", "/etc/passwd", "a\0b", "C:\\x", "..", "x" * 300, "über"],
    ids=lambda text: ascii(text)[:12],
)
async def test_a_task_id_cannot_lead_out_of_the_directory(server: PictureServer, tmp_path: Path, task_id: str) -> None:
    (path,) = await fetch(server, done(server.play("/a", picture()), task_id=task_id), tmp_path / "out")
    assert path.parent == tmp_path / "out"
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == [path.name]


async def test_pictures_of_no_task_have_names_that_do_not_clash(server: PictureServer, tmp_path: Path) -> None:
    first, second = server.play("/1", picture()), server.play("/2", picture())
    for url in (first, second, first):
        await fetch(server, done(url, task_id=None), tmp_path)
    assert len(names(tmp_path)) == 2


# --- nothing of the API reaches the host of the pictures


SENT = {"host", "accept", "accept-encoding", "user-agent"}


async def test_no_header_of_the_api_reaches_the_pictures_not_even_over_redirects(
    server: PictureServer, tmp_path: Path
) -> None:
    server.create(server.accepted())
    cookie = ("Set-Cookie", "tracked=yes; Path=/")
    url = server.play("/1", redirect("/2", 302, cookie))
    server.play("/2", redirect("/3", 307, cookie))
    server.play("/3", picture(PNG, cookie))
    server.query(server.completed(url))
    async with AsyncImagesClient(KEY, base_url=server.base_url, model="m") as client:
        task = await client.generate("a cat", pacing=FixedPacing(0.01))
        await client.download(task, tmp_path)
        await client.download(task, tmp_path)
    assert len(server.pictures()) == 6
    for seen in server.pictures():
        assert {name.lower() for name, _ in seen.headers} == SENT
        assert seen.header("accept-encoding") == ["identity"]
        assert KEY not in str(seen)


async def test_nothing_of_a_clients_own_http_client_reaches_the_pictures(server: PictureServer, tmp_path: Path) -> None:
    server.query(server.completed(server.play("/live", picture())))
    dead = server.play("/dead", redirect("/deader"))
    server.play("/deader", answer(404))
    async with httpx.AsyncClient(
        headers={"Authorization": "Bearer canary-1", "X-Api-Key": "canary-2", "Referer": "https://canary-3.invalid"},
        cookies={"session": "canary-4"},
        auth=("user", "canary-5"),
        params={"token": "canary-6"},
        follow_redirects=True,
    ) as own:
        async with AsyncImagesClient(KEY, base_url=server.base_url, http_client=own) as client:
            await client.download(done(dead), tmp_path)
        assert not own.is_closed
    assert [seen.path for seen in server.pictures()] == ["/dead", "/deader", "/live"]
    for seen in server.pictures():
        assert {name.lower() for name, _ in seen.headers} == SENT
        assert "canary" not in str(seen)
        assert KEY not in str(seen)
    assert server.queries == 1


async def test_the_event_hooks_of_a_clients_own_http_client_see_downloads(
    server: PictureServer, tmp_path: Path
) -> None:
    urls: list[str] = []

    async def note(request: httpx.Request) -> None:
        urls.append(str(request.url))

    url = server.play("/a", picture())
    async with (
        httpx.AsyncClient(event_hooks={"request": [note]}) as own,
        AsyncImagesClient(KEY, base_url=server.base_url, http_client=own) as client,
    ):
        await client.download(done(url), tmp_path)
    assert urls == [url]


# --- the disk


def _full(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class _FullFile:
    """A file on a full disk: nothing can be written, not even what is left over when it is closed."""

    def __init__(self, file: BufferedWriter) -> None:
        self.file = file
        self.write = _full

    def close(self) -> None:
        self.file.close()
        _full()


@pytest.mark.parametrize("where", ["write", "fsync", "rename"])
async def test_a_full_disk_leaves_nothing_and_is_not_tried_again(
    server: PictureServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    if where == "fsync":
        monkeypatch.setattr(os, "fsync", _full)
    elif where == "rename":
        monkeypatch.setattr(Path, "replace", _full)
    else:
        begin = part_file.PartFile.begin

        def begin_full(self: part_file.PartFile) -> None:
            begin(self)
            monkeypatch.setattr(self, "_file", _FullFile(self._begun))

        monkeypatch.setattr(part_file.PartFile, "begin", begin_full)
    big = PNG[:33] + chunk(b"IDAT", bytes(3 << 20)) + PNG[-12:]
    with pytest.raises(DownloadError, match=r"cannot be written: .*No space left") as caught:
        await fetch(server, done(server.play("/a", picture(big))), tmp_path)
    assert caught.value.task_id == "task-1"
    assert isinstance(caught.value.__cause__, OSError)
    assert names(tmp_path) == []
    assert (server.count("/a"), server.posts) == (1, 0)


FULL = """
import sys, anyio
from pathlib import Path
from apimodels_async import AsyncImagesClient, DownloadError, Task, TaskState
async def main(backend, base_url, url, out):
    task = Task(id="task-1", state=TaskState.COMPLETED, result_urls=(url,))
    async with AsyncImagesClient("sk_x", base_url=base_url) as client:
        try:
            await client.download(task, out)
        except DownloadError as error:
            print(error, [each.name for each in Path(out).iterdir()])
anyio.run(main, *sys.argv[1:], backend=sys.argv[1])
"""


async def test_a_disk_that_is_really_full_leaves_nothing(
    server: PictureServer, tmp_path: Path, anyio_backend_name: str
) -> None:
    mount = 'mount -t tmpfs -o size=256k none "$1" && shift && exec "$@"'
    command = ["unshare", "-rm", "sh", "-c", mount, "sh", str(tmp_path)]
    if shutil.which("unshare") is None or (await anyio.run_process([*command, "true"], check=False)).returncode:
        pytest.skip("no small disk can be mounted here")
    url = server.play("/a", picture(PNG[:33] + chunk(b"IDAT", bytes(1 << 20)) + PNG[-12:]))
    arguments = [sys.executable, "-c", FULL, anyio_backend_name, server.base_url, url, str(tmp_path)]
    ran = await anyio.run_process([*command, *arguments], check=False)
    said = ran.stdout.decode()
    assert "No space left on device" in said, ran.stderr.decode()
    assert said.rstrip().endswith("[]")
    assert server.count("/a") == 1


async def test_a_directory_that_is_a_file_is_a_download_error(server: PictureServer, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(DownloadError, match="cannot be written"):
        await fetch(server, done(server.play("/a", picture())), tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


async def test_a_directory_in_the_pictures_place_is_left_alone(server: PictureServer, tmp_path: Path) -> None:
    (tmp_path / "task-1-0.png").mkdir()
    with pytest.raises(DownloadError, match="cannot be written"):
        await fetch(server, done(server.play("/a", picture())), tmp_path)
    assert names(tmp_path) == ["task-1-0.png"]


async def test_a_timeout_of_the_disk_is_not_taken_for_the_deadline(
    server: PictureServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(_: int) -> None:
        raise TimeoutError(errno.ETIMEDOUT, "the network drive is gone")

    monkeypatch.setattr(os, "fsync", hang)
    with pytest.raises(DownloadError, match=r"cannot be written: .*network drive"):
        await fetch(server, done(server.play("/a", picture())), tmp_path, timeout=None)
    assert names(tmp_path) == []


async def test_a_directory_that_cannot_be_flushed_does_not_fail_a_picture_that_is_there(
    server: PictureServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "open", _full)
    (path,) = await fetch(server, done(server.play("/a", picture())), tmp_path)
    assert path.read_bytes() == PNG


# --- several pictures, and odd ones


async def test_pictures_come_in_the_order_of_their_links(server: PictureServer, tmp_path: Path) -> None:
    slow = server.play("/slow", drip(GIF, 0.01, first=len(GIF) - 10))
    quick = [server.play(f"/{at}", picture(data)) for at, data in enumerate((PNG, JPEG))]
    paths = await fetch(server, done(slow, *quick), tmp_path)
    assert [path.name for path in paths] == ["task-1-0.gif", "task-1-1.png", "task-1-2.jpg"]


async def test_one_bad_picture_does_not_cost_the_others(server: PictureServer, tmp_path: Path) -> None:
    good = [server.play(f"/{at}", picture()) for at in range(2)]
    with pytest.raises(DownloadError, match="picture 1 not saved"):
        await fetch(server, done(good[0], server.play("/bad", HTML), good[1]), tmp_path)
    assert names(tmp_path) == ["task-1-0.png", "task-1-2.png"]


async def test_many_pictures_share_a_few_connections(server: PictureServer, tmp_path: Path) -> None:
    links = [server.play(f"/{at}", picture()) for at in range(40)]
    paths = await fetch(server, done(*links), tmp_path)
    assert len(paths) == len(set(paths)) == 40
    assert names(tmp_path) == sorted(path.name for path in paths)


async def test_one_task_downloaded_twice_at_once_is_whole(server: PictureServer, tmp_path: Path) -> None:
    big = PNG[:33] + chunk(b"IDAT", os.urandom(2 << 20)) + PNG[-12:]
    task = done(server.play("/a", picture(big)))
    async with AsyncImagesClient(KEY, base_url=server.base_url) as client, anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(client.download, task, tmp_path)
    assert names(tmp_path) == ["task-1-0.png"]
    assert (tmp_path / "task-1-0.png").read_bytes() == big


@pytest.mark.parametrize(
    "uri",
    [
        "data:image/png;base64," + base64.b64encode(PNG).decode(),
        "DATA:;base64," + base64.b64encode(PNG).decode(),
        "data:," + "".join(f"%{byte:02x}" for byte in PNG),
    ],
    ids=["base64", "no type", "percent"],
)
async def test_a_picture_that_came_inside_the_answer_needs_no_request(
    server: PictureServer, tmp_path: Path, uri: str
) -> None:
    (path,) = await fetch(server, done(uri, task_id=None), tmp_path)
    assert path.read_bytes() == PNG
    assert path.name.startswith("picture-")
    assert server.received == 0


@pytest.mark.parametrize(
    "uri", ["data:image/png;base64,====", "data:image/png", "data:,hello", "data:;base64,iVBORw0KGgo="]
)
async def test_a_data_uri_without_a_picture_is_refused_at_once(
    server: PictureServer, tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_fetch, "full_jitter", lambda *_: pytest.fail("tried again"))
    with pytest.raises(DownloadError, match="refused"):
        await fetch(server, done(uri), tmp_path)
    assert names(tmp_path) == []


async def test_a_data_uri_can_be_too_large(server: PictureServer, tmp_path: Path) -> None:
    uri = "data:;base64," + base64.b64encode(PNG).decode()
    with pytest.raises(DownloadError, match="max_bytes"):
        await fetch(server, done(uri), tmp_path, max_bytes=len(PNG) - 1)


@pytest.mark.parametrize("state", [TaskState.PENDING, TaskState.PROCESSING, TaskState.FAILED, "queued", ""])
async def test_a_task_without_links_has_nothing_to_download(server: PictureServer, tmp_path: Path, state: str) -> None:
    with pytest.raises(DownloadError) as caught:
        await fetch(server, Task(id="task-1", state=state), tmp_path)
    assert caught.value.task_id == "task-1"
    assert server.received == 0


async def test_a_closed_client_downloads_nothing(server: PictureServer, tmp_path: Path) -> None:
    client = AsyncImagesClient(KEY, base_url=server.base_url)
    await client.aclose()
    with pytest.raises(ConfigurationError, match="closed"):
        await client.download(done(server.play("/a", picture())), tmp_path)
    assert server.received == 0


async def test_a_client_closed_under_a_download_ends_it_with_a_clear_error(
    server: PictureServer, tmp_path: Path
) -> None:
    url = server.play("/a", silent(head(200, ("Content-Length", "900")) + PNG[:50]))
    client = AsyncImagesClient(KEY, base_url=server.base_url)
    caught: list[ConfigurationError] = []

    async def download() -> None:
        try:
            await client.download(done(url), tmp_path)
        except ConfigurationError as error:
            caught.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(download)
        assert await anyio.to_thread.run_sync(server.wait_until, lambda: bool(server.seen))
        await client.aclose()
    assert "this client was closed" in str(caught[0])
    assert names(tmp_path) == []
    assert server.all_closed()


async def test_a_date_that_no_calendar_holds_does_no_harm(server: PictureServer, tmp_path: Path) -> None:
    odd = "Sun, 06 Nov 99999999999999999999 08:49:37 GMT"
    (path,) = await fetch(server, done(server.play("/a", picture(PNG, ("Date", odd), ("Retry-After", odd)))), tmp_path)
    assert path.read_bytes() == PNG
