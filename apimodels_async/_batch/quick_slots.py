"""Slots for work that is quick as a rule: what takes longer does not keep others from theirs."""

import anyio


class Slot:
    """One of a number of slots."""

    __slots__ = ()


class QuickSlots:
    """A number of slots. Where none is free, one that has been held for a while is taken away for the next request.

    Args:
        number: of slots.
        seconds: for which a slot is held in any case.
    """

    def __init__(self, number: int, seconds: float) -> None:
        self._free = anyio.Semaphore(number, fast_acquire=True)
        self._seconds = seconds
        self._held: dict[Slot, float] = {}  # until when, the first taken first

    async def acquire(self) -> Slot:
        """Wait for a slot, and take it."""
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
