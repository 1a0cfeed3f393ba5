"""What one request, and all of them together, may use. ``docs/guide/gateway.md`` lists these limits.

Bytes are counted while they arrive, pixels before a picture is decoded, and the time of decoding while it is decoded.
"""

import asyncio
from collections import deque
from typing import Final

from apimodels_async.gateway.refusals import Refusal

__all__ = [
    "BODY_SILENCE",
    "BODY_TIME",
    "DECODE_TIME",
    "FETCHES_TIME",
    "FETCH_TIME",
    "HEAD_DECODE_TIME",
    "HEAD_TIME",
    "LARGEST_BODY",
    "MAX_ANSWERED_PIXELS",
    "MAX_BODY",
    "MAX_DEPTH",
    "MAX_ESCAPES",
    "MAX_HEAD",
    "MAX_JSON",
    "MAX_KEPT_PIXELS",
    "MAX_PARTS",
    "MAX_PICTURE_BYTES",
    "MAX_PIXELS",
    "MAX_PROMPT",
    "MAX_SCANNED_PIXELS",
    "MAX_SIDE",
    "MAX_SMALL_CHUNKS",
    "MAX_TAG_VALUES",
    "MAX_URL",
    "MAX_VALUES",
    "SEND_TIME",
    "SMALL_BODY",
    "SMALL_CHUNK",
    "SMALL_PICTURE",
    "BodyBudget",
    "ByteBudget",
    "Reservation",
]

_MB: Final = 1 << 20

MAX_BODY = 50 * _MB
"""Bytes of a request's body, unless the gateway is configured otherwise, and of a picture fetched by its URL."""
LARGEST_BODY = 100 * _MB
"""The most that a gateway can be configured to take: as much as the vendor's other address."""
MAX_PICTURE_BYTES = 64 * _MB
"""Bytes of all the pictures of one create request."""
SMALL_BODY = _MB
"""Bytes of a body that does not wait behind large ones."""
_TINY_BODY = 64 * 1024
_SMALL_TOTAL, _LARGE_TOTAL = 50 * _MB, 100 * _MB
"""Bytes of all the small bodies, and of all the large ones, that are in memory at the same time."""

MAX_PIXELS = 64_000_000
"""Pixels of a picture that comes in: a small file can hold a picture that fills the memory."""
MAX_SCANNED_PIXELS = 16 * MAX_PIXELS
"""Pixels times scans of a progressive JPEG: each scan costs as much time as a picture."""
MAX_SIDE = 65_535
"""Pixels of a side, as in JPEG: each row takes memory besides its pixels."""
MAX_TAG_VALUES = 250_000
"""Values in the tags of a TIFF or in EXIF data: 64 megapixels in tiles of 256 pixels have two for each."""
MAX_KEPT_PIXELS = 2 * 4096 * 4096
"""Pixels of all the pictures that one task is painted from. Larger ones are shrunk while they are decoded."""
MAX_ANSWERED_PIXELS = 2 * 4096 * 4096
"""Pixels of all the pictures that stand in one answer. As PNG in base64 they have up to 64 MB, if they were made from
noise; so much is read by the client of this package."""
SMALL_PICTURE = 4_000_000
"""Pixels, in and out, of a job that does not wait behind large ones."""
HEAD_DECODE_TIME = 0.2
"""Seconds of processor time to read the head of a picture, in which a file can have millions of empty segments."""
DECODE_TIME = 20.0
"""Seconds of processor time to decode all the pictures of one create request."""

MAX_PROMPT = 100_000
"""Characters of a prompt."""
MAX_URL = 10_000
"""Characters of a URL."""
MAX_PARTS = 1000
"""Parts of a form. Each costs as much time as many bytes."""
MAX_VALUES = 100_000
"""Values in a JSON body."""
MAX_JSON = 8 * _MB
"""Bytes of a JSON body without the long texts in it, which are pictures. So much is parsed at once."""
MAX_ESCAPES = 3_000_000
"""Backslashes in a JSON body: each slash of base64 may be escaped, and the ends of its lines."""
MAX_DEPTH = 64
"""Nested lists and objects in a JSON body."""

MAX_HEAD = 16 * 1024
"""Bytes of a request's head."""
SMALL_CHUNK, MAX_SMALL_CHUNKS = 64, 4000
"""Bytes of a small chunk, and how many chunks a body may have if their mean is less. Each costs as much time as many
bytes."""

HEAD_TIME = 10.0
"""Seconds until the head of a request has been received, from the start of the connection or the last answer."""
BODY_SILENCE, BODY_TIME = 10.0, 60.0
"""Seconds between two pieces of a body, and for all of it."""
SEND_TIME = 60.0
"""Seconds that a client may take to read a piece of an answer."""
FETCH_TIME, FETCHES_TIME = 5.0, 15.0
"""Seconds to fetch a picture by its URL, and all the pictures of one create request."""
_QUEUE_TIME = 10.0
"""Seconds to wait for memory before a request is refused."""


class Reservation:
    """A part of a budget that is in use until it is released.

    Args:
        budget: the budget; ``None`` for a reservation that takes nothing.
        size: bytes.
    """

    def __init__(self, budget: "ByteBudget | None" = None, size: int = 0) -> None:
        self._budget = budget
        self._size = size

    def release(self) -> None:
        """Give it back; a second time does nothing."""
        budget, self._budget = self._budget, None
        if budget is not None:
            budget.give_back(self._size)


class ByteBudget:
    """Bytes that all requests share. Who comes first is served first.

    Args:
        total: how many there are.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._free = total
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def in_use(self) -> int:
        """The bytes that are reserved."""
        return self._total - self._free

    async def reserve(self, size: int, seconds: float = _QUEUE_TIME) -> Reservation:
        """Wait until `size` bytes are free, and reserve them.

        Raises:
            Refusal: they are not free within the seconds.
        """
        size = min(size, self._total)
        if self._waiting or size > self._free:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((size, turn))
            try:
                async with asyncio.timeout(seconds):
                    await turn
            except BaseException as error:
                if turn.done() and not turn.cancelled():
                    self.give_back(size)
                elif (size, turn) in self._waiting:  # it is not if memory was given back in the same moment
                    self._waiting.remove((size, turn))
                    self._next()
                if isinstance(error, TimeoutError):
                    raise Refusal(
                        429, "the gateway is busy with large requests: try again", headers={"Retry-After": "1"}
                    ) from None
                raise
        else:
            self._free -= size
        return Reservation(self, size)

    def give_back(self, size: int) -> None:
        """Free `size` bytes, for the next who waits."""
        self._free += size
        self._next()

    def _next(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            size, turn = self._waiting.popleft()
            if not turn.done():
                self._free -= size
                turn.set_result(None)


class BodyBudget:
    """The memory for request bodies: two budgets, so that small bodies do not wait behind large ones."""

    def __init__(self) -> None:
        self._small, self._large = ByteBudget(_SMALL_TOTAL), ByteBudget(_LARGE_TOTAL)

    async def reserve(self, size: int) -> Reservation:
        """Reserve memory for a body of `size` bytes; a body of a few kilobytes needs none.

        Raises:
            Refusal: there is none in time.
        """
        if size <= _TINY_BODY:
            return Reservation()
        return await (self._small if size <= SMALL_BODY else self._large).reserve(size)
