"""Closing a client: in its own event loop, or from another one."""

import logging
from collections.abc import Awaitable, Callable

import anyio

from apimodels_async._create.engine import Engine

__all__ = ["close"]

GRACE = 5.0
"""Seconds to wait for the responses of create requests under way."""
_ELSEWHERE = 20.0
"""Seconds to wait for another event loop to close the client: longer than that takes, unless the loop is blocked."""

logger: logging.Logger = logging.getLogger("apimodels_async")


async def close(engine: Engine, close_ledgers: Callable[[], Awaitable[None]] | None) -> None:
    """Close what a client has open.

    In another event loop than the client's own it is closed in its own. If that has ended, or is blocked, its
    connections are cut off. Both are logged as a warning. What belongs to the parent of a fork is left alone.

    Args:
        engine: the client's.
        close_ledgers: closes its ledgers, in any event loop, if it has some.
    """

    async def close_here() -> None:
        await engine.jobs.aclose(GRACE)
        try:
            await _shielded(close_ledgers)
        finally:
            await engine.http.aclose()

    if not engine.jobs.are_elsewhere:
        await close_here()
    elif await engine.jobs.run_there(close_here, _ELSEWHERE):
        logger.warning("a client was closed from another event loop than its own, and has ended in its own: close it "
                       "where it is used")  # fmt: skip
    elif not engine.jobs.are_forked:
        left = engine.jobs.abandon()
        if await engine.http.cut_off() or left:
            logger.warning("a client was closed when its event loop no longer ran: its connections are cut off; "
                           "create requests under way are left: %d; close it where it is used", left)  # fmt: skip
        await _shielded(close_ledgers)


async def _shielded(work: Callable[[], Awaitable[None]] | None) -> None:
    if work is not None:
        with anyio.CancelScope(shield=True):
            await work()
