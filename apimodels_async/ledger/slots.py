"""The turns of one client at the one rate of all runs of a ledger."""

from collections import deque
from functools import partial

import anyio

from apimodels_async._clock import loop_time
from apimodels_async._threads import WorkerThreads
from apimodels_async.ledger.port import Ledger

LATE = 0.2
"""Seconds after its time until which a slot is used, beside what an answer of the ledger takes. A process that was
stopped would use all it had at once."""
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
        self._slots: deque[tuple[float, float]] = deque()  # the time of each, and that after which it is late
        self._waiting = 0
        self._most = 1  # slots that are taken at once: no more than come while the next question is under way
        self._took: deque[float] = deque(maxlen=8)  # seconds that the last answers took
        self._unlimited_until = float("-inf")

    async def take(self) -> float | None:
        """Wait for a slot, and return the loop's time after which it is late; ``None`` if no rate is set.

        Raises:
            LedgerError: the ledger cannot be used.
        """
        while not self._is_unlimited():
            slot = await self._next()
            if slot is None:
                return None
            due, last = slot
            await anyio.sleep(max(0.0, due - loop_time()))
            if not is_late(last):
                return last
        return None

    def _is_unlimited(self) -> bool:
        return not self._ledger.shared or loop_time() < self._unlimited_until

    async def _next(self) -> tuple[float, float] | None:
        self._waiting += 1
        try:
            async with self._turn:
                if not self._slots:
                    await self._ask()
                return self._slots.popleft() if self._slots else None
        finally:
            self._waiting -= 1

    async def _ask(self) -> None:
        asked = loop_time()
        if self._is_unlimited():
            return
        number = min(self._waiting, self._most)
        slots = await _ASKING.run(partial(self._ledger.slots, number))
        answered = loop_time()
        if slots is None:
            self._unlimited_until = asked + ASK_AGAIN
            return
        # The ledger counted `wait` from a moment between the two. Here it counts from the answer, so that no slot is
        # used before its time; and for what is late from the question, in case the process was stopped in between.
        self._took.append(answered - asked)
        late = LATE + min(self._took)
        self._most = max(1, int(late / slots.spacing))
        waits = [slots.wait + each * slots.spacing for each in range(number)]
        self._slots.extend((answered + wait, asked + wait + late) for wait in waits)


def is_late(last: float | None) -> bool:
    """Whether a slot that is late after this time must not be used any more."""
    return last is not None and loop_time() > last
