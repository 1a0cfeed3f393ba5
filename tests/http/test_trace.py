"""What a transport's events and errors prove about a request."""

import ssl
from itertools import pairwise
from typing import Any

import h2.errors
import h2.events
import httpcore
import httpx
import pytest

from apimodels_async._http.error_mapping import place, request_failed
from apimodels_async._http.proxies import Proxy
from apimodels_async._http.trace import ResentError, SendTrace, describe

pytestmark = pytest.mark.anyio

REQUEST = httpcore.Request("POST", "https://a.test/")
STARTED = "http2.send_request_headers.started"


async def sent(trace: SendTrace, stream_id: int = 5) -> None:
    await trace(STARTED, {"request": REQUEST, "stream_id": stream_id})


def broken_by(event: Any) -> Exception:
    error = httpx.RemoteProtocolError(str(event))
    error.__cause__ = httpcore.RemoteProtocolError(event)
    return error


def going_away(last: int) -> h2.events.ConnectionTerminated:
    event = h2.events.ConnectionTerminated()
    event.last_stream_id = last
    return event


def stream_reset(code: int) -> h2.events.StreamReset:
    event = h2.events.StreamReset(stream_id=5)
    event.error_code = h2.errors.ErrorCodes(code)
    return event


@pytest.mark.parametrize(
    ("event", "unsent"),
    [
        (going_away(0), True),
        (going_away(3), True),
        (going_away(5), False),
        (going_away(7), False),
        (stream_reset(7), True),
        (stream_reset(8), False),
        (stream_reset(0), False),
    ],
)
async def test_http_2_says_which_requests_were_not_looked_at(event: Any, unsent: bool) -> None:
    trace = SendTrace()
    await sent(trace)
    failed = request_failed(broken_by(event), "at a.test:443", trace)
    assert failed.trace.header_sent
    assert failed.trace.provably_unsent == unsent


async def test_a_connection_that_goes_away_proves_nothing_over_http_1() -> None:
    trace = SendTrace()
    await trace("http11.send_request_headers.started", {"request": REQUEST})
    assert not request_failed(broken_by(going_away(0)), "", trace).trace.provably_unsent


async def test_nothing_is_sent_twice_by_a_transport_below() -> None:
    asked: list[int] = []

    async def before_first_byte() -> None:
        asked.append(1)

    trace = SendTrace(before_first_byte)
    await sent(trace)
    with pytest.raises(ResentError):
        await sent(trace)
    assert trace.header_sent
    assert asked == [1]


async def test_what_the_server_did_not_look_at_may_be_sent_over_another_connection() -> None:
    trace = SendTrace()
    await sent(trace)
    await trace("http2.receive_response_headers.failed", {"exception": httpcore.ConnectionNotAvailable()})
    assert not trace.header_sent
    await sent(trace)
    assert trace.header_sent


def caused(*errors: BaseException) -> BaseException:
    for error, cause in pairwise(errors):
        error.__cause__ = cause
    return errors[0]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (httpx.ConnectError("refused"), "ConnectError: refused"),
        (
            caused(httpx.ConnectError(""), httpcore.ConnectError(""), ssl.SSLError("certificate has expired")),
            "ConnectError: ('certificate has expired',)",
        ),
        (caused(httpx.ReadError(""), OSError(" ")), "ReadError: the connection broke off"),
        (
            caused(httpx.ConnectError("all failed"), OSError("all failed"), ConnectionRefusedError(111, "no")),
            "ConnectError: all failed: Connection refused",
        ),
        (caused(httpx.ConnectError("connection refused"), OSError(111, "no")), "ConnectError: connection refused"),
        (httpx.ReadTimeout(""), "ReadTimeout: no answer came in time"),
        (KeyError(), "KeyError"),
    ],
)
def test_the_first_words_in_the_chain_of_causes_are_told(error: BaseException, words: str) -> None:
    assert describe(error) == words


def test_a_place_is_a_host_and_a_port_and_the_proxy_on_the_way() -> None:
    proxy = Proxy("http://me:secret@proxy.test:3128", "HTTPS_PROXY")
    assert place("https://a.test/path?query") == "at a.test:443"
    assert place("http://me:secret@[::1]:8080/") == "at [::1]:8080"
    assert place("http://a.test", proxy) == "at a.test:80 through the proxy http://***@proxy.test:3128 (HTTPS_PROXY)"
