"""What one picture may cost, and what it must be."""

from typing import NamedTuple


class DownloadLimits(NamedTuple):
    """What one picture may cost, and what it must be.

    Attributes:
        max_bytes: size of one picture.
        timeout: seconds for one picture, all attempts together; ``None`` for no limit.
        min_rate: bytes a second, averaged over ten seconds; slower is given up and tried again.
        attempts: how often one picture is fetched.
        check: whether a file must be a whole picture.
    """

    max_bytes: int = 512 << 20
    timeout: float | None = 600.0
    min_rate: int = 1024
    attempts: int = 5
    check: bool = True
