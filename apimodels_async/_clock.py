"""The event loop's clock, in the loop and from any thread."""

import sys
from asyncio import get_running_loop
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel

from apimodels_async._threads import is_trio


def loop_time() -> float:
    """Return the time of the running event loop in seconds, as `anyio.current_time` does, at less than half its cost.

    A create request or a query looks at the clock about ten times, and anyio finds out each time which library runs.
    An asyncio loop beside trio (its guest mode) counts only where no task of trio is running.
    """
    if not _in_trio_task():
        try:
            return get_running_loop().time()
        except RuntimeError:  # in trio, but in none of its tasks
            pass
    return anyio.current_time()


def _in_trio_task() -> bool:
    """Whether a task of trio is running. A trio that another thread is about to import has none."""
    inside = getattr(sys.modules.get("trio.lowlevel"), "in_trio_task", None)
    return inside is not None and inside()


def loop_clock() -> Callable[[], float]:
    """Return the clock of the running event loop; it can be called in any thread."""
    loop: Any = anyio.lowlevel.current_token().native_token
    if is_trio(loop):
        clock: Callable[[], float] = sys.modules["trio"].lowlevel.current_clock().current_time
        return clock
    time: Callable[[], float] = loop.time
    return time
