"""Retries of a create request when it is certain that the server did not accept it."""

import logging
from collections.abc import Callable
from typing import NoReturn, Protocol

import anyio

from apimodels_async._clock import loop_time
from apimodels_async._limits import RetryQuota, full_jitter
from apimodels_async.errors import ApimodelsError
from apimodels_async.instrumentation import port
from apimodels_async.instrumentation.details import RetryDetails

logger = logging.getLogger("apimodels_async")

RETRY_WITHIN = 30.0
"""Seconds after the first attempt within which a create request may be sent again."""


class Retries(Protocol):
    """Decides when a create request may be sent, and whether it is sent again: of a single call, or of a batch."""

    async def enter(self) -> None:
        """Wait until the next attempt may be made.

        Raises:
            NotSubmittedError: no attempt will be made.
        """
        ...

    async def not_taken(self, error: ApimodelsError, retry_after: float | None) -> None:
        """Handle an attempt that provably started nothing: return if there may be another one, else raise `error`."""
        ...

    def hopeless(self, error: ApimodelsError) -> NoReturn:
        """Handle an attempt that provably started nothing and that no retry can help: raise `error` or its meaning."""
        ...

    def accepted(self) -> None:
        """Note that the attempt was answered with a task."""
        ...

    def rejected(self) -> None:
        """Note that the attempt was refused for a reason that concerns only this request."""
        ...

    def unknown(self, error: Exception) -> None:
        """Note that the attempt may or may not have started a task."""
        ...

    def abandoned(self) -> None:
        """Note that the attempt was cancelled without a result."""
        ...


class QuickRetries(Retries):
    """A few attempts within 30 seconds, as long as the retry quota of the client lasts.

    Args:
        quota: shared by the whole client.
        at_most: maximum number of retries.
        uniform: draws a random number between two.
        model: for the log.
    """

    def __init__(self, quota: RetryQuota, at_most: int, uniform: Callable[[float, float], float], model: str) -> None:
        self._quota = quota
        self._at_most = at_most
        self._uniform = uniform
        self._model = model
        self._began: float | None = None
        self._number = 0

    async def enter(self) -> None:
        """Return at once."""
        if self._began is None:
            self._began = loop_time()

    async def not_taken(self, error: ApimodelsError, retry_after: float | None) -> None:
        """Wait for the backoff and the server's ``Retry-After`` if time and quota allow another attempt."""
        pause = (retry_after or 0.0) + full_jitter(self._number, self._uniform)
        late = loop_time() + pause > (self._began or 0.0) + RETRY_WITHIN
        if late or self._number >= self._at_most or not self._quota.take():
            raise error from error.__cause__
        self._number += 1
        logger.info(
            "create not taken (%s); retry %d in %.2f s",
            error,
            self._number,
            pause,
            extra={"model": self._model, "attempt": self._number},
        )
        if port.active is not None:
            port.note(RetryDetails("create", self._number, pause, error, self._model))
        await anyio.sleep(pause)

    def hopeless(self, error: ApimodelsError) -> NoReturn:
        """Raise it.

        Raises:
            ApimodelsError: `error`.
        """
        raise error from error.__cause__

    def accepted(self) -> None:
        """Return one retry to the quota."""
        self._quota.give_back()

    def rejected(self) -> None:
        """Do nothing."""

    def unknown(self, error: Exception) -> None:
        """Do nothing."""

    def abandoned(self) -> None:
        """Do nothing."""
