"""Worker threads for what may take its time, without taking those of the program around it."""

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread

__all__ = ["Threads"]

T = TypeVar("T")


class Threads:
    """At most so many worker threads at once for one kind of work, in each event loop.

    Args:
        kind: a name for it.
        number: of threads.
    """

    def __init__(self, kind: str, number: int) -> None:
        self._number = number
        self._limiter: anyio.lowlevel.RunVar[anyio.CapacityLimiter] = anyio.lowlevel.RunVar(f"{__name__}.{kind}")

    async def run(self, work: Callable[[], T], *, abandon: bool = False) -> T:
        """What `work` gives, called in one of them.

        Args:
            work: what to call.
            abandon: whether it may be left running when the caller is cancelled.
        """
        limiter = self._limiter.get(None)
        if limiter is None:
            limiter = anyio.CapacityLimiter(self._number)
            self._limiter.set(limiter)
        return await anyio.to_thread.run_sync(work, abandon_on_cancel=abandon, limiter=limiter)
