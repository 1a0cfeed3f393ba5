"""Room for so many bytes, whoever holds them."""

import anyio


class ByteLimit:
    """Bounds how many bytes are held at once. Whoever wants more than all of it gets it, alone.

    First come, first served: something large is not overtaken for ever by what is small.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._held = 0
        self._turn = anyio.Lock()
        self._left = anyio.Event()

    async def enter(self, weight: int) -> None:
        """Wait until there is room for `weight` bytes, and hold them. Nothing is waited for with no weight."""
        if not weight:
            return
        async with self._turn:
            while self._held and self._held + weight > self._size:
                self._left = anyio.Event()
                await self._left.wait()
            self._held += weight

    def change(self, weight: int, to: int) -> int:
        """Hold `to` bytes in place of `weight`, and give `to`. More than was said before is not waited for."""
        self._held += to - weight
        self._left.set()
        return to
