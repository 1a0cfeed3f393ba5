"""A limit on how many bytes are held at once."""

import anyio


class ByteLimit:
    """Bounds how many bytes are held at once. A reservation that exceeds the whole limit is granted alone.

    First come, first served: small reservations do not overtake a large one for ever.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._held = 0
        self._turn = anyio.Lock(fast_acquire=True)  # else each would hold it for a turn of the loop
        self._left = anyio.Event()

    async def enter(self, weight: int) -> None:
        """Wait until there is room for `weight` bytes, and reserve them. A weight of 0 never waits."""
        if not weight:
            return
        async with self._turn:
            while self._held and self._held + weight > self._size:
                self._left = anyio.Event()
                await self._left.wait()
            self._held += weight

    def resize(self, weight: int, to: int) -> int:
        """Resize a reservation from `weight` to `to` bytes and return `to`. Never blocks, even if it grows."""
        self._held += to - weight
        self._left.set()
        return to
