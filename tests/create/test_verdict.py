import json
import random
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apimodels_async._create.verdict import Verdict, judge_refusal
from apimodels_async._http.trace import SendFacts
from apimodels_async._limits import BASE, CAP, RetryQuota, full_jitter
from apimodels_async._wire.answer import RawResponse
from apimodels_async._wire.headers import http_date, retry_after
from apimodels_async._wire.refusals import MAINTENANCE
from apimodels_async._wire.tasks import read_task
from apimodels_async.errors import APIError

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


# --- backoff


def test_the_bound_of_the_backoff_doubles_from_half_a_second_to_eight() -> None:
    assert [full_jitter(attempt, lambda _, high: high) for attempt in range(7)] == [0.5, 1, 2, 4, 8, 8, 8]
    assert (BASE, CAP) == (0.5, 8.0)


def test_the_backoff_may_be_nothing_at_all() -> None:
    assert [full_jitter(attempt, lambda low, _: low) for attempt in range(7)] == [0.0] * 7


@given(st.integers(0, 10**9), st.integers())
def test_a_backoff_lies_within_its_bounds_however_many_came_before(attempt: int, seed: int) -> None:
    assert 0 <= full_jitter(attempt, random.Random(seed).uniform) <= min(CAP, BASE * 2 ** min(attempt, 10))


# --- Retry-After


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("7", 7.0),
        (" 120 ", 120.0),
        ("1.5", 1.5),
        ("2.", 2.0),
        ("999999999", 999_999_999.0),
        ("9999999999", None),
        ("-1", None),
        ("1e3", None),
        ("nan", None),
        ("inf", None),
        ("0x10", None),
        ("\u0667", None),
        ("", None),
        ("soon", None),
        ("7 seconds", None),
        ("Sun, 32 Mar 2026 12:00:00 GMT", None),
        ("Sun, 01 Mar 2026 12:00:00 +99999999999999", None),
        ("Sun, 01 Mar 99999999999999 12:00:00 GMT", None),
    ],
)
def test_retry_after_in_seconds(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, None, NOW) == seconds
    assert retry_after(value, "Sun, 01 Mar 2020 12:00:00 GMT", NOW) == seconds


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        # Relative to the answer's own clock, however wrong it is.
        ("Sun, 01 Mar 2026 12:00:30 GMT", "Sun, 01 Mar 2026 12:00:00 GMT", 30.0),
        ("Thu, 01 Jan 1998 00:01:00 GMT", "Thu, 01 Jan 1998 00:00:00 GMT", 60.0),
        ("Fri, 01 Jan 2100 00:00:05 GMT", "Fri, 01 Jan 2100 00:00:00 GMT", 5.0),
        # No date, or none that is understood: relative to ours.
        ("Sun, 01 Mar 2026 12:00:30 GMT", None, 30.0),
        ("Sun, 01 Mar 2026 12:00:30 GMT", "yesterday", 30.0),
        ("Sun, 01 Mar 2026 12:00:30 GMT", "", 30.0),
        ("Sun, 01 Mar 2026 12:00:30 GMT", "Sun, 01 Mar 2026 12:00:00 +99999999999999", 30.0),
        # What is past is past.
        ("Sun, 01 Mar 2026 11:00:00 GMT", None, 0.0),
        ("Sun, 01 Mar 2026 12:00:00 GMT", "Sun, 01 Mar 2026 12:00:01 GMT", 0.0),
        # The older forms of RFC 9110, and zones.
        ("Sunday, 01-Mar-26 12:00:30 GMT", None, 30.0),
        ("Sun Mar  1 12:00:30 2026", None, 30.0),
        ("Sun, 01 Mar 2026 13:00:30 +0100", None, 30.0),
    ],
)
def test_retry_after_as_a_date_is_relative_to_the_answers_own_date(
    value: str, date: str | None, seconds: float
) -> None:
    assert retry_after(value, date, NOW) == seconds


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)).map(lambda moment: moment.replace(microsecond=0)),  # noqa: DTZ001
    st.integers(0, 10**6),
)
def test_a_date_asks_for_as_many_seconds_as_it_lies_ahead(moment: datetime, ahead: int) -> None:
    date = moment.replace(tzinfo=UTC)
    until = format_datetime(date + timedelta(seconds=ahead), usegmt=True)

    assert retry_after(until, format_datetime(date, usegmt=True), NOW) == ahead


PARTS = st.sampled_from(
    ["Sun,", "01", "31", "Mar", "Feb", "2026", "9999", "0", "12:00:00", "99:99:99", "GMT", "-", ":"]
)
DIGITS = st.integers(0, 30).map(lambda digits: "9" * digits)
HEADERS = st.text(max_size=40) | st.lists(PARTS | DIGITS | DIGITS.map("+{}".format), max_size=8).map(" ".join)


@given(HEADERS, HEADERS | st.none())
def test_any_header_is_a_number_of_seconds_or_not_understood(value: str, date: str | None) -> None:
    seconds = retry_after(value, date, NOW)

    assert seconds is None or 0 <= seconds < 10**12


@pytest.mark.parametrize(
    ("value", "date"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("Sun, 01 Mar 2026 12:00:00 GMT", NOW),
        ("Sun, 01 Mar 2026 12:00:00 -0000", NOW),
        ("Sun, 01 Mar 2026 14:30:00 +0230", NOW.astimezone(timezone(timedelta(hours=2, minutes=30)))),
    ],
)
def test_an_http_date_is_aware(value: str | None, date: datetime | None) -> None:
    found = http_date(value)

    assert found == date
    assert found is None or found.tzinfo is not None


# --- what a failed request proves


@pytest.mark.parametrize(
    ("header_sent", "spoke", "refused", "unsent"),
    [
        # A transport that tells, and told of no first byte.
        (False, True, False, True),
        (False, True, True, True),
        # A transport that tells nothing: only its connection errors prove anything.
        (False, False, True, True),
        (False, False, False, False),
        # The first byte was about to be written: nothing proves anything any more.
        (True, True, False, False),
        (True, True, True, False),
        (True, False, True, False),
        (True, False, False, False),
    ],
)
def test_what_proves_that_nothing_was_sent(header_sent: bool, spoke: bool, refused: bool, unsent: bool) -> None:
    assert SendFacts(header_sent, spoke, refused).provably_unsent is unsent


# --- what a refused create means


def refusal(status: int, code: object) -> APIError:
    with pytest.raises(APIError) as error:
        read_task(RawResponse(status, json.dumps({"code": code, "msg": "no"}).encode()))
    return error.value


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        # The status line alone.
        *((status, None, Verdict.REJECTED) for status in (400, 401, 402, 403, 404, 409, 413, 418, 422, 451, 499)),
        (429, None, Verdict.NOT_YET),
        *((status, None, Verdict.UNKNOWN) for status in (500, 501, 502, 503, 504, 520, 599)),
        *((status, None, Verdict.UNKNOWN) for status in (300, 301, 302, 303, 304, 307, 308)),
        # The envelope under HTTP 200.
        *((200, code, Verdict.REJECTED) for code in (400, 401, 402, 403, 404, 422)),
        (200, 429, Verdict.NOT_YET),
        *((200, code, Verdict.UNKNOWN) for code in (500, 502, 503, 599)),
        *((200, code, Verdict.UNKNOWN) for code in (302, 0, -1, 1, 100, 201, 204, 600, 1001, 40001)),
        # Both speak: a 5xx or a 3xx in either leaves it open.
        (400, 500, Verdict.UNKNOWN),
        (429, 503, Verdict.UNKNOWN),
        (500, 400, Verdict.UNKNOWN),
        (503, 429, Verdict.UNKNOWN),
        (302, 400, Verdict.UNKNOWN),
        (402, 302, Verdict.UNKNOWN),
        (429, 400, Verdict.NOT_YET),
        (400, 429, Verdict.NOT_YET),
        (400, 402, Verdict.REJECTED),
        (400, 0, Verdict.REJECTED),
        (400, 1001, Verdict.REJECTED),
        (429, 0, Verdict.NOT_YET),
        (429, 1001, Verdict.NOT_YET),
        (500, 0, Verdict.UNKNOWN),
        (201, 400, Verdict.REJECTED),
    ],
)
def test_what_a_refused_create_means(status: int, code: int | None, verdict: Verdict) -> None:
    assert judge_refusal(refusal(status, code)) is verdict


@pytest.mark.parametrize(("status", "held"), [(401, Verdict.ON_THE_WAY), (403, Verdict.REJECTED)])
@pytest.mark.parametrize("body", [b'{"message": "Unauthorized"}', b"<h1>no</h1>", b""])
def test_the_json_of_a_gateway_means_what_a_page_means(status: int, held: Verdict, body: bytes) -> None:
    with pytest.raises(APIError) as error:
        read_task(RawResponse(status, body))
    assert judge_refusal(error.value) is held


@pytest.mark.parametrize("status", [460, 499])
@pytest.mark.parametrize("body", [b"", b"<h1>client closed request</h1>", b'{"message": "canceled"}'])
def test_a_proxy_that_took_the_sender_for_gone_may_have_passed_the_request_on(status: int, body: bytes) -> None:
    with pytest.raises(APIError) as error:
        read_task(RawResponse(status, body))
    assert judge_refusal(error.value) is Verdict.UNKNOWN


@given(st.integers(200, 599), st.none() | st.integers(-10, 700) | st.integers())
def test_a_create_is_never_sent_again_or_written_off_where_a_5xx_or_3xx_was_seen(status: int, code: int | None) -> None:
    error = APIError("no", status=status, code=code)
    open_ = any(seen // 100 in (3, 5) for seen in (status, code) if seen)

    assert not open_ or judge_refusal(error) is Verdict.UNKNOWN


@given(st.integers(200, 599), st.none() | st.integers(-10, 700))
@example(455, None)
@example(200, 455)
def test_a_create_is_sent_again_only_where_429_or_maintenance_was_seen(status: int, code: int | None) -> None:
    if judge_refusal(APIError("no", status=status, code=code)) is Verdict.NOT_YET:
        assert not {429, MAINTENANCE}.isdisjoint((status, code))


# --- the quota


def test_a_hundred_retries_are_allowed_and_not_one_more() -> None:
    quota = RetryQuota()

    assert [quota.take() for _ in range(105)] == [True] * 100 + [False] * 5


def test_a_success_gives_one_retry_back() -> None:
    quota = RetryQuota()
    while quota.take():
        pass

    quota.give_back()

    assert [quota.take(), quota.take()] == [True, False]


def test_successes_are_not_saved_up() -> None:
    quota = RetryQuota()
    for _ in range(1000):
        quota.give_back()

    assert sum(quota.take() for _ in range(1000)) == 100


@given(st.lists(st.booleans(), max_size=400))
def test_retries_never_exceed_a_hundred_and_the_successes(succeeded: list[bool]) -> None:
    quota = RetryQuota()
    taken = successes = 0

    for success in [*succeeded, *[False] * 300]:
        if success:
            quota.give_back()
            successes += 1
        else:
            taken += quota.take()
        assert taken <= 100 + successes
