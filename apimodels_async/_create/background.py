"""Work that must outlive the task that asked for it, and the event loop it belongs to.

A create request must not be cancelled between the server's acceptance and our recording of the task id. A shielded
scope is not enough: ``asyncio.Task.cancel`` and Ctrl-C interrupt it too. So the request runs in a task owned by the
loop, and the caller only waits.
"""

import contextvars
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Generic, TypeVar

import anyio

from apimodels_async._clock import LoopClock
from apimodels_async._threads import LoopCaller, is_trio, running_loop
from apimodels_async.errors import ConfigurationError

T = TypeVar("T")


class Job(Generic[T]):
    """One background job.

    Attributes:
        scope: cancelling it cuts the work short; the job then ends with neither a result nor an error.
        may_be_cut: returns whether cutting it short does no harm; the work says so, as long as it is under way.
        ended: set when the work has ended, in any way.
    """

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self.may_be_cut: Callable[[], bool] = lambda: True
        self.scope: anyio.CancelScope = anyio.CancelScope()
        self.ended: anyio.Event = anyio.Event()
        self.result: T | None = None
        self.error: BaseException | None = None

    def leave(self) -> None:
        """Nothing waits for it any more: cut it short if that does no harm."""
        if self.may_be_cut():
            self.scope.cancel()

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
    """Owns the jobs of one client, in one event loop of one process.

    Attributes:
        clock: of that loop.
    """

    def __init__(self) -> None:
        self._jobs: set[Job[Any]] = set()
        self._tasks: set[Any] = set()
        self._loop: Any = None
        self._call_in_loop: LoopCaller | None = None
        self._pid = os.getpid()
        self._closed = False
        self.clock: LoopClock = LoopClock()

    def bind(self) -> None:
        """Bind to the running loop on the first call; later check that loop and process are still the same.

        Raises:
            ConfigurationError: closed, forked, or in another event loop.
        """
        if self._closed:
            raise ConfigurationError("this client is closed: make a new one")
        if self.are_forked:
            raise ConfigurationError("this client was made before a fork: make one in each process")
        loop = running_loop()
        if self._loop is None:
            self._loop, self._call_in_loop = loop, LoopCaller()
            self.clock.bind()
        elif self._loop is not loop:
            raise ConfigurationError("this client is used in a second event loop: make one in each")

    def start(self, work: Callable[[], Awaitable[T]]) -> Job[T]:
        """Start `work` in a task owned by the loop, with a copy of the caller's context variables."""
        job = Job(work)
        self.start_job(job)
        return job

    def start_job(self, job: Job[Any]) -> None:
        """Start a job that was made already: an eager task factory would run it before `start` returned it."""
        self._jobs.add(job)
        self._spawn(partial(self._run, job))

    def start_beside(self, work: Callable[[], Awaitable[T]]) -> Job[T]:
        """Start `work` that ends by itself when the jobs have ended: closing does not wait for it."""
        job = Job(work)
        self._spawn(job.run)
        return job

    def _spawn(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if is_trio(self._loop):
            lowlevel = sys.modules["trio"].lowlevel  # imported whole: its loop is running
            lowlevel.spawn_system_task(run, name="apimodels_async create", context=contextvars.copy_context())
        else:
            self._keep(self._loop.create_task(run(), name="apimodels_async create"))

    def call_soon(self, function: Callable[[], object]) -> None:
        """Schedule `function` in the client's loop, from any thread. Does nothing if the loop has ended."""
        if self._call_in_loop is not None:
            self._call_in_loop(function)

    @property
    def closed(self) -> bool:
        """Whether no job can be started any more."""
        return self._closed

    async def _run(self, job: Job[Any]) -> None:
        try:
            await job.run()
        finally:
            self._jobs.discard(job)

    @property
    def are_elsewhere(self) -> bool:
        """Whether they belong to another event loop than the running one, or to another process."""
        if self._loop is None:
            return False
        return self.are_forked or self._loop is not running_loop()

    async def run_there(self, work: Callable[[], Awaitable[object]], seconds: float) -> bool:
        """Run `work` in the loop that they belong to, and wait for it here, for `seconds` at most.

        Returns:
            Whether that loop still runs, and the work has ended.
        """
        if self.are_forked or not getattr(self._loop, "is_running", lambda: True)():
            return False
        ended, call_here = anyio.Event(), LoopCaller()
        errors: list[BaseException | None] = []

        async def run() -> None:
            job = Job(work)  # made there, because its parts belong to a loop
            try:
                await job.run()
            finally:
                errors.append(job.error)
                call_here(ended.set)

        try:
            self._call_there(run)
        except RuntimeError:  # trio's, whose run has finished
            return False
        with anyio.move_on_after(seconds, shield=True):
            await ended.wait()
        for error in filter(None, errors):
            raise error
        return ended.is_set()

    def _call_there(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if is_trio(self._loop):
            spawn = sys.modules["trio"].lowlevel.spawn_system_task
            self._loop.run_sync_soon(partial(spawn, work, name="apimodels_async close"))
        else:
            # The caller's context would say that this is trio, if it is.
            context = contextvars.Context()
            self._loop.call_soon_threadsafe(lambda: self._keep(self._loop.create_task(work())), context=context)

    def _keep(self, task: Any) -> None:
        self._tasks.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._tasks.discard)

    @property
    def are_forked(self) -> bool:
        """Whether they belong to the process of which this one is a fork."""
        return self._pid != os.getpid()

    def abandon(self) -> int:
        """Accept no more work, and return how many jobs are left behind in a loop that has ended."""
        self._closed = True
        return len(self._jobs)

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
