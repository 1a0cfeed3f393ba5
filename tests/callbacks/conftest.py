"""Callbacks as the vendor sends them, and receivers called as an ASGI server would."""

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any, NamedTuple

import pytest

from apimodels_async.callbacks import CallbackReceiver
from tests.support.envelopes import wrapped

PUBLIC_URL = "https://example.com/callbacks"
SECRETS = {"k1": b"0123456789abcdef"}


def body_of(task_id: str = "task-1", **fields: Any) -> bytes:
    """A callback as the vendor's page shows it."""
    data: dict[str, Any] = {
        "taskId": task_id,
        "model": "grok-image/grok-4.2-image",
        "state": "completed",
        "param": json.dumps({"prompt": "a cat", "n": 1}),
        "resultJson": json.dumps({"resultUrls": ["https://r2.example/1.png"]}),
        "failCode": None,
        "failMsg": None,
        "costTime": 12345,
        "completeTime": 1705123465000,
        "createTime": 1705123450000,
    }
    return json.dumps(wrapped({**data, **fields})).encode()


class Response(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


async def ask(
    app: Any,
    url: str,
    chunks: Iterable[bytes] | AsyncIterator[bytes] = (),
    *,
    method: str = "POST",
    root_path: str = "",
    leaves: bool = False,
) -> Response | None:
    """Ask an ASGI app; ``None`` if it does not answer. Whoever `leaves` does so after the chunks."""
    path = url.partition("://")[2].partition("/")[2] if "://" in url else url.lstrip("/")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": f"/{path}",
        "raw_path": f"/{path}".encode("utf-8", "surrogatepass"),
        "root_path": root_path,
        "query_string": b"",
        "headers": [],
    }

    async def messages() -> AsyncIterator[dict[str, Any]]:
        if isinstance(chunks, AsyncIterator):
            async for chunk in chunks:
                yield {"type": "http.request", "body": chunk, "more_body": True}
        else:
            for chunk in chunks:
                yield {"type": "http.request", "body": chunk, "more_body": True}
        if not leaves:
            yield {"type": "http.request", "body": b"", "more_body": False}
        while True:
            yield {"type": "http.disconnect"}

    coming = messages()
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    try:
        await app(scope, coming.__anext__, send)
    finally:
        await coming.aclose()  # type: ignore[attr-defined]
    if not sent:
        return None
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Response(sent[0]["status"], headers, sent[1]["body"])


async def post(app: Any, url: str, body: bytes = b"", **more: Any) -> int:
    """The status that a body gets."""
    response = await ask(app, url, [body], **more)
    assert response is not None
    return response.status


@pytest.fixture
def receiver() -> CallbackReceiver:
    return CallbackReceiver(PUBLIC_URL, SECRETS)


class Heard(list[str]):
    """What somebody who follows an intent was told."""

    def __call__(self, task_id: str) -> None:
        self.append(task_id)
