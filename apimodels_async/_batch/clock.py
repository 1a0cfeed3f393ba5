"""The event loop's clock, for reading from any thread: a screen draws a batch's figures from a thread of its own."""

import sys
from collections.abc import Callable
from typing import Any

import anyio.lowlevel

from apimodels_async._threads import is_trio


def loop_clock() -> Callable[[], float]:
    """Return the clock of the running event loop; it can be called in any thread."""
    loop: Any = anyio.lowlevel.current_token().native_token
    if is_trio(loop):
        clock: Callable[[], float] = sys.modules["trio"].lowlevel.current_clock().current_time
        return clock
    time: Callable[[], float] = loop.time
    return time
