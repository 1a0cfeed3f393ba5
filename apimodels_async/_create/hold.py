"""How the create requests of a batch wait while the server takes none, and how long."""

import random
from collections.abc import Awaitable, Callable

import anyio

from apimodels_async._create.gate import CreateGate, Pass
from apimodels_async.errors import NotSubmittedError

_ROUNDING = 1e-6
"""Seconds: a wait for the rest of the time may end a rounding error too early."""


class Brake:
    """The gate of one client, and those who wait at it.

    Args:
        query: asks the server something that costs nothing; raises if the server is in trouble.
        uniform: draws a number between two.

    Attributes:
        gate: the rules.
    """

    def __init__(
        self, query: Callable[[], Awaitable[object]], uniform: Callable[[float, float], float] = random.uniform
    ) -> None:
        self.query: Callable[[], Awaitable[object]] = query
        self.gate: CreateGate = CreateGate(uniform)
        self._changed: anyio.Event | None = None

    def notify(self) -> None:
        """Something changed: let everything that waits look at the gate again."""
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    async def wait(self, seconds: float) -> None:
        """Wait for a change, for `seconds` at most."""
        self._changed = self._changed or anyio.Event()
        with anyio.move_on_after(seconds):
            await self._changed.wait()


class Hold:
    """The waiting of one batch: its requests share a time limit and can be stopped together.

    Made by ``Engine.hold`` when the batch begins, and given to ``Engine.send`` with each of its requests.

    Args:
        brake: of the client.
        outage_timeout: seconds for which the server may take nothing; ``None`` for no limit.
        now: on the loop's clock.

    Attributes:
        waiting: create requests that are held back now.
    """

    def __init__(self, brake: Brake, outage_timeout: float | None, now: float) -> None:
        self._brake = brake
        self._outage_timeout = outage_timeout
        self._began = now
        self._stopped: tuple[str, Exception] | None = None
        self.waiting: int = 0

    def outage(self, now: float) -> float:
        """Seconds for which the server has been taking none of this batch's requests; 0 if it takes them."""
        return min(self._brake.gate.closed_for(now), now - self._began)

    @property
    def cause(self) -> Exception | None:
        """What the last request met, while the server takes none."""
        return self._brake.gate.cause

    def stop(self, why: str, cause: Exception) -> None:
        """Send nothing more: what is held back ends as `NotSubmittedError` at once."""
        self._stopped = self._stopped or (why, cause)
        self._brake.notify()

    async def enter(self) -> Pass:
        """Return when a request may be sent; the pass is returned to the gate by one of the methods below.

        Raises:
            NotSubmittedError: the batch was stopped, or the server has taken nothing for too long.
        """
        self.waiting += 1
        try:
            return await self._enter()
        finally:
            self.waiting -= 1

    async def _enter(self) -> Pass:
        gate = self._brake.gate
        while True:
            now = anyio.current_time()
            self._raise_if_over(now)
            pause = gate.pause(now)
            if pause > 0.0:
                left = pause if self._outage_timeout is None else self._outage_timeout - self.outage(now)
                await self._brake.wait(min(pause, left))
                continue
            given = gate.enter(now)
            if not (given.probe and gate.query_first) or await self._queried(given):
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

    async def _queried(self, given: Pass) -> bool:
        """Whether the server answers a query that costs nothing, so that a create request may be risked."""
        try:
            await self._brake.query()
        except Exception as error:  # noqa: BLE001  (whatever it is, the server is not well)
            self.not_taken(given, error)
            return False
        except BaseException:
            self.abandoned(given)
            raise
        return True

    # --- how a request that was let through ended

    def accepted(self, given: Pass) -> None:
        """The API answered it."""
        self._brake.gate.accepted(given)
        self._brake.notify()

    def not_taken(self, given: Pass, cause: Exception, retry_after: float | None = None) -> None:
        """It was provably not taken."""
        self._brake.gate.not_taken(given, anyio.current_time(), cause, retry_after)
        self._brake.notify()

    def unknown(self, given: Pass, cause: Exception) -> None:
        """It may or may not have been taken."""
        self._brake.gate.unknown(given, anyio.current_time(), cause)
        self._brake.notify()

    def abandoned(self, given: Pass) -> None:
        """Nothing was learned from it."""
        self._brake.gate.abandoned(given, anyio.current_time())
        self._brake.notify()
