"""What is known of one HTTP exchange, independent of httpx: its progress, its failure, the response to a download."""

import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple, cast


class SendFacts(NamedTuple):
    """What the transport reported about one request until it failed.

    Attributes:
        header_sent: the event "about to write the first byte" was seen (not that of a CONNECT to a proxy).
        spoke: any event of this request was seen, so this transport reports events.
        refused: the failure happened before anything was written: no connection, no free connection, or a refusal by
            the proxy.
        undone: the server said that it did not process the request (HTTP/2: GOAWAY below its stream, REFUSED_STREAM).
    """

    header_sent: bool
    spoke: bool
    refused: bool
    undone: bool = False

    @property
    def provably_unsent(self) -> bool:
        """Whether it is certain that no byte of the request was sent, or that the server did not process it.

        The class of an exception is no evidence: a reset before the server read anything and one after it read
        everything are the same error. The event is, because it comes before the first byte. A transport that reports no
        events (a mock, ASGI, aiohttp) counts as having sent, except for its connection errors.
        """
        return self.undone or (not self.header_sent and (self.refused or self.spoke))


class RequestFailed(Exception):  # noqa: N818  (internal: always translated before a user sees it)
    """A request got no response; ``__cause__`` is the foreign error.

    Attributes:
        trace: what is known of the request.
        silent: the connection was established, but no response arrived in time.
        broken: the connection was lost.
        unreachable: no connection was established, or a proxy refused to make one.
        certificate: the server's certificate was not accepted, so a retry does not help.
    """

    def __init__(
        self,
        message: str,
        trace: SendFacts,
        *,
        silent: bool = False,
        broken: bool = False,
        unreachable: bool = False,
        certificate: bool = False,
    ) -> None:
        super().__init__(message)
        self.trace = trace
        self.silent = silent
        self.broken = broken
        self.unreachable = unreachable
        self.certificate = certificate


class ResentError(Exception):
    """The transport was about to repeat a request that had already been sent."""


_REFUSED_STREAM = 7


async def _nothing() -> None:
    """The default of `SendTrace.before_first_byte`."""


class SendTrace:
    """Follows one request through the transport's trace events.

    `before_first_byte` is awaited before anything is written; what it raises ends the request with nothing sent.
    Through a caller's own client it may be awaited twice: before the call, and at the event.

    Attributes:
        header_sent: the event "about to write the first byte" was seen.
        spoke: any event was seen.
        announced: the request was given to a transport that may report no events.
        cut_short: the writing of the request failed, or ended because an answer had come.
        stream_id: of HTTP/2.
        refused_stream: the server reset that stream and did not process the request.
    """

    __slots__ = (
        "_before_first_byte",
        "announced",
        "cut_short",
        "header_sent",
        "refused_stream",
        "spoke",
        "stream_id",
    )

    def __init__(self, before_first_byte: Callable[[], Awaitable[None]] = _nothing) -> None:
        self._before_first_byte = before_first_byte
        self.header_sent: bool = False
        self.spoke: bool = False
        self.announced: bool = False
        self.cut_short: bool = False
        self.stream_id: int | None = None
        self.refused_stream: bool = False

    @property
    def may_have_left(self) -> bool:
        """Whether a byte of the request may have been sent by now."""
        return self.header_sent or (self.announced and not self.spoke)

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        """What httpcore calls at each event.

        Raises:
            ResentError: the request has left already; nothing of it is sent again.
        """
        self.spoke = True
        # A CONNECT to a proxy reports the same event about itself.
        if event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT":
            await self.before_write()
            self.stream_id = info.get("stream_id")
        elif event.endswith(".failed") and is_foreign(info["exception"], "httpcore", "ConnectionNotAvailable"):
            # HTTP/2: the server is going away and has not seen this stream. httpcore takes another connection.
            self.withdraw()
        elif event.endswith((".send_request_body.failed", ".send_request_headers.failed")):
            self.cut_short = True

    async def before_write(self) -> None:
        """What a transport awaits when it has a connection and has written nothing.

        Raises:
            ResentError: the request has left already; nothing of it is sent again.
        """
        if self.header_sent:
            raise ResentError("sent already: a transport that sends again by itself was stopped")
        await self._before_first_byte()
        self.header_sent = True
        self.cut_short = False
        self.stream_id = None
        self.refused_stream = False

    def withdraw(self) -> None:
        """After all, nothing was written, or the server has not seen it."""
        self.header_sent = False

    async def announce(self) -> None:
        """Let `before_first_byte` know before the call, for a transport that may report no events.

        Raises:
            RequestFailed: it does not want the request to be sent.
        """
        try:
            await self._before_first_byte()
        except Exception as error:
            raise RequestFailed(describe(error), SendFacts(header_sent=False, spoke=True, refused=False)) from error
        self.announced = True

    def facts(self, *, refused: bool) -> SendFacts:
        """What is known now that the request has failed; `refused`: with no connection made, or none free."""
        return SendFacts(header_sent=self.header_sent, spoke=self.spoke, refused=refused)

    def is_undone_by(self, error: BaseException) -> bool:
        """Whether an error says that the server did nothing with this request (RFC 9113, sections 6.8 and 8.7)."""
        if self.refused_stream:
            return True
        for each in chain(error):
            event = each.args[0] if each.args else None
            if is_foreign(event, "h2", "ConnectionTerminated") and self.stream_id is not None:
                return self.stream_id > getattr(event, "last_stream_id", self.stream_id)
            if is_foreign(event, "h2", "StreamReset"):
                return bool(getattr(event, "error_code", None) == _REFUSED_STREAM)
        return False


class Stream(NamedTuple):
    """The response to a download, before its body is read.

    Attributes:
        status: the HTTP status.
        location: of a redirect.
        length: bytes of the body, as announced by the server.
        encoded: whether the body is compressed although that was declined.
        date: the server's clock, if it sent its time and not the picture.
        retry_after: seconds.
        chunks: the body as it is received.
    """

    status: int
    location: str | None
    length: int | None
    encoded: bool
    date: datetime | None
    retry_after: float | None
    chunks: AsyncIterator[bytes]


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error and its causes, the nearest first. Of a group of errors, the first stands for all."""
    at: BaseException | None = error
    for _ in range(_DEEPEST):
        if at is None:
            return
        if isinstance(at, BaseExceptionGroup):
            at = cast("BaseExceptionGroup[BaseException]", at).exceptions[0]
            continue
        yield at
        at = at.__cause__ or at.__context__  # also a suppressed one: httpcore hides what it maps


def is_foreign(value: object, package: str, name: str) -> bool:
    """Whether a value is of a class of another package, which need not be imported for the question."""
    return any(kind.__name__ == name and kind.__module__.partition(".")[0] == package for kind in type(value).__mro__)


_DEEPEST = 10
_OF_WAITING = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""What a socket says while nothing has come. It is in the chain of a timeout, as is the cancellation that ended the
wait, which names its scope by an address; neither is a reason."""
_WITHOUT_WORDS = {
    "ConnectTimeout": "no connection was made in time",
    "PoolTimeout": "no connection became free in time",
    "ReadTimeout": "no answer came in time",
    "WriteTimeout": "the server stopped reading",
    "ReadError": "the connection broke off",
    "WriteError": "the connection broke off",
}


def reason(error: BaseException) -> str | None:
    """Return the first text in the chain of causes, because httpx's own are often empty, and what the system said."""
    causes = list(chain(error))
    causes = [each for each in causes if not isinstance(each, _OF_WAITING) and isinstance(each, Exception)]
    text = next((text for each in causes if (text := str(each).strip())), None)
    system = next((each for each in causes if isinstance(each, OSError) and (each.errno or 0) > 0), None)
    if text is None or system is None or isinstance(system, ssl.SSLError):
        return text
    said = os.strerror(system.errno or 0)
    return text if said.lower() in text.lower() else f"{text}: {said}"


def describe(error: BaseException) -> str:
    """Describe a foreign error briefly: its class, and the reason."""
    kind = type(next(chain(error), error)).__name__
    words = reason(error) or _WITHOUT_WORDS.get(kind)
    return f"{kind}: {words}" if words else kind
