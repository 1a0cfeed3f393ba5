"""The turns of one client at the one rate of all runs of a ledger."""

from collections import deque
from functools import partial

import anyio

from apimodels_async._clock import loop_time
from apimodels_async._threads import WorkerThreads
from apimodels_async.ledger.port import Ledger

LATE = 0.2
"""Seconds after which a slot is no longer used. A process that was stopped would use all it had at once."""
ASK_AGAIN = 5.0
"""Seconds after which a ledger that set no rate is asked again."""

_ASKING = WorkerThreads("slots", 1)


class SlotQueue:
    """Takes slots from a ledger, a few at a time, and hands them out in their order.

    Args:
        ledger: of the client.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._turn = anyio.Lock(fast_acquire=True)  # else each would hold it for a turn of the loop
        self._due: deque[float] = deque()
        self._waiting = 0
        self._most = 1  # slots that are taken at once: no more than come within `LATE`
        self._unlimited_until = float("-inf")

    async def take(self) -> float | None:
        """Wait for a slot, and return the loop's time at which it came; ``None`` if no rate is set.

        Raises:
            LedgerError: the ledger cannot be used.
        """
        while not self._is_unlimited():
            due = await self._next()
            if due is None:
                return None
            await anyio.sleep(max(0.0, due - loop_time()))
            if not is_late(due):
                return due
        return None

    def _is_unlimited(self) -> bool:
        return not self._ledger.shared or loop_time() < self._unlimited_until

    async def _next(self) -> float | None:
        self._waiting += 1
        try:
            async with self._turn:
                if not self._due:
                    await self._ask()
                return self._due.popleft() if self._due else None
        finally:
            self._waiting -= 1

    async def _ask(self) -> None:
        # From before the question, so that a process that is stopped until the answer takes its slots for late.
        asked = loop_time()
        if self._is_unlimited():
            return
        number = min(self._waiting, self._most)
        slots = await _ASKING.run(partial(self._ledger.slots, number))
        if slots is None:
            self._unlimited_until = asked + ASK_AGAIN
            return
        self._most = max(1, int(LATE / slots.spacing))
        self._due.extend(asked + slots.wait + each * slots.spacing for each in range(number))


def is_late(due: float | None) -> bool:
    """Whether a slot that came at this time must not be used any more."""
    return due is not None and loop_time() - due > LATE
