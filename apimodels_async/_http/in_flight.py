"""The exchanges of one client that are under way, so that closing it can end them before their connections go."""

import asyncio
from types import TracebackType
from typing import Protocol

import anyio

from apimodels_async._http.error_mapping import closed


class _Cancellable(Protocol):
    def cancel(self) -> object:
        """Have it end at its next ``await``."""
        ...


class InFlight:
    """Exchanges, each of which can be cancelled by itself.

    Attributes:
        under_way: the exchanges.
        closing: whether they are being cancelled; nothing new should begin.
    """

    def __init__(self) -> None:
        self.under_way: set[_Cancellable] = set()
        self._none_left: anyio.Event | None = None
        self.closing: bool = False

    def exchange(self, bound: float | None) -> "_Exchange":
        """Do one exchange inside; what runs longer than `bound` seconds, or into the closing, is left quietly."""
        return _Exchange(self, anyio.move_on_after(bound))

    def fast_exchange(self, bound: float | None) -> "_FastExchange":
        """Do the same over aiohttp, which needs asyncio: a cancel scope takes more than twice as long.

        Raises:
            ConfigurationError: it would begin into the closing (from entering it).
        """
        return _FastExchange(self, bound)

    def begin(self, exchange: _Cancellable) -> None:
        """One more. One that begins into the closing, because it waited for something meanwhile, ends at once."""
        self.under_way.add(exchange)
        if self.closing:
            exchange.cancel()

    def end(self, exchange: _Cancellable) -> None:
        """One less."""
        self.under_way.discard(exchange)
        if self._none_left is not None and not self.under_way:
            self._none_left.set()

    async def aclose(self, grace: float) -> None:
        """Cancel every exchange, and wait until all have ended, `grace` seconds at most."""
        self.closing = True
        if not self.under_way:
            return
        self._none_left = self._none_left or anyio.Event()
        for exchange in list(self.under_way):
            exchange.cancel()
        with anyio.move_on_after(grace, shield=True):
            await self._none_left.wait()


class _Exchange:
    """A context manager; `contextlib`'s would cost twice as much, and this is done for every query."""

    __slots__ = ("_all", "_scope")

    def __init__(self, all_of_them: InFlight, scope: anyio.CancelScope) -> None:
        self._all = all_of_them
        self._scope = scope

    def __enter__(self) -> None:
        self._scope.__enter__()
        self._all.begin(self._scope)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._all.end(self._scope)
        return bool(self._scope.__exit__(kind, error, traceback))


class _FastExchange:
    """A deadline of asyncio's own, as `asyncio.timeout` keeps it, which can also be cancelled.

    If something else cancels the task as well, such as an outer cancel scope, that cancellation is passed on: the task
    counts how often it was cancelled.
    """

    __slots__ = ("_all", "_bound", "_cancelled", "_others", "_task", "_timer")
    _task: "asyncio.Task[object]"

    def __init__(self, all_of_them: InFlight, bound: float | None) -> None:
        self._all = all_of_them
        self._bound = bound
        self._cancelled = False
        self._others = 0
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        if self._all.closing:  # a task that runs cancels itself only at its next await, which may be outside
            raise closed()
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None  # noqa: S101  (everything async runs in a task)
        self._task = task
        self._others = task.cancelling()
        if self._bound is not None:
            self._timer = loop.call_later(self._bound, self.cancel)
        self._all.begin(self)

    def cancel(self) -> None:
        """Have it end; called while its task waits."""
        if not self._cancelled:
            self._cancelled = True
            self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        self._all.end(self)
        if self._timer is not None:
            self._timer.cancel()
        if not self._cancelled:
            return False
        return self._task.uncancel() <= self._others and kind is asyncio.CancelledError
