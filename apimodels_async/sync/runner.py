"""One event loop in one background thread, and the calls that other threads submit to it.

A call is one of these cases, and `PortalCall` handles each:

- It is submitted while the loop accepts calls. A task runs its coroutine with the caller's context variables, and the
  caller waits for a lock that is released when the task has ended. The caller gets the result or the error.
- The caller is interrupted (Ctrl-C) while it waits. The task is cancelled, and the caller waits a moment for it to
  end. A result that already exists would be lost, so it is passed to `undelivered`, which keeps the id of a paid task.
- The loop ends first, because the client was closed in another thread. Each remaining call is cut off: its coroutine
  is closed or cancelled, and its caller gets a `ConfigurationError`.
- The call is submitted during the last iteration of the loop. It cannot run any more, so it is cut off when the thread
  ends.

The thread is a daemon, and so are the worker threads that are started from it: an exiting interpreter joins all other
threads first, and would wait for idle ones forever. Clients are closed by `atexit` instead, in bounded time.
`run_coroutine_threadsafe` would be shorter, but it does not expose its task: the second and the fourth case could not
be distinguished from a normal end.
"""

import asyncio
import atexit
import contextvars
import logging
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Generic, TypeVar

from apimodels_async.errors import ConfigurationError

T = TypeVar("T")

logger: logging.Logger = logging.getLogger("apimodels_async")

UNWINDING = 0.5
"""Seconds that an interrupted caller waits for its coroutine to end."""
ENDING = 2.0
"""Seconds that coroutines get to end when the loop ends."""
CLOSING = 10.0
"""Maximum seconds that closing takes: the client's own grace period for create requests, and `ENDING`."""
_INTERRUPTIONS = 1000
"""How often the loop is restarted if foreign code stops it."""
OURS = "apimodels-sync"
"""The name of the thread, and of the tasks in which calls run."""
POLL = 0.25
"""Seconds of one wait for a lock. Ctrl-C does not interrupt it on Windows, nor where it comes as the wait begins."""


class PortalCall(Generic[T]):
    """One coroutine to run in the loop, and the thread that waits for it.

    Once it is submitted, its state changes only in the loop's thread, so that no lock is needed.

    Args:
        coroutine: what to run.
        undelivered: called in the loop's thread with a result that its interrupted caller can no longer receive.
    """

    __slots__ = (
        "_abandoned",
        "_coroutine",
        "_done",
        "_error",
        "_finished",
        "_result",
        "_runner",
        "_task",
        "_undelivered",
        "context",
    )

    def __init__(self, coroutine: Coroutine[Any, Any, T], undelivered: Callable[[T], object]) -> None:
        self._coroutine = coroutine
        self._undelivered = undelivered
        self._runner: Runner | None = None
        self._task: asyncio.Task[T] | None = None
        self._abandoned = self._finished = False
        self._result: T
        self._error: BaseException | None = None
        self._done = threading.Lock()
        self._done.acquire()
        self.context: contextvars.Context = contextvars.copy_context()

    # --- in the thread of the caller

    def hand_in(self, runner: "Runner") -> bool:
        """Submit the call to a runner; return whether it still accepts calls."""
        self._runner = runner  # first, so that an interruption in the next line finds it
        if not runner.submit(self):
            self._runner = None
            return False
        return True

    def wait(self) -> None:
        """Block until the call has ended."""
        while not self._done.acquire(timeout=POLL):
            pass

    def give_up(self) -> None:
        """Cancel the coroutine of an interrupted caller, and wait up to `UNWINDING` seconds for it to end."""
        if self._runner is None:
            self._coroutine.close()
        elif self._runner.soon(self.abandon):
            self._done.acquire(timeout=UNWINDING)

    def outcome(self) -> T:
        """Return the result, or raise the coroutine's error."""
        if self._error is None:
            return self._result
        try:
            if isinstance(self._error, asyncio.CancelledError):
                raise ConfigurationError("this client was closed while it was being used") from None
            raise self._error
        finally:
            del self  # the error, its traceback and this frame would be a reference cycle

    # --- in the thread of the loop

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the task, with the context variables of the caller."""
        try:
            _forget_the_callers_library()
            self._task = loop.create_task(self._coroutine, name=OURS, context=self.context)
            self._task.add_done_callback(self._finish)
        except BaseException as error:  # noqa: BLE001  (the caller must be notified)
            self.cut_off(error)

    def abandon(self) -> None:
        """Cancel the task, or pass on its result: the caller no longer waits."""
        self._abandoned = True
        if self._task is None:
            self.cut_off(None)
        elif not self._task.done():
            self._task.cancel()
        elif self._finished:
            self._deliver_late()
            self._release()

    def cut_off(self, error: BaseException | None) -> None:
        """End the call without running its coroutine to the end, unless its task has just finished."""
        if self._task is None:
            self._coroutine.close()
        elif self._task.done():  # in the loop's last iteration, which left none for the done callback
            self._finish(self._task)
            return
        self._error = error or asyncio.CancelledError()
        self._release()

    def _finish(self, task: asyncio.Task[T]) -> None:
        self._finished = True
        if task.cancelled():
            self._error = asyncio.CancelledError()
        else:
            self._error = task.exception()
            if self._error is None:
                self._result = task.result()
        if self._abandoned:
            self._deliver_late()
        self._release()

    def _deliver_late(self) -> None:
        if self._error is None:
            try:
                self._undelivered(self._result)
            except Exception:
                logger.exception("a result that its interrupted caller did not receive was lost: %r", self._result)

    def _release(self) -> None:
        if self._runner is not None:
            self._runner.forget(self)
        with suppress(RuntimeError):  # already released
            self._done.release()


def _forget_the_callers_library() -> None:
    """Clear sniffio's context variable: a caller inside trio has "trio" there, which anyio would believe here."""
    sniffio = sys.modules.get("sniffio")
    if sniffio is not None and sniffio.current_async_library_cvar.get() is not None:
        sniffio.current_async_library_cvar.set(None)


class Runner:
    """The loop and its thread.

    Args:
        aclose: awaited in the loop before it ends.
    """

    def __init__(self, aclose: Callable[[], Awaitable[None]]) -> None:
        self._aclose = aclose
        self._pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._discarded = False
        self._lock = threading.RLock()  # a signal handler may call while the thread that it interrupts does
        self._open = True
        self._calls: set[PortalCall[Any]] = set()
        self._told: set[asyncio.Task[Any]] = set()  # already cancelled
        self._thread = threading.Thread(target=self._run, name=OURS, daemon=True)

    def start(self) -> None:
        """Start the thread.

        Raises:
            ConfigurationError: the interpreter is shutting down and cannot start threads.
        """
        _RUNNING.add(self)
        try:
            self._thread.start()
        except RuntimeError as error:
            _RUNNING.discard(self)
            self._loop.close()
            raise ConfigurationError(f"the client's background thread cannot be started: {error}") from error
        except BaseException:
            # Ctrl-C: the thread may or may not have started. It ends at once if it has, and the client is not closed.
            self._discarded = True
            self.stop_soon()
            raise

    @property
    def is_open(self) -> bool:
        """Whether calls are accepted."""
        return self._open

    @property
    def is_here(self) -> bool:
        """Whether the calling thread is the loop's."""
        return self._thread.ident == threading.get_ident()

    def submit(self, call: PortalCall[Any]) -> bool:
        """Schedule a call; return whether the loop still accepts calls."""
        with self._lock:
            if not self._open:
                return False
            self._calls.add(call)
            self._loop.call_soon_threadsafe(call.start, self._loop, context=call.context)
            return True

    def soon(self, callback: Callable[[], object]) -> bool:
        """Schedule a function in the loop's thread; return whether the loop still accepts calls."""
        with self._lock:
            if self._open:
                self._loop.call_soon_threadsafe(callback)
            return self._open

    def forget(self, call: PortalCall[Any]) -> None:
        """Remove a call that has ended."""
        self._calls.discard(call)

    def stop_soon(self) -> None:
        """Make the loop close the client and end. Takes no lock and never waits: the garbage collector may call it."""
        if self._pid == os.getpid():
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._stopping.set)

    def join(self, timeout: float) -> None:
        """Wait for the thread to end, at most `timeout` seconds."""
        self._thread.join(timeout)

    # --- in the thread

    def _run(self) -> None:
        try:
            self._complete(self._main())
        finally:
            with self._lock:
                self._open = False
            try:
                # Calls submitted in the last iterations did not run, or not to their end.
                self._complete(self._end_all())
            finally:
                for call in list(self._calls):
                    call.cut_off(None)
                self._loop.close()
                _RUNNING.discard(self)

    def _complete(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run the loop until this coroutine has ended.

        A callback or generator of the user may raise SystemExit. It ends its task and reaches the caller of that task;
        asyncio also raises it out of the loop, where it must not end the calls of other threads. Foreign code may stop
        the loop as well (`RuntimeError`). In both cases the loop is restarted, a bounded number of times: if another
        loop runs in this thread, as with a library that replaces threads, it would raise the same error forever.
        """
        task = self._loop.create_task(coroutine)
        trouble: BaseException | None = None
        for _ in range(_INTERRUPTIONS):
            try:
                self._loop.run_until_complete(task)
            except (KeyboardInterrupt, SystemExit, RuntimeError) as error:
                trouble = error
            if task.done():
                return
        task.cancel()
        raise RuntimeError("the event loop is stopped again and again") from trouble

    async def _main(self) -> None:
        await self._stopping.wait()
        if self._discarded:
            return
        try:
            await self._aclose()
        except Exception:
            logger.exception("closing the client failed")
        await self._end_all()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._loop.shutdown_asyncgens(), ENDING)

    async def _end_all(self) -> None:
        """Cancel every task, the outermost first, so that a task group cancels its own children in order.

        A second call cancels only tasks that are new: those that did not end the first time will not end now either.
        """
        told = {*self._told, asyncio.current_task()}
        for name in (OURS, ""):
            tasks = {task for task in asyncio.all_tasks() if name in task.get_name()} - told
            self._told |= tasks
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=ENDING / 2)


_RUNNING: set[Runner] = set()


@atexit.register
def close_all() -> None:
    """Close all clients that are still open when the interpreter exits."""
    runners = list(_RUNNING)
    for runner in runners:
        runner.stop_soon()
    deadline = time.monotonic() + CLOSING
    for runner in runners:
        runner.join(max(0.0, deadline - time.monotonic()))
