"""The few things of ASGI that a receiver needs: a body with limits, and answers without a framework."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple, TypeAlias

import anyio

__all__ = [
    "BAD_REQUEST",
    "BUSY",
    "NOT_FOUND",
    "OK",
    "SLOW",
    "TOO_LARGE",
    "Message",
    "Receive",
    "Reply",
    "Send",
    "read_body",
    "refuse_websocket",
    "say",
]

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

MOST_BYTES = 1 << 20
"""Of a body."""
BODY_SECONDS = 5.0
"""For a whole body: servers wait for as long as the next byte takes."""
DRAINED_BYTES = 4 * MOST_BYTES
"""How much of a body that is too large is read and thrown away, so that its sender gets to see the answer."""


class Reply(NamedTuple):
    """A whole answer.

    Attributes:
        status: of HTTP.
        text: for people.
        close: whether the connection is of no more use, because a body may still be on its way.
        retry_after: seconds after which to try again.
    """

    status: int
    text: bytes
    close: bool = False
    retry_after: int | None = None


OK = Reply(200, b"ok\n")
BAD_REQUEST = Reply(400, b"unreadable\n")
NOT_FOUND = Reply(404, b"not found\n", close=True)
"""The one answer to whatever is not authentic."""
SLOW = Reply(408, b"too slow\n", close=True)
TOO_LARGE = Reply(413, b"too large\n", close=True)
BUSY = Reply(503, b"try again\n", retry_after=1)


async def read_body(receive: Receive) -> bytes | Reply | None:
    """The body of a request; the answer, if it is too large or too slow; ``None`` if its sender has left."""
    chunks: list[bytes] = []
    size = 0
    with anyio.move_on_after(BODY_SECONDS):
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            chunk: bytes = message.get("body", b"")
            size += len(chunk)  # counted: what Content-Length says need not be so
            if size <= MOST_BYTES:
                chunks.append(chunk)
            else:
                chunks.clear()
            if size > DRAINED_BYTES or not message.get("more_body", False):
                return b"".join(chunks) if size <= MOST_BYTES else TOO_LARGE
    return SLOW if size <= MOST_BYTES else TOO_LARGE


async def say(send: Send, answer: Reply) -> None:
    """Send an answer."""
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(answer.text)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if answer.close:
        headers.append((b"connection", b"close"))
    if answer.retry_after is not None:
        headers.append((b"retry-after", str(answer.retry_after).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.text})


async def refuse_websocket(receive: Receive, send: Send) -> None:
    """Refuse a WebSocket before it is one."""
    await receive()
    await send({"type": "websocket.close", "code": 1000})
