"""Over which transport a request goes, and that nobody notices which but by its speed."""

import gzip
import inspect
import json
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
import respx

from apimodels_async import (
    AsyncImagesClient,
    AuthenticationError,
    ConnectionFailedError,
    ProtocolError,
    SubmissionUnknownError,
    Task,
    TaskState,
    WaitTimeoutError,
    __version__,
)
from apimodels_async._http import answers, lanes
from apimodels_async._http.error_mapping import AIOHTTP_ERRORS, from_aiohttp
from apimodels_async._http.lanes import CONNECTIONS, FAST_CONNECTIONS
from apimodels_async._http.trace import RequestFailed, SendTrace
from apimodels_async._secret import Secret
from apimodels_async.pacing import FixedPacing
from tests.support.picture_server import KEY, PictureServer, answer, bomb, enveloped, picture, raw
from tests.support.pictures import PNG

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("lane")]

ASKED = "/api/v1/images/generations"
PROXIES = [name for each in ("http_proxy", "https_proxy", "all_proxy", "no_proxy") for name in (each, each.upper())]
PENDING = {"taskId": "task-1", "state": "pending"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[PictureServer]:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    with PictureServer() as running:
        running.create(running.accepted())
        running.query(enveloped(PENDING))
        yield running


def client_of(server: PictureServer, **options: Any) -> AsyncImagesClient:
    return AsyncImagesClient(KEY, base_url=server.base_url, model="m", pacing=FixedPacing(0.01), **options)


def done(*links: str) -> Task:
    return Task(id="task-1", state=TaskState.COMPLETED, result_urls=links)


def used(client: AsyncImagesClient) -> set[str]:
    """The lanes that were made."""
    made = vars(client._engine.http.lanes)
    names = {
        "submit": "submit",
        "query": "query",
        "_downloads": "download",
        "fast": "fast",
        "fast_submit": "fast submit",
    }
    return {name for lane, name in names.items() if made.get(lane)}


# --- who takes which


async def test_everything_takes_the_fast_lane_where_there_is_one(
    server: PictureServer, tmp_path: Path, lane: str
) -> None:
    async with client_of(server) as client:
        await client.get("task-1")
        await client.download(done(server.play("/a", picture())), tmp_path)
        assert used(client) == ({"fast"} if lane == "fast" else {"query", "download"})
        await client.create("a cat")
        assert used(client) == ({"fast", "fast submit"} if lane == "fast" else {"query", "download", "submit"})


async def test_creates_load_the_fast_lane_when_there_are_several_and_do_not_wait_for_it(
    server: PictureServer, monkeypatch: pytest.MonkeyPatch, lane: str
) -> None:
    may_load, loaded = threading.Event(), threading.Event()
    load = lanes.load

    def slow_load() -> Any:
        assert may_load.wait(60)
        return load()

    def note_load(self: lanes.Lanes) -> None:
        load_fast(self)
        loaded.set()

    load_fast = lanes.Lanes._load_fast
    monkeypatch.setattr(lanes, "load", slow_load)
    monkeypatch.setattr(lanes.Lanes, "_load_fast", note_load)
    async with client_of(server) as client:
        for _ in range(lanes.FEW):
            await client.create("a cat")
        assert used(client) == {"submit"}
        may_load.set()
        if lane == "fast":
            assert await anyio.to_thread.run_sync(loaded.wait, 60)
        await client.create("a cat")
        assert used(client) == ({"submit", "fast submit"} if lane == "fast" else {"submit"})


async def test_the_creates_of_a_batch_find_the_fast_lane_loaded(server: PictureServer, lane: str) -> None:
    server.query(enveloped({**PENDING, "state": "failed", "code": 400, "msg": "no"}))
    async with client_of(server) as client:
        async with client.batch(["a cat"]) as batch:
            assert [outcome.index async for outcome in batch] == [0]
        assert used(client) == ({"fast", "fast submit"} if lane == "fast" else {"query", "submit"})


async def test_a_large_create_stays_where_an_early_refusal_can_be_read(server: PictureServer, lane: str) -> None:
    async with client_of(server) as client:
        await client.get("task-1")
        await client.create("a" * 70_000)
        assert "submit" in used(client)


async def test_a_create_waits_for_its_turn_with_a_connection_and_nothing_written(
    server: PictureServer, lane: str
) -> None:
    """What is noted before the first byte is noted when the connection stands, and what fails there sends nothing."""
    seen: list[tuple[int, int]] = []

    async def note() -> None:
        seen.append((len(server._connections), server.posts))
        raise OSError("the disk is full")

    async with client_of(server) as client:
        await client.get("task-1")  # the lane is there
        with pytest.raises(RequestFailed, match="the disk is full") as failed:
            await client._engine.http.submit(Secret(b"{}"), SendTrace(note))
    [(connections, posts)] = seen
    assert (connections > 0, posts) == (True, 0)
    assert server.posts == 0
    assert failed.value.trace.provably_unsent


async def test_what_is_slow_to_import_is_imported_beside_the_loop(
    server: PictureServer, monkeypatch: pytest.MonkeyPatch, lane: str
) -> None:
    loaded_in: list[threading.Thread] = []
    load = lanes.load

    def watched_load() -> Any:
        loaded_in.append(threading.current_thread())
        return load()

    monkeypatch.setattr(lanes, "load", watched_load)
    async with client_of(server) as client:
        await client.get("task-1")
        await client.get("task-1")

    assert len(loaded_in) == (lane == "fast")
    assert threading.current_thread() not in loaded_in


async def test_an_extra_that_is_there_and_broken_is_as_if_it_were_not(
    server: PictureServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lane: str
) -> None:
    (tmp_path / "aiohttp.py").write_text("import sys\nsys.no_such_name\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("aiohttp", lanes.FAST):
        monkeypatch.delitem(sys.modules, name, raising=False)
    async with client_of(server) as client:
        assert (await client.get("task-1")).state == "pending"
        assert used(client) == {"query"}
    assert server.queries == 1


async def test_a_client_of_the_callers_own_is_used_for_everything(
    server: PictureServer, tmp_path: Path, lane: str
) -> None:
    seen: list[str] = []

    async def note(request: httpx.Request) -> None:
        seen.append(request.method + request.url.path)

    async with httpx.AsyncClient(event_hooks={"request": [note]}) as http:
        async with client_of(server, http_client=http) as client:
            await client.create("a cat")
            await client.get("task-1")
            await client.download(done(server.play("/a", picture())), tmp_path)
        assert not http.is_closed
    assert seen == [f"POST{ASKED}", f"GET{ASKED}", "GET/a"]


async def test_no_more_connections_are_opened_than_the_lane_may_have(server: PictureServer, lane: str) -> None:
    most = FAST_CONNECTIONS if lane == "fast" else CONNECTIONS
    async with client_of(server) as client:
        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(client.get, "task-1")
        assert server.queries == 100
        assert 1 < len(server._connections) <= most


@pytest.mark.parametrize("name", ["HTTP_PROXY", "all_proxy"])
async def test_a_proxy_of_the_environment_gets_queries_and_downloads(
    server: PictureServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, server.origin)
    server.play("http://pictures.test/a", picture())
    server._plays[f"GET http://api.test{ASKED}"] = [enveloped(PENDING)]
    with pytest.warns(UserWarning, match="plain http"):
        client = AsyncImagesClient(KEY, base_url="http://api.test/api/v1")
    async with client:
        await client.get("task-1")
        # A download refuses plain http to another machine, so the transport is asked itself.
        async with client._engine.http.stream("http://pictures.test/a") as stream:
            assert b"".join([chunk async for chunk in stream.chunks]) == PNG
    assert [each.target for each in server.seen] == [
        f"http://api.test{ASKED}?task_id=task-1",
        "http://pictures.test/a",
    ]


SLOW_START = """
import sys
{first}
import anyio
from apimodels_async import AsyncImagesClient

async def main():
    async with AsyncImagesClient("k", base_url=sys.argv[1], model="m") as client:
        await client.create("a cat")
        before = "aiohttp" in sys.modules
        await client.get("task-1")
        print(before, "aiohttp" in sys.modules)

anyio.run(main, backend=sys.argv[2])
"""


async def test_aiohttp_is_imported_by_the_first_query_and_nothing_before(
    server: PictureServer, lane: str, anyio_backend_name: str
) -> None:
    without = "sys.modules['httpx_aiohttp'] = None" if lane == "stock" else ""
    command = [sys.executable, "-c", SLOW_START.format(first=without), server.base_url, anyio_backend_name]
    ended = await anyio.run_process(command, check=False)
    assert ended.stderr == b""
    assert ended.stdout.split() == [b"False", b"True" if lane == "fast" else b"False"]


async def test_what_breaks_while_the_create_is_noted_down_is_provably_unsent(server: PictureServer, lane: str) -> None:
    """The event loop sees the end of the connection before the first byte. (httpx writes into it, and cannot know.)"""
    if lane == "stock":
        pytest.skip("httpx does not look")

    async def note() -> None:
        while not server._connections:  # its thread has not accepted it yet
            await anyio.lowlevel.checkpoint()
        [connection] = server._connections
        connection.shutdown(socket.SHUT_RDWR)
        while not protocol_is_lost():
            await anyio.lowlevel.checkpoint()

    def protocol_is_lost() -> bool:
        [lane] = client._engine.http.lanes.fast_submit._lanes
        connector: Any = lane.pool._session.connector
        (protocol,) = connector._acquired
        return not protocol.is_connected()

    async with client_of(server) as client:
        await client._engine.http.lanes.prepare(fast=True)
        with anyio.fail_after(60), pytest.raises(RequestFailed, match="closed before anything was written") as failed:
            await client._engine.http.submit(Secret(b"{}"), SendTrace(note))
    assert failed.value.trace.provably_unsent
    assert server.posts == 0


# --- whoever stands in for the network sees every request


async def test_a_mock_of_aiohttp_gets_no_create(
    server: PictureServer, monkeypatch: pytest.MonkeyPatch, lane: str
) -> None:
    """It may answer without a connection, so that nothing would be noted before."""
    aiohttp = pytest.importorskip("aiohttp")

    async def mocked(*_: Any, **__: Any) -> None:
        raise AssertionError("asked")

    async with client_of(server) as client:
        await client.get("task-1")  # the lane is there before the mock is
        monkeypatch.setattr(aiohttp.ClientSession, "_request", mocked)
        assert (await client.create("a cat")).id == "task-1"
        assert "submit" in used(client)


async def test_respx_mocks_queries_and_downloads_whichever_lane_there_is(server: PictureServer, tmp_path: Path) -> None:
    async with client_of(server) as client:
        await client.get("task-1")  # the lane is there before the mock is
        with respx.mock:
            query = respx.get(server.origin + ASKED).respond(json={"code": 200, "data": {**PENDING, "model": "mocked"}})
            respx.get(server.origin + "/a").respond(content=PNG)
            assert (await client.get("task-1")).model == "mocked"
            [path] = await client.download(done(server.origin + "/a"), tmp_path)
        assert (await client.get("task-1")).model is None
    assert (query.call_count, server.queries, path.read_bytes()) == (1, 2, PNG)


async def test_respx_in_its_other_way_is_seen_too(server: PictureServer) -> None:
    with respx.mock(using="httpx") as router:
        router.get(server.origin + ASKED).respond(json={"code": 200, "data": PENDING})
        async with client_of(server) as client:
            await client.get("task-1")
    assert server.queries == 0


async def test_a_transport_that_was_replaced_is_seen_too(
    server: PictureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def mocked(_: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"code": 200, "data": PENDING})

    async with client_of(server) as client:
        await client.get("task-1")
        monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", mocked)
        await client.get("task-1")
    assert server.queries == 1


# --- what is on the wire is the same


async def test_a_query_carries_the_key_and_no_cookie_and_nothing_of_the_environment(
    server: PictureServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.query(
        answer(200, b'{"code": 200, "data": {"taskId": "task-1", "state": "pending"}}', ("Set-Cookie", "a=b; Path=/"))
    )
    async with client_of(server) as client:
        await client.get("task-1")
        await client.get("task-1")
        await client.download(done(server.play("/a", picture())), tmp_path / "out")
    first, second, fetched = server.seen
    for query in (first, second):
        assert query.header("Authorization") == [f"Bearer {KEY}"]
        assert query.header("Accept") == ["application/json"]
        assert query.header("User-Agent") == [f"apimodels-async/{__version__}"]
        assert query.header("Cookie") == []
        assert query.header("Host") == [server.origin.removeprefix("http://")]
        assert query.body == b""
    assert fetched.header("Authorization") == fetched.header("Cookie") == []
    assert fetched.header("Accept-Encoding") == ["identity"]


@pytest.mark.parametrize("odd", ["a b", "a+b", "a&b=c", "a/b?c#d", "äß", "%2F", "'~*"])
async def test_an_odd_task_id_arrives_as_it_is(server: PictureServer, odd: str) -> None:
    server.query(enveloped({"taskId": odd, "state": "pending"}))
    async with client_of(server) as client:
        assert (await client.get(odd)).id == odd
    assert httpx.URL(server.origin + server.seen[0].target).params["task_id"] == odd


@pytest.mark.parametrize(
    "target",
    [
        "/a?X-Amz-Credential=k%2F20261122%2Fauto&X-Amz-Date=20261122T120000Z&X-Amz-Signature=0f",
        "/a?sig=a%2Bb%3D%3D&se=2026-11-22T12%3A00%3A00Z",
        "/a?Policy=ey_J~-&Key-Pair-Id=K",
        "/a%20b?c=%7E",
        "/a?b=%41",
        "/a?",
    ],
)
async def test_a_signed_link_is_asked_for_byte_by_byte_as_it_came(
    server: PictureServer, tmp_path: Path, target: str
) -> None:
    url = server.play(target, picture())
    async with client_of(server) as client:
        await client.download(done(url), tmp_path)
    assert server.seen[0].target == str(httpx.URL(url)).removeprefix(server.origin)


async def test_an_answer_may_be_packed(server: PictureServer) -> None:
    packed = gzip.compress(b'{"code": 200, "data": {"taskId": "task-1", "state": "pending"}}')
    server.query(answer(200, packed, ("Content-Encoding", "gzip")))
    async with client_of(server) as client:
        assert (await client.get("task-1")).state == "pending"
    assert "gzip" in server.seen[0].header("Accept-Encoding")[0]


async def test_an_answer_may_have_long_headers(server: PictureServer) -> None:
    body = b'{"code": 401, "msg": "no"}'
    long = [("Content-Security-Policy", "x" * 20_000), ("X-Request-Id", "r-1"), ("Retry-After", "7")]
    server.query(answer(401, body, *long))
    async with client_of(server) as client:
        with pytest.raises(AuthenticationError) as refused:
            await client.get("task-1")
    assert (refused.value.request_id, refused.value.retry_after) == ("r-1", 7.0)


# --- answers that never end


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_ANSWER", 1 << 20)


LONG = answer(200, b'{"code": 200, "data": "' + b"x" * (2 << 20) + b'"}')


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("reply", [LONG, bomb(64 << 20)], ids=["long", "bomb"])
async def test_an_answer_that_is_too_long_is_no_answer(server: PictureServer, reply: Any) -> None:
    server.query(reply)
    async with client_of(server) as client:
        with pytest.raises(ProtocolError, match="too long") as odd:
            await client.get("task-1")
        with pytest.raises(WaitTimeoutError):
            await client.wait("task-1", timeout=0.1)
        server.query(enveloped(PENDING))
        await client.get("task-1")
    assert odd.value.task_id == "task-1"
    assert len(odd.value.body) < 10_000
    assert server.all_closed()


@pytest.mark.usefixtures("_short")
async def test_a_create_whose_answer_is_too_long_is_unknown(server: PictureServer) -> None:
    server.create(LONG)
    async with client_of(server) as client:
        with pytest.raises(SubmissionUnknownError, match="too long"):
            await client.create("a cat")
    assert server.posts == 1


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("wrap", ['{"data": %s}', '{"code": 200, "data": {"data": %s}}'])
async def test_of_pictures_that_are_too_long_for_an_answer_the_links_are_taken(
    server: PictureServer, wrap: str, packed: bool
) -> None:
    pictures = [{"b64_json": "x" * 700_000, "url": f"https://host/{at}.png"} for at in range(4)]
    body = (wrap % json.dumps(pictures)).encode()
    server.create(answer(200, gzip.compress(body), ("Content-Encoding", "gzip")) if packed else answer(200, body))
    async with client_of(server) as client:
        task = await client.create("a cat")
    assert task.result_urls == tuple(f"https://host/{at}.png" for at in range(4))
    assert server.posts == 1


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize(
    "data",
    [
        [{"b64_json": "x" * 700_000, "url": "https://host/0.png"}, {"b64_json": "x" * 700_000}],
        {"taskId": "t", "state": "completed", "resultUrls": ["data:image/png;base64," + "x" * 2_000_000]},
    ],
    ids=["a picture without a link", "links that are the pictures"],
)
async def test_a_picture_without_a_link_is_not_left_out_silently(server: PictureServer, data: object) -> None:
    server.create(answer(200, json.dumps({"code": 200, "data": data}).encode()))
    async with client_of(server) as client:
        with pytest.raises(SubmissionUnknownError, match="too long") as unknown:
            await client.create("a cat")
    assert isinstance(unknown.value.__cause__, ProtocolError)
    assert '"data": ' in unknown.value.__cause__.body


@pytest.mark.usefixtures("_short")
async def test_pictures_inside_an_answer_are_not_too_long(server: PictureServer) -> None:
    server.create(answer(200, b'{"data": [{"b64_json": "' + b"x" * 900_000 + b'"}]}'))
    async with client_of(server) as client:
        assert len((await client.create("a cat")).result_urls[0]) > 900_000


# --- faults have httpx's names


async def test_a_broken_answer_is_told_in_httpx_words_and_shows_no_header(server: PictureServer) -> None:
    for broken in (raw(b""), raw(b"what?\r\n\r\n"), raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")):
        server.query(broken)
        async with client_of(server) as client:
            with pytest.raises(ConnectionFailedError) as failed:
                await client.get("task-1")
        cause = failed.value.__cause__
        assert isinstance(cause, httpx.RemoteProtocolError)
        assert cause.__cause__ is None or "aiohttp" not in type(cause.__cause__).__module__
        assert KEY not in repr(cause) + repr(cause.__context__)


async def test_a_refused_connection_is_told_in_httpx_words(server: PictureServer) -> None:
    async with AsyncImagesClient(KEY, base_url="http://127.0.0.1:9/api/v1") as client:
        with pytest.raises(ConnectionFailedError) as failed:
            await client.get("task-1")
    assert type(failed.value.__cause__) is httpx.ConnectError


def test_every_error_of_aiohttp_has_a_name_of_httpx() -> None:
    aiohttp = pytest.importorskip("aiohttp")
    errors = [each for _, each in inspect.getmembers(aiohttp, inspect.isclass) if issubclass(each, aiohttp.ClientError)]

    def named(kind: Any) -> type[httpx.TransportError] | None:
        return from_aiohttp(kind.__new__(kind))

    assert len(errors) > 15
    assert [each for each in errors if named(each) is None] == []
    assert {theirs: named(getattr(aiohttp, theirs)) for theirs in AIOHTTP_ERRORS} == AIOHTTP_ERRORS
    assert named(ValueError) is None
