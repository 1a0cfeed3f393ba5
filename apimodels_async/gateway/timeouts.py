"""A time limit by a clock that can be another one than the event loop's."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

__all__ = ["Sleep", "within"]

_T = TypeVar("_T")

Sleep = Callable[[float], Awaitable[object]]
"""Waits some seconds."""


async def within(sleep: Sleep, seconds: float, work: Coroutine[Any, Any, _T]) -> _T:
    """Return what `work` returns, if it ends before `sleep` has waited the seconds.

    Raises:
        TimeoutError: it does not, and was cancelled.
    """
    working = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(sleep(seconds))
    try:
        await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise TimeoutError(f"not done within {seconds:g} s")
    finally:
        working.cancel()
        waiting.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)
