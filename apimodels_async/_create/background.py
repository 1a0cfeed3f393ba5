"""Work that must outlive the task that asked for it, and the event loop it belongs to.

A create request must not be cancelled between the server's acceptance and our recording of the task id. A shielded
scope is not enough: ``asyncio.Task.cancel`` and Ctrl-C interrupt it too. So the request runs in a task owned by the
loop, and the caller only waits.
"""

import contextvars
import os
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Generic, TypeVar

import anyio
import anyio.lowlevel

from apimodels_async._threads import LoopCaller, is_trio
from apimodels_async.errors import ConfigurationError

T = TypeVar("T")


class Job(Generic[T]):
    """One background job.

    Attributes:
        scope: cancelling it cuts the work short; the job then ends with neither a result nor an error.
        ended: set when the work has ended, in any way.
    """

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self.scope: anyio.CancelScope = anyio.CancelScope()
        self.ended: anyio.Event = anyio.Event()
        self.result: T | None = None
        self.error: BaseException | None = None

    async def run(self) -> None:
        """Do the work and keep its outcome. Raises only if the loop itself cancels it.

        Even a ``SystemExit`` from a plug-in of the user does not end the loop: the caller gets it.
        """
        try:
            with self.scope:
                self.result = await self._work()
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:  # noqa: BLE001  (raised in the caller)
            self.error = error
        finally:
            self.ended.set()


class BackgroundJobs:
    """Owns the jobs of one client, in one event loop of one process."""

    def __init__(self) -> None:
        self._jobs: set[Job[Any]] = set()
        self._tasks: set[Any] = set()
        self._loop: Any = None
        self._call_in_loop: LoopCaller | None = None
        self._pid = os.getpid()
        self._closed = False

    def bind(self) -> None:
        """Bind to the running loop on the first call; later check that loop and process are still the same.

        Raises:
            ConfigurationError: closed, forked, or in another event loop.
        """
        if self._closed:
            raise ConfigurationError("this client is closed: make a new one")
        if self._pid != os.getpid():
            raise ConfigurationError("this client was made before a fork: make one in each process")
        loop = anyio.lowlevel.current_token().native_token
        if self._loop is None:
            self._loop, self._call_in_loop = loop, LoopCaller()
        elif self._loop is not loop:
            raise ConfigurationError("this client is used in a second event loop: make one in each")

    def start(self, work: Callable[[], Awaitable[T]]) -> Job[T]:
        """Start `work` in a task owned by the loop, with a copy of the caller's context variables."""
        job = Job(work)
        self._jobs.add(job)
        run = partial(self._run, job)
        if is_trio(self._loop):
            lowlevel = sys.modules["trio"].lowlevel  # imported whole: its loop is running
            lowlevel.spawn_system_task(run, name="apimodels_async create", context=contextvars.copy_context())
        else:
            task = self._loop.create_task(run(), name="apimodels_async create")
            self._tasks.add(task)  # the loop itself keeps only a weak reference
            task.add_done_callback(self._tasks.discard)
        return job

    def call_soon(self, function: Callable[[], object]) -> None:
        """Schedule `function` in the client's loop, from any thread. Does nothing if the loop has ended."""
        if self._call_in_loop is not None:
            self._call_in_loop(function)

    async def _run(self, job: Job[Any]) -> None:
        try:
            await job.run()
        finally:
            self._jobs.discard(job)

    async def aclose(self, grace: float) -> None:
        """Accept no more work; give the jobs under way `grace` seconds to end, then cancel them.

        Safe to call while being cancelled, and twice.
        """
        self._closed = True
        if not self._jobs:
            return
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(grace):
                await _all_ended(self._jobs)
            for job in self._jobs:
                job.scope.cancel()
            with anyio.move_on_after(1.0):
                await _all_ended(self._jobs)


async def _all_ended(jobs: set[Job[Any]]) -> None:
    for job in list(jobs):
        await job.ended.wait()
