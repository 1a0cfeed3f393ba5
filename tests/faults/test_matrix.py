"""The fault matrix: each row played on both back ends, and its table in the documentation."""

import os
import re
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx
import pytest

from apimodels_async import ApimodelsError, AsyncImagesClient, Task
from apimodels_async.pacing import FixedPacing
from tests.proofs.network.report import HEADING
from tests.support.matrix import BROKEN, CREATES, QUERIES, Row, Way, a_server
from tests.support.server import FaultServer

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"

TLS = httpx.create_ssl_context()
"""Made once: it takes longer than most of the rows."""

pytestmark = [
    pytest.mark.anyio,
    # httpx's own generators, over a body that cannot be written or read to its end.
    pytest.mark.filterwarnings("ignore:Async generator 'http(x|core):ResourceWarning"),
]


@asynccontextmanager
async def client_for(row: Row, server: FaultServer) -> AsyncGenerator[AsyncImagesClient]:
    """A client that gets to the server in the row's way, without jitter and with room for two retries."""
    base_url, own = server.base_url, None
    if row.way is Way.TLS:
        base_url = server.base_url.replace("http://", "https://")
    elif row.way is Way.NO_NAME:
        base_url = "https://no-such-name.invalid/api/v1"
    elif row.way in (Way.HTTP_PROXY, Way.TLS_PROXY):
        own = httpx.AsyncClient(proxy=server.origin, verify=TLS)
        base_url = "https://127.0.0.1:9/api/v1" if row.way is Way.TLS_PROXY else "http://127.0.0.1:9/api/v1"
    elif row.way is Way.BUSY_POOL:
        own = httpx.AsyncClient(verify=TLS, limits=httpx.Limits(max_connections=1))
    client = AsyncImagesClient(
        "sk_test",
        base_url=base_url,
        model="m",
        timeout=httpx.Timeout(**{"timeout": 10.0, **row.timeout}),
        max_retries=2,
        http_client=own,
    )

    def no_jitter(low: float, high: float) -> float:
        if row.down_once:
            server.listen()
        return 0.0

    client._engine.submitter._uniform = no_jitter
    client._engine.poller._uniform = no_jitter
    client._engine.poller.gate._uniform = no_jitter
    client._engine.poller._quota.tokens = 10
    try:
        async with client:
            yield client
    finally:
        if own is not None:
            await own.aclose()


@asynccontextmanager
async def busy_pool(row: Row, server: FaultServer, client: AsyncImagesClient) -> AsyncGenerator[None]:
    """Hold the one connection of the caller's own client, if the row wants that."""
    if row.way is not Way.BUSY_POOL:
        yield
        return
    own = client._engine.http._given
    assert own is not None
    async with anyio.create_task_group() as tasks:

        async def hold() -> None:
            await own.get(server.origin, timeout=None)

        tasks.start_soon(hold)
        assert await anyio.to_thread.run_sync(partial(server.asked.acquire, timeout=10.0))
        yield
        tasks.cancel_scope.cancel()


def filled_backlog(row: Row, server: FaultServer) -> ExitStack:
    """Connections that nobody accepts, as many as the queue takes, if the row wants that."""
    stack = ExitStack()
    if row.way is Way.FULL_BACKLOG:
        server._listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", server.port))
    return stack


async def outcome(work: Callable[[], Awaitable[Task]]) -> str:
    """What the user got, in the words of the table."""
    try:
        task = await work()
    except ApimodelsError as error:
        words = type(error).__name__ + (f", {error.task_id}" if error.task_id else "")
        if error.__cause__ is None:
            return words
        broken = isinstance(error.__cause__, (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError))
        cause = BROKEN if broken else type(error.__cause__).__name__
        return f"{words}{',' if error.task_id else ''} from {cause}"
    links = f", {len(task.result_urls)} link" if task.result_urls else ""
    return f"{task.id} {task.state}{links}" if task.id else f"no id, {task.state}{links}"


def expected(row: Row, lane: str) -> str:
    return row.got_fast if row.got_fast is not None and lane == "fast" else row.got


@pytest.fixture
def _no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking the one name up fails without a question to anybody."""
    real = socket.getaddrinfo

    def look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host in ("no-such-name.invalid", b"no-such-name.invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.mark.parametrize("row", CREATES, ids=lambda row: row.fault)
@pytest.mark.usefixtures("_no_names")
async def test_a_create_is_counted_once_or_proved_unsent(row: Row, create_lane: str) -> None:
    with a_server(row) as server, filled_backlog(row, server):
        async with client_for(row, server) as client, busy_pool(row, server, client):
            if row.warm:
                await client.create("a dog")
                if "before its reuse" in row.fault:
                    assert await anyio.to_thread.run_sync(partial(server.left.acquire, timeout=10.0))
            got = await outcome(lambda: client.create(row.prompt))
        counts = server.counts
    assert (got, counts.posts, counts.taken) == (expected(row, create_lane), row.counted, row.taken)
    assert counts.gets == (row.way is Way.BUSY_POOL)


@pytest.mark.parametrize("row", QUERIES, ids=lambda row: row.fault)
async def test_a_query_is_repeated_until_it_is_answered_or_the_time_is_up(row: Row, lane: str) -> None:
    with a_server(row) as server:
        async with client_for(row, server) as client:
            task: Task | str = await client.create("a cat") if row.own else "task-1"
            got = await outcome(lambda: client.wait(task, timeout=row.bound, pacing=FixedPacing(row.pace)))
        counts = server.counts
    assert (got, counts.gets, counts.posts) == (expected(row, lane), row.counted, int(row.own))


INTRODUCTION = """\
# Faults

What happens when something breaks between this client and the server. `tests/faults/test_matrix.py` plays every row
against a server of bare sockets, on asyncio and on trio, and compares all that is said here; this page is written by
that test (`WRITE_FAULT_TABLE=1 pytest tests/faults/test_matrix.py`). On asyncio each row is played twice: over httpx,
and over aiohttp, which the extra `fast` brings.

The client may try a create request twice more and has two retries left in the quota that all its tasks share. A *broken
exchange* is one of httpx's `ReadError`, `WriteError` and `RemoteProtocolError`: which of them follows a reset is
chance, so nothing is decided by it.
"""
CREATES_SAID = """
## Creates

A create request is paid for and has no idempotency key. *POSTs* counts those of which the server read at least the
first bytes, *accepted* those that a real server would bill. It is never sent twice unless the one before was provably
not sent, or was answered with 429.
"""
QUERIES_SAID = """
## Queries

A wait rides out whatever may pass, until its time is up; the task is never lost. *GETs* counts the queries that the
server read.
"""


def rendered() -> str:
    """The page, as far as it is played here."""
    lines = [INTRODUCTION + CREATES_SAID, "| what the server did | POSTs | accepted | over httpx | over aiohttp |"]
    lines += ["| --- | ---: | ---: | --- | --- |"]
    lines += [
        f"| {row.fault} | {row.counted} | {row.taken} | {marked(row, 'stock')} | {marked(row, 'fast')} |"
        for row in CREATES
    ]
    lines += [QUERIES_SAID, "| what the server did | GETs | over httpx | over aiohttp |", "| --- | ---: | --- | --- |"]
    lines += [f"| {row.fault} | {row.counted} | {marked(row, 'stock')} | {marked(row, 'fast')} |" for row in QUERIES]
    return "\n".join(lines) + "\n"


def marked(row: Row, lane: str) -> str:
    """What the user got, with the names of errors as code."""
    return re.sub(r"\w+(Error|Timeout)\b", r"`\g<0>`", expected(row, lane))


def test_the_page_shows_the_rows_as_they_were_played() -> None:
    played, heading, rest = PAGE.read_text(encoding="utf-8").partition("\n" + HEADING)
    if os.environ.get("WRITE_FAULT_TABLE"):
        played = rendered()
        PAGE.write_text(played + heading + rest, encoding="utf-8")
    assert heading
    assert played == rendered()
