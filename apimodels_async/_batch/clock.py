"""The event loop's clock, for reading from any thread: a screen draws a batch's figures from a thread of its own."""

import sys
from collections.abc import Callable
from typing import Any

import anyio.lowlevel


def loop_clock() -> Callable[[], float]:
    """Return the clock of the running event loop; it can be called in any thread."""
    loop: Any = anyio.lowlevel.current_token().native_token
    trio = sys.modules.get("trio")
    if trio is not None and isinstance(loop, trio.lowlevel.TrioToken):
        clock: Callable[[], float] = trio.lowlevel.current_clock().current_time
        return clock
    time: Callable[[], float] = loop.time
    return time
