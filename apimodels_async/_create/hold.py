"""How, and for how long, the create requests of a batch wait while the server accepts none."""

import logging
import random
from collections.abc import Awaitable, Callable
from typing import NoReturn

import anyio

from apimodels_async._clock import loop_time
from apimodels_async._create.gate import CreateGate, Pass
from apimodels_async._create.retries import Retries
from apimodels_async.errors import APIError, ApimodelsError, ConfigurationError, NotSubmittedError
from apimodels_async.instrumentation import port
from apimodels_async.instrumentation.details import RetryDetails

logger = logging.getLogger("apimodels_async")

_ROUNDING = 1e-6
"""Seconds. A wait for the remaining time may end early by a rounding error."""


class Brake:
    """The gate of one client and the requests that wait at it.

    Args:
        query: sends a request that costs nothing; raises if the server has a problem.
        uniform: draws a random number between two.

    Attributes:
        gate: the rules.
    """

    def __init__(
        self, query: Callable[[], Awaitable[object]], uniform: Callable[[float, float], float] = random.uniform
    ) -> None:
        self.query: Callable[[], Awaitable[object]] = query
        self.gate: CreateGate = CreateGate(uniform)
        self._changed: anyio.Event | None = None
        self._closed_since: float | None = None

    def notify(self) -> None:
        """Wake all waiting requests, so that they check the gate again."""
        self._log()
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    async def wait(self, seconds: float) -> None:
        """Wait for a change, at most `seconds`."""
        self._changed = self._changed or anyio.Event()
        with anyio.move_on_after(seconds):
            await self._changed.wait()

    def _log(self) -> None:
        """Log once when the gate closes and once when it opens."""
        since, self._closed_since = self._closed_since, self.gate.closed_since
        if since is None and self._closed_since is not None:
            logger.warning("the server takes no create requests (%s): the batch holds back", self.gate.cause)
        elif since is not None and self._closed_since is None:
            logger.info("the server takes create requests again, after %.1f s", loop_time() - since)


class Hold:
    """Holds back the requests of one batch: they share a time limit and can be stopped together.

    Made by ``Engine.hold`` when the batch starts, and passed to ``Engine.send`` with each of its requests.

    Args:
        brake: of the client.
        outage_timeout: seconds for which the server may accept nothing; ``None`` for no limit.
        now: on the loop's clock.

    Attributes:
        waiting: the number of create requests held back now.
    """

    def __init__(self, brake: Brake, outage_timeout: float | None, now: float) -> None:
        self._brake = brake
        self._outage_timeout = outage_timeout
        self._began = now
        self._stopped: tuple[str, Exception] | None = None
        self.waiting: int = 0

    def outage(self, now: float) -> float:
        """Return the seconds for which the server has accepted none of this batch's requests; 0 if it accepts them."""
        return min(self._brake.gate.closed_for(now), now - self._began)

    @property
    def cause(self) -> Exception | None:
        """The error of the last request while the server accepts none; otherwise ``None``."""
        return self._brake.gate.cause

    def stop(self, why: str, cause: Exception) -> None:
        """Send no more requests: those held back end with `NotSubmittedError` at once."""
        self._stopped = self._stopped or (why, cause)
        self._brake.notify()

    def retries(self) -> "HeldRetries":
        """Return the retry policy for one request of the batch."""
        return HeldRetries(self, self._brake)

    async def wait(self) -> Pass:
        """Wait until a request may be sent.

        Raises:
            NotSubmittedError: the batch was stopped, or the server has accepted nothing for too long.
        """
        self.waiting += 1
        try:
            return await self._wait()
        finally:
            self.waiting -= 1

    async def _wait(self) -> Pass:
        gate = self._brake.gate
        while True:
            now = loop_time()
            self._raise_if_over(now)
            pause = gate.pause(now)
            if pause > 0.0:
                left = pause if self._outage_timeout is None else self._outage_timeout - self.outage(now)
                await self._brake.wait(min(pause, left))
                continue
            given = gate.enter(now)
            if not (given.probe and gate.query_first) or await self._query(given):
                return given

    def _raise_if_over(self, now: float) -> None:
        if self._stopped is not None:
            why, cause = self._stopped
            raise NotSubmittedError(f"not sent: {why}") from cause
        closed, limit, outage = self._brake.gate.closed_since is not None, self._outage_timeout, self.outage(now)
        if closed and limit is not None and outage >= limit - _ROUNDING:
            raise NotSubmittedError(
                f"not sent: the server has taken no create request for {outage:.0f} s ({self.cause})"
            ) from self.cause

    async def _query(self, given: Pass) -> bool:
        """Whether the server answers a query that costs nothing, so that a create request is worth trying."""
        try:
            await self._brake.query()
        except ConfigurationError:  # the client was closed
            self._brake.gate.abandoned(given, loop_time())
            raise
        except Exception as error:  # noqa: BLE001  (any error means that the server has a problem)
            self._brake.gate.not_taken(given, loop_time(), error)
            self._brake.notify()
            return False
        except BaseException:
            self._brake.gate.abandoned(given, loop_time())
            self._brake.notify()
            raise
        return True


class HeldRetries(Retries):
    """The retry policy for one request of a batch: unlimited attempts, each when the gate lets it through.

    Args:
        hold: of the batch.
        brake: of the client.
    """

    def __init__(self, hold: Hold, brake: Brake) -> None:
        self._hold = hold
        self._brake = brake
        self._pass: Pass | None = None
        self._number = 0

    async def enter(self) -> None:
        """Wait at the gate.

        Raises:
            NotSubmittedError: the batch was stopped, or the server has accepted nothing for too long.
        """
        self._pass = await self._hold.wait()

    async def not_taken(self, error: ApimodelsError, retry_after: float | None) -> None:
        """Report the failure to the gate. The next `enter` waits with the other requests."""
        given, self._pass = self._pass, None
        self._number += 1
        if port.active is not None:
            port.note(RetryDetails("create", self._number, None, error))
        if given is not None:
            self._brake.gate.not_taken(given, loop_time(), error, retry_after)
            self._brake.notify()

    def hopeless(self, error: ApimodelsError) -> NoReturn:
        """Stop the batch: none of its requests can be sent.

        Raises:
            NotSubmittedError: because of `error`.
        """
        self.abandoned()
        self._hold.stop(str(error), error)
        raise NotSubmittedError(f"not sent: {error}") from error

    def accepted(self) -> None:
        """Open the gate if this was a probe."""
        given, self._pass = self._pass, None
        if given is not None:
            self._brake.gate.accepted(given)
            self._brake.notify()

    def rejected(self) -> None:
        """Treat it as accepted: the API works and refused only this request."""
        self.accepted()

    def unknown(self, error: Exception) -> None:
        """Report it to the gate, which closes after a few in a row."""
        given, self._pass = self._pass, None
        if given is not None:
            asked = error.__cause__.retry_after if isinstance(error.__cause__, APIError) else None
            self._brake.gate.unknown(given, loop_time(), error, asked)
            self._brake.notify()

    def abandoned(self) -> None:
        """Allow another probe if this was one."""
        given, self._pass = self._pass, None
        if given is not None:
            self._brake.gate.abandoned(given, loop_time())
            self._brake.notify()
