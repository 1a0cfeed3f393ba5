"""How often a create request of a single call is sent again, where it is certain that nothing was taken."""

import logging
from collections.abc import Callable
from typing import NoReturn, Protocol

import anyio

from apimodels_async._limits import RetryQuota, full_jitter
from apimodels_async.errors import ApimodelsError

logger = logging.getLogger("apimodels_async")

RETRY_WITHIN = 30.0
"""Seconds from the first attempt in which a create may be sent again."""


class Retries(Protocol):
    """Decides when a create request may be sent, and whether it is sent again: of a single call, or of a batch."""

    async def enter(self) -> None:
        """Return when the next attempt may be made.

        Raises:
            NotSubmittedError: no attempt will be made.
        """
        ...

    async def not_taken(self, error: ApimodelsError, retry_after: float | None) -> None:
        """The attempt provably started nothing: return if there is to be another one, else raise `error`."""
        ...

    def hopeless(self, error: ApimodelsError) -> NoReturn:
        """The attempt provably started nothing, and no other one would: raise `error`, or what it means."""
        ...

    def accepted(self) -> None:
        """The attempt was answered with a task."""
        ...

    def rejected(self) -> None:
        """The attempt was answered with a refusal that concerns this request alone."""
        ...

    def unknown(self, error: Exception) -> None:
        """The attempt may or may not have started a task."""
        ...

    def abandoned(self) -> None:
        """The attempt was cut off: nothing was learned from it."""
        ...


class QuickRetries(Retries):
    """A few attempts within half a minute, as long as the retry quota of the client lasts.

    Args:
        quota: shared by the whole client.
        at_most: retries.
        uniform: draws a number between two.
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
        """At once."""
        if self._began is None:
            self._began = anyio.current_time()

    async def not_taken(self, error: ApimodelsError, retry_after: float | None) -> None:
        """Wait as backoff and the server ask for, if there is time and quota for another attempt."""
        pause = (retry_after or 0.0) + full_jitter(self._number, self._uniform)
        late = anyio.current_time() + pause > (self._began or 0.0) + RETRY_WITHIN
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
        await anyio.sleep(pause)

    def hopeless(self, error: ApimodelsError) -> NoReturn:
        """Raise it.

        Raises:
            ApimodelsError: `error`.
        """
        raise error from error.__cause__

    def accepted(self) -> None:
        """One retry comes back to the quota."""
        self._quota.give_back()

    def rejected(self) -> None:
        """Nothing follows from it."""

    def unknown(self, error: Exception) -> None:
        """Nothing follows from it."""

    def abandoned(self) -> None:
        """Nothing follows from it."""
