"""A client that is closed in another event loop than its own: all that can be ended is ended, and it is logged."""

import asyncio
import gc
import logging
import socket
import threading
import warnings
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

import anyio
import pytest
import trio

from apimodels_async import AsyncImagesClient, ConfigurationError, SubmissionUnknownError
from apimodels_async._create import closing

PATIENCE = 60.0
ANSWER = b'{"code": 200, "data": {"balance": 1.0}}'


class Server:
    """Answers every query with a balance, and no create request. Keeps its connections, and notes when they end."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/api/v1"
        self.created = threading.Event()
        self.open = threading.Semaphore(0)
        self.ended = threading.Semaphore(0)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            self.open.release()
            while request := _received(connection):
                if request.startswith(b"POST"):
                    self.created.set()
                    continue
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(ANSWER) + ANSWER)
        self.ended.release()


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except OSError:
        return b""


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    with running.listener:
        yield running


Make = Callable[[], AsyncImagesClient]


@pytest.fixture(params=["httpx", "aiohttp"])
def make(server: Server, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a client. It is no fixture itself, so that a test can forget it, and what is left of it."""
    if request.param == "httpx":
        monkeypatch.setattr("apimodels_async._http.lanes.find_spec", lambda _: None)
    else:
        pytest.importorskip("httpx_aiohttp")
    return partial(AsyncImagesClient, "sk_test", base_url=server.base_url, model="m", max_retries=0)


def on_asyncio(work: Callable[[], Awaitable[object]]) -> None:
    async def main() -> None:
        await work()

    asyncio.run(main())


def on_trio(work: Callable[[], Awaitable[object]]) -> None:
    trio.run(work)


Run = Callable[[Callable[[], Awaitable[object]]], None]


@pytest.mark.parametrize(
    ("used", "closed"),
    [(on_asyncio, on_asyncio), (on_trio, on_trio), (on_trio, on_asyncio), (on_asyncio, on_trio)],
    ids=["asyncio", "trio", "trio, then asyncio", "asyncio, then trio"],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_connections_of_a_loop_that_has_ended_are_cut_off(
    server: Server, make: Make, used: Run, closed: Run, caplog: pytest.LogCaptureFixture
) -> None:
    client = make()
    used(client.balance)
    assert server.open.acquire(timeout=PATIENCE)

    closed(client.aclose)

    assert server.ended.acquire(timeout=PATIENCE)
    assert [record.getMessage() for record in caplog.records if record.name == "apimodels_async"] == [
        "a client was closed when its event loop no longer ran: its connections are cut off; create requests under way "
        "are left: 0; close it where it is used"
    ]
    with pytest.raises(ConfigurationError, match="closed"):
        used(client.balance)
    closed(client.aclose)
    del client
    gc.collect()  # what a loop that has ended cannot close warns now


def test_a_client_whose_loop_runs_in_another_thread_is_closed_there(
    server: Server, make: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make()
    monkeypatch.setattr(closing, "GRACE", 0.1)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(client.balance(), loop).result(PATIENCE)
        creating = asyncio.run_coroutine_threadsafe(client.create("a"), loop)
        assert server.created.wait(PATIENCE)

        asyncio.run(client.aclose())

        with pytest.raises(SubmissionUnknownError):
            creating.result(PATIENCE)
        for _ in range(2):
            assert server.ended.acquire(timeout=PATIENCE)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert any(each.startswith("a client was closed from another event loop than its own") for each in warned)


def test_a_client_of_a_running_trio_is_closed_there(server: Server, make: Make) -> None:
    client = make()
    used, finish = threading.Event(), trio.Event()
    tokens: list[trio.lowlevel.TrioToken] = []

    async def main() -> None:
        tokens.append(trio.lowlevel.current_trio_token())
        await client.balance()
        used.set()
        await finish.wait()

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    try:
        assert used.wait(PATIENCE)
        asyncio.run(client.aclose())
        assert server.ended.acquire(timeout=PATIENCE)
    finally:
        tokens[0].run_sync_soon(finish.set)
        thread.join(PATIENCE)


def test_what_a_loop_is_too_busy_to_close_is_cut_off(
    server: Server, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "_ELSEWHERE", 0.1)

    async def main(client: AsyncImagesClient) -> None:
        await client.balance()
        closer = threading.Thread(target=lambda: asyncio.run(client.aclose()))
        closer.start()
        closer.join(PATIENCE)  # this loop is blocked meanwhile
        assert not closer.is_alive()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        asyncio.run(main(make()))
        assert server.ended.acquire(timeout=PATIENCE)
        gc.collect()


def test_a_client_that_was_never_used_is_closed_anywhere_without_a_word(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    client = make()
    anyio.run(client.aclose)
    anyio.run(client.aclose)
    assert not caplog.records
