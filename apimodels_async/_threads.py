"""Between threads and event loops: worker threads of our own, and calls from a thread into a loop."""

import asyncio
import atexit
import contextlib
import contextvars
import os
import queue
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread

T = TypeVar("T")

EXIT = 2.0
"""Maximum seconds that an exiting interpreter waits for work that is under way in our threads."""
IDLE = 2.0
"""Seconds after which a thread of ours that has nothing to do ends."""


class WorkerThreads:
    """Worker threads for one kind of work, a fixed number in each event loop.

    anyio's default limiter has 40 threads for the whole program. A program that keeps them all busy must not stop our
    work, and ours must not stop the program's.

    Args:
        kind: a name for the kind of work.
        number: of threads.
        foreign: whether the work is a caller's function, which may use `anyio.from_thread`. It gets a thread of
            anyio's then, which keeps the interpreter from its exit where an event loop is left in an odd way
            (nest_asyncio).
    """

    def __init__(self, kind: str, number: int, *, foreign: bool = False) -> None:
        self._number = number
        self._foreign = foreign
        self._limiter: anyio.lowlevel.RunVar[anyio.CapacityLimiter] = anyio.lowlevel.RunVar(f"{__name__}.{kind}")

    async def run(self, work: Callable[[], T], *, abandon: bool = False) -> T:
        """Call `work` in one of the threads and return what it returns.

        Args:
            work: what to call.
            abandon: whether it may be left running when the caller is cancelled.
        """
        limiter = self._limiter.get(None)
        if limiter is None:
            limiter = anyio.CapacityLimiter(self._number)
            self._limiter.set(limiter)
        # trio's own threads do not keep an interpreter from its exit.
        if self._foreign or is_trio(running_loop()):
            return await anyio.to_thread.run_sync(work, abandon_on_cancel=abandon, limiter=limiter)
        returned: list[T] = []
        async with limiter:
            with anyio.CancelScope(shield=not abandon):
                returned.append(await _threads_of_loop().run(work))
        return returned[0]


FILES = WorkerThreads("files", 16)
"""For short work on files: pictures in, pictures out, ledgers that are opened."""


_SAME_CLOCK = 10.0
"""Seconds by which a loop's clock may differ from the system's: some keep the time of their last turn."""
_imported: set[str] = set()
_loading = threading.Lock()


async def imported(*modules: str) -> None:
    """Import modules, in a thread: each may take tens of milliseconds, for which the event loop would be blocked.

    Nothing of anyio is used on asyncio, because its own module for asyncio is one of them. Under a clock that is not
    the system's, as in tests, no thread is waited for: such a clock jumps ahead when nothing else happens.
    """
    if _imported.issuperset(modules):
        return
    missing = [name for name in modules if name not in _imported]
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        trio = sys.modules["trio"]
        if type(trio.lowlevel.current_clock()).__name__ == "SystemClock":
            await trio.to_thread.run_sync(_import, missing, "trio", limiter=trio.CapacityLimiter(1))
        else:
            _import(missing, "trio")
    else:
        if abs(loop.time() - time.monotonic()) < _SAME_CLOCK:
            await _LoopThreads().run(lambda: _import(missing, "asyncio"))
        else:
            _import(missing, "asyncio")
    _imported.update(missing)


def load_module(name: str) -> Any:
    """Import a module in a thread that is not the program's own, while no other such thread imports.

    Under pytest, which parses every module of a distribution that has a plugin, Python 3.11 raises `SystemError` where
    two threads parse at once.
    """
    with _loading:
        return import_module(name)


def _import(modules: Iterable[str], library: str) -> None:
    with contextlib.suppress(ImportError):  # a later anyio may have no such module; it is only quicker to have it
        load_module(f"anyio._backends._{library}")
    for name in modules:
        load_module(name)


class _UnderWay:
    """Counts the calls that are being worked on."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._number = 0

    def __enter__(self) -> None:
        with self._changed:
            self._number += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._number -= 1
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait until there is none, and return whether there is none."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._number, seconds)


class _LoopThreads:
    """The threads of one asyncio loop.

    They end when they are idle or the loop is gone, and are daemons: an interpreter can exit beside them.
    """

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        weakref.finalize(self, self._calls.put, None).atexit = False

    async def run(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        result: asyncio.Future[T] = loop.create_future()
        context = contextvars.copy_context()

        def call() -> None:
            returned: Any = None
            error: BaseException | None = None
            try:
                returned = context.run(work)
            except StopIteration as raised:  # a future does not take it
                error = RuntimeError("a function in a thread raised StopIteration")
                error.__cause__ = raised
            except BaseException as raised:  # noqa: BLE001  (raised in the loop)
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop has ended: nothing waits there any more
                loop.call_soon_threadsafe(_settle, result, returned, error)

        if not self._idle.acquire(blocking=False):
            threading.Thread(target=_work, args=(self._calls, self._idle), name="apimodels", daemon=True).start()
        self._calls.put(call)
        return await result


def _work(calls: "queue.SimpleQueue[Callable[[], object] | None]", idle: threading.Semaphore) -> None:
    """What a thread does. It does not hold the `_LoopThreads`, whose end is its own end."""
    while True:
        try:
            call = calls.get(timeout=IDLE)
        except queue.Empty:
            if idle.acquire(blocking=False):
                return
            continue  # a call is on its way, and counts on this thread
        if call is None:
            break
        with _under_way:
            call()
        del call  # and with it the result, which may be large
        idle.release()
    calls.put(None)  # for the others


def _settle(result: "asyncio.Future[T]", returned: T, error: BaseException | None) -> None:
    if result.cancelled():
        return
    if error is None:
        result.set_result(returned)
    else:
        result.set_exception(error)


_loop_threads: anyio.lowlevel.RunVar[_LoopThreads] = anyio.lowlevel.RunVar(f"{__name__}.threads")
_under_way = _UnderWay()


def _threads_of_loop() -> _LoopThreads:
    threads = _loop_threads.get(None)
    if threads is None:
        threads = _LoopThreads()
        _loop_threads.set(threads)
    return threads


def _forget() -> None:
    """In a forked child there is no other thread."""
    global _under_way, _loading
    _under_way, _loading = _UnderWay(), threading.Lock()


@atexit.register
def _finish() -> None:
    """Let threads finish what they are writing: it would be left half done."""
    _under_way.wait(EXIT)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def is_trio(token: object) -> bool:
    """Whether a loop's native token is trio's.

    Judged by the name of its class: another thread may be in the middle of importing trio, which then lacks names.
    """
    return type(token).__module__.partition(".")[0] == "trio"


def in_trio_task() -> bool:
    """Whether a task of trio is running. A trio that another thread is about to import has none."""
    trio = sys.modules.get("trio.lowlevel")
    return trio is not None and getattr(trio, "in_trio_task", bool)()


def running_loop() -> Any:
    """Return what anyio has as the native token of the running event loop: asyncio's loop, or trio's token.

    As `anyio.lowlevel.current_token`, which finds out each time which library runs, at a ninth of its cost, or half
    of it where trio is imported. An asyncio loop beside trio (its guest mode) counts only where no task of trio runs.

    Raises:
        anyio.NoEventLoopError: there is none.
    """
    if not in_trio_task():
        try:
            return asyncio.get_running_loop()
        except RuntimeError:  # in trio, but in none of its tasks
            pass
    return anyio.lowlevel.current_token().native_token


class LoopCaller:
    """Calls functions in the event loop in which it was made, from any thread."""

    __slots__ = ("_soon",)

    def __init__(self) -> None:
        token = running_loop()
        # asyncio's token is its loop; trio's has a method of its own.
        self._soon: Callable[[Callable[[], object]], object] = (
            getattr(token, "call_soon_threadsafe", None) or token.run_sync_soon
        )

    def __call__(self, function: Callable[[], object]) -> None:
        """Call `function` in the loop soon. Where the loop has ended, nothing happens: nothing waits there any more."""
        with contextlib.suppress(RuntimeError):
            self._soon(function)
