"""A closed connection instead of an answer: what a client sees whose create request was accepted and then lost."""

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

__all__ = ["DISCONNECT", "Disconnect"]

DISCONNECT = "apimodels_async.disconnect"
"""The ASGI extension by which an application can have the connection closed. The gateway's own server has it."""


class Disconnect(Response):
    """Closes the connection instead of answering.

    A server without the extension `DISCONNECT` cannot do that for an ASGI application; there the answer ends after its
    head, before the first byte of its body.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close the connection."""
        disconnect = scope.get("extensions", {}).get(DISCONNECT)
        if disconnect is None:
            headers = [(b"content-type", b"application/json"), (b"content-length", b"1")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            return
        disconnect()
        # Until the server has noticed, it would treat a return without an answer as an error and send 500.
        while (await receive())["type"] != "http.disconnect":
            pass
