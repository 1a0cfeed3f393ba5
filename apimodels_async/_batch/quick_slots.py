"""Slots for work that is quick as a rule: what takes longer does not keep others from theirs."""

import anyio


class Slot:
    """One of a number of slots."""

    __slots__ = ()


class QuickSlots:
    """A number of slots. One that has been held for a while is given to whoever waits for one.

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
        while True:
            try:
                self._free.acquire_nowait()
            except anyio.WouldBlock:
                await self._wait_for_one()
            else:
                slot = Slot()
                self._held[slot] = anyio.current_time() + self._seconds
                return slot

    async def _wait_for_one(self) -> None:
        """Wait until there may be a free slot: one is released, or the oldest has been held for long enough."""
        oldest, until = next(iter(self._held.items()))
        pause = until - anyio.current_time()
        if pause <= 0.0:
            self.release(oldest)
            return
        with anyio.move_on_after(pause):
            await self._free.acquire()
            self._free.release()

    def release(self, slot: Slot) -> None:
        """Give a slot back, unless it was taken away meanwhile."""
        if self._held.pop(slot, None) is not None:
            self._free.release()
