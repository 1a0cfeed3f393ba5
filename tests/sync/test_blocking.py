"""What is the mirror's own: the lazy name, reading requests, what an interrupted call had already brought, secrets."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
import traceback
import types
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from typing import Any

import pytest

import apimodels_async
from apimodels_async import ConfigurationError, ImagesClient
from apimodels_async.pacing import FixedPacing
from apimodels_async.sync import Batch
from apimodels_async.sync.runner import PortalCall, Runner
from tests.proofs.mirror import vendor


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with vendor() as url:
        yield url


@pytest.fixture
def client(base_url: str) -> Iterator[ImagesClient]:
    with ImagesClient("sk_test", base_url=base_url, model="m", pacing=FixedPacing(0.02)) as client:
        yield client


# --- the name


def test_the_name_costs_nothing_until_it_is_used() -> None:
    code = """
import sys
import apimodels_async
before = [name for name in sys.modules if name.startswith("apimodels_async.sync")]
from apimodels_async import ImagesClient
assert not before, before
assert ImagesClient is sys.modules["apimodels_async.sync"].ImagesClient
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=30)


def test_other_names_are_missed_as_ever() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'ImageClient'"):
        _ = apimodels_async.ImageClient  # type: ignore[attr-defined]
    assert "ImagesClient" in apimodels_async.__all__


def test_a_client_says_what_it_is(client: ImagesClient, base_url: str) -> None:
    assert repr(client) == f"ImagesClient(base_url={base_url!r}, model='m')"


# --- threads and files


def test_calls_leave_nothing_behind(client: ImagesClient) -> None:
    def held() -> tuple[int, int]:
        return threading.active_count(), len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    client.get("quick-1")
    before = held()
    for _ in range(300):
        client.get("quick-1")
    # Threads of earlier tests may end meanwhile; a call that left something behind would leave it 300 times.
    assert all(now <= then for now, then in zip(held(), before, strict=True))


# --- requests


def test_requests_are_read_lazily_in_one_thread_and_closed_there(client: ImagesClient) -> None:
    threads: list[threading.Thread] = []
    read = 0

    def requests() -> Iterator[str]:
        nonlocal read
        try:
            while True:
                read += 1
                threads.append(threading.current_thread())
                yield "a boat"
        finally:
            threads.append(threading.current_thread())
            closed.set()

    closed = threading.Event()
    with client.batch(requests(), max_in_flight=2) as batch:
        assert next(batch).ok
        time.sleep(0.3)
        assert read <= 2 + 64 + 1
    assert closed.wait(5)
    assert len(set(threads)) == 1
    assert threads[0] is not threading.current_thread()


def test_slow_requests_hold_nobody_up(client: ImagesClient) -> None:
    asked = threading.Event()
    go_on = threading.Event()

    def requests() -> Iterator[str]:
        yield "a boat"
        asked.set()
        assert go_on.wait(240)  # what is held up by this ends in an error
        yield "a ship"

    with client.batch(requests()) as batch:
        assert asked.wait(10)
        assert client.get("quick-1").is_terminal
        assert next(batch).index == 0
        go_on.set()
        assert next(batch).index == 1
        assert list(batch) == []


def test_async_requests_are_read_too(client: ImagesClient) -> None:
    async def requests() -> AsyncIterator[str]:
        yield "a boat"
        yield "a ship"

    assert [outcome.request.prompt for outcome in client.generate_many(requests())] == ["a boat", "a ship"]


def test_what_reading_raises_comes_after_the_outcomes(client: ImagesClient) -> None:
    def requests() -> Iterator[str]:
        yield "a boat"
        raise LookupError("no more")

    with client.batch(requests()) as batch:
        assert next(batch).index == 0
        with pytest.raises(LookupError, match="no more"):
            next(batch)
    with pytest.raises(TypeError):
        client.generate_many(3)  # type: ignore[arg-type]


def test_a_batch_is_entered_first_and_used_once(client: ImagesClient) -> None:
    batch = client.batch(["a boat"])
    assert isinstance(batch, Batch)
    assert batch.stats.read == 0
    with pytest.raises(RuntimeError, match="entered first"):
        next(batch)
    with batch:
        with pytest.raises(RuntimeError, match="used once"):
            batch.__enter__()
        assert [outcome.ok for outcome in batch] == [True]
    with pytest.raises(RuntimeError, match="used once"):
        batch.__enter__()


def test_an_error_in_the_block_comes_out_as_it_is(client: ImagesClient) -> None:
    batch = client.batch(["slow"] * 3)

    def work() -> None:
        with batch:
            while batch.stats.submitted < 3:
                time.sleep(0.01)
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        work()
    assert len(batch.detached) == 3


def test_several_threads_may_take_from_one_batch(client: ImagesClient) -> None:
    taken: list[int] = []
    with client.batch(map(str, range(60))) as batch:
        threads = [threading.Thread(target=lambda: taken.extend(outcome.index for outcome in batch)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert sorted(taken) == list(range(60))


# --- interrupted when the answer was already there


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """While it is set, Ctrl-C comes when a call has its result and has not given it yet."""
    interrupt = threading.Event()
    wait = PortalCall.wait

    def wait_and_be_interrupted(self: PortalCall[Any]) -> None:
        wait(self)
        if interrupt.is_set():
            interrupt.clear()
            raise KeyboardInterrupt

    monkeypatch.setattr(PortalCall, "wait", wait_and_be_interrupted)
    return interrupt


def test_a_task_that_was_just_created_is_detached(client: ImagesClient, late: threading.Event) -> None:
    late.set()
    with pytest.raises(KeyboardInterrupt):
        client.create("a boat")
    [task] = client.detached
    assert client.wait(task).is_terminal
    late.set()
    with pytest.raises(KeyboardInterrupt):
        client.generate_many(["a boat", "a ship"])
    assert len(client.detached) == 3


def test_an_outcome_that_was_just_taken_is_the_next(client: ImagesClient, late: threading.Event) -> None:
    with client.batch(["a", "b", "c"]) as batch:
        late.set()
        with pytest.raises(KeyboardInterrupt):
            next(batch)
        assert sorted(outcome.index for outcome in batch) == [0, 1, 2]
    with client.batch(["a"]) as batch:
        late.set()
        with pytest.raises(KeyboardInterrupt):
            next(batch)
    assert len(batch.detached) == 1


def test_a_batch_that_was_just_entered_is_left(client: ImagesClient, late: threading.Event) -> None:
    batch = client.batch(["slow"])
    late.set()
    with pytest.raises(KeyboardInterrupt):
        batch.__enter__()
    deadline = time.monotonic() + 5
    while batch._portal._task is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert client.get("quick-1").is_terminal


@pytest.mark.parametrize("error", [None, ValueError("no")])
def test_a_call_that_ends_in_the_loops_last_turn_gives_what_came_of_it(error: Exception | None) -> None:
    async def work() -> str:
        if error is not None:
            raise error
        return "done"

    loop = asyncio.new_event_loop()
    call = PortalCall(work(), lambda _: None)
    call.start(loop)
    loop.call_soon(loop.stop)
    loop.run_forever()  # one turn: in the next, the task would tell that it has ended
    call.cut_off(None)
    loop.close()

    with nullcontext() if error is None else pytest.raises(ValueError, match="no"):
        assert call.outcome() == "done"


def test_a_call_that_begins_in_the_loops_last_turn_is_ended_like_any_other() -> None:
    async def nothing() -> None:
        await asyncio.sleep(3600)

    runner = Runner(nothing)
    runner.start()
    runner._discarded = True  # the loop's own task ends in the turn after it is told to
    call = PortalCall(nothing(), lambda _: None)

    def tell() -> None:
        runner._stopping.set()
        runner._loop.call_soon(call.hand_in, runner)

    runner.soon(tell)
    call.wait()

    with pytest.raises(ConfigurationError, match="was closed while it was being used"):
        call.outcome()
    runner.join(10)
    gc.collect()  # a coroutine that was never awaited warns, and warnings are errors


@pytest.mark.parametrize("how", ["SystemExit", "loop.stop"])
def test_whoever_stops_the_loop_in_its_last_turn_keeps_nobody_waiting(how: str) -> None:
    async def nothing() -> None:
        pass

    async def stop() -> None:
        if how == "loop.stop":
            asyncio.get_running_loop().stop()
        raise SystemExit(3)

    runner = Runner(nothing)
    runner.start()
    runner._discarded = True
    stopping = PortalCall(stop(), lambda _: None)
    sleeping = PortalCall(asyncio.sleep(3600), lambda _: None)

    def tell() -> None:
        sleeping.hand_in(runner)
        stopping.hand_in(runner)
        runner._stopping.set()

    runner.soon(tell)
    runner.join(10)

    assert not runner._thread.is_alive()
    assert runner._loop.is_closed()
    sleeping.wait()
    with pytest.raises(ConfigurationError, match="was closed while it was being used"):
        sleeping.outcome()
    with pytest.raises(SystemExit):
        stopping.outcome()


# --- a thread that cannot be had


def test_no_thread_to_be_had_is_an_error_at_once(base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    client = ImagesClient("sk_test", base_url=base_url)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(ConfigurationError, match="can't start new thread"):
            client.get("quick-1")
    assert client.get("quick-1").is_terminal
    client.close()


def test_ctrl_c_while_the_thread_starts_leaves_the_client_as_it_was(
    base_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = threading.Thread.start

    def start(self: threading.Thread) -> None:
        begin(self)
        raise KeyboardInterrupt

    client = ImagesClient("sk_test", base_url=base_url)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(KeyboardInterrupt):
            client.get("quick-1")
    assert client.get("quick-1").is_terminal
    client.close()


# --- secrets


def test_no_traceback_shows_the_key(base_url: str) -> None:
    key = "sk_topsecret"
    shown = ""
    try:
        ImagesClient(f"{key}\n", base_url=base_url)
    except ConfigurationError as error:
        shown += "".join(frames(error))
    with ImagesClient(key, base_url=base_url, model="m") as client:
        bad: list[dict[str, Any]] = [{"n": 0}, {"size": "1024x"}]
        for wrong in bad:
            try:
                client.create("a boat", **wrong)
            except ValueError as error:
                shown += "".join(frames(error))
    assert "in create" in shown
    assert key not in shown


def frames(error: BaseException) -> list[str]:
    """The traceback with the locals of the mirror's frames."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours = [each for each in told.stack if "apimodels_async/sync/" in each.filename]
    told.stack = traceback.StackSummary.from_list(ours)
    return list(told.format())


# --- threads that are none


@pytest.mark.parametrize(
    ("module", "function", "library"),
    [("gevent.monkey", "is_module_patched", "gevent"), ("eventlet.patcher", "is_monkey_patched", "eventlet")],
)
def test_replaced_threads_are_refused_at_once(
    module: str, function: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stand-ins: the real libraries cannot be undone in a process."""
    replaced = types.ModuleType(module)
    setattr(replaced, function, lambda _: True)
    monkeypatch.setitem(sys.modules, module, replaced)

    with pytest.raises(ConfigurationError, match=f"{library} has replaced"):
        ImagesClient("sk_test", base_url="http://127.0.0.1:9", model="m")
