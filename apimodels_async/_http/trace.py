"""What is known of one HTTP exchange, told without httpx: how far it came, how it failed, what a download answers."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple


class SendFacts(NamedTuple):
    """What the transport said about one request, up to the moment it failed.

    Attributes:
        header_sent: the event "about to write the first byte" was seen (never one of a CONNECT to a proxy).
        spoke: any event of this request was seen, so this transport does tell.
        refused: the failure is one that comes before anything is written: no connection, none free, a refusal
            by the proxy.
    """

    header_sent: bool
    spoke: bool
    refused: bool

    @property
    def provably_unsent(self) -> bool:
        """Whether it is certain that not one byte of the request left.

        Exception classes cannot tell: a reset before the server read anything and one after it read everything
        are the same error. The event can: it comes before the first byte. A transport that reports nothing
        (a mock, ASGI, aiohttp) counts as having sent, but for its connection errors.
        """
        return not self.header_sent and (self.refused or self.spoke)


class RequestFailed(Exception):  # noqa: N818  (internal: always translated before a user sees it)
    """There is no answer. `trace` says what is known of the request; ``__cause__`` is the foreign error."""

    def __init__(self, message: str, trace: SendFacts) -> None:
        super().__init__(message)
        self.trace = trace


async def _nothing() -> None:
    """The default of `SendTrace.before_first_byte`."""


class SendTrace:
    """Follows one request through the transport's trace events.

    `before_first_byte` is awaited before anything is written; what it raises ends the request with nothing sent.
    Through a caller's own client it may be awaited twice.
    """

    __slots__ = ("_before_first_byte", "header_sent", "spoke")

    def __init__(self, before_first_byte: Callable[[], Awaitable[None]] = _nothing) -> None:
        self._before_first_byte = before_first_byte
        self.header_sent: bool = False
        self.spoke: bool = False

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        """What httpcore calls at each event."""
        self.spoke = True
        # A CONNECT to a proxy reports the same event about itself.
        if event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT":
            await self._before_first_byte()
            self.header_sent = True

    async def announce(self) -> None:
        """Let `before_first_byte` know before the call, for a transport that may report no events.

        Raises:
            RequestFailed: it does not want the request to be sent.
        """
        try:
            await self._before_first_byte()
        except Exception as error:
            raise RequestFailed(describe(error), SendFacts(header_sent=False, spoke=True, refused=False)) from error

    def facts(self, *, refused: bool) -> SendFacts:
        """What is known now that the request has failed; `refused`: with no connection made, or none free."""
        return SendFacts(header_sent=self.header_sent, spoke=self.spoke, refused=refused)


class Stream(NamedTuple):
    """The answer to a download, its body still to come.

    Attributes:
        status: the HTTP status.
        location: of a redirect.
        length: bytes, as the server announces them.
        encoded: whether the body is compressed although that was declined.
        date: the server's clock, where it tells.
        retry_after: seconds.
        chunks: the body as it comes.
    """

    status: int
    location: str | None
    length: int | None
    encoded: bool
    date: datetime | None
    retry_after: float | None
    chunks: AsyncIterator[bytes]


def describe(error: BaseException) -> str:
    """A foreign error in a few words; some of httpx's say nothing but their class."""
    words = str(error).strip()
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
