"""No answer at all: what a client sees whose create was accepted and whose connection then broke."""

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

__all__ = ["HANG_UP", "NoAnswer"]

HANG_UP = "apimodels_async.hang_up"
"""The ASGI extension with which a server lets an application close the connection. The gateway's own server has it."""


class NoAnswer(Response):
    """Closes the connection instead of answering.

    A server without the extension `HANG_UP` cannot do that for an ASGI application; there the answer breaks off after
    its head, before the first byte of its body.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hang up."""
        hang_up = scope.get("extensions", {}).get(HANG_UP)
        if hang_up is None:
            headers = [(b"content-type", b"application/json"), (b"content-length", b"1")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            return
        hang_up()
        # Until the server has noticed, it would take the end of this for an error and answer 500.
        while (await receive())["type"] != "http.disconnect":
            pass
