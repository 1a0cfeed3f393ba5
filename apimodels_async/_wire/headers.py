"""HTTP header values that carry a time. Pure."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SECONDS = r"(?a)\s*(\d{1,9})(\.\d*)?\s*"


def retry_after(value: str | None, date: str | None, now: datetime) -> float | None:
    """Return the seconds in a ``Retry-After`` header, or ``None`` if it cannot be parsed.

    An HTTP date is taken relative to the response's own ``Date`` header, so that a wrong clock on either side has no
    effect; `now` (aware) is used if the response has no date.
    """
    if value is None:
        return None
    if re.fullmatch(_SECONDS, value):
        return float(value)
    until = http_date(value)
    if until is None:
        return None
    return max(0.0, (until - (http_date(date) or now)).total_seconds())


def http_date(value: str | None) -> datetime | None:
    """Parse an HTTP date (RFC 9110, section 5.6.7) into an aware datetime; ``None`` if it cannot be parsed."""
    if value is None:
        return None
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # the second: a year or a zone beyond any calendar
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date
