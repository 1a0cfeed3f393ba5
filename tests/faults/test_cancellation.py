"""Whenever the caller is cancelled: no paid task is lost, no part file stays, no connection and no task is left over.

The sweep cancels before every single step that the event loop takes: on asyncio before every callback, with
`Task.cancel`, which pierces shields, and with a cancel scope; on trio before every step of every task.
"""

import asyncio
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx
import pytest
import trio

from apimodels_async import (
    AsyncImagesClient,
    BatchEvent,
    ConfigurationError,
    ConnectionFailedError,
    SubmissionUnknownError,
    Task,
    TaskState,
)
from apimodels_async._batch.batch import Batch
from apimodels_async._create import closing
from apimodels_async._download import picture_fetch, writer
from apimodels_async._http import trace
from apimodels_async.pacing import FixedPacing
from tests.support.picture_server import KEY, PictureServer, answer, enveloped, held, picture
from tests.support.pictures import PNG, chunk

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("lane")]

BIG = PNG[:33] + chunk(b"IDAT", bytes(200_000)) + PNG[-12:]
MOST_STEPS = 3000


@pytest.fixture
def server() -> Iterator[PictureServer]:
    with PictureServer() as running:
        running.create(running.accepted())
        yield running


@pytest.fixture(scope="module")
def trust() -> ssl.SSLContext:
    return httpx.create_ssl_context()


@pytest.fixture(autouse=True)
def _quick(trust: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificates are read once, and a download hands over small pieces without pauses."""
    monkeypatch.setattr(httpx, "create_ssl_context", lambda **_: trust)
    monkeypatch.setattr(writer, "PIECE", 64 << 10)
    monkeypatch.setattr(picture_fetch, "full_jitter", lambda *_: 0.0)


@pytest.fixture
def first_bytes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows when a request is about to be written."""
    began: list[str] = []
    write = trace.SendTrace.before_write

    async def watch(self: trace.SendTrace) -> None:
        await write(self)
        began.append("a request")

    monkeypatch.setattr(trace.SendTrace, "before_write", watch)
    return began


# --- how a step is counted, and how one cancels there


class Steps:
    """Counts what the event loop does, and calls `at_last` before step number `last`."""

    def __init__(self, last: int, at_last: Callable[[], object]) -> None:
        self.last = last
        self.at_last = at_last
        self.count = 0

    def step(self) -> None:
        self.count += 1
        if self.count == self.last:
            self.at_last()

    @contextmanager
    def counted(self) -> Iterator[None]:
        run = asyncio.Handle._run
        here = threading.get_ident()

        def counting(handle: asyncio.Handle) -> None:
            if threading.get_ident() == here:  # a gateway that other tests use has a loop in its thread
                self.step()
            run(handle)

        with mock.patch.object(asyncio.Handle, "_run", counting):
            yield


class TrioSteps(Steps, trio.abc.Instrument):
    """The same on trio."""

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.step()

    @contextmanager
    def counted(self) -> Iterator[None]:
        trio.lowlevel.add_instrument(self)
        try:
            yield
        finally:
            trio.lowlevel.remove_instrument(self)


Work = Callable[[], Awaitable[object]]


async def by_scope(work: Work, step: int, steps: type[Steps]) -> bool:
    """Cancel the scope around `work` before its step `step`; whether it got that far."""
    with anyio.CancelScope() as scope:
        counter = steps(step, scope.cancel)
        with counter.counted():
            await work()
    return counter.count >= step


async def by_task(work: Work, step: int) -> bool:
    """Cancel the asyncio task of `work` before its step `step`; whether it got that far."""

    async def run() -> None:
        await work()

    task = asyncio.get_running_loop().create_task(run())
    counter = Steps(step, task.cancel)
    with counter.counted():
        await asyncio.wait({task})
    if not task.cancelled():
        task.result()
    return counter.count >= step


def alive() -> int:
    """Tasks in this event loop."""
    if anyio.get_cancelled_exc_class() is trio.Cancelled:
        return trio.lowlevel.current_statistics().tasks_living
    return len(asyncio.all_tasks())


in_every_way = pytest.mark.parametrize(
    ("anyio_backend", "cancelled_at"),
    [("asyncio", by_task), ("asyncio", partial(by_scope, steps=Steps)), ("trio", partial(by_scope, steps=TrioSteps))],
    ids=["asyncio, Task.cancel", "asyncio, scope", "trio, scope"],
)


# --- the sweep


class Scene(NamedTuple):
    """What a call works on, and what it knows of its tasks."""

    server: PictureServer
    client: AsyncImagesClient
    out: Path
    known: list[str | None]
    batches: list[Batch]


async def create(scene: Scene) -> Task:
    return await scene.client.create("a cat")


async def create_on_a_connection_in_use(scene: Scene) -> Task:
    scene.known.append((await scene.client.create("warm")).id)
    return await scene.client.create("a cat")


async def create_after_a_429(scene: Scene) -> Task:
    scene.server.create(answer(429, b"{}", ("Retry-After", "0")), scene.server.accepted())
    return await scene.client.create("a cat")


async def create_with_a_picture_of_ones_own(scene: Scene) -> Task:
    return await scene.client.create("a cat", image=PNG)


async def generate(scene: Scene) -> Task:
    return await scene.client.generate("a cat", pacing=FixedPacing(0.001))


async def a_batch_left_when_both_are_accepted(scene: Scene) -> Task:
    accepted, both = list[BatchEvent](), anyio.Event()

    async def count(event: BatchEvent) -> None:  # in a thread, if it were not awaited
        accepted.append(event)
        if len(accepted) == 2:
            both.set()

    batch = scene.client.batch(["a cat", "a dog"], on_event=count)
    scene.batches.append(batch)
    async with batch:
        await both.wait()
    return batch.detached[0]


PAID: dict[str, Callable[[Scene], Awaitable[Task]]] = {
    each.__name__: each
    for each in (
        create,
        create_on_a_connection_in_use,
        create_after_a_429,
        create_with_a_picture_of_ones_own,
        generate,
        a_batch_left_when_both_are_accepted,
    )
}


@in_every_way
@pytest.mark.parametrize("call", PAID)
async def test_no_task_is_lost_wherever_a_call_that_pays_is_cancelled(
    *,
    server: PictureServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    first_bytes: list[str],
    cancelled_at: Callable[[Work, int], Awaitable[bool]],
    call: str,
) -> None:
    monkeypatch.setattr("apimodels_async._create.retries.full_jitter", lambda *_: 0.0)
    server.query(enveloped({"taskId": "task-1", "state": "processing"}), server.completed("https://pictures.invalid/a"))
    before = alive()
    step, swept = 0, True
    while swept:
        step += 1
        assert step < MOST_STEPS
        server.create(server.accepted())
        server.seen.clear()
        server.created.clear()
        server.received = 0
        first_bytes.clear()
        untouched = False
        subject = AsyncImagesClient(KEY, base_url=server.base_url, model="m", timeout=5.0)
        scene = Scene(server, subject, tmp_path, [], [])

        async def work(scene: Scene = scene) -> None:
            nonlocal untouched
            try:
                scene.known.append((await PAID[call](scene)).id)
            except BaseException as error:
                scene.known.append(getattr(error, "task_id", None))
                untouched = not first_bytes
                raise

        swept = await cancelled_at(work, step)
        await subject.aclose()
        left = [*subject.detached, *(task for batch in scene.batches for task in batch.detached)]
        known = {*scene.known, *(task.id for task in left)} - {None}
        where = f"cancelled before step {step}"
        assert known == set(server.created), where
        assert server.posts <= (1 if call in ("create", "create_with_a_picture_of_ones_own", "generate") else 2), where
        if untouched:
            assert server.received == 0, where
        assert await anyio.to_thread.run_sync(server.all_closed), where
        assert alive() == before, where
    print(f"{call}: {step - 1} cancel points")
    assert step > 10


async def wait(scene: Scene) -> object:
    return await scene.client.wait("task-1", pacing=FixedPacing(0.001))


async def download(scene: Scene) -> object:
    url = scene.server.origin + "/a"
    task = Task(id="task-1", state=TaskState.COMPLETED, result_urls=(url,))
    return await scene.client.download(task, scene.out)


async def download_of_a_picture_that_moved(scene: Scene) -> object:
    task = Task(id="task-1", state=TaskState.COMPLETED, result_urls=(scene.server.origin + "/moved",))
    return await scene.client.download(task, scene.out)


FREE: dict[str, Callable[[Scene], Awaitable[object]]] = {
    each.__name__: each for each in (wait, download, download_of_a_picture_that_moved)
}


@in_every_way
@pytest.mark.parametrize("call", FREE)
async def test_nothing_is_left_behind_wherever_a_call_that_reads_is_cancelled(
    *,
    server: PictureServer,
    tmp_path: Path,
    cancelled_at: Callable[[Work, int], Awaitable[bool]],
    call: str,
) -> None:
    live = server.play("/a", picture(BIG))
    server.play("/moved", answer(410))
    before = alive()
    step, swept = 0, True
    while swept:
        step += 1
        assert step < MOST_STEPS
        server.query(
            *([enveloped({"taskId": "task-1", "state": "processing"})] if call == "wait" else []),
            server.completed(live),
        )
        out = tmp_path / str(step)
        subject = AsyncImagesClient(KEY, base_url=server.base_url, timeout=5.0)
        swept = await cancelled_at(partial(FREE[call], Scene(server, subject, out, [], [])), step)
        await subject.aclose()
        where = f"cancelled before step {step}"
        assert await anyio.to_thread.run_sync(server.all_closed), where
        assert alive() == before, where
        assert server.posts == 0, where
        assert await anyio.to_thread.run_sync(whole_or_nothing, out), where
    print(f"{call}: {step - 1} cancel points")
    assert step > 10


def whole_or_nothing(out: Path) -> bool:
    """A thread that was left alone at its work may still have to clean up."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        files = list(out.iterdir()) if out.exists() else []
        if all(path.suffix == ".png" for path in files):
            return all(path.read_bytes() == BIG for path in files)
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("at_work", ["open", "fsync"])
async def test_a_thread_left_alone_with_a_part_file_cleans_up(
    server: PictureServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_work: str
) -> None:
    """At its end asyncio.run cancels every task by itself, which pierces the shield around a worker thread."""
    holder: Any = {"open": Path, "fsync": os}[at_work]
    began, go, work = threading.Event(), threading.Event(), getattr(holder, at_work)

    def slowly(*args: Any) -> Any:
        result = work(*args)
        began.set()
        assert go.wait(60)
        return result

    server.play("/a", picture(BIG))
    async with AsyncImagesClient(KEY, base_url=server.base_url) as images:
        monkeypatch.setattr(holder, at_work, slowly)
        mine = asyncio.all_tasks()
        task = asyncio.get_running_loop().create_task(download(Scene(server, images, tmp_path, [], [])))
        assert await asyncio.to_thread(began.wait, 10.0)
        for each in asyncio.all_tasks() - mine:
            each.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        left = await asyncio.to_thread(lambda: [path.suffix for path in tmp_path.iterdir()])
        go.set()
    assert left == [".part"]  # the thread is still at it
    monkeypatch.undo()
    assert await asyncio.to_thread(whole_or_nothing, tmp_path)


# --- one moment each


@pytest.fixture
async def images(server: PictureServer) -> AsyncIterator[AsyncImagesClient]:
    async with AsyncImagesClient(KEY, base_url=server.base_url, model="m") as running:
        yield running


async def asked(server: PictureServer) -> None:
    """Until the server has read a whole create."""
    assert await anyio.to_thread.run_sync(server.wait_until, lambda: server.posts > 0)


async def test_a_caller_cancelled_beforehand_sends_nothing_at_all(
    server: PictureServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncImagesClient(KEY, base_url=server.base_url, model="m") as images:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await images.create("a cat")
        assert scope.cancelled_caught
    assert server.received == 0
    assert images.detached == []
    assert caplog.text == ""  # nothing that anybody need be told


async def create_until_the_server_has_it(images: AsyncImagesClient, server: PictureServer) -> bool:
    """Create, and leave as soon as the server has read the request; whether that cancelled the call."""

    async def leave() -> None:
        assert await anyio.to_thread.run_sync(server.wait_until, lambda: server.posts == 1)
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(leave)
        await images.create("a cat")
    return group.cancel_scope.cancelled_caught


async def test_a_create_that_takes_too_long_for_its_caller_is_finished_and_kept(server: PictureServer) -> None:
    release = threading.Event()
    server.create(held(release, server.accepted()))
    async with AsyncImagesClient(KEY, base_url=server.base_url, model="m") as images:
        assert await create_until_the_server_has_it(images, server)
        assert images.detached == []
        release.set()
    assert [task.id for task in images.detached] == server.created == ["task-1"]
    assert server.posts == 1


async def test_a_create_refused_after_its_caller_left_is_logged_not_raised(
    server: PictureServer, caplog: pytest.LogCaptureFixture
) -> None:
    release = threading.Event()
    server.create(held(release, enveloped(None, 402, "no credits", 402)))
    async with AsyncImagesClient(KEY, base_url=server.base_url, model="m") as images:
        assert await create_until_the_server_has_it(images, server)
        release.set()
    assert images.detached == []
    assert "no credits" in caplog.text


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_wait_for_around_a_create_keeps_its_task(server: PictureServer) -> None:
    release = threading.Event()
    server.create(held(release, server.accepted()))
    async with AsyncImagesClient(KEY, base_url=server.base_url, model="m") as images:
        for seconds in (0.2, 2.0, 20.0):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(images.create("a cat"), seconds)
            if server.posts:  # on a busy machine it may not have left yet
                break
        release.set()
    assert [task.id for task in images.detached] == ["task-1"]
    assert server.posts == 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_task_group_that_fails_keeps_the_tasks_of_its_creates(server: PictureServer) -> None:
    release = threading.Event()
    server.create(held(release, server.accepted()))

    async def fail() -> None:
        assert await asyncio.to_thread(server.wait_until, lambda: server.posts == 3)
        release.set()
        raise RuntimeError("another part of the program")

    creates: list[asyncio.Task[Task]] = []
    async with AsyncImagesClient(KEY, base_url=server.base_url, model="m") as images:
        try:
            async with asyncio.TaskGroup() as group:
                creates += [group.create_task(images.create("a cat")) for _ in range(3)]
                group.create_task(fail())
        except* RuntimeError:
            pass
    returned = [task.result().id for task in creates if not task.cancelled()]
    assert sorted([*returned, *(task.id for task in images.detached)]) == server.created  # type: ignore[type-var]
    assert server.posts == 3


async def test_a_generate_cancelled_while_it_waits_keeps_its_task(
    server: PictureServer, images: AsyncImagesClient
) -> None:
    server.query(enveloped({"taskId": "task-1", "state": "processing"}))
    with anyio.move_on_after(0.5) as scope:
        await images.generate("a cat", pacing=FixedPacing(0.05))
    assert scope.cancelled_caught
    assert [task.id for task in images.detached] == ["task-1"]


# --- closing


async def test_closing_waits_for_the_answers_of_creates(server: PictureServer) -> None:
    release = threading.Event()
    server.create(held(release, server.accepted()))
    created: list[Task] = []
    images = AsyncImagesClient(KEY, base_url=server.base_url, model="m")

    async def make() -> None:
        created.append(await images.create("a cat"))

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(make)
        assert await anyio.to_thread.run_sync(server.wait_until, lambda: server.posts == 3)
        group.start_soon(images.aclose)
        await anyio.sleep(0.05)
        release.set()
    assert sorted(task.id or "" for task in created) == server.created
    assert await anyio.to_thread.run_sync(server.all_closed)


async def test_closing_gives_up_on_an_answer_after_its_grace_and_says_so(
    server: PictureServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(closing, "GRACE", 0.1)
    release = threading.Event()
    server.create(held(release, server.accepted()))
    images = AsyncImagesClient(KEY, base_url=server.base_url, model="m")

    async def make() -> None:
        with pytest.raises(SubmissionUnknownError, match=r"closed while a create request was .*console/records"):
            await images.create("a cat")

    async with anyio.create_task_group() as group:
        group.start_soon(make)
        await asked(server)
        await images.aclose()
    assert "a create request was cut off" in caplog.text
    assert server.posts == 1
    release.set()


async def test_closing_ends_a_create_that_is_between_two_attempts_as_unsent(
    server: PictureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "GRACE", 0.1)
    server.create(answer(429, b"{}", ("Retry-After", "20")))
    images = AsyncImagesClient(KEY, base_url=server.base_url, model="m")

    async def make() -> None:
        with pytest.raises(ConnectionFailedError, match="nothing reached the server"):
            await images.create("a cat")

    async with anyio.create_task_group() as group:
        group.start_soon(make)
        await asked(server)
        await images.aclose()
    assert server.posts == 1


async def test_a_client_closed_under_a_batch_tells_each_item_what_became_of_its_create(
    server: PictureServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(closing, "GRACE", 0.1)
    release = threading.Event()
    server.create(held(release, server.accepted()), answer(429, b"{}", ("Retry-After", "20")))
    images = AsyncImagesClient(KEY, base_url=server.base_url, model="m")
    async with images.batch(["a cat", "a dog"]) as batch:
        assert await anyio.to_thread.run_sync(server.wait_until, lambda: server.posts == 2)
        await images.aclose()
        errors = [outcome.error async for outcome in batch]
    assert batch.detached == []
    assert sorted(type(error).__name__ for error in errors) == ["ConnectionFailedError", "SubmissionUnknownError"]
    assert any("closed while a create request was under way" in str(error) for error in errors)
    assert any("nothing reached the server" in str(error) for error in errors)
    assert caplog.text.count("a create request was cut off") == 1
    assert server.posts == 2
    release.set()


async def test_a_create_that_is_refused_after_its_batch_was_left_is_logged(
    server: PictureServer, caplog: pytest.LogCaptureFixture
) -> None:
    release = threading.Event()
    server.create(held(release, answer(400, b'{"code": 400, "msg": "no cats"}')))
    async with AsyncImagesClient(KEY, base_url=server.base_url, model="m") as images:
        async with images.batch(["a cat"]) as batch:
            await asked(server)
        release.set()
    assert batch.detached == []
    assert "a create request whose caller was cancelled: " in caplog.text
    assert "no cats" in caplog.text


async def test_closing_twice_and_at_once_is_harmless(server: PictureServer) -> None:
    images = AsyncImagesClient(KEY, base_url=server.base_url, model="m")
    await images.create("a cat")
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(images.aclose)
    await images.aclose()
    assert await anyio.to_thread.run_sync(server.all_closed)
    with pytest.raises(ConfigurationError, match="closed"):
        await images.create("a cat")
    assert server.posts == 1


async def test_closing_works_while_one_is_being_cancelled(server: PictureServer) -> None:
    with anyio.CancelScope() as scope:
        async with AsyncImagesClient(KEY, base_url=server.base_url, model="m") as images:
            await images.create("a cat")
            scope.cancel()
            await anyio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert await anyio.to_thread.run_sync(server.all_closed)


async def test_a_block_left_by_an_exception_closes_and_lets_it_through(server: PictureServer) -> None:
    async def leave() -> None:
        async with AsyncImagesClient(KEY, base_url=server.base_url, model="m") as images:
            await images.create("a cat")
            raise RuntimeError("another part of the program")

    with pytest.raises(RuntimeError, match="another part"):
        await leave()
    assert await anyio.to_thread.run_sync(server.all_closed)


async def test_a_client_closed_under_a_generate_does_not_lose_its_task(server: PictureServer) -> None:
    server.query(enveloped({"taskId": "task-1", "state": "processing"}))
    images = AsyncImagesClient(KEY, base_url=server.base_url, model="m")
    known: list[str | None] = []

    async def make() -> None:
        with pytest.raises(ConfigurationError, match="closed") as caught:
            await images.generate("a cat", pacing=FixedPacing(0.05))
        known.append(caught.value.task_id)

    async with anyio.create_task_group() as group:
        group.start_soon(make)
        assert await anyio.to_thread.run_sync(server.wait_until, lambda: server.queries > 1)
        await images.aclose()
    assert "task-1" in [*known, *(task.id for task in images.detached)]


# --- Ctrl-C


INTERRUPTED = """
import sys, anyio
from apimodels_async import AsyncImagesClient

async def main(base_url):
    client = AsyncImagesClient("sk_x", base_url=base_url, model="m")
    try:
        async with client:
            await client.create("a cat")
    finally:
        print([task.id for task in client.detached], flush=True)

try:
    anyio.run(main, sys.argv[2], backend=sys.argv[1])
except BaseException as error:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    print(type(error).__name__)
"""


def test_ctrl_c_in_the_middle_of_a_create_keeps_its_task(server: PictureServer, anyio_backend_name: str) -> None:
    release = threading.Event()
    server.create(held(release, server.accepted()))
    command = [sys.executable, "-c", INTERRUPTED, anyio_backend_name, server.base_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert server.wait_until(lambda: server.posts == 1, 20.0)
        child.send_signal(signal.SIGINT)
        assert not server.wait_until(lambda: child.poll() is not None, 0.3)  # it waits for the answer
        release.set()
        said, complaint = child.communicate(timeout=20.0)
    assert said.split("\n")[:2] == ["['task-1']", "KeyboardInterrupt"], complaint
    assert server.posts == 1
