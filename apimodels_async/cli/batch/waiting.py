"""Says that a database is waited for: a command that is silent for minutes looks as if it hung."""

import contextlib
import logging
import time
from collections.abc import Generator

from apimodels_async.cli.stderr import LOGGER, current

__all__ = ["waiting_is_said"]

_AGAIN = 30.0
"""Seconds after which it is said once more."""


class _Waiting(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._next = float("-inf")

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "is_away", False) and (now := time.monotonic()) >= self._next:
            self._next = now + _AGAIN
            current().warn(record.getMessage())


@contextlib.contextmanager
def waiting_is_said() -> Generator[None]:
    """While the block lasts, say when a database is away, now and then."""
    handler = _Waiting()
    LOGGER.addHandler(handler)
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
