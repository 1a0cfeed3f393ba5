"""When the create requests of a batch may be sent while the server takes none. Pure: clock and chance are arguments."""

import math
from collections.abc import Callable
from typing import NamedTuple

from apimodels_async._limits import BASE, CAP

UNKNOWN_IN_A_ROW = 3
"""Create requests with an unknown outcome, and no success between them, after which the gate closes."""
PROBE_PATIENCE = 12.0
"""Seconds that a probe may be without an answer before another one is sent: longer than it takes to give up a
connection, and shorter than the minute in which a synchronous model answers."""
FEW = 2
"""Create requests that may be under way at once when the gate has just opened; each answer allows one more."""
MANY = 64
"""Of these there is no bound any more."""
RAMP = 1.0
"""Seconds after which twice as many may be under way without any answer: synchronous models answer in a minute."""
LONGEST_RETRY_AFTER = 300.0
"""Seconds: one absurd ``Retry-After`` must not hold a batch for a day."""


class Pass(NamedTuple):
    """Leave to send one create request.

    Attributes:
        closings: how often the gate had closed by then; what is learned from a request that was sent before the last
            closing says nothing about the time after it.
        probe: whether the gate is closed, and this request finds out whether it can open.
    """

    closings: int
    probe: bool


class CreateGate:
    """Holds the create requests of one client back together while the server takes none.

    It closes when a request was provably not taken (no connection, or 429), and after `UNKNOWN_IN_A_ROW` unknown
    outcomes. While it is closed, one request at a time is let through as a probe, after pauses that grow from half a
    second to eight, with jitter. A probe that is answered by the API opens it. All that were held back would then leave
    at once, and all be unknown if the server goes away again; so a few may be under way at first, and more with each
    answer, as TCP begins.

    Args:
        uniform: draws a number between two.

    Attributes:
        closed_since: on the loop's clock, when the server last took requests; ``None`` while the gate is open.
        cause: why it closed, or what the last probe met.
        query_first: whether a free query has to be answered before the next probe: the last outcome was unknown, and
            another one may cost money.
    """

    def __init__(self, uniform: Callable[[float, float], float]) -> None:
        self._uniform = uniform
        self._closings = 0
        self._probes = 0  # since it closed
        self._unknown = 0  # in a row
        self._next_probe = -math.inf
        self._ramps = False  # it has opened lately
        self._opened: float | None = None  # when that was noticed
        self._answered = 0  # since it opened
        self._under_way = 0  # of those sent since it opened
        self.closed_since: float | None = None
        self.cause: Exception | None = None
        self.query_first: bool = False

    def pause(self, now: float) -> float:
        """Seconds until `enter` may be called again; 0 if now. Ask again when something changed."""
        if self.closed_since is not None:
            return max(0.0, self._next_probe - now)
        if not self._ramps:
            return 0.0
        self._opened = now if self._opened is None else self._opened
        doublings = math.floor((now - self._opened) / RAMP)
        most = max(FEW + self._answered, FEW * 2 ** min(doublings, 30))
        if most >= MANY:
            self._ramps = False
        elif self._under_way >= most:
            return self._opened + (doublings + 1) * RAMP - now
        return 0.0

    def enter(self, now: float) -> Pass:
        """Send one request now; every pass is returned by exactly one of the methods below."""
        probe = self.closed_since is not None
        if probe:
            self._next_probe = now + PROBE_PATIENCE
        else:
            self._under_way += 1
        return Pass(self._closings, probe)

    def _returned(self, given: Pass) -> bool:
        """Whether a pass says anything about the time since the gate closed last; the pass is used up."""
        if given.closings != self._closings:
            return False
        self._under_way -= not given.probe
        return True

    def accepted(self, given: Pass) -> None:
        """The API answered: it took the request, or refused it with its own words."""
        if not self._returned(given):
            return
        if self.closed_since is not None:
            self._ramps, self._opened = True, None
            self._answered = self._under_way = 0
        self._answered += 1
        self.closed_since = self.cause = None
        self.query_first = False
        self._unknown = 0

    def not_taken(self, given: Pass, now: float, cause: Exception, retry_after: float | None = None) -> None:
        """The request was provably not taken; `retry_after`: seconds that the server asks for."""
        if self._returned(given):
            self._close(now, cause)
        self._heed(now, retry_after)

    def unknown(self, given: Pass, now: float, cause: Exception, retry_after: float | None = None) -> None:
        """The server may or may not have taken the request; `retry_after`: seconds that it asks for."""
        if self._returned(given):
            self._unknown += 1
            if given.probe or self._unknown >= UNKNOWN_IN_A_ROW:
                self.query_first = True
                self._close(now, cause)
        self._heed(now, retry_after)

    def _heed(self, now: float, retry_after: float | None) -> None:
        """Send no probe earlier than the server asks for."""
        if retry_after is not None:
            self._next_probe = max(self._next_probe, now + min(retry_after, LONGEST_RETRY_AFTER))

    def abandoned(self, given: Pass, now: float) -> None:
        """The request was not sent after all, or was cancelled: nothing was learned."""
        if self._returned(given) and given.probe:
            self._next_probe = now

    def _close(self, now: float, cause: Exception) -> None:
        if self.closed_since is None:
            self.closed_since = now
            self._closings += 1
            self._probes = self._under_way = 0
        bound = min(CAP, BASE * 2 ** min(self._probes, 30))
        self._probes += 1
        self._next_probe = now + self._uniform(bound / 2, bound)
        self.cause = cause

    def closed_for(self, now: float) -> float:
        """Seconds since the server last took requests; 0 while the gate is open."""
        return 0.0 if self.closed_since is None else now - self.closed_since
