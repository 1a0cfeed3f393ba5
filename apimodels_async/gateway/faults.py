"""Faults of the service that can be had on request: by a word in the prompt, or by chance at a given rate."""

import math
from collections.abc import Mapping
from enum import Enum
from random import Random
from typing import Self

from attrs import frozen
from starlette.responses import Response

from apimodels_async._arguments import check_type
from apimodels_async.gateway.disconnect import Disconnect
from apimodels_async.gateway.refusals import Refusal
from apimodels_async.gateway.timeouts import Sleep

__all__ = ["SILENCE", "Fault", "FaultRates", "fault_reply"]

SILENCE = 100.0
"""Seconds without an answer before the proxy in front of the vendor's service answers 524."""
_RETRY_AFTER = "1"


class Fault(Enum):
    """What can go wrong, by the name it has in `FaultRates`."""

    RATE_LIMIT = "429"
    SERVER_ERROR = "500"
    TOO_LARGE = "413"
    SILENCE = "524"
    DROP = "drop"
    STATE = "state"


@frozen
class FaultRates:
    """How often each fault happens.

    Attributes:
        rates: the share of requests; for `Fault.STATE` the share of tasks.
    """

    rates: Mapping[Fault, float]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read rates such as ``"429:0.05,500:0.02"``.

        Raises:
            ValueError: a fault is unknown, or a rate is not a number from 0 to 1, or all together are more than 1.
        """
        check_type(text, str, "faults", 'give text, as "429:0.05,500:0.02"')
        rates: dict[Fault, float] = {}
        for part in filter(None, (each.strip() for each in text.split(","))):
            name, _, rate = part.partition(":")
            try:
                fault, share = Fault(name.strip()), float(rate)
            except ValueError:
                fault, share = None, math.nan
            if fault is None or not 0 <= share <= 1:
                names = ", ".join(each.value for each in Fault)
                raise ValueError(f"faults: {part!r}: give FAULT:RATE as 429:0.05, the fault one of {names}")
            rates[fault] = share
        if sum(rates.values()) > 1 + 1e-9:
            raise ValueError(f"faults: {text!r}: the rates are more than 1 together")
        return cls(rates)

    def draw(self, rng: Random) -> Fault | None:
        """The fault of one request, if it has one."""
        if not self.rates:
            return None
        at = rng.random()
        for fault, rate in self.rates.items():
            if fault is not Fault.STATE:
                at -= rate
                if at < 0:
                    return fault
        return None

    def draw_state(self, rng: Random) -> bool:
        """Whether the states of one task are reported with other words."""
        rate = self.rates.get(Fault.STATE, 0)
        return rate > 0 and rng.random() < rate


async def fault_reply(fault: Fault, sleep: Sleep) -> Response:
    """The answer that a fault consists of. `Fault.STATE` has none.

    Raises:
        Refusal: for a fault that is answered like any refusal.
    """
    match fault:
        case Fault.RATE_LIMIT:
            raise Refusal(429, "too many requests", headers={"Retry-After": _RETRY_AFTER})
        case Fault.TOO_LARGE:
            # As the host in front of the default address answers: no envelope.
            text = "Request Entity Too Large\n\nFUNCTION_PAYLOAD_TOO_LARGE\n"
            return Response(text, 413, media_type="text/plain")
        case Fault.SILENCE:
            await sleep(SILENCE)
            return Response("<html><title>524: A timeout occurred</title></html>", 524, media_type="text/html")
        case Fault.DROP:
            return Disconnect()
        case _:
            raise Refusal(500, "server error")
