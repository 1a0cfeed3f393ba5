"""What one picture may cost, and what it must be."""

from typing import NamedTuple

from apimodels_async._arguments import number, seconds, whole


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
    min_rate: float = 1024
    attempts: int = 5
    check: bool = True


def checked_limits(max_bytes: int, timeout: float | None, min_rate: float, *, check: bool = True) -> DownloadLimits:
    """Return the limits that a caller gave.

    Raises:
        ArgumentTypeError, ArgumentError: naming the argument.
    """
    return DownloadLimits(
        whole("max_bytes", max_bytes, least=1),
        seconds("timeout", timeout, least=0.0),
        number("min_rate", min_rate, least=0.0),
        check=check,
    )
