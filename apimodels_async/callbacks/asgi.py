"""The parts of ASGI that a receiver needs: reading a body within limits, and sending replies without a framework."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple, TypeAlias

import anyio

__all__ = [
    "BAD_REQUEST",
    "BUSY",
    "MOST_BYTES",
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

MOST_BYTES = 8 << 20
"""Maximum size of a body by default. ``param`` may repeat the whole request, pictures in base64 among it, and the
vendor's default address takes requests of 4.5 MB."""
BODY_SECONDS = 5.0
"""Time limit for a whole body: servers do not limit how long the next byte may take."""
DRAINED = 4
"""How much of an oversized body is read and discarded, so that its sender receives the reply: times its maximum."""


class Reply(NamedTuple):
    """A complete HTTP response.

    Attributes:
        status: the HTTP status.
        text: the body, for humans.
        close: whether to close the connection, because the rest of a request body may still arrive on it.
        retry_after: the ``Retry-After`` header, in seconds.
    """

    status: int
    text: bytes
    close: bool = False
    retry_after: int | None = None


OK = Reply(200, b"ok\n")
BAD_REQUEST = Reply(400, b"unreadable\n")
NOT_FOUND = Reply(404, b"not found\n", close=True)
"""The reply to every request that is not authentic."""
SLOW = Reply(408, b"too slow\n", close=True)
TOO_LARGE = Reply(413, b"too large\n", close=True)
BUSY = Reply(503, b"try again\n", retry_after=1)


async def read_body(receive: Receive, most: int = MOST_BYTES) -> bytes | Reply | None:
    """Return the body of a request, or the reply if it is too large or too slow, or ``None`` if the client left.

    Args:
        receive: of ASGI.
        most: maximum size of the body.
    """
    chunks: list[bytes] = []
    size = 0
    with anyio.move_on_after(BODY_SECONDS):
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            chunk: bytes = message.get("body", b"")
            size += len(chunk)  # counted, because Content-Length may be wrong
            if size <= most:
                chunks.append(chunk)
            else:
                chunks.clear()
            if size > DRAINED * most or not message.get("more_body", False):
                return b"".join(chunks) if size <= most else TOO_LARGE
    return SLOW if size <= most else TOO_LARGE


async def say(send: Send, answer: Reply) -> None:
    """Send a reply."""
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
    """Reject a WebSocket handshake."""
    await receive()
    await send({"type": "websocket.close", "code": 1000})
