"""Slots for work that is quick as a rule: what takes longer does not keep others from theirs."""

import anyio

FIRST, DOUBLING = 4, 0.1
"""Slots that there are at first, and seconds in which they become twice as many."""


class Slot:
    """One of a number of slots."""

    __slots__ = ()


class QuickSlots:
    """A number of slots. Where none is free, one that has been held for a while is taken away for the next request.

    They are few at first: what dies, or meets a dead server, in its first moment has few requests under way, of which
    nobody knows what became. With all of them at once, most of the unknown requests came from that moment.

    Args:
        number: of slots.
        seconds: for which a slot is held in any case.
    """

    def __init__(self, number: int, seconds: float) -> None:
        self._free = anyio.Semaphore(min(FIRST, number), fast_acquire=True)
        self._number = number
        self._seconds = seconds
        self._held: dict[Slot, float] = {}  # until when, the first taken first
        self._begun = False

    def _begin(self) -> None:
        """Hold the slots that there are not yet."""
        self._begun = True
        now = anyio.current_time()
        for at in range(FIRST, self._number):
            self._held[Slot()] = now + DOUBLING * (at // FIRST).bit_length()

    async def acquire(self) -> Slot:
        """Wait for a slot, and take it."""
        if not self._begun:
            self._begin()
        try:
            self._free.acquire_nowait()
        except anyio.WouldBlock:
            while not await self._acquired_in_time():
                self._take_back()
        slot = Slot()
        self._held[slot] = anyio.current_time() + self._seconds
        return slot

    async def _acquired_in_time(self) -> bool:
        """Wait for a slot until the one that was taken first has been held for long enough."""
        now = anyio.current_time()
        with anyio.move_on_after(next(iter(self._held.values()), now + self._seconds) - now):
            await self._free.acquire()
            return True
        return False

    def _take_back(self) -> None:
        now = anyio.current_time()
        for slot, until in list(self._held.items()):
            if until <= now:
                self.release(slot)

    def release(self, slot: Slot) -> None:
        """Give a slot back, unless it was taken away meanwhile."""
        if self._held.pop(slot, None) is not None:
            self._free.release()
