"""An answer that arrives over HTTP/2 while a request is still being sent. Only a caller's own client speaks HTTP/2.

httpcore sends all of a request before it looks for the answer. A server that refuses a request before it has read all
of it (413, 407, 401) accepts no more bytes, and often resets the stream. httpcore waits until the connection ends and
drops the answer. Here it is looked for before each read, and taken from what httpcore has received.
"""

from collections.abc import Mapping
from typing import Any

import httpx

from apimodels_async._http import versions
from apimodels_async._http.trace import SendTrace, is_foreign

_REFUSED_STREAM = 7
_BODY = "http2.send_request_body."


class Sending:
    """Follows one request through a caller's own client: what httpcore calls at each trace event.

    Args:
        client: the caller's.
        trace: is notified of all events.
        timeouts: of the request.

    Attributes:
        timeouts: the same by the names of the steps, to be given to httpcore.
        answer: what arrived before all was sent, if that ended the sending.
    """

    def __init__(self, client: httpx.AsyncClient, trace: SendTrace, timeouts: httpx.Timeout) -> None:
        self._client = client
        self._trace = trace
        self.timeouts: _Timeouts = _Timeouts(timeouts.as_dict())
        self.answer: httpx.Response | None = None

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        """What httpcore calls at each event."""
        if event == _BODY + "started":
            self.answer = None
            self.timeouts.stream = versions.Http2Stream(self._client, info["request"], info["stream_id"])
        elif event.startswith(_BODY) and self.timeouts.stream is not None:
            stream, self.timeouts.stream = self.timeouts.stream, None
            if event == _BODY + "failed":
                events = stream.received()
                self.answer = _answer(events)
                self._trace.refused_stream = _is_refused(events)
                if isinstance(info["exception"], _NotReadError):
                    stream.reset()
        await self._trace(event, info)


class _NotReadError(httpx.RemoteProtocolError):
    """Raised into the sending of a request: there is an answer, and the server reads no further."""


class _Timeouts(dict[str, float | None]):
    """The timeouts of one request. httpcore looks them up before each read, which is where the sending can be ended.

    Attributes:
        stream: of the request, while its body is being sent.
    """

    stream: versions.Http2Stream | None = None

    def get(self, key: str, default: Any = None) -> Any:
        """Look one up.

        Raises:
            httpx.RemoteProtocolError: it is for a read, and the server needs no more of the request.
        """
        if key == "read" and self.stream is not None:
            received = self.stream.received()
            if any(_is_a(event, "StreamReset") for event in received):
                raise httpx.RemoteProtocolError("the server reset the stream before all was sent")
            if any(_is_a(event, "StreamEnded") for event in received):
                raise _NotReadError("answered before all was sent")
        return super().get(key, default)


def _is_a(event: Any, name: str) -> bool:
    return is_foreign(event, "h2", name)


def _answer(events: list[Any]) -> httpx.Response | None:
    """Return the answer among the events of a stream, its body as far as it was received; ``None`` if there is none."""
    head = next((event for event in events if _is_a(event, "ResponseReceived")), None)
    if head is None:
        return None
    headers = [(bytes(name), bytes(value)) for name, value in head.headers]
    status = next((value for name, value in headers if name == b":status"), b"")
    if not status.isdigit():
        return None
    body = b"".join(event.data for event in events if _is_a(event, "DataReceived"))
    shown = [(name, value) for name, value in headers if not name.startswith(b":")]
    return httpx.Response(int(status), headers=shown, stream=httpx.ByteStream(body))


def _is_refused(events: list[Any]) -> bool:
    """Whether the server has reset the stream and did nothing with the request (RFC 9113, section 8.7)."""
    return any(_is_a(each, "StreamReset") and getattr(each, "error_code", None) == _REFUSED_STREAM for each in events)
