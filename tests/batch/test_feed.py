"""Requests that are slow to come hold nothing up, are read no further than there is room, and are let go of."""

import contextvars
import threading
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from apimodels_async import AsyncImagesClient
from apimodels_async._batch.feed import AHEAD, read, threaded
from apimodels_async.gateway import LocalGateway

pytestmark = pytest.mark.anyio

MODEL = "grok-image/grok-4.2-image"
PATIENCE = 20.0
ASKED_BY = contextvars.ContextVar("ASKED_BY", default="nobody")


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "apimodels_async requests"]


async def no_readers() -> None:
    """Return when every reader has ended."""
    for thread in readers():
        await anyio.to_thread.run_sync(thread.join, PATIENCE)


class Blocking:
    """Gives as many items as it was told to, and keeps its reader waiting for more words.

    Attributes:
        read: how many were asked for.
        threads: that asked, or closed.
        asked_by: the context variable as the reader saw it.
    """

    def __init__(self) -> None:
        self._given = threading.Semaphore(0)
        self._asked = threading.Semaphore(0)
        self.read = 0
        self.threads: set[threading.Thread] = set()
        self.asked_by: set[str] = set()
        self.closed = threading.Event()

    def give(self, number: int) -> None:
        self._given.release(number)

    async def asked(self, number: int) -> None:
        """Return when so many more were asked for."""
        for _ in range(number):
            assert await anyio.to_thread.run_sync(lambda: self._asked.acquire(timeout=PATIENCE))

    def items(self) -> Iterator[str]:
        try:
            while True:
                self.read += 1
                self.threads.add(threading.current_thread())
                self.asked_by.add(ASKED_BY.get())
                self._asked.release()
                assert self._given.acquire(timeout=PATIENCE)
                yield f"item {self.read}"
        finally:
            self.threads.add(threading.current_thread())
            self.closed.set()


@pytest.fixture
def blocking() -> Iterator[Blocking]:
    made = Blocking()
    yield made
    made.give(1000)
    for thread in readers():
        thread.join(PATIENCE)
    assert readers() == []


# --- a batch


async def test_a_batch_goes_on_while_its_next_request_is_waited_for(gateway: LocalGateway, blocking: Blocking) -> None:
    blocking.give(1)
    async with AsyncImagesClient(gateway.api_key, base_url=gateway.base_url, model=MODEL) as client:
        with anyio.fail_after(PATIENCE):
            async with client.batch(blocking.items()) as batch:
                assert (await anext(batch)).ok
                await blocking.asked(2)  # it blocks, and the loop does not
                blocking.give(1)
                assert (await anext(batch)).index == 1


async def test_a_batch_can_be_left_while_its_next_request_is_waited_for(
    gateway: LocalGateway, blocking: Blocking
) -> None:
    async with AsyncImagesClient(gateway.api_key, base_url=gateway.base_url, model=MODEL) as client:
        with anyio.fail_after(PATIENCE):
            async with client.batch(blocking.items()):
                await blocking.asked(1)
    assert not blocking.closed.is_set()
    blocking.give(1)
    assert await anyio.to_thread.run_sync(blocking.closed.wait, PATIENCE)
    assert blocking.read == 1


# --- in a thread


async def test_one_thread_reads_and_closes_with_the_context_of_whoever_gave_the_items(blocking: Blocking) -> None:
    ASKED_BY.set("a test")
    given = threaded(blocking.items())
    ASKED_BY.set("somebody else")
    blocking.give(3)
    async with aclosing(read(given, anyio.Semaphore(100))) as items:
        assert [await anext(items) for _ in range(3)] == ["item 1", "item 2", "item 3"]
    blocking.give(1)
    assert await anyio.to_thread.run_sync(blocking.closed.wait, PATIENCE)
    assert len(blocking.threads) == 1
    assert threading.current_thread() not in blocking.threads
    assert blocking.asked_by == {"a test"}


async def test_nothing_is_read_for_which_there_is_no_room(blocking: Blocking) -> None:
    blocking.give(1000)
    window = anyio.Semaphore(5)
    async with aclosing(read(threaded(blocking.items()), window)) as items:
        for _ in range(5):
            await anext(items)
        with anyio.move_on_after(0.05):
            await anext(items)
            pytest.fail("a sixth")
    assert blocking.read == 5


async def test_it_is_read_a_little_ahead_and_no_further(blocking: Blocking) -> None:
    blocking.give(1000)
    async with aclosing(read(threaded(blocking.items()), anyio.Semaphore(1000))) as items:
        await anext(items)
        await blocking.asked(AHEAD)
        assert blocking.read <= 1 + 2 * AHEAD


async def test_many_come_whole_and_in_order() -> None:
    given = (number for number in range(5000))
    assert [item async for item in read(threaded(given), anyio.Semaphore(5001))] == list(range(5000))


async def test_what_reading_raises_comes_after_what_was_read() -> None:
    def given() -> Iterator[int]:
        yield 1
        yield 2
        raise LookupError("no more")

    items = read(threaded(given()), anyio.Semaphore(100))
    assert [await anext(items), await anext(items)] == [1, 2]
    with pytest.raises(LookupError, match="no more"):
        await anext(items)


async def test_what_cannot_be_closed_well_is_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def given() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            raise LookupError("not this way")

    async with aclosing(read(threaded(given()), anyio.Semaphore(2))) as items:
        await anext(items)
    await no_readers()
    assert "closing the requests failed" in caplog.text


async def test_a_file_that_was_given_stays_open(tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("one\ntwo\n")
    with (tmp_path / "prompts.txt").open() as file:
        assert [line async for line in read(threaded(file), anyio.Semaphore(10))] == ["one\n", "two\n"]
        await no_readers()
        assert not file.closed


def test_a_thread_that_outlives_the_loop_ends_quietly(anyio_backend_name: str, blocking: Blocking) -> None:
    async def leave() -> None:
        source = read(threaded(blocking.items()), anyio.Semaphore(10))
        async with aclosing(source) as items, anyio.create_task_group() as group:
            group.start_soon(items.__anext__)
            await blocking.asked(1)
            group.cancel_scope.cancel()

    anyio.run(leave, backend=anyio_backend_name)
    blocking.give(1)
    assert blocking.closed.wait(PATIENCE)


# --- in the loop


@pytest.mark.parametrize("given", [["a", "b"], ("a", "b"), {"a": 1, "b": 2}, deque(["a", "b"])], ids=repr)
async def test_what_is_in_memory_needs_no_thread(given: list[str]) -> None:
    assert threaded(given) is given
    window = anyio.Semaphore(2)
    async with aclosing(read(given, window)) as items:
        assert [await anext(items), await anext(items)] == ["a", "b"]
        assert window.value == 0
        assert readers() == []


async def test_async_requests_are_awaited_in_the_loop_each_when_there_is_room() -> None:
    read_so_far = 0

    async def given() -> AsyncGenerator[int]:
        nonlocal read_so_far
        while True:
            read_so_far += 1
            yield read_so_far

    requests = given()
    assert threaded(requests) is requests
    async with aclosing(requests), aclosing(read(requests, anyio.Semaphore(2))) as items:
        assert [await anext(items), await anext(items)] == [1, 2]
        with anyio.move_on_after(0.01):
            await anext(items)
    assert read_so_far == 2
