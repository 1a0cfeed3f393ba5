"""The rows of the fault matrix, as data: what the server did, what it counted, what the user got.

`test_matrix.py` plays each on both back ends and writes them down as `docs/faults.md`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from tests.support.envelopes import envelope
from tests.support.server import (
    Exchange,
    FaultServer,
    Visit,
    accept,
    babble,
    drip,
    html,
    read_then,
    reply,
    reset_after,
    reset_unread,
    say,
    say_nothing,
    speak,
    take_then,
    tunnel,
)

BROKEN = "a broken exchange"
"""ReadError, WriteError or RemoteProtocolError: which one it is after a reset is the kernel's mood."""

BIG = "x" * (16 << 20)
"""A prompt too long for the socket buffers."""


class Way(Enum):
    """How the client gets to the server."""

    PLAIN = auto()
    TLS = auto()
    HTTP_PROXY = auto()
    """The server is a proxy to some http:// host."""
    TLS_PROXY = auto()
    """The server is a proxy to some https:// host."""
    NO_NAME = auto()
    """The name of the host cannot be looked up."""
    FULL_BACKLOG = auto()
    """The port's queue of connections is full, and nobody accepts."""
    BUSY_POOL = auto()
    """The caller's own client has one connection, and it is in use."""


@dataclass(frozen=True)
class Row:
    """One fault.

    Attributes:
        fault: what the server did, in words.
        counted: how many POSTs (to a create request) or GETs (to a query) it read, wholly or partly.
        got: what the user got; over aiohttp `got_fast`, where that differs.
        taken: how many creates it accepted.
        plays: how the server is set up.
        way: how the client gets there.
        timeout: of one exchange, seconds, where a part of it is not 10.
        prompt: of a create request.
        warm: a create request that goes well comes first, and its connection is kept alive.
        down_once: nobody listens until the client pauses before its first retry.
        own: a query about a task of the client's own making (else about a foreign id).
        bound: seconds of the whole wait.
        pace: seconds between two looks.
    """

    fault: str
    counted: int
    got: str
    got_fast: str | None = None
    taken: int = 0
    plays: Mapping[str, Any] = field(default_factory=dict)
    way: Way = Way.PLAIN
    timeout: Mapping[str, float] = field(default_factory=dict)
    prompt: str = "a cat"
    warm: bool = False
    down_once: bool = False
    own: bool = False
    bound: float = 10.0
    pace: float = 30.0


def _post(*plays: Any, **more: Any) -> dict[str, Any]:
    return {"post": plays, **more}


def _get(*plays: Any, **more: Any) -> dict[str, Any]:
    return {"get": plays, **more}


def _refuse(code: int, msg: str = "no") -> Any:
    return say(reply(code, envelope(code, msg)))


def _refuse_inside(code: int) -> Any:
    return say(reply(200, envelope(code, "no")))


def _busy(**headers: str) -> Any:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return say(reply(429, envelope(429, "slow down"), headers=names))


def _early_413(exchange: Exchange) -> None:
    exchange.visit.send(reply(413, envelope(413, "too big"), headers={"Connection": "close"}))
    exchange.read(1 << 20)
    exchange.visit.close()


def _late(seconds: float) -> Any:
    def play(exchange: Exchange) -> None:
        exchange.read()
        task_id = exchange.take()
        if not exchange.server.closed.wait(seconds):
            exchange.visit.send(reply(200, envelope(taskId=task_id, state="pending")))

    return play


def _continue_first(interim: bytes) -> Any:
    return accept(lambda task_id: interim + reply(200, envelope(taskId=task_id, state="pending")))


_PENDING = reply(200, envelope(taskId="task-1", state="pending"))
_HALF = _PENDING[: -len(b'"state": "pending"}}')]
_CHUNKED = {"Transfer-Encoding": "chunked"}
_NEVER = say_nothing
_BIG_HEADER = reply(200, envelope(taskId="task-1"), headers={"X-Long": "x" * 200_000})
_UNREAD = {"read": 0.2}
_UNCONNECTED = {"connect": 0.2}
_UNWRITTEN = {"write": 0.2}
_OPENAI_URL = {"created": 1705123465, "data": [{"url": "https://r2.example/a.png"}]}
_OPENAI_B64 = {"created": 1705123465, "data": [{"b64_json": "iVBORw0KGgo="}]}


_LINK = "https://r2.example/a.png"
_RESULT = json.dumps({"resultUrls": [_LINK]})
_MODERATED = {"failCode": "CONTENT_MODERATION", "failMsg": "nsfw"}


def _accept_as(**data: Any) -> Any:
    """Take it, and answer with its id and these fields."""
    return accept(lambda task_id: reply(200, envelope(taskId=task_id, **data)))


def _payload(status: int, **payload: Any) -> Any:
    """An answer of this JSON, without an envelope."""
    return say(reply(status, payload))


def _too_large_for_the_host() -> Any:
    text = b"Request Entity Too Large\n\nFUNCTION_PAYLOAD_TOO_LARGE\n"
    return say(reply(413, body=text, headers={"Content-Type": "text/plain"}))


def _unknown(cause: str) -> str:
    return f"SubmissionUnknownError from {cause}"


_MODERATION = "ContentPolicyError from BadRequestError"


def _unsent(cause: str) -> str:
    return f"ConnectionFailedError from {cause}"


def _leave(visit: Visit) -> None:
    visit.close()


def _reset(visit: Visit) -> None:
    visit.reset()


def _stall(visit: Visit) -> None:
    assert visit.server.closed.wait(60)


def _stay(visit: Visit) -> None:
    visit.wait_until_left()


CREATES = [
    # --- nothing was sent, which is proved: tried again
    Row("Refuses every connection", 0, _unsent("ConnectError"), plays={"listening": False}),
    Row(
        "Refuses the first connection, then is there",
        1,
        "task-1 pending",
        taken=1,
        plays=_post(accept(), listening=False),
        down_once=True,
    ),
    Row("Its name cannot be looked up", 0, _unsent("ConnectError"), way=Way.NO_NAME),
    Row(
        "Its queue of connections is full",
        0,
        _unsent("ConnectTimeout"),
        plays={"listening": False},
        way=Way.FULL_BACKLOG,
        timeout=_UNCONNECTED,
    ),
    Row(
        "Accepts the connection, never shakes hands (TLS)",
        0,
        _unsent("ConnectTimeout"),
        plays={"greet": [say_nothing]},
        way=Way.TLS,
        timeout=_UNCONNECTED,
    ),
    Row("Answers the TLS hello with noise", 0, _unsent("ConnectError"), plays={"greet": [babble]}, way=Way.TLS),
    Row("Resets the TLS handshake", 0, _unsent("ConnectError"), plays={"greet": [reset_unread]}, way=Way.TLS),
    Row(
        "A proxy that refuses CONNECT with 403",
        0,
        _unsent("ProxyError"),
        plays={"connect": [say(html(403))]},
        way=Way.TLS_PROXY,
    ),
    Row(
        "A proxy that wants a password (407)",
        0,
        _unsent("ProxyError"),
        plays={"connect": [say(html(407))]},
        way=Way.TLS_PROXY,
    ),
    Row(
        "A proxy that hangs up on CONNECT",
        0,
        _unsent(BROKEN),
        plays={"connect": [read_then(None, _leave)]},
        way=Way.TLS_PROXY,
    ),
    Row(
        "A proxy that never answers CONNECT",
        0,
        _unsent("ReadTimeout"),
        plays={"connect": [read_then(None, _stay)]},
        way=Way.TLS_PROXY,
        timeout=_UNREAD,
    ),
    Row(
        "A proxy whose tunnel leads to silence",
        0,
        _unsent("ConnectTimeout"),
        plays={"connect": [tunnel]},
        way=Way.TLS_PROXY,
        timeout=_UNCONNECTED,
    ),
    Row("A proxy that is not there", 0, _unsent("ConnectError"), plays={"listening": False}, way=Way.HTTP_PROXY),
    Row(
        "The caller's own pool has no free connection",
        0,
        _unsent("PoolTimeout"),
        plays=_get(read_then(None, _stay)),
        way=Way.BUSY_POOL,
        timeout={"pool": 0.1},
    ),
    # --- sent, and no whole answer: never sent again
    Row("Resets before it has read a byte", 0, _unknown(BROKEN), plays={"greet": [reset_unread]}),
    Row("Reads 40 bytes of the head, resets", 1, _unknown(BROKEN), plays={"greet": [reset_after(40)]}),
    Row("Reads the head and a part of the body, resets", 1, _unknown(BROKEN), plays=_post(read_then(10, _reset))),
    Row("Reads it all, resets", 1, _unknown(BROKEN), plays=_post(read_then(None, _reset))),
    Row("Reads it all, takes it, resets", 1, _unknown(BROKEN), taken=1, plays=_post(take_then(_reset))),
    Row(
        "Reads it all, takes it, closes without an answer",
        1,
        _unknown(BROKEN),
        taken=1,
        plays=_post(take_then(_leave)),
    ),
    Row(
        "Takes it, never answers",
        1,
        _unknown("ReadTimeout"),
        taken=1,
        plays=_post(take_then(_stay)),
        timeout=_UNREAD,
    ),
    Row(
        "Takes it, answers after the read timeout",
        1,
        _unknown("ReadTimeout"),
        taken=1,
        plays=_post(_late(0.5)),
        timeout=_UNREAD,
    ),
    Row(
        "Stops reading in the middle of a big body",
        1,
        _unknown("WriteTimeout"),
        plays=_post(read_then(1 << 20, _stall)),
        timeout=_UNWRITTEN,
        prompt=BIG,
    ),
    Row(
        "Takes it, sends half an answer, falls silent",
        1,
        _unknown("ReadTimeout"),
        taken=1,
        plays=_post(accept(lambda _: _HALF), _NEVER),
        timeout=_UNREAD,
    ),
    Row(
        "Takes it, sends half an answer, closes",
        1,
        _unknown(BROKEN),
        taken=1,
        plays=_post(accept(lambda _: _HALF, close=True)),
    ),
    Row(
        "Takes it, drips a whole answer, a byte at a time",
        1,
        "task-1 pending",
        taken=1,
        plays=_post(take_then(drip(_PENDING, piece=4, pause=0.005))),
    ),
    Row("Takes it, answers after 0.3 s", 1, "task-1 pending", taken=1, plays=_post(_late(0.3))),
    Row(
        "Answers the create of an earlier connection's reuse by closing",
        2,
        _unknown(BROKEN),
        taken=1,
        plays=_post(accept(), read_then(None, _leave)),
        warm=True,
    ),
    Row(
        "Has closed the kept-alive connection before its reuse",
        2,
        "task-2 pending",
        taken=2,
        plays=_post(accept(close=True), accept()),
        warm=True,
    ),
    # --- an answer that is none
    Row(
        "Takes it, Content-Length longer than the body",
        1,
        _unknown(BROKEN),
        taken=1,
        plays=_post(
            accept(lambda task_id: reply(200, envelope(taskId=task_id, state="pending"), length=999), close=True)
        ),
    ),
    Row(
        "Takes it, Content-Length shorter than the body",
        1,
        _unknown("ProtocolError"),
        _unknown(BROKEN),
        taken=1,
        plays=_post(
            accept(lambda task_id: reply(200, envelope(taskId=task_id, state="pending"), length=20), close=True)
        ),
    ),
    Row(
        "Takes it, truncated JSON in a whole answer",
        1,
        _unknown("ProtocolError"),
        taken=1,
        plays=_post(accept(lambda _: reply(200, body=b'{"code": 200, "data": {"taskId": "ta'))),
    ),
    Row(
        "Takes it, an unframed 200 that is cut short",
        1,
        _unknown("ProtocolError"),
        taken=1,
        plays=_post(accept(lambda _: reply(200, body=b'{"code": 200, "da', framed=False), close=True)),
    ),
    Row(
        "Takes it, an unframed 200 that is whole",
        1,
        "task-1 pending",
        taken=1,
        plays=_post(
            accept(lambda task_id: reply(200, envelope(taskId=task_id, state="pending"), framed=False), close=True)
        ),
    ),
    Row(
        "Takes it, an empty unframed 200",
        1,
        _unknown("ProtocolError"),
        taken=1,
        plays=_post(accept(lambda _: reply(200, body=b"", framed=False), close=True)),
    ),
    Row(
        "Takes it, a chunk that ends early",
        1,
        _unknown(BROKEN),
        taken=1,
        plays=_post(accept(lambda _: reply(200, body=b'40\r\n{"code": 2', headers=_CHUNKED), close=True)),
    ),
    Row(
        "Takes it, a chunk size that is none",
        1,
        _unknown(BROKEN),
        taken=1,
        plays=_post(accept(lambda _: reply(200, body=b"zz\r\n{}\r\n0\r\n\r\n", headers=_CHUNKED))),
    ),
    Row(
        "Takes it, says gzip, sends plain text",
        1,
        _unknown("DecodingError"),
        taken=1,
        plays=_post(accept(lambda _: reply(200, envelope(), headers={"Content-Encoding": "gzip"}))),
    ),
    Row("Takes it, answers noise", 1, _unknown(BROKEN), taken=1, plays=_post(accept(lambda _: b"?\r\n\r\n"))),
    Row(
        "Takes it, answers with a header of 200 kB",
        1,
        _unknown(BROKEN),
        taken=1,
        plays=_post(accept(lambda _: _BIG_HEADER)),
    ),
    Row("HTML with HTTP 200", 1, _unknown("ProtocolError"), plays=_post(say(html(200)))),
    Row("HTML with HTTP 502", 1, _unknown("ServerError"), plays=_post(say(html(502)))),
    Row("A proxy's own 502 to the POST", 1, _unknown("ServerError"), plays=_post(say(html(502))), way=Way.HTTP_PROXY),
    Row("HTTP 500", 1, _unknown("ServerError"), plays=_post(_refuse(500))),
    Row("HTTP 502", 1, _unknown("ServerError"), plays=_post(_refuse(502))),
    Row(
        "HTTP 503 with Retry-After",
        1,
        _unknown("ServerError"),
        plays=_post(say(reply(503, {}, headers={"Retry-After": "0"}))),
    ),
    Row("Code 500 under HTTP 200", 1, _unknown("ServerError"), plays=_post(_refuse_inside(500))),
    Row(
        "Takes it, HTML with HTTP 524",
        1,
        _unknown("ServerTimeoutError"),
        taken=1,
        plays=_post(accept(lambda _: html(524))),
    ),
    Row("Code 501 under HTTP 200, no task", 1, _unknown("ServerError"), plays=_post(_refuse_inside(501))),
    Row("Code 505 (switched off) under HTTP 200", 1, _unknown("ServerError"), plays=_post(_refuse_inside(505))),
    Row("Code 999 under HTTP 200", 1, _unknown("APIError"), plays=_post(_refuse_inside(999))),
    Row(
        "HTTP 302 to another place",
        1,
        _unknown("APIError"),
        plays=_post(say(reply(302, body=b"", headers={"Location": "/api/v1/other"}))),
    ),
    Row(
        "HTTP 307 to the same place",
        1,
        _unknown("APIError"),
        plays=_post(say(reply(307, body=b"", headers={"Location": "/api/v1/images/generations"}))),
    ),
    Row("HTTP 200, code 200, no data", 1, _unknown("ProtocolError"), plays=_post(say(reply(200, envelope())))),
    Row(
        "HTTP 200, code 200, no task id",
        1,
        _unknown("ProtocolError"),
        plays=_post(say(reply(200, envelope(state="pending")))),
    ),
    Row(
        "HTTP 101 to a client that wants no other protocol",
        1,
        _unknown(BROKEN),
        _unknown("ProtocolError"),
        plays=_post(say(reply(101, body=b"", framed=False), close=True)),
    ),
    Row("HTTP 204", 1, _unknown("ProtocolError"), plays=_post(say(reply(204, body=b"", framed=False)))),
    # --- accepted
    Row("A good answer", 1, "task-1 pending", taken=1, plays=_post(accept())),
    Row("A good answer through a proxy", 1, "task-1 pending", taken=1, plays=_post(accept()), way=Way.HTTP_PROXY),
    Row(
        "HTTP 100 twice, then a good answer",
        1,
        "task-1 pending",
        taken=1,
        plays=_post(_continue_first(b"HTTP/1.1 100 Continue\r\n\r\n" * 2)),
    ),
    Row(
        "HTTP 103, then a good answer",
        1,
        "task-1 pending",
        taken=1,
        plays=_post(_continue_first(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")),
    ),
    Row(
        "HTTP 100, then closes",
        1,
        _unknown(BROKEN),
        taken=1,
        plays=_post(accept(lambda _: b"HTTP/1.1 100 Continue\r\n\r\n", close=True)),
    ),
    Row(
        "A task id beside code 500 under HTTP 200",
        1,
        "task-1 pending",
        taken=1,
        plays=_post(accept(lambda task_id: reply(200, envelope(500, "oh", taskId=task_id)))),
    ),
    Row(
        "A task id beside HTTP 503",
        1,
        "task-1 pending",
        taken=1,
        plays=_post(accept(lambda task_id: reply(503, envelope(503, "oh", taskId=task_id)))),
    ),
    Row(
        "A task id beside HTTP 429",
        1,
        "task-1 pending",
        taken=1,
        plays=_post(accept(lambda task_id: reply(429, envelope(429, "oh", taskId=task_id)))),
    ),
    Row(
        "A task id under a Retry-After beyond any calendar",
        1,
        "task-1 pending",
        taken=1,
        plays=_post(
            accept(
                lambda task_id: reply(
                    200, envelope(taskId=task_id), headers={"Retry-After": "Mon, 01 Jan 99999999999 00:00:00 GMT"}
                )
            )
        ),
    ),
    Row(
        "A synchronous model: completed at once",
        1,
        "task-1 completed, 1 link",
        taken=1,
        plays=_post(
            accept(
                lambda task_id: reply(
                    200, envelope(taskId=task_id, state="completed", resultUrls=["https://r2.example/a.png"])
                )
            )
        ),
    ),
    Row(
        "OpenAI's shape with a link",
        1,
        "no id, completed, 1 link",
        taken=1,
        plays=_post(accept(lambda _: reply(200, _OPENAI_URL))),
    ),
    Row(
        "OpenAI's shape with base64",
        1,
        "no id, completed, 1 link",
        taken=1,
        plays=_post(accept(lambda _: reply(200, _OPENAI_B64))),
    ),
    Row(
        "OpenAI's shape with base64 that is none",
        1,
        "no id, completed, 1 link",
        taken=1,
        plays=_post(accept(lambda _: reply(200, {"data": [{"b64_json": "é"}]}))),
    ),
    # --- accepted, in the words and shapes of the family
    *[
        Row(f'State "{word}"', 1, f"task-1 {state}", taken=1, plays=_post(_accept_as(state=word)))
        for word, state in (("waiting", "pending"), ("Queuing", "pending"), ("generating", "processing"))
    ],
    Row(
        'State "success", links in resultJson',
        1,
        "task-1 completed, 1 link",
        taken=1,
        plays=_post(_accept_as(state="success", resultJson=_RESULT)),
    ),
    Row(
        "An unknown state with a link",
        1,
        "task-1 completed, 1 link",
        taken=1,
        plays=_post(_accept_as(state="baked", resultUrls=[_LINK])),
    ),
    Row(
        '"status" for the state, resultUrls as a text of JSON',
        1,
        "task-1 completed, 1 link",
        taken=1,
        plays=_post(_accept_as(status="done", resultUrls=json.dumps([_LINK]))),
    ),
    Row(
        "resultUrls as objects",
        1,
        "task-1 completed, 1 link",
        taken=1,
        plays=_post(_accept_as(state="finished", resultUrls=[{"url": _LINK}])),
    ),
    Row(
        'State "fail", the words in "error"',
        1,
        "task-1 failed",
        taken=1,
        plays=_post(_accept_as(state="fail", error={"message": "no"})),
    ),
    Row(
        "The id under task_id",
        1,
        "task-1 pending",
        taken=1,
        plays=_post(accept(lambda task_id: reply(200, envelope(task_id=task_id)))),
    ),
    Row(
        "A taskId at the top",
        1,
        "task-1 pending",
        taken=1,
        plays=_post(accept(lambda task_id: reply(200, {"taskId": task_id}))),
    ),
    Row(
        "Code 501 with a failed task",
        1,
        "task-1 failed",
        taken=1,
        plays=_post(accept(lambda task_id: reply(200, envelope(501, "no", taskId=task_id, state="fail")))),
    ),
    # --- rejected
    Row("HTTP 400", 1, "BadRequestError", plays=_post(_refuse(400))),
    Row("HTTP 400, only failCode and failMsg", 1, _MODERATION, plays=_post(_payload(400, data=_MODERATED))),
    Row(
        "HTTP 400, failCode INVALID_INPUT",
        1,
        "BadRequestError",
        plays=_post(_payload(400, data={"failCode": "INVALID_INPUT", "failMsg": "size"})),
    ),
    Row(
        'HTTP 400, {"error": {"message": …}}', 1, "BadRequestError", plays=_post(_payload(400, error={"message": "no"}))
    ),
    Row('HTTP 400, {"error": "…"}', 1, "BadRequestError", plays=_post(_payload(400, error="no"))),
    Row("HTTP 422", 1, "BadRequestError", plays=_post(_refuse(422))),
    Row("HTTP 422, words about moderation", 1, _MODERATION, plays=_post(_refuse(422, "content moderation"))),
    Row(
        "Code 422 under HTTP 200, moderation", 1, _MODERATION, plays=_post(say(reply(200, envelope(422, **_MODERATED))))
    ),
    Row("HTTP 401", 1, "AuthenticationError", plays=_post(_refuse(401))),
    Row("HTTP 402", 1, "InsufficientCreditsError", plays=_post(_refuse(402))),
    Row("HTTP 403", 1, "APIError", plays=_post(_refuse(403))),
    Row("HTTP 404", 1, "APIError", plays=_post(_refuse(404))),
    Row("Code 400 under HTTP 200", 1, "BadRequestError", plays=_post(_refuse_inside(400))),
    Row("Code 401 under HTTP 200", 1, "AuthenticationError", plays=_post(_refuse_inside(401))),
    Row("Code 402 under HTTP 200", 1, "InsufficientCreditsError", plays=_post(_refuse_inside(402))),
    Row("HTML with HTTP 400", 1, "APIError", plays=_post(say(html(400)))),
    Row("HTML with HTTP 403", 1, "APIError", plays=_post(say(html(403)))),
    Row("HTML with HTTP 413", 1, "RequestTooLargeError", plays=_post(say(html(413)))),
    Row("HTTP 413", 1, "RequestTooLargeError", plays=_post(_refuse(413))),
    Row("Code 413 under HTTP 200", 1, "RequestTooLargeError", plays=_post(_refuse_inside(413))),
    Row("HTTP 413, FUNCTION_PAYLOAD_TOO_LARGE", 1, "RequestTooLargeError", plays=_post(_too_large_for_the_host())),
    Row(
        "HTTP 413 while the client still writes",
        1,
        "RequestTooLargeError",
        plays=_post(_early_413),
        prompt=BIG,
    ),
    # --- not accepted yet
    Row(
        "Code 455 (maintenance) under HTTP 200, once",
        2,
        "task-1 pending",
        taken=1,
        plays=_post(_refuse_inside(455), accept()),
    ),
    Row("HTTP 455 (maintenance) for ever", 3, "ServerError", plays=_post(_refuse(455))),
    Row("HTTP 429 once, no Retry-After", 2, "task-1 pending", taken=1, plays=_post(_busy(), accept())),
    Row("Code 429 under HTTP 200, once", 2, "task-1 pending", taken=1, plays=_post(_refuse_inside(429), accept())),
    Row("HTML with HTTP 429, once", 2, "task-1 pending", taken=1, plays=_post(say(html(429)), accept())),
    Row(
        "HTTP 429 twice, Retry-After in seconds",
        3,
        "task-1 pending",
        taken=1,
        plays=_post(_busy(Retry_After="0.1"), _busy(Retry_After="0"), accept()),
    ),
    Row(
        "HTTP 429 once, Retry-After as a date by a clock that is 30 years slow",
        2,
        "task-1 pending",
        taken=1,
        plays=_post(_busy(Date="Wed, 06 Nov 1996 08:49:36 GMT", Retry_After="Wed, 06 Nov 1996 08:49:37 GMT"), accept()),
    ),
    Row(
        "HTTP 429 once, Retry-After that is nonsense",
        2,
        "task-1 pending",
        taken=1,
        plays=_post(_busy(Retry_After="soon"), accept()),
    ),
    Row("HTTP 429, Retry-After of 31 years", 1, "RateLimitError", plays=_post(_busy(Retry_After="999999999"))),
    Row("HTTP 429 for ever", 3, "RateLimitError", plays=_post(_busy())),
]

_DONE = say(reply(200, envelope(taskId="task-1", state="completed", resultUrls=["https://r2.example/a.png"])))
_FAILED = say(reply(200, envelope(taskId="task-1", state="failed", failMsg="no")))
_LINKLESS = say(reply(200, envelope(taskId="task-1", state="completed", resultUrls=[])))
_ODD = say(reply(200, envelope(taskId="task-1", state="dreaming")))
_LINKED = "task-1 completed, 1 link"


def _task(**fields: Any) -> Any:
    return say(reply(200, {"code": 200, "msg": "success", "data": {"taskId": "task-1", **fields}}))


def _rides_out(fault: str, *plays: Any, **more: Any) -> Row:
    return Row(f"{fault}, twice, then done", 3, _LINKED, plays=_get(*plays, *plays, _DONE), **more)


QUERIES = [
    Row("Done at once", 1, _LINKED, plays=_get(_DONE)),
    Row("Failed", 1, "task-1 failed", plays=_get(_FAILED)),
    *[
        Row(f'State "{word}"', 1, _LINKED, plays=_get(_task(state=word, resultUrls=[_LINK])))
        for word in ("success", "Succeeded", "done", "finished")
    ],
    *[
        Row(f'State "{word}"', 1, "task-1 failed", plays=_get(_task(state=word)))
        for word in ("fail", "error", "CANCELLED", "canceled", "expired")
    ],
    Row("An unknown state with a link", 1, _LINKED, plays=_get(_task(state="baked", resultUrls=[_LINK]))),
    Row('"status" for the state', 1, _LINKED, plays=_get(_task(status="completed", resultUrls=[_LINK]))),
    Row("Links in resultJson, a text of JSON", 1, _LINKED, plays=_get(_task(state="success", resultJson=_RESULT))),
    Row("resultUrls as a text of JSON", 1, _LINKED, plays=_get(_task(state="done", resultUrls=json.dumps([_LINK])))),
    *[
        Row(
            f'resultUrls as objects with "{name}"',
            1,
            _LINKED,
            plays=_get(_task(state="success", resultUrls=[{name: _LINK}])),
        )
        for name in ("url", "resultUrl")
    ],
    Row(
        "The task without an envelope",
        1,
        _LINKED,
        plays=_get(say(reply(200, {"taskId": "task-1", "state": "completed", "resultUrls": [_LINK]}))),
    ),
    *[
        Row(
            f"{where} with a failed task",
            1,
            "task-1 failed",
            plays=_get(say(reply(status, envelope(501, "no", taskId="task-1", state="fail", failMsg="no")))),
        )
        for where, status in (("Code 501 under HTTP 200", 200), ("HTTP 501", 501))
    ],
    # --- ridden out
    Row(
        "Refuses the first connection, then is there",
        1,
        _LINKED,
        plays=_get(_DONE, listening=False),
        down_once=True,
    ),
    Row("Resets unread, once, then done", 1, _LINKED, plays=_get(_DONE, greet=[reset_unread, speak])),
    Row(
        "Reads 10 bytes of the head and resets, once, then done",
        2,
        _LINKED,
        plays=_get(_DONE, greet=[reset_after(10), speak]),
    ),
    _rides_out("Reads it all, resets", read_then(None, _reset)),
    _rides_out("Closes without an answer", read_then(None, _leave)),
    _rides_out("Never answers", read_then(None, _stay), timeout=_UNREAD),
    _rides_out("HTTP 429, no Retry-After", _busy()),
    _rides_out("HTTP 429, Retry-After in seconds", _busy(Retry_After="0.1")),
    _rides_out("Code 429 under HTTP 200", _refuse_inside(429)),
    _rides_out("HTTP 500", _refuse(500)),
    _rides_out("HTTP 502, HTML", say(html(502))),
    _rides_out("HTTP 503, Retry-After", say(reply(503, {}, headers={"Retry-After": "0"}))),
    _rides_out("Code 500 under HTTP 200", _refuse_inside(500)),
    _rides_out("HTML with HTTP 200", say(html(200))),
    *[_rides_out(f"HTML with HTTP {status}", say(html(status))) for status in (400, 401, 402, 403, 404, 407)],
    _rides_out("An empty answer with HTTP 404", say(reply(404, body=b""))),
    _rides_out("Truncated JSON", say(reply(200, body=b'{"code": 200, "data": {"ta'))),
    _rides_out("JSON that is no object", say(reply(200, body=b"[]"))),
    _rides_out("Content-Length longer than the body", say(reply(200, envelope(), length=999), close=True)),
    _rides_out("An unframed 200, cut short", say(reply(200, body=b'{"co', framed=False), close=True)),
    _rides_out("A broken chunk", say(reply(200, body=b"zz\r\n", headers=_CHUNKED))),
    _rides_out("Says gzip, sends plain text", say(reply(200, envelope(), headers={"Content-Encoding": "gzip"}))),
    _rides_out("Answers about another task", say(reply(200, envelope(taskId="task-9", state="failed")))),
    _rides_out("An unknown state", _ODD, pace=0.01),
    *[
        _rides_out(f'State "{word}"', _task(state=word), pace=0.01)
        for word in ("wait", "waiting", "queueing", "queuing", "Generating")
    ],
    _rides_out("HTTP 455 (maintenance)", _refuse(455)),
    _rides_out("Code 455 (maintenance) under HTTP 200", _refuse_inside(455)),
    _rides_out("Code 501 under HTTP 200, no task", _refuse_inside(501)),
    _rides_out("Code 505 (switched off) under HTTP 200", _refuse_inside(505)),
    _rides_out("HTTP 524, HTML", say(html(524))),
    Row(
        "HTTP 404 twice about a task just made, then done",
        3,
        _LINKED,
        taken=1,
        plays=_get(_refuse(404), _refuse(404), _DONE, post=[accept()]),
        own=True,
        pace=0.01,
    ),
    Row(
        "Completed without links twice, then with one",
        3,
        _LINKED,
        plays=_get(_LINKLESS, _LINKLESS, _DONE),
        pace=0.01,
    ),
    # --- until the wait's time is up
    Row(
        "Refuses every connection",
        0,
        "WaitTimeoutError, task-1, from ConnectionFailedError",
        plays={"listening": False},
        bound=0.6,
    ),
    Row("HTTP 503 for ever", 3, "WaitTimeoutError, task-1, from ServerError", plays=_get(_refuse(503)), bound=0.6),
    Row("HTML for ever", 3, "WaitTimeoutError, task-1, from ProtocolError", plays=_get(say(html(200))), bound=0.6),
    Row("HTTP 429 for ever", 3, "WaitTimeoutError, task-1, from RateLimitError", plays=_get(_busy()), bound=0.6),
    Row("Pending for ever", 2, "WaitTimeoutError, task-1", plays=_get(say(_PENDING)), bound=0.6),
    # --- said at once
    Row("HTTP 400", 1, "BadRequestError, task-1", plays=_get(_refuse(400))),
    Row("HTTP 401", 1, "AuthenticationError, task-1", plays=_get(_refuse(401))),
    Row("HTTP 402", 1, "InsufficientCreditsError, task-1", plays=_get(_refuse(402))),
    Row("Code 401 under HTTP 200", 1, "AuthenticationError, task-1", plays=_get(_refuse_inside(401))),
    Row("HTTP 403", 1, "APIError, task-1", plays=_get(_refuse(403))),
    Row("HTTP 413", 1, "RequestTooLargeError, task-1", plays=_get(_refuse(413))),
    Row("HTTP 422", 1, "BadRequestError, task-1", plays=_get(_refuse(422))),
    Row('HTTP 400, {"error": "…"}', 1, "BadRequestError, task-1", plays=_get(_payload(400, error="no"))),
    Row("HTTP 404 about a foreign id", 1, "TaskNotFoundError, task-1", plays=_get(_refuse(404))),
    Row("HTTP 302", 1, "APIError, task-1", plays=_get(say(reply(302, body=b"", headers={"Location": "/x"})))),
    Row(
        "A proxy that is not there, then is",
        1,
        _LINKED,
        plays=_get(_DONE, listening=False),
        way=Way.HTTP_PROXY,
        down_once=True,
    ),
    Row("Completed, and never a link", 4, "ProtocolError, task-1", plays=_get(_LINKLESS), pace=0.01),
    Row(
        "A create that answers completed without links, and never a link after",
        3,
        "ProtocolError, task-1",
        taken=1,
        plays=_get(_LINKLESS, post=[accept(lambda task_id: reply(200, envelope(taskId=task_id, state="completed")))]),
        own=True,
        pace=0.01,
    ),
]


def a_server(row: Row) -> FaultServer:
    """The server that a row asks for."""
    return FaultServer(**row.plays)
