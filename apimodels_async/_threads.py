"""Between threads and event loops: worker threads of our own, and calls from a thread into a loop."""

import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread

T = TypeVar("T")


class WorkerThreads:
    """Worker threads for one kind of work, a fixed number in each event loop.

    anyio's default limiter has 40 threads for the whole program. A program that keeps them all busy must not stop our
    work, and ours must not stop the program's.

    Args:
        kind: a name for the kind of work.
        number: of threads.
    """

    def __init__(self, kind: str, number: int) -> None:
        self._number = number
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
        return await anyio.to_thread.run_sync(work, abandon_on_cancel=abandon, limiter=limiter)


FILES = WorkerThreads("files", 16)
"""For short work on files: pictures in, pictures out, ledgers that are opened."""


def is_trio(token: object) -> bool:
    """Whether a loop's native token is trio's.

    Judged by the name of its class: another thread may be in the middle of importing trio, which then lacks names.
    """
    return type(token).__module__.partition(".")[0] == "trio"


class LoopCaller:
    """Calls functions in the event loop in which it was made, from any thread."""

    __slots__ = ("_soon",)

    def __init__(self) -> None:
        token: Any = anyio.lowlevel.current_token().native_token
        # asyncio's token is its loop; trio's has a method of its own.
        self._soon: Callable[[Callable[[], object]], object] = (
            getattr(token, "call_soon_threadsafe", None) or token.run_sync_soon
        )

    def __call__(self, function: Callable[[], object]) -> None:
        """Call `function` in the loop soon. Where the loop has ended, nothing happens: nothing waits there any more."""
        with contextlib.suppress(RuntimeError):
            self._soon(function)
