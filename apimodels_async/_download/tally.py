"""What is known of a picture while its bytes arrive, and whether it is one, and whole, at the end. Pure."""

from typing import NamedTuple

from apimodels_async._download.limits import DownloadLimits
from apimodels_async._wire.picture_formats import HEAD, PictureFormat, compression
from apimodels_async._wire.picture_structure import Completeness, PictureWalker

RATE_WINDOW = 10.0
"""Seconds over which the rate is measured."""
UNKNOWN_SUFFIX = ".bin"
UNKNOWN_MEDIA_TYPE = "application/octet-stream"


class SpoiledError(Exception):
    """This attempt brought nothing usable; the next may. `pause` is what the server asked for, in seconds."""

    def __init__(self, message: str, pause: float = 0.0) -> None:
        super().__init__(message)
        self.pause = pause


class NoPictureError(SpoiledError):
    """What came is a refusal of the moment, or a text: the host, or something on the way, is in trouble."""


class DoubtfulError(SpoiledError):
    """All that was announced came, and it may be a picture: if the same bytes come again, the server has no others."""


class Judgement(NamedTuple):
    """What came.

    Attributes:
        format: of the file; ``None`` if it is not known.
        warning: what is odd about it.
    """

    format: PictureFormat | None
    warning: str | None = None

    @property
    def suffix(self) -> str:
        """Of the file's name, with its dot."""
        return UNKNOWN_SUFFIX if self.format is None else self.format.suffix

    @property
    def media_type(self) -> str:
        """The value of a Content-Type header."""
        return UNKNOWN_MEDIA_TYPE if self.format is None else self.format.media_type


class PictureTally:
    """What is known of a picture while it streams by: how much, how fast, its first bytes and its structure.

    The rate is watched here because a read timeout never sees a byte that comes every third of a second.

    Args:
        limits: what it may cost.
        now: the loop's time.
        encoded: whether the server says that it is compressed. Many say so of bytes that are not: those decide.
    """

    def __init__(self, limits: DownloadLimits, now: float, *, encoded: bool = False) -> None:
        self.limits = limits
        self.encoded = encoded
        self.window_began = now
        self.in_window = 0
        self.total = 0
        self.head = b""
        self.walker = PictureWalker()

    def count(self, chunk: bytes, now: float) -> None:
        """Take notice of the next bytes.

        Raises:
            ValueError: there are too many.
            SpoiledError: they come too slowly, or are compressed.
        """
        self.total += len(chunk)
        if self.total > self.limits.max_bytes:
            raise ValueError(f"it is longer than {self.limits.max_bytes} bytes (max_bytes)")
        if len(self.head) < HEAD:
            self.head = (self.head + chunk)[:HEAD]
            if compression(self.head) is not None:
                raise SpoiledError(f"the server compressed it ({compression(self.head)}) although that was declined")
        self.walker.feed(chunk)
        self.in_window += len(chunk)
        if now - self.window_began >= RATE_WINDOW:
            if self.in_window < self.limits.min_rate * (now - self.window_began):
                raise SpoiledError(f"slower than {self.limits.min_rate:g} bytes a second")
            self.window_began, self.in_window = now, 0

    def judge(self, length: int | None, *, again: bool = False) -> Judgement:
        """What came.

        Args:
            length: what the server announced.
            again: whether the attempt before brought the same bytes.

        Raises:
            SpoiledError: it is no picture, or a part of one.
            DoubtfulError: it may be one, and has not come twice.
        """
        if length is not None and self.total != length:
            raise SpoiledError(f"{self.total} bytes of {length} came")
        verdict = self.walker.finish()
        if verdict.is_whole:
            return Judgement(verdict.format)
        if not self.limits.check:
            return Judgement(verdict.format, "it was not checked")
        if verdict.completeness == Completeness.CUT_OFF:
            raise SpoiledError(f"it breaks off after {self.total} bytes (check=False saves it as it is)")
        if verdict.format is None and (self.encoded or _is_text(self.head)):
            raise NoPictureError(f"what came is no picture; it begins with {self.head[:16]!r}")
        if verdict.format is not None and not verdict.format.is_checked and length is not None:
            return Judgement(verdict.format)
        doubt = (
            verdict.completeness.value if verdict.format is not None and verdict.format.is_checked
            else f"it is of no known format and begins with {self.head[:16]!r}" if verdict.format is None
            else f"whether all of this {verdict.format.label} came is not known"
        )  # fmt: skip
        if length is None:
            raise SpoiledError(f"{doubt}, and the server announced no length (check=False saves it as it is)")
        if not again:
            raise DoubtfulError(doubt)
        return Judgement(verdict.format, doubt)


def _is_text(head: bytes) -> bool:
    """Whether bytes are text, as the page is that a host or a network shows in place of a picture; or nothing."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # not the last character, which may be cut
            return False
        text = head[: error.start].decode("utf-8")
    return all(each.isprintable() or each.isspace() for each in text)
