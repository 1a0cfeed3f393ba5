"""The callbacks that a client expects: a receiver that is never called says so, once."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from apimodels_async import Task, TaskState
from apimodels_async.callbacks import CallbackReceiver, CallbackSigner
from apimodels_async.callbacks.expected import MISSES, ExpectedCallbacks

SECRETS = {"k1": "s" * 32}
PUBLIC = "https://hooks.example/callbacks"


def at_once(function: Callable[[], object]) -> None:
    function()


class Ended:
    """Ends tasks, with or without a callback."""

    def __init__(self) -> None:
        self.expected = ExpectedCallbacks(CallbackReceiver(PUBLIC, SECRETS), at_once)
        self.number = 0

    def __call__(self, *, called: bool) -> None:
        self.number += 1
        task = Task(id=f"cl{self.number}", state=TaskState.PENDING)
        call = self.expected.open(self.expected.order().intent_id)
        self.expected.settle(call, task)
        if called:
            call.notify(task.id or "")
        self.expected.close(task.id)


@pytest.fixture
def ended() -> Ended:
    return Ended()


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_receiver_that_is_never_called_says_so_once(ended: Ended, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(MISSES - 1):
        ended(called=False)
    assert said(caplog) == []

    for _ in range(3 * MISSES):
        ended(called=False)

    [message] = said(caplog)
    assert f"reported to {PUBLIC}, " in message


def test_a_receiver_that_was_called_once_says_nothing(ended: Ended, caplog: pytest.LogCaptureFixture) -> None:
    ended(called=False)
    ended(called=True)
    for _ in range(3 * MISSES):
        ended(called=False)

    assert said(caplog) == []


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("https://a.example//callbacks", "https://a.example/callbacks"),
        ("https://a.example//", "https://a.example"),
        ("https://a.example/x///y//callbacks/", "https://a.example/x/y/callbacks"),
        ("https://a.example/callbacks", "https://a.example/callbacks"),
        ("https://A.example:8443", "https://A.example:8443"),
    ],
)
def test_a_doubled_slash_in_the_public_url_is_made_single(given: str, normal: str) -> None:
    signer = CallbackSigner(given, SECRETS)
    intent_id = "0" * 32

    assert signer.public_url == normal
    assert signer.url(intent_id).startswith(f"{normal}/k1/")
    assert signer.verify(signer.url(intent_id)) == intent_id


@pytest.mark.anyio
async def test_a_receiver_behind_a_doubled_slash_is_called(anyio_backend: Any) -> None:
    import httpx
    from starlette.applications import Starlette
    from starlette.routing import Mount

    heard: list[str] = []
    receiver = CallbackReceiver("http://127.0.0.1//callbacks", SECRETS)
    app = Starlette(routes=[Mount("/callbacks", receiver)])
    intent_id, url = receiver.issue()
    receiver.subscribe(intent_id, heard.append)
    body = {"code": 200, "msg": "success", "data": {"taskId": "cl1", "state": "completed", "resultJson": "{}"}}

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        answer = await client.post(url, json=body)
    await receiver.aclose()

    assert (answer.status_code, heard) == (200, ["cl1"])
