"""What is known of a picture while its bytes arrive, and whether it is whole at the end. Pure."""

from apimodels_async._download.limits import DownloadLimits
from apimodels_async._wire.picture_formats import HEAD, PictureFormat
from apimodels_async._wire.picture_structure import PictureWalker

RATE_WINDOW = 10.0
"""Seconds over which the rate is measured."""


class SpoiledError(Exception):
    """This attempt brought nothing usable; the next may. `pause` is what the server asked for, in seconds."""

    def __init__(self, message: str, pause: float = 0.0) -> None:
        super().__init__(message)
        self.pause = pause


class PictureTally:
    """What is known of a picture while it streams by: how much, how fast, its first and its last bytes.

    The rate is watched here because a read timeout never sees a byte that comes every third of a second.
    """

    def __init__(self, limits: DownloadLimits, now: float) -> None:
        self.limits = limits
        self.window_began = now
        self.in_window = 0
        self.total = 0
        self.head = b""
        self.walker = PictureWalker()

    def count(self, chunk: bytes, now: float) -> None:
        self.total += len(chunk)
        if self.total > self.limits.max_bytes:
            raise ValueError(f"it is longer than {self.limits.max_bytes} bytes (max_bytes)")
        if len(self.head) < HEAD:
            self.head = (self.head + chunk)[:HEAD]
        self.walker.feed(chunk)
        self.in_window += len(chunk)
        if now - self.window_began >= RATE_WINDOW:
            if self.in_window < self.limits.min_rate * (now - self.window_began):
                raise SpoiledError(f"slower than {self.limits.min_rate} bytes a second")
            self.window_began, self.in_window = now, 0

    def judge(self, length: int | None) -> PictureFormat:
        """The format of a whole picture; `length` is what the server announced."""
        if length is not None and self.total != length:
            raise SpoiledError(f"{self.total} bytes of {length} came")
        verdict = self.walker.finish()
        if verdict.format is None or not verdict.format.is_checked:
            raise SpoiledError(f"what came is no picture; it begins with {self.head[:16]!r}")
        if not verdict.is_whole:
            raise SpoiledError(f"it breaks off after {self.total} bytes")
        return verdict.format
