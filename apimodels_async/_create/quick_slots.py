"""Slots for create requests, which are quick as a rule: what takes longer does not keep others from theirs."""

from collections import deque

import anyio

from apimodels_async._clock import loop_clock

CREATES = 32
"""Quick create requests of one client at once."""
QUICK = 2.0
"""Seconds for which a create request holds one of the `CREATES` slots at most: those of a synchronous model take a
minute, and must not delay the others."""
FIRST, DOUBLING = 4, 0.5
"""Slots that are open at first, and seconds after which twice as many are in any case."""


class Slot:
    """One of a number of slots."""

    __slots__ = ()


class QuickSlots:
    """A number of slots. Where none is free, one that has been held for a while is taken away for the next request.

    Few are open at first, and each that is given back opens one more, until all are. The first moment is the slowest: a
    process that is killed in it would leave the most requests with an unknown outcome.

    Args:
        number: of slots.
        seconds: for which a slot is held in any case.
    """

    def __init__(self, number: int = CREATES, seconds: float = QUICK) -> None:
        self._now = loop_clock()
        self._free = anyio.Semaphore(min(FIRST, number), fast_acquire=True)
        self._number = number
        self._seconds = seconds
        self._held: dict[Slot, float] = {}  # until when, the first taken first
        self._not_open: deque[Slot] | None = None  # in `_held` as well, until they open by themselves

    def _begin(self) -> deque[Slot]:
        """The slots that are not open yet, each held until it opens."""
        now = self._now()
        not_open = {Slot(): now + DOUBLING * (at // FIRST).bit_length() for at in range(FIRST, self._number)}
        self._held.update(not_open)
        return deque(not_open)

    async def acquire(self) -> Slot:
        """Wait for a slot, and take it."""
        if self._not_open is None:
            self._not_open = self._begin()
        try:
            self._free.acquire_nowait()
        except anyio.WouldBlock:
            while not await self._acquired_in_time():
                self._take_back()
        slot = Slot()
        self._held[slot] = self._now() + self._seconds
        return slot

    async def _acquired_in_time(self) -> bool:
        """Wait for a slot until the one that was taken first has been held for long enough."""
        now = self._now()
        with anyio.move_on_after(next(iter(self._held.values()), now + self._seconds) - now):
            await self._free.acquire()
            return True
        return False

    def _take_back(self) -> None:
        now = self._now()
        for slot, until in list(self._held.items()):
            if until <= now:
                self._give_back(slot)

    def release(self, slot: Slot) -> None:
        """Give a slot back, unless it was taken away meanwhile."""
        if self._give_back(slot):
            while self._not_open and not self._give_back(self._not_open.popleft()):
                pass

    def _give_back(self, slot: Slot) -> bool:
        if self._held.pop(slot, None) is None:
            return False
        self._free.release()
        return True
