"""The places where legacy code calls from, each a program of its own: ``python cases.py NAME BASE_URL``.

A case that ends without a word was right. What it says on stdout is the time at which its last line ran, from which
whoever started it sees how long the interpreter's exit took.
"""

import asyncio
import atexit
import concurrent.futures
import contextlib
import contextvars
import faulthandler
import io
import itertools
import json
import logging
import os
import queue
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

FINAL: list[Callable[[], object]] = []
atexit.register(lambda: [call() for call in FINAL])  # the first to be registered is the last to be called

from apimodels_async import ConfigurationError, ImagesClient  # noqa: E402
from apimodels_async.pacing import FixedPacing  # noqa: E402

PATIENCE = 60.0
"""Seconds after which something that was to happen has not: a busy machine needs less."""
LIMIT = 120.0
"""Seconds after which a case says where it hangs, and ends."""
CASES: dict[str, Callable[[str], object]] = {}
PIXEL = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00:~\x9bU\x00\x00\x00\n"
    b"IDATx\x9cc`\x00\x00\x00\x02\x00\x01H\xaf\xa4q\x00\x00\x00\x00IEND\xaeB`\x82"
)


def case(function: Callable[[str], object]) -> Callable[[str], object]:
    CASES[function.__name__] = function
    return function


KEPT: list[ImagesClient] = []
"""Until the interpreter's exit: one that nobody holds any more is closed before."""


def client_of(base_url: str, **more: Any) -> ImagesClient:
    client = ImagesClient("sk_test", base_url=base_url, model="m", **{"pacing": FixedPacing(0.02), **more})
    KEPT.append(client)
    return client


def refused(call: Callable[[], object], words: str) -> None:
    """`call` says what is wrong, and waits for nothing."""
    begun = time.monotonic()
    said = "nothing"
    try:
        call()
    except ConfigurationError as error:
        said = str(error)
    assert words in said
    assert time.monotonic() - begun < PATIENCE


def interrupt_in(seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.daemon = True
    timer.start()
    return timer


class Pacing:
    """Quick, and calls `asked` each time that it is asked."""

    def __init__(self, asked: Callable[[], object]) -> None:
        self._asked = asked

    def next_delay(self, key: str, elapsed: float) -> float:
        self._asked()
        return 0.02

    def observe(self, key: str, duration: float) -> None:
        pass


class Trigger(Pacing):
    """Sends Ctrl-C a moment after it was asked for the first time: then something is under way for sure."""

    def __init__(self) -> None:
        super().__init__(self.send)
        self.sent = 0.0

    def send(self) -> None:
        if not self.sent:
            self.sent = time.monotonic() + 0.1
            interrupt_in(0.1)


def interrupted(call: Callable[[Trigger], object]) -> None:
    """Ctrl-C comes in the middle of `call`, which would never end, and comes through."""
    trigger = Trigger()
    try:
        call(trigger)
    except KeyboardInterrupt:
        assert time.monotonic() - trigger.sent < PATIENCE
    else:
        raise AssertionError("no interrupt")


def coroutines(client: ImagesClient) -> int:
    """How many the client's loop has, but for its own."""
    runner = client._portal._runner
    assert runner is not None

    async def count() -> int:
        return len(asyncio.all_tasks()) - 2

    return client._portal.call(count())


# --- ordinary programs


def alone_again() -> None:
    """No thread is left, but for those that were told to end and are just doing so."""
    deadline = time.monotonic() + PATIENCE
    while threading.active_count() > 1:
        assert time.monotonic() < deadline, threading.enumerate()
        time.sleep(0.01)


@case
def script(base_url: str) -> None:
    with client_of(base_url) as client:
        assert client.generate("a boat").is_terminal
        assert [outcome.index for outcome in client.generate_many(["a", "b"])] == [0, 1]
        with client.batch(f"p{number}" for number in range(5)) as batch:
            assert sorted(outcome.index for outcome in batch) == [0, 1, 2, 3, 4]
            assert batch.stats.completed == 5
    alone_again()
    refused(lambda: client.get("quick-1"), "is closed")
    client.close()


@case
def script_that_closes_nothing(base_url: str) -> None:
    # A local picture is read in a worker thread, which waits for more when the interpreter ends.
    assert client_of(base_url).generate("a boat", image=PIXEL).is_terminal


@case
def client_that_is_never_used(base_url: str) -> None:
    client_of(base_url)
    assert threading.active_count() == 1


@case
def client_that_is_forgotten(base_url: str) -> None:
    for _ in range(3):
        client_of(base_url).get("quick-1")
    KEPT.clear()
    alone_again()


@case
def many_threads(base_url: str) -> None:
    states: list[str] = []
    with client_of(base_url) as client:
        threads = [
            threading.Thread(target=lambda: states.append(client.generate("a boat").state), daemon=True)
            for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    assert states == ["completed"] * 20


@case
def futures(base_url: str) -> None:
    client = client_of(base_url)
    with concurrent.futures.ThreadPoolExecutor(4) as executor:
        tasks = list(executor.map(client.generate, ["a", "b", "c", "d", "e"], timeout=PATIENCE))
    assert all(task.is_terminal for task in tasks)
    # Left to the exit, which waits for what was submitted, and closes the client afterwards.
    later = concurrent.futures.ThreadPoolExecutor(2)
    atexit.register(lambda: [future.result(0) for future in waiting])
    waiting = [later.submit(client.wait, "quick-1") for _ in range(4)]


# --- event loops


@case
def inside_a_running_loop(base_url: str) -> None:
    client = client_of(base_url)

    async def handler() -> str:
        task = client.generate("a boat")
        with client.batch(["a", "b"]) as batch:
            assert len(list(batch)) == 2
        return str(task.state)

    assert asyncio.run(handler()) == "completed"
    assert asyncio.run(handler()) == "completed"
    client.close()


@case
def inside_trio(base_url: str) -> None:
    import anyio

    client = client_of(base_url)

    async def handler() -> None:
        assert client.generate("a boat", image=PIXEL).is_terminal
        assert (await anyio.to_thread.run_sync(client.generate, "a boat")).is_terminal
        with client.batch(["a", "b"]) as batch:
            assert len(list(batch)) == 2

    anyio.run(handler, backend="trio")
    client.close()


@case
def from_the_loops_own_thread(base_url: str) -> None:
    said: list[str] = []
    with client_of(base_url) as client:

        async def listen(_: object) -> None:
            try:
                client.get("quick-1")
            except ConfigurationError as error:
                said.append(str(error))
            try:
                client.close()
            except ConfigurationError as error:
                said.append(str(error))

        with client.batch(["a"], on_event=listen) as batch:
            assert len(list(batch)) == 1
        # A plain listener runs in a thread of its own, from where calls are as good as from any.
        states: list[str] = []
        with client.batch(["a"], on_event=lambda _: states.append(client.get("quick-1").state)) as batch:
            assert len(list(batch)) == 1
    assert said
    assert all("own event loop" in each for each in said)
    assert set(states) == {"completed"}


# --- processes


@case
def used_after_a_fork(base_url: str) -> None:
    fork_with(base_url, use_before=True)


@case
def made_before_a_fork_and_used_after(base_url: str) -> None:
    fork_with(base_url, use_before=False)


def fork_with(base_url: str, *, use_before: bool) -> None:
    """Like a server that loads the application before it forks its workers."""
    client = client_of(base_url)
    if use_before:
        client.get("quick-1")
    children = []
    faulthandler.cancel_dump_traceback_later()  # its thread would be missed in the child
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            watch()
            code = 1
            try:
                for call in (lambda: client.get("quick-1"), lambda: client.detached, lambda: client.batch(["a"])):
                    refused(call, "before a fork")
                client.close()
                with client_of(base_url) as own:
                    assert own.generate("a boat").is_terminal
                code = 0
            except BaseException:  # noqa: BLE001  (the child must end here)
                traceback.print_exc()
            if code == 0:
                return  # by the interpreter's own exit, with the parent's client in it
            os._exit(code)
        children.append(pid)
    watch()
    for pid in children:
        assert os.waitpid(pid, 0)[1] == 0
    client.get("quick-1")


# --- exits


@case
def exit_with_a_thread_waiting(base_url: str) -> None:
    client = client_of(base_url)
    asked = threading.Event()

    def wait() -> None:
        with contextlib.suppress(ConfigurationError):
            client.wait("slow-1", pacing=Pacing(asked.set))

    threading.Thread(target=wait, daemon=True).start()
    assert asked.wait(PATIENCE)


@case
def exit_in_the_middle_of_a_batch(base_url: str) -> None:
    heard: list[Any] = []
    batch = client_of(base_url).batch(itertools.repeat("slow"), on_event=heard.append)
    batch.__enter__()
    while not heard:
        time.sleep(0.01)
    tell_the_time()
    sys.exit()


@case
def exit_with_requests_that_never_come(base_url: str) -> None:
    client = client_of(base_url)
    source: queue.SimpleQueue[str] = queue.SimpleQueue()
    source.put("a boat")
    batch = client.batch(iter(source.get, None))
    batch.__enter__()
    assert next(batch).index == 0
    assert client.get("quick-1").is_terminal  # nobody else is held up


@case
def used_while_the_interpreter_exits(base_url: str) -> None:
    client = client_of(base_url)
    client.get("quick-1")
    # The last to be registered is the first to be called: this one comes before the client is closed.
    atexit.register(lambda: client.get("quick-1"))


@case
def used_after_it_was_closed_by_the_exit(base_url: str) -> None:
    # Registered before the mirror is even imported, this comes after it has closed.
    client = client_of(base_url)
    client.get("quick-1")
    FINAL.append(lambda: refused(lambda: client.get("quick-1"), "is closed"))


# --- Ctrl-C


@case
def interrupt_in_wait(base_url: str) -> None:
    client = client_of(base_url)
    interrupted(lambda trigger: client.wait("slow-1", pacing=trigger))
    assert coroutines(client) == 0
    assert client.get("quick-1").is_terminal
    interrupted(lambda trigger: client.generate("slow", pacing=trigger))
    assert [str(task.id)[:4] for task in client.detached] == ["slow"]
    assert client.get("quick-1").is_terminal
    client.close()


@case
def interrupt_in_a_batch(base_url: str) -> None:
    client = client_of(base_url)
    taken: list[Any] = []
    heard: list[str] = []
    batches: list[Any] = []

    def work(trigger: Trigger) -> None:
        def listen(event: Any) -> None:
            heard.append(event.kind)
            if heard.count("submitted") == 6:
                trigger.send()

        with client.batch(["quick", *["slow"] * 5], on_event=listen) as batch:
            batches.append(batch)
            taken.extend(batch)

    interrupted(work)
    assert len(batches[0].detached) + len(taken) == 6
    assert coroutines(client) == 0
    assert client.generate("a boat").is_terminal
    client.close()


@case
def interrupt_in_requests_that_never_come(base_url: str) -> None:
    client = client_of(base_url)
    stop = threading.Event()

    def work(trigger: Trigger) -> None:
        def requests() -> Iterator[str]:
            trigger.send()
            assert stop.wait(PATIENCE)
            yield "a boat"

        with client.batch(requests()) as batch:
            next(batch)

    interrupted(work)
    assert client.generate("a boat").is_terminal
    client.close()
    stop.set()


@case
def interrupt_that_nobody_catches(base_url: str) -> None:
    client = client_of(base_url)
    interrupt_in(0.2)
    client.wait("slow-1")


@case
def interrupts_at_any_moment_lose_no_paid_task(_: str) -> None:
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from tests.support.envelopes import envelope
    from tests.support.servers import Handler, http_server

    made: list[str] = []

    class Vendor(Handler):
        def post(self) -> None:
            self.body()
            time.sleep(random.uniform(0, 0.02))
            made.append(f"cl{len(made)}")
            self.answer(200, json.dumps(envelope(taskId=made[-1], state="pending")).encode())

    with http_server(Vendor) as base_url:
        create_and_interrupt(base_url, made)


def create_and_interrupt(base_url: str, made: list[str]) -> None:
    client = client_of(base_url)
    seen: set[str | None] = {client.create("warm").id}
    for _ in range(15):
        with contextlib.suppress(KeyboardInterrupt):
            interrupt_in(random.uniform(0, 0.03))
            seen.add(client.create("a boat").id)
            time.sleep(5)
    client.close()
    seen.update(task.id for task in client.detached)
    assert seen == set(made), (sorted(map(str, seen)), made)


# --- what is led through


NAME = contextvars.ContextVar("NAME", default="nobody")


@case
def context_and_traceback(base_url: str) -> None:
    seen: list[str] = []

    with client_of(base_url) as client:

        def requests() -> Iterator[str]:
            seen.append(NAME.get())
            yield "a boat"

        NAME.set("me")
        client.generate("a boat", pacing=Pacing(lambda: seen.append(NAME.get())))
        NAME.set("another")
        with client.batch(requests(), on_event=lambda _: seen.append(NAME.get())) as batch:
            list(batch)
        assert seen[0] == "me"
        assert set(seen[-3:]) == {"another"}
        frames: list[traceback.FrameSummary] = []
        try:
            client.get("")  # here
        except ValueError as error:
            frames += traceback.extract_tb(error.__traceback__)
        assert "# here" in (frames[0].line or "")
        assert [os.path.basename(frame.filename) for frame in frames][-2:] == ["client.py", "arguments.py"]  # noqa: PTH119
        assert len(frames) <= 6


# --- what the user brings


@case
def failures_of_the_users_own(base_url: str) -> None:
    client = client_of(base_url)

    def leaving() -> Iterator[str]:
        yield "a boat"
        raise SystemExit(3)

    said = ""
    try:
        with client.batch(leaving()) as batch:
            list(batch)
    except BaseException:  # noqa: BLE001  (a group may hold a SystemExit)
        said = traceback.format_exc()
    assert "SystemExit(3" in said or "SystemExit: 3" in said
    assert client.get("quick-1").is_terminal
    client.close()

    def fail() -> None:
        raise RuntimeError("the pacing fails")

    logged = io.StringIO()
    handler = logging.StreamHandler(logged)
    logging.getLogger("apimodels_async").addHandler(handler)
    with client_of(base_url, pacing=Pacing(fail)) as broken, broken.batch(["a boat"]) as batch:
        assert [outcome.ok for outcome in batch] == [True]  # the default pacing takes over
    logging.getLogger("apimodels_async").removeHandler(handler)
    assert "the pacing fails" in logged.getvalue()


@case
def closing_under_calls(base_url: str) -> None:
    client = client_of(base_url)
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            client.wait("slow-1")
        except ConfigurationError as error:
            errors.append(error)

    def take() -> None:
        try:
            with client.batch(["slow"]) as batch:
                outcome = next(batch)  # which knows of its task, if the batch comes to tell it
        except ConfigurationError as error:
            errors.append(error)
        else:
            assert isinstance(outcome.error, ConfigurationError)
            errors.append(outcome.error)

    client.get("warm")
    threads = [threading.Thread(target=target) for target in (wait, wait, wait, wait, take)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    client.close()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(errors) == 5


def watch() -> None:
    """Let a hang show where it is."""
    faulthandler.dump_traceback_later(LIMIT, exit=True)


def tell_the_time() -> None:
    sys.stdout.write(f"{time.monotonic()}\n")
    sys.stdout.flush()


def main() -> None:
    watch()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has what runs in its background ignore it
    CASES[sys.argv[1]](sys.argv[2])
    tell_the_time()


if __name__ == "__main__":
    main()
