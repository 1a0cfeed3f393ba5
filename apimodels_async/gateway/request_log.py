"""The middleware that records every request to the API, and every file that is fetched."""

import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apimodels_async.gateway.activity import RecentActivity, RequestRecord, noted

__all__ = ["LONGEST_BODY", "RequestLog"]

LONGEST_BODY = 16 * 1024
"""Bytes of a body that is kept for the record."""


class RequestLog:
    """Records requests. Those of the gateway's own page are left out.

    Args:
        app: the application.
        activity: where they are recorded.
        now: the clock, epoch milliseconds.
        is_page: whether a request is one of the page's own.
    """

    def __init__(
        self, app: ASGIApp, *, activity: RecentActivity, now: Callable[[], int], is_page: Callable[[Scope], bool]
    ) -> None:
        self._app = app
        self._activity = activity
        self._now = now
        self._is_page = is_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, and record it when it has been answered."""
        if scope["type"] != "http" or self._is_page(scope):
            await self._app(scope, receive, send)
            return
        at, began = self._now(), time.perf_counter()
        facts = noted(scope)
        status: int | None = None
        body: list[bytes] = []
        size = 0

        async def received() -> Message:
            nonlocal size
            message = await receive()
            if message["type"] == "http.request":
                size += len(message.get("body", b""))
                if size <= LONGEST_BODY:
                    body.append(message.get("body", b""))
                else:
                    body.clear()
            return message

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, received, sent)
        except Exception:
            status = status or 500
            raise
        finally:
            headers = dict(scope["headers"])
            content_type = headers.get(b"content-type", b"").decode("latin-1") if size else ""
            self._activity.add_request(
                RequestRecord(
                    at=at,
                    method=scope["method"],
                    path=_target(scope),
                    status=status,
                    seconds=time.perf_counter() - began,
                    reason=facts.get("reason") if status is not None else "closed without an answer",
                    task_id=facts.get("task_id"),
                    content_type=content_type,
                    body=_text(b"".join(body)) if 0 < size <= LONGEST_BODY else None,
                )
            )


def _target(scope: Scope) -> str:
    query = scope.get("query_string", b"").decode("latin-1")
    return str(scope["path"]) + (f"?{query}" if query else "")


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
