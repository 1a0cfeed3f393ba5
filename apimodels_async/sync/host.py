"""A dedicated task for an async context manager, which must be entered, used and left in one task."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar, cast

import anyio

from apimodels_async.errors import ConfigurationError
from apimodels_async.sync.portal import Portal
from apimodels_async.sync.runner import OURS

T = TypeVar("T")


class Manager(Protocol):
    """An object with the ``__aexit__`` of an async context manager."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None: ...


class _Job(Generic[T]):
    """One coroutine to be run in the host's task.

    Attributes:
        scope: the cancel scope around it; ``None`` for entry and exit, which open and close the manager's own scope.
        ended: set when there is a result or an error, or neither if it was cancelled.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T], scope: anyio.CancelScope | None = None) -> None:
        self._coroutine = coroutine
        self.scope = scope
        self.ended = asyncio.Event()
        self.result: tuple[T] | None = None
        self.error: BaseException | None = None

    async def run(self) -> None:
        """Run the coroutine. Raises nothing but a cancellation."""
        try:
            self.result = (await self._coroutine,)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  (raised in the caller)
            self.error = error

    def fail(self, error: BaseException) -> None:
        """End the job with an error; the coroutine will not run, or not to its end."""
        self._coroutine.close()
        self.error = error
        self.ended.set()


class TaskHost:
    """Runs a manager's entry, its exit and all calls between them in one task, one after another.

    A task group belongs to the task that opened it, and cancels that task when one of its children fails. A plain
    `Portal` would run each call in a task of its own. The interface is that of `Portal`.
    """

    def __init__(self, portal: Portal, manager: Manager, undelivered: Callable[[Any], object]) -> None:
        self._portal = portal
        self._manager = manager
        self._undelivered = undelivered
        self._jobs: asyncio.Queue[_Job[Any]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._end: BaseException | None = None

    def enter(self, coroutine: Coroutine[Any, Any, object], mirror: T) -> T:
        """Run an ``__aenter__`` in a new task, keep that task, and return `mirror`."""
        self._call(coroutine, self._enter(coroutine), self._entered_late)
        return mirror

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """See `Portal.call`."""
        return self._call(coroutine, self._ask(coroutine), self._undelivered)

    def step(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run an ``__anext__`` as a ``__next__``."""
        try:
            return self.call(coroutine)
        except StopAsyncIteration:
            raise StopIteration from None

    def last(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run an ``__aexit__`` and end the task.

        In the loop's own thread, where the garbage collector may end a block that was abandoned, it is only begun.
        """
        if self._portal.is_here:
            if self._task is None:
                coroutine.close()
            else:
                self._jobs.put_nowait(_Job(coroutine))
            return cast("T", None)
        return self._call(coroutine, self._ask(coroutine, leaves=True), None)

    def run(self, function: Callable[[], T]) -> T:
        """See `Portal.run`."""
        return self._portal.run(function)

    def _call(
        self,
        inner: Coroutine[Any, Any, object],
        outer: Coroutine[Any, Any, T],
        undelivered: Callable[[Any], object] | None,
    ) -> T:
        try:
            return self._portal.call(outer, undelivered)
        finally:
            if inspect.getcoroutinestate(inner) == inspect.CORO_CREATED:
                inner.close()  # it never started, and Python would warn

    # --- in the loop

    async def _enter(self, coroutine: Coroutine[Any, Any, object]) -> None:
        if self._task is None and self._end is None:
            job = _Job(coroutine)
            self._task = asyncio.create_task(self._live(job), name=OURS)
            self._task.add_done_callback(lambda _: self._over(job))
            await self._ended(job, self._task.cancel)
        else:
            await self._ask(coroutine)

    async def _ask(self, coroutine: Coroutine[Any, Any, T], *, leaves: bool = False) -> T:
        if self._end is not None:
            coroutine.close()
            raise self._end
        if self._task is None:
            return await coroutine
        scope = None if leaves else anyio.CancelScope()
        job = _Job(coroutine, scope)
        self._jobs.put_nowait(job)
        return await self._ended(job, self._task.cancel if scope is None else scope.cancel)

    async def _ended(self, job: _Job[T], cancel: Callable[[], object]) -> T:
        try:
            await job.ended.wait()
        except asyncio.CancelledError:
            cancel()
            await job.ended.wait()
            if job.result is None:
                raise
        if job.error is not None:
            raise job.error
        if job.result is None:
            raise asyncio.CancelledError
        return job.result[0]

    async def _live(self, entry: _Job[Any]) -> None:
        try:
            await entry.run()
        finally:
            entry.ended.set()
        job: _Job[Any] | None = None
        try:
            while entry.error is None:
                job = None
                job = await self._jobs.get()
                if job.scope is None:  # it leaves
                    break
                with job.scope:
                    await job.run()
                job.ended.set()
        except asyncio.CancelledError as cancelled:
            # The manager's own task group has failed, and cancels the task that holds it; or the loop ends.
            self._end = await self._leave(cancelled)
            if job is not None:
                job.fail(self._end)
            return
        if job is not None:
            try:
                await job.run()
            finally:
                job.ended.set()

    async def _leave(self, cancelled: asyncio.CancelledError) -> BaseException:
        """Leave the manager as ``async with`` would, and return the error for later calls."""
        try:
            await self._manager.__aexit__(type(cancelled), cancelled, cancelled.__traceback__)
        except asyncio.CancelledError:
            return ConfigurationError("this client was closed while it was being used")
        except BaseException as error:  # noqa: BLE001  (raised by the next call)
            return error
        return ConfigurationError("the block was ended from inside")

    def _over(self, entry: _Job[Any]) -> None:
        """Fail all waiting jobs: the task has ended, perhaps before it started."""
        self._task = None
        end = self._end or ConfigurationError("the block was left meanwhile")
        if not entry.ended.is_set():
            entry.fail(end)
        while not self._jobs.empty():
            self._jobs.get_nowait().fail(end)

    def _entered_late(self, _: object) -> None:
        """Leave the manager, because the caller was interrupted just when it was entered and cannot leave it."""
        if self._task is not None:
            self._jobs.put_nowait(_Job(self._manager.__aexit__(None, None, None)))
