"""The event loop's clock, in the loop and from any thread."""

import sys
from asyncio import get_running_loop
from collections.abc import Callable

import anyio

from apimodels_async._threads import in_trio_task, is_trio, running_loop


def loop_time() -> float:
    """Return the time of the running event loop in seconds, as `anyio.current_time` does.

    Where trio is not imported, at a quarter of its cost, because anyio finds out each time which library runs. What
    looks at the clock for each query has a `LoopClock` or a `loop_clock`.
    """
    if not in_trio_task():
        try:
            return get_running_loop().time()
        except RuntimeError:  # in trio, but in none of its tasks
            pass
    return anyio.current_time()


def loop_clock() -> Callable[[], float]:
    """Return the clock of the running event loop; it can be called in any thread."""
    loop = running_loop()
    if is_trio(loop):
        clock: Callable[[], float] = sys.modules["trio"].lowlevel.current_clock().current_time
        return clock
    time: Callable[[], float] = loop.time
    return time


class LoopClock:
    """A client's clock: that of the loop to which the client is bound, and until then that of the running one.

    Attributes:
        now: returns the time in seconds, at a tenth of the cost of `loop_time` once it is bound.
    """

    def __init__(self) -> None:
        self.now: Callable[[], float] = loop_time

    def bind(self) -> None:
        """Belong to the running loop."""
        self.now = loop_clock()
