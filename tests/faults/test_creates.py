"""Creates under faults, beyond the matrix: time, quotas, other people's transports, and misuse."""

import json
import os
import subprocess
import sys
import threading
import time
import warnings
from functools import partial
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.to_thread
import httpcore
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apimodels_async import (
    APIError,
    ApimodelsError,
    AsyncImagesClient,
    ConfigurationError,
    ConnectionFailedError,
    RateLimitError,
    SubmissionUnknownError,
    Task,
)
from apimodels_async._http import lanes
from apimodels_async._http.pools import WIDTH
from tests.support.server import Exchange, FaultServer, accept, html, reply, say
from tests.support.virtual import Server, in_turn, most_jitter, refusal, run, success, virtually

PROXIES = [name for word in ("http", "https", "all", "no") for name in (f"{word}_proxy", f"{word}_proxy".upper())]


# --- backoff, deadline and quota, in virtual time


@virtually
async def test_a_429_is_left_alone_for_the_seconds_it_asks_for(anyio_backend: str) -> None:
    server = Server(post=in_turn(partial(refusal, 429, Retry_After="7"), partial(success, taskId="t")))
    async with server.client() as client:
        await client.create("a cat")

    assert len(server.posts) == 2
    assert 7.0 <= server.posts[1] <= 7.5


@virtually
async def test_a_429_with_a_date_is_left_alone_by_the_servers_own_clock(anyio_backend: str) -> None:
    dates = {"Date": "Sun, 06 Nov 1994 08:49:37 GMT", "Retry_After": "Sun, 06 Nov 1994 08:49:49 GMT"}
    server = Server(post=in_turn(partial(refusal, 429, **dates), partial(success, taskId="t")))
    async with server.client() as client:
        await client.create("a cat")

    assert len(server.posts) == 2
    assert 12.0 <= server.posts[1] <= 12.5


@virtually
async def test_backoff_doubles_to_a_cap_and_ends_within_thirty_seconds(anyio_backend: str) -> None:
    server = Server(post=in_turn(partial(refusal, 429)))
    async with server.client(max_retries=100) as client:
        client._engine.submitter._uniform = most_jitter
        with pytest.raises(RateLimitError):
            await client.create("a cat")

    assert server.posts == pytest.approx([0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 23.5])


@virtually
async def test_backoff_is_drawn_from_nought_to_its_bound(anyio_backend: str) -> None:
    drawn: list[tuple[float, float]] = []

    def note(low: float, high: float) -> float:
        drawn.append((low, high))
        return low

    server = Server(post=in_turn(partial(refusal, 429)))
    async with server.client(max_retries=6) as client:
        client._engine.submitter._uniform = note
        with pytest.raises(RateLimitError):
            await client.create("a cat")

    assert drawn == [(0.0, high) for high in (0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0)]
    assert len(server.posts) == 7


@virtually
async def test_a_429_that_asks_for_more_than_the_deadline_is_raised_at_once(anyio_backend: str) -> None:
    server = Server(post=in_turn(partial(refusal, 429, Retry_After="31")))
    async with server.client() as client:
        with pytest.raises(RateLimitError) as error:
            await client.create("a cat")
        assert server.now() == 0.0

    assert error.value.retry_after == 31.0
    assert len(server.posts) == 1


@virtually
async def test_no_retries_means_one_post(anyio_backend: str) -> None:
    server = Server(post=in_turn(partial(refusal, 429)))
    async with server.client(max_retries=0) as client:
        with pytest.raises(RateLimitError):
            await client.create("a cat")

    assert len(server.posts) == 1


@virtually
async def test_two_hundred_refused_creates_share_a_hundred_retries(anyio_backend: str) -> None:
    server = Server(post=in_turn(partial(refusal, 429)))
    refused = 0

    async def create() -> None:
        nonlocal refused
        with pytest.raises(RateLimitError):
            await client.create("a cat")
        refused += 1

    async with server.client() as client, anyio.create_task_group() as tasks:
        for _ in range(200):
            tasks.start_soon(create)

    assert refused == 200
    assert len(server.posts) == 300


@virtually
async def test_a_success_gives_one_retry_back(anyio_backend: str) -> None:
    server = Server(post=in_turn(accepted_now, partial(refusal, 429)))
    async with server.client() as client:
        client._engine.submitter._quota.tokens = 0
        await client.create("a cat")
        with pytest.raises(RateLimitError):
            await client.create("a dog")

    assert len(server.posts) == 3


def accepted_now() -> httpx.Response:
    return success(taskId="t", state="pending")


# --- transports that tell nothing


@pytest.mark.parametrize(
    "error",
    [
        httpx.ReadError("lost"),
        httpx.ReadTimeout("slow"),
        httpx.WriteError("lost"),
        httpx.WriteTimeout("slow"),
        httpx.CloseError("odd"),
        httpx.RemoteProtocolError("odd"),
        httpx.LocalProtocolError("odd"),
        httpx.ProxyError("no"),
        httpx.DecodingError("odd"),
        httpcore.ReadError("not mapped"),
        OSError("bare"),
        RuntimeError("bare"),
        KeyError("bare"),
        ExceptionGroup("several", [OSError("bare")]),
    ],
    ids=lambda error: type(error).__name__,
)
@virtually
async def test_any_error_of_a_transport_that_tells_nothing_is_an_unknown_submission(
    anyio_backend: str, error: Exception
) -> None:
    server = Server(post=in_turn(error))
    async with server.client() as client:
        with pytest.raises(SubmissionUnknownError, match="console/records") as caught:
            await client.create("a cat")

    assert caught.value.__cause__ is error
    assert len(server.posts) == 1


@pytest.mark.parametrize("kind", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
@virtually
async def test_an_error_before_any_connection_is_proof_enough_from_any_transport(
    anyio_backend: str, kind: type[httpx.TransportError]
) -> None:
    server = Server(post=in_turn(kind("no"), kind("no"), accepted_now))
    async with server.client() as client:
        task = await client.create("a cat")

    assert task.id == "t"
    assert len(server.posts) == 3


class _Telling(httpx.AsyncBaseTransport):
    """A transport that reports one event, and fails."""

    def __init__(self, event: str, method: bytes) -> None:
        self.event, self.method = event, method
        self.requests = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        await request.extensions["trace"](self.event, {"request": SimpleNamespace(method=self.method)})
        raise httpx.ReadError("lost")


@pytest.mark.parametrize(
    ("event", "method", "posts", "kind"),
    [
        ("http11.send_request_headers.started", b"POST", 1, SubmissionUnknownError),
        ("http2.send_request_headers.started", b"POST", 1, SubmissionUnknownError),
        ("http11.send_request_headers.started", b"CONNECT", 3, ConnectionFailedError),
        ("connection.connect_tcp.started", b"POST", 3, ConnectionFailedError),
        ("connection.start_tls.failed", b"POST", 3, ConnectionFailedError),
    ],
)
@virtually
async def test_only_the_event_before_the_first_byte_makes_a_create_unknown(
    anyio_backend: str, event: str, method: bytes, posts: int, kind: type[ApimodelsError]
) -> None:
    transport = _Telling(event, method)
    async with (
        httpx.AsyncClient(transport=transport) as http,
        AsyncImagesClient("k", base_url="http://127.0.0.1/v1", model="m", http_client=http, max_retries=2) as client,
    ):
        with pytest.raises(kind):
            await client.create("a cat")

    assert transport.requests == posts


# --- whatever the answer


_scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["t1", "completed"])
)
_names = st.sampled_from(
    ["code", "msg", "message", "error", "data", "taskId", "state", "resultUrls", "url", "b64_json", "created",
     "createTime", "completeTime", "failMsg", "retryable", "model"]
)  # fmt: skip
_json = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=5), max_leaves=12
)
_bodies = st.binary(max_size=20) | _json.map(lambda value: json.dumps(value).encode())
_header = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40).map(str.strip)
_dates = st.sampled_from(["Mon, 01 Jan 99999999999 00:00:00 GMT", "Sun, 06 Nov 1994 08:49:37 GMT", "5", "-1", "1e400"])
_statuses = st.sampled_from([200, 200, 200, 201, 204, 301, 400, 403, 404, 409, 429, 500, 503, 599])


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(status=_statuses, body=_bodies, after=_header | _dates, date=_header | _dates)
def test_no_answer_at_all_makes_a_create_end_in_anything_but_the_three_ways(
    anyio_backend: str, status: int, body: bytes, after: str, date: str
) -> None:
    def answer() -> httpx.Response:
        return httpx.Response(status, content=body, headers={"Retry-After": after, "Date": date})

    server = Server(post=in_turn(answer))

    async def create() -> Task | ApimodelsError:
        async with server.client(max_retries=1) as client:
            try:
                return await client.create("a cat")
            except ApimodelsError as error:
                return error

    ended = run(anyio_backend, create)

    assert isinstance(ended, (Task, APIError, SubmissionUnknownError))
    assert len(server.posts) == 1 or isinstance(ended, RateLimitError)
    if isinstance(ended, Task):
        assert ended.id or ended.result_urls


# --- on real sockets


@pytest.mark.usefixtures("create_lane")
@pytest.mark.anyio
async def test_forty_creates_of_a_synchronous_model_leave_room_for_queries() -> None:
    finish = threading.Event()

    def paint(exchange: Exchange) -> None:
        exchange.read()
        task_id = exchange.take()
        assert finish.wait(60)
        links = [f"https://r2.example/{task_id}.png"]
        data = {"taskId": task_id, "state": "completed", "resultUrls": links}
        exchange.visit.send(reply(200, {"code": 200, "data": data}))

    made: list[Task] = []

    async def create() -> None:
        made.append(await client.create("a cat"))

    pending = say(reply(200, {"code": 200, "data": {"taskId": "other", "state": "pending"}}))
    with FaultServer(post=[paint], get=[pending]) as server:
        async with (
            AsyncImagesClient("k", base_url=server.base_url, model="m") as client,
            anyio.create_task_group() as tasks,
        ):
            for _ in range(40):
                tasks.start_soon(create)
            for _ in range(40):
                assert await anyio.to_thread.run_sync(partial(server.asked.acquire, timeout=10.0))
            for _ in range(20):
                assert (await client.get("other")).state == "pending"
            assert made == []
            finish.set()
        counts = server.counts

    assert len({task.id for task in made}) == 40
    assert (counts.posts, counts.taken, counts.gets) == (40, 40, 20)


@pytest.mark.anyio
async def test_a_create_does_not_reuse_a_connection_that_was_idle_for_two_seconds(
    monkeypatch: pytest.MonkeyPatch, create_lane: str
) -> None:
    later = 0.0
    monkeypatch.setattr("httpcore._async.http11.time", SimpleNamespace(monotonic=lambda: time.monotonic() + later))
    if create_lane == "fast":
        monkeypatch.setattr("aiohttp.connector.monotonic", lambda: time.monotonic() + later)
    with FaultServer(post=[accept()]) as server:
        async with AsyncImagesClient("k", base_url=server.base_url, model="m") as client:
            await client.create("a cat")
            later += 1.5
            await client.create("a cat")
            assert server.counts.connections == 1
            later += 2.1
            await client.create("a cat")
        counts = server.counts

    assert (counts.posts, counts.taken, counts.connections) == (3, 3, 2)


@pytest.mark.anyio
@pytest.mark.usefixtures("create_lane")
async def test_what_a_server_says_on_an_idle_connection_is_no_answer_to_the_next_create() -> None:
    """A proxy says 408 to a connection that it drops. The event loop has not read it when the next create begins."""
    may_speak, has_spoken = threading.Event(), threading.Event()

    def accept_and_speak_later(exchange: Exchange) -> None:
        accept()(exchange)
        assert may_speak.wait(60)
        exchange.visit.send(reply(408))
        has_spoken.set()
        exchange.visit.wait_until_left()

    with FaultServer(post=[accept_and_speak_later, accept()]) as server:
        async with AsyncImagesClient("k", base_url=server.base_url, model="m") as client:
            await client.create("a cat")
            may_speak.set()
            assert has_spoken.wait(60)
            assert (await client.create("a dog")).id == "task-2"
        counts = server.counts

    assert (counts.posts, counts.taken, counts.connections) == (2, 2, 2)


@pytest.fixture
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("create_lane")
@pytest.mark.anyio
@pytest.mark.usefixtures("_no_proxies")
@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_the_proxy_of_the_environment_is_used_for_plain_http(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with FaultServer(post=[accept()], get=[say(html(502))]) as proxy:
        monkeypatch.setenv(name, proxy.origin)
        with pytest.warns(UserWarning, match="plain http"):
            client = AsyncImagesClient("k", base_url="http://api.test/v1", model="m")
        async with client:
            task = await client.create("a cat")
            with pytest.raises(APIError):
                await client.get("t")

    assert task.id == "task-1"
    assert [exchange.target for exchange in proxy.requests] == [
        "http://api.test/v1/images/generations",
        "http://api.test/v1/images/generations?task_id=t",
    ]


@pytest.mark.usefixtures("create_lane")
@pytest.mark.anyio
@pytest.mark.usefixtures("_no_proxies")
async def test_the_proxy_of_the_environment_is_used_for_https(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer(connect=[say(html(403))]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.origin)
        async with AsyncImagesClient("k", base_url="https://api.test/v1", model="m", max_retries=0) as client:
            with pytest.raises(ConnectionFailedError, match=r"403.*api\.test:443 through the proxy .*HTTPS_PROXY"):
                await client.create("a cat")

    assert [exchange.target for exchange in proxy.requests] == ["api.test:443"]
    assert "authorization" not in proxy.requests[0].headers


@pytest.mark.usefixtures("create_lane")
@pytest.mark.anyio
@pytest.mark.usefixtures("_no_proxies")
async def test_this_machine_is_asked_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer() as proxy, FaultServer(post=[accept()]) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.origin)
        async with AsyncImagesClient("k", base_url=server.base_url, model="m") as client:
            await client.create("a cat")

    assert (proxy.counts.connections, server.counts.posts) == (0, 1)


# --- a client of the caller's own


@pytest.mark.anyio
async def test_hooks_of_the_callers_own_client_are_called_and_it_stays_open() -> None:
    seen: list[str] = []

    async def on_request(request: httpx.Request) -> None:
        seen.append(request.method)

    async def on_response(response: httpx.Response) -> None:
        seen.append(str(response.status_code))

    hooks: dict[str, Any] = {"request": [on_request], "response": [on_response]}
    with FaultServer(post=[accept()], get=[say(html(503))]) as server:
        async with httpx.AsyncClient(event_hooks=hooks) as http:
            async with AsyncImagesClient("k", base_url=server.base_url, model="m", http_client=http) as client:
                await client.create("a cat")
                with pytest.raises(APIError):
                    await client.get("t")
            assert not http.is_closed

    assert seen == ["POST", "200", "GET", "503"]


@pytest.mark.anyio
async def test_headers_and_auth_of_the_callers_own_client_do_not_replace_our_key() -> None:
    with FaultServer(post=[accept()], get=[say(html(503))]) as server:
        async with (
            httpx.AsyncClient(auth=("user", "pass"), headers={"Authorization": "Bearer theirs", "X-More": "1"}) as http,
            AsyncImagesClient("sk_ours", base_url=server.base_url, model="m", http_client=http) as client,
        ):
            await client.create("a cat")
            with pytest.raises(APIError):
                await client.get("t")

    assert [exchange.headers["authorization"] for exchange in server.requests] == ["Bearer sk_ours"] * 2
    assert [exchange.headers["x-more"] for exchange in server.requests] == ["1"] * 2


@pytest.mark.anyio
async def test_mounts_of_the_callers_own_client_are_used() -> None:
    with FaultServer(post=[accept()]) as proxy:
        mounts = {"http://127.0.0.1:9": httpx.AsyncHTTPTransport(proxy=proxy.origin)}
        async with (
            httpx.AsyncClient(mounts=mounts) as http,
            AsyncImagesClient("k", base_url="http://127.0.0.1:9/v1", model="m", http_client=http) as client,
        ):
            assert (await client.create("a cat")).id == "task-1"


@pytest.mark.anyio
@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_no_redirect_is_followed_even_by_a_client_that_follows_them(status: int) -> None:
    moved = reply(status, body=b"", headers={"Location": "/elsewhere"})
    with FaultServer(post=[say(moved)], get=[say(moved)]) as server:
        async with (
            httpx.AsyncClient(follow_redirects=True) as http,
            AsyncImagesClient("k", base_url=server.base_url, model="m", http_client=http) as client,
        ):
            with pytest.raises(SubmissionUnknownError):
                await client.create("a cat")
            with pytest.raises(APIError) as error:
                await client.wait("t")

    assert error.value.task_id == "t"
    assert (server.counts.posts, server.counts.gets) == (1, 1)


@pytest.mark.anyio
async def test_a_hook_that_raises_before_the_request_leaves_no_byte_behind() -> None:
    async def refuse(_: httpx.Request) -> None:
        raise RuntimeError("not today")

    with FaultServer(post=[accept()]) as server:
        async with (
            httpx.AsyncClient(event_hooks={"request": [refuse]}) as http,
            AsyncImagesClient("k", base_url=server.base_url, model="m", http_client=http) as client,
        ):
            with pytest.raises(SubmissionUnknownError) as error:
                await client.create("a cat")

    assert isinstance(error.value.__cause__, RuntimeError)
    assert server.counts.connections == 0


# --- misuse: a clear error, and no connection


@pytest.mark.anyio
async def test_a_closed_client_of_the_callers_own_is_an_error_before_a_byte() -> None:
    with FaultServer(post=[accept()]) as server:
        http = httpx.AsyncClient()
        async with AsyncImagesClient("k", base_url=server.base_url, model="m", http_client=http) as client:
            await http.aclose()
            with pytest.raises(ConfigurationError, match="http_client="):
                await client.create("a cat")
            with pytest.raises(ConfigurationError, match="http_client="):
                await client.wait("t")

    assert server.counts.connections == 0


@pytest.mark.usefixtures("create_lane")
@pytest.mark.anyio
async def test_a_closed_client_is_an_error_before_a_byte() -> None:
    with FaultServer(post=[accept()]) as server:
        client = AsyncImagesClient("k", base_url=server.base_url, model="m")
        await client.aclose()
        for call in (lambda: client.create("a"), lambda: client.get("t"), lambda: client.wait("t"), client.balance):
            with pytest.raises(ConfigurationError, match="closed"):
                await call()

    assert server.counts.connections == 0


def test_a_second_event_loop_is_an_error_before_a_byte(anyio_backend: str) -> None:
    with FaultServer(post=[accept()]) as server:
        client = AsyncImagesClient("k", base_url=server.base_url, model="m")

        async def first() -> None:
            await client.create("a cat")

        async def second() -> None:
            with pytest.raises(ConfigurationError, match="second event loop"):
                await client.create("a dog")
            with pytest.raises(ConfigurationError, match="second event loop"):
                await client.get("t")

        async def first_and_close() -> None:
            await first()
            for lane in client._engine.http.lanes._owned:
                await lane.aclose()

        anyio.run(first_and_close, backend=anyio_backend)
        anyio.run(second, backend=anyio_backend)
        anyio.run(second, backend="trio" if anyio_backend == "asyncio" else "asyncio")

    assert (server.counts.connections, server.counts.posts) == (1, 1)


FORKED = """
import os, sys
import anyio
from apimodels_async import AsyncImagesClient, ConfigurationError

client = AsyncImagesClient("k", base_url=sys.argv[1], model="m")

async def parent():
    await client.create("a cat")
    await client._engine.http.aclose()

async def child():
    try:
        await client.create("a dog")
    except ConfigurationError as error:
        return "fork" in str(error)

if sys.argv[3] == "used":
    anyio.run(parent, backend=sys.argv[2])
pid = os.fork()
if pid == 0:
    os._exit(0 if anyio.run(child, backend=sys.argv[2]) else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.parametrize("before", ["used", "unused"])
def test_a_client_from_before_a_fork_is_an_error(anyio_backend: str, before: str) -> None:
    with FaultServer(post=[accept()]) as server:
        ended = subprocess.run(
            # Python 3.12 and later warn of every fork beside a thread; anyio keeps an idle one for some seconds.
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKED, server.base_url, anyio_backend, before],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert server.counts.connections == (before == "used")


@pytest.mark.parametrize("key", ["sk_a\n", "sk_a\r\nX-Evil: 1", "sk a", "sk_é", "\x00", "sk_a\x7f"])
def test_a_key_that_cannot_be_a_header_is_refused_and_not_quoted(key: str) -> None:
    with pytest.raises(ConfigurationError, match="api_key") as error:
        AsyncImagesClient(key)

    assert key not in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:{port}/api/v1",
        "//127.0.0.1:{port}/api/v1",
        "ftp://127.0.0.1:{port}/",
        "http://user:secret@127.0.0.1:{port}/api/v1",
        "http://secret@127.0.0.1:{port}/api/v1",
        "http://127.0.0.1:{port}/api/v1?x=1",
        "http://127.0.0.1:999999/",
        "http:///api/v1",
        "http://127.0.0.1:{port}/a b",
        "http://127.0.0.1:{port}/\r\nX: 1",
    ],
)
def test_a_base_url_that_is_none_is_refused_and_its_credentials_not_quoted(url: str) -> None:
    with FaultServer() as server:
        with pytest.raises(ConfigurationError, match="base_url") as error:
            AsyncImagesClient("k", base_url=url.format(port=server.port))
        assert server.counts.connections == 0

    assert "secret" not in str(error.value)


@virtually
async def test_plain_http_to_another_host_warns_once_for_all_its_requests(anyio_backend: str) -> None:
    server = Server(get=in_turn(partial(success, taskId="t", state="pending")))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        async with AsyncImagesClient(
            "k", base_url="http://img.example/v1", model="m", http_client=server.http
        ) as client:
            await client.create("a cat")
            await client.get("t")
            await client.get("t")

    assert [str(each.message).partition(":")[0] for each in caught] == ["base_url is plain http to img.example"]
    assert caught[0].filename == __file__


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.9.9.9"])
def test_plain_http_to_this_machine_does_not_warn(host: str) -> None:
    AsyncImagesClient("k", base_url=f"http://{host}:8787/api/v1")


def test_a_blocking_client_in_place_of_an_async_one_is_a_type_error() -> None:
    blocking: Any = httpx.Client()
    with blocking, pytest.raises(TypeError, match=r"http_client=Client: give an httpx.AsyncClient"):
        AsyncImagesClient("k", http_client=blocking)


@pytest.mark.anyio
async def test_connections_that_a_burst_of_creates_left_behind_go_with_a_later_create(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lanes, "SUBMIT_KEEPALIVE", 0.0)
    together = threading.Barrier(WIDTH + 1)

    def wait_for_the_others(exchange: Exchange) -> None:
        assert together.wait(60) in range(WIDTH + 1)
        accept()(exchange)

    with FaultServer(post=[*[wait_for_the_others] * (WIDTH + 1), accept()]) as server:
        async with AsyncImagesClient("k", base_url=server.base_url, model="m") as client:
            with anyio.fail_after(20):
                async with anyio.create_task_group() as group:
                    for _ in range(WIDTH + 1):
                        group.start_soon(client.create, "a cat")
            before = list(client._engine.http.lanes._owned)
            await client.create("a cat")
            after = list(client._engine.http.lanes._owned)
    assert len(before) == 2
    assert after == before[:1]
    assert isinstance(before[1], httpx.AsyncClient)
    assert before[1].is_closed
    assert server.counts.taken == WIDTH + 2


@pytest.mark.anyio
async def test_a_client_of_the_callers_own_is_not_closed_after_a_burst_of_creates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lanes, "SUBMIT_KEEPALIVE", 0.0)
    with FaultServer(post=[accept()]) as server:
        async with (
            httpx.AsyncClient() as given,
            AsyncImagesClient("k", base_url=server.base_url, model="m", http_client=given) as client,
        ):
            for _ in range(2):
                async with anyio.create_task_group() as group:
                    for _ in range(WIDTH + 1):
                        group.start_soon(client.create, "a cat")
            assert not given.is_closed
