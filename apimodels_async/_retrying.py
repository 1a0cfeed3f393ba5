"""When a request may be sent again, and how soon. Pure: the clock and the randomness come in as arguments.

A create is paid for and has no idempotency key, so it is sent again only when it is certain that the server
never acted on it (RFC 9110, section 9.2.2). What is certain is decided here, from facts that the HTTP edge reports.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import NamedTuple

from apimodels_async.errors import APIError, RateLimitError, ServerError

BASE = 0.5
"""Seconds: the first backoff is drawn from nought to this."""
CAP = 8.0
"""Seconds: no backoff is longer, unless the server asks for more."""


def full_jitter(attempt: int, uniform: Callable[[float, float], float]) -> float:
    """Seconds to wait before retry number `attempt` (from 0): uniform between 0 and a doubling bound."""
    return uniform(0.0, min(CAP, BASE * 2 ** min(attempt, 30)))


_SECONDS = re.compile(r"\s*(\d{1,9})(\.\d*)?\s*", re.ASCII)


def retry_after(value: str | None, date: str | None, now: datetime) -> float | None:
    """Seconds that a ``Retry-After`` header asks for, or ``None`` where it says nothing understandable.

    An HTTP date is taken relative to the answer's own ``Date`` header, so that a wrong clock here or there does
    no harm; `now` (aware) stands in where the answer has no date.
    """
    if value is None:
        return None
    if _SECONDS.fullmatch(value):
        return float(value)
    until = http_date(value)
    if until is None:
        return None
    return max(0.0, (until - (http_date(date) or now)).total_seconds())


def http_date(value: str | None) -> datetime | None:
    """An HTTP date (RFC 9110, section 5.6.7), aware, or ``None`` where there is none to be understood."""
    if value is None:
        return None
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # the second: a year or a zone beyond any calendar
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date


class Trace(NamedTuple):
    """What the transport said about one request, up to the moment it failed.

    Attributes:
        header_sent: the event "about to write the first byte" was seen (never one of a CONNECT to a proxy).
        spoke: any event of this request was seen, so this transport does tell.
        refused: the failure is one that comes before anything is written: no connection, none free, a refusal
            by the proxy.
    """

    header_sent: bool
    spoke: bool
    refused: bool

    @property
    def provably_unsent(self) -> bool:
        """Whether it is certain that not one byte of the request left.

        Exception classes cannot tell: a reset before the server read anything and one after it read everything
        are the same error. The event can: it comes before the first byte. A transport that reports nothing
        (a mock, ASGI, aiohttp) counts as having sent, but for its connection errors.
        """
        return not self.header_sent and (self.refused or self.spoke)


class Verdict(Enum):
    """What a refused create means for the money."""

    REJECTED = "the server said no: nothing was started"
    NOT_YET = "the server is busy and took nothing: ask again later"
    UNKNOWN = "the server may have started the job"


def judge_refusal(refusal: APIError) -> Verdict:
    """What a create's refusal without a task id means.

    A 5xx or 3xx anywhere leaves it open whether the job was started, and so does a code the contract does not
    know. A 4xx in the status line or in the envelope is a no; of 429 it is assumed that nothing was started.
    """
    codes = (refusal.status, refusal.code or refusal.status)
    if isinstance(refusal, ServerError) or any(code // 100 in (3, 5) for code in codes):
        return Verdict.UNKNOWN
    if isinstance(refusal, RateLimitError) or 429 in codes:
        return Verdict.NOT_YET
    return Verdict.REJECTED if any(code // 100 == 4 for code in codes) else Verdict.UNKNOWN


class RetryQuota:
    """How many retries one client may still make, so that an outage is not multiplied by all its tasks.

    The figures are botocore's standard mode: 500 tokens, 5 a retry, given back when something succeeds.
    """

    CAPACITY = 500
    COST = 5

    def __init__(self) -> None:
        self.tokens: int = self.CAPACITY

    def take(self) -> bool:
        """Whether one more retry is allowed; if so it is counted."""
        if self.tokens < self.COST:
            return False
        self.tokens -= self.COST
        return True

    def give_back(self) -> None:
        """Something succeeded: one retry comes back."""
        self.tokens = min(self.CAPACITY, self.tokens + self.COST)
