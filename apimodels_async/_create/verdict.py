"""What a refused create request means for the money. Pure.

A create request is paid for and has no idempotency key, so it is sent again only when it is certain that the server
never acted on it (RFC 9110, section 9.2.2).
"""

from enum import Enum

from apimodels_async.errors import APIError, RateLimitError, ServerError

_PASSING = frozenset({401, 402, 404})
"""What a load balancer or a portal says while the API behind it is away; with the API's own JSON each is its no."""


class Verdict(Enum):
    """What a refused create means for the money."""

    REJECTED = "the server said no: nothing was started"
    NOT_YET = "the server is busy and took nothing: ask again later"
    ON_THE_WAY = "a page of something between us and the API: nothing was started, and it may pass"
    UNKNOWN = "the server may have started the job"


def judge_refusal(refusal: APIError) -> Verdict:
    """What a create's refusal without a task id means.

    A 5xx or 3xx anywhere leaves it open whether the job was started, and so does a code the contract does not
    know. A 4xx in the status line or in the envelope is a no; of 429 it is assumed that nothing was started.
    401, 402 and 404 without the API's JSON are not its own words.
    """
    codes = (refusal.status, refusal.code or refusal.status)
    if isinstance(refusal, ServerError) or any(code // 100 in (3, 5) for code in codes):
        return Verdict.UNKNOWN
    if isinstance(refusal, RateLimitError) or 429 in codes:
        return Verdict.NOT_YET
    if not refusal.from_api and refusal.status in _PASSING:
        return Verdict.ON_THE_WAY
    return Verdict.REJECTED if any(code // 100 == 4 for code in codes) else Verdict.UNKNOWN
