"""What the gateway has been asked, and the callbacks that it has sent: the latest of each, in memory."""

from collections import deque
from collections.abc import Callable, MutableMapping
from typing import Any

from attrs import define, field, frozen

from apimodels_async._logs import escaped_logger
from apimodels_async._reprs import safe_repr

__all__ = ["MOST_KEPT", "CallbackRecord", "RecentActivity", "RequestRecord", "note", "noted"]

MOST_KEPT = 200
"""Requests and callbacks that are remembered."""
_NOTE = "apimodels_async.note"

_logger = escaped_logger(__name__)


@frozen(kw_only=True)
class RequestRecord:
    """One request to the API, or for a file.

    Attributes:
        at: when it was received, epoch ms.
        method: its method.
        path: its path and query.
        status: of the answer; ``None`` if the connection was closed without one.
        seconds: until the answer was complete.
        reason: why it was refused.
        task_id: the task that it created.
        content_type: of its body; empty if it had none.
        body: its body, if that is short text.
    """

    at: int
    method: str
    path: str
    status: int | None
    seconds: float
    reason: str | None = None
    task_id: str | None = None
    content_type: str = ""
    body: str | None = None

    __repr__ = safe_repr


@frozen(kw_only=True)
class CallbackRecord:
    """One attempt to deliver a callback.

    Attributes:
        at: when it was answered or failed, epoch ms.
        task_id: the task that it reports.
        url: where it was posted; may hold a token.
        body: what was posted.
        status: of the answer; ``None`` if there was none.
        outcome: the answer, or the error, in words.
        next_at: when the next attempt is made, epoch ms; ``None`` if the delivery has ended.
    """

    at: int
    task_id: str
    url: str
    body: bytes
    status: int | None
    outcome: str
    next_at: int | None = None


@define
class RecentActivity:
    """Keeps the latest requests and callbacks, the newest first.

    Attributes:
        on_answer: called with each request when it has been answered; what it raises is logged.
        requests: the requests.
        callbacks: the attempts to deliver a callback.
    """

    on_answer: Callable[[RequestRecord], object] | None = None
    requests: deque[RequestRecord] = field(factory=lambda: deque[RequestRecord](maxlen=MOST_KEPT))
    callbacks: deque[CallbackRecord] = field(factory=lambda: deque[CallbackRecord](maxlen=MOST_KEPT))

    def add_request(self, record: RequestRecord) -> None:
        """Remember a request, and notify `on_answer`."""
        self.requests.appendleft(record)
        if self.on_answer is not None:
            try:
                self.on_answer(record)
            except Exception:
                _logger.exception("on_answer failed")

    def add_callback(self, record: CallbackRecord) -> None:
        """Remember an attempt to deliver a callback."""
        self.callbacks.appendleft(record)


def note(scope: MutableMapping[str, Any], **facts: str) -> None:
    """Note facts about a request for its record: ``reason``, ``task_id``."""
    scope.setdefault(_NOTE, {}).update(facts)


def noted(scope: MutableMapping[str, Any]) -> dict[str, str]:
    """The facts that were noted about a request so far. Those noted later are added to the same mapping."""
    found: dict[str, str] = scope.setdefault(_NOTE, {})
    return found
