"""Whether a refused create request may still be billed. Pure.

A create request costs money and has no idempotency key, so it is sent again only when it is certain that the server
never acted on it (RFC 9110, section 9.2.2).
"""

from enum import Enum

from apimodels_async._wire.parsing import json_object
from apimodels_async._wire.refusals import MAINTENANCE
from apimodels_async.errors import APIError, ConfigurationError, ProtocolError, RateLimitError, ServerError

_PASSING = frozenset({401, 402, 404})
"""Statuses that a load balancer or a portal may send while the API is unavailable. With the API's own JSON, each is a
refusal by the API."""


_LEFT = frozenset({460, 499})
"""Statuses that mean, where a proxy sends them, that the request had been passed on and its sender was thought to have
left before the answer."""


class Verdict(Enum):
    """The outcome of a refused create request."""

    REJECTED = "the server said no: nothing was started"
    NOT_YET = "the server is busy and took nothing: ask again later"
    ON_THE_WAY = "a page of something between us and the API: nothing was started, and it may pass"
    UNKNOWN = "the server may have started the job"


def judge_refusal(refusal: APIError) -> Verdict:
    """Judge the refusal of a create request that has no task id.

    A 5xx or 3xx in the status line or the envelope leaves it open whether the job was started, and so does a code that
    is not in the contract, and a 460 or 499 of a proxy. Another 4xx in either is a refusal; for 429 and 455
    (maintenance) it is assumed that nothing was started. A 401, 402 or 404 without the API's JSON does not come from
    the API.
    """
    codes = (refusal.status, refusal.code or refusal.status)
    maintained = refusal.from_api and MAINTENANCE in codes
    if (isinstance(refusal, ServerError) and not maintained) or any(code // 100 in (3, 5) for code in codes):
        return Verdict.UNKNOWN
    if not refusal.from_api and refusal.status in _LEFT:
        return Verdict.UNKNOWN
    if isinstance(refusal, RateLimitError) or 429 in codes or maintained:
        return Verdict.NOT_YET
    if not refusal.from_api and refusal.status in _PASSING:
        return Verdict.ON_THE_WAY
    return Verdict.REJECTED if any(code // 100 == 4 for code in codes) else Verdict.UNKNOWN


def may_pass(refusal: APIError | ConfigurationError | ProtocolError) -> bool:
    """Whether the refusal of an upload, which costs nothing, is a page of something on the way, and may pass.

    Such are redirects too, and a page with HTTP 200, as a portal has it.
    """
    cause = refusal.__cause__ if isinstance(refusal, ConfigurationError) else refusal
    if isinstance(cause, ProtocolError):
        return not json_object(cause.body.encode("utf-8", "replace"))
    if not isinstance(cause, APIError) or cause.from_api:
        return False
    return cause.status in _PASSING or cause.status // 100 == 3
