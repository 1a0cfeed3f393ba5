"""What a refused create request means for the money. Pure.

A create request is paid for and has no idempotency key, so it is sent again only when it is certain that the server
never acted on it (RFC 9110, section 9.2.2).
"""

from enum import Enum

from apimodels_async.errors import APIError, RateLimitError, ServerError


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
