"""A task with a `callback_url` is called for when it ends, over real sockets."""

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from apimodels_async.gateway import LocalGateway, create_app, webhook_delivery
from apimodels_async.gateway.openapi import DOCUMENT
from tests.gateway.receiver import Receiver, status


class Caller:
    """A gateway on a socket, and what is asked of it."""

    def __init__(self, gateway: LocalGateway, stack: ExitStack) -> None:
        headers = {"Authorization": f"Bearer {gateway.api_key}"}
        self.http = httpx.Client(base_url=gateway.base_url, headers=headers, trust_env=False, timeout=20)
        stack.callback(self.http.close)

    def post(self, prompt: str, url: str, **fields: Any) -> httpx.Response:
        body = {"model": "grok-4.2-image", "prompt": prompt, "callback_url": url, **fields}
        return self.http.post("/images/generations", json=body)

    def create(self, prompt: str, url: str, **fields: Any) -> str:
        task_id: str = self.post(prompt, url, **fields).raise_for_status().json()["data"]["taskId"]
        return task_id

    def query(self, task_id: str) -> dict[str, Any]:
        answer = self.http.get("/images/generations", params={"task_id": task_id}).raise_for_status()
        data: dict[str, Any] = answer.json()["data"]
        return data


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def opened(painter: Any) -> Iterator[Callable[..., Caller]]:
    with ExitStack() as stack:

        def open_(**options: Any) -> Caller:
            settings: dict[str, Any] = {"paint": painter, "latency": "0/0", "balance": 1e6, **options}
            return Caller(stack.enter_context(LocalGateway(**settings)), stack)

        yield open_


@pytest.fixture
def caller(opened: Callable[..., Caller]) -> Caller:
    return opened()


def hurried(pace: float) -> dict[str, Any]:
    """Options under which a gateway's time goes `pace` times as fast."""
    begun, zero = time.time(), time.monotonic()
    return {
        "clock": lambda: begun + (time.monotonic() - zero) * pace,
        "sleep": lambda seconds: asyncio.sleep(seconds / pace),
    }


# --- what comes


def test_the_call_tells_what_a_query_tells(caller: Caller, receiver: Receiver, painter: Any) -> None:
    task_id = caller.create("a fox", f"{receiver.url}?a=b", n=2, seed=7)
    call = receiver.next()

    told = caller.query(task_id)
    assert (call.method, call.path) == ("POST", "/hook?a=b")
    assert call.headers["content-type"] == "application/json"
    assert set(call.headers) == {"host", "user-agent", "accept", "content-type", "content-length", "connection"}
    assert {**json.loads(call.body), "data": 0} == {"code": 200, "msg": "success", "data": 0}
    assert json.loads(call.data.pop("param")) == {
        "model": "grok-4.2-image",
        "prompt": "a fox",
        "callback_url": f"{receiver.url}?a=b",
        "n": 2,
        "seed": 7,
    }
    data = call.data
    del data["param"]
    assert json.loads(data.pop("resultJson")) == {"resultUrls": told["resultUrls"]}
    assert data == {
        "taskId": task_id,
        "model": "grok-image/grok-4.2-image",
        "state": "completed",
        "failCode": None,
        "failMsg": None,
        "costTime": told["completeTime"] - told["createTime"],
        "completeTime": told["completeTime"],
        "createTime": told["createTime"],
    }
    assert [call["index"] for call in painter.calls] == [0, 1]  # all of a task, before it is reported completed
    assert caller.http.get(told["resultUrls"][0]).status_code == 200


def test_the_call_of_a_failed_task_tells_why(caller: Caller, receiver: Receiver) -> None:
    results: dict[str, Any] = {"contraband": None, "brownout": {"resultUrls": []}}
    for word, result in results.items():
        task_id = caller.create(word, receiver.url)
        data, told = receiver.next().data, caller.query(task_id)
        assert (data["taskId"], data["state"]) == (task_id, "failed")
        assert (data["failCode"], data["failMsg"]) == (told["failCode"], told["failMsg"])
        assert (data["resultJson"] and json.loads(data["resultJson"])) == result


def test_every_call_is_as_the_openapi_document_says(caller: Caller, receiver: Receiver) -> None:
    document: Any = DOCUMENT
    post = document["paths"]["/api/v1/images/generations"]["post"]
    [(expression, item)] = post["callbacks"]["ended"].items()
    assert expression == "{$request.body#/callback_url}"
    schema = item["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]["data"]
    kinds = {str: "string", int: "integer", type(None): "null"}
    for prompt in ("a fox", "contraband", "brownout"):
        caller.create(prompt, receiver.url)
        data = receiver.next().data
        assert list(data) == schema["required"] == list(schema["properties"])
        for name, value in data.items():
            assert kinds[type(value)] in schema["properties"][name]["type"]
        assert data["state"] in schema["properties"]["state"]["enum"]


def test_the_pictures_that_were_sent_are_not_sent_back(caller: Caller, receiver: Receiver, b64: Any) -> None:
    caller.create("an edit", receiver.url, image=b64(640, 480))
    call = receiver.next()
    assert b64(640, 480)[:100].encode() not in call.body
    assert json.loads(call.data["param"])["image"].endswith("characters>")


@pytest.mark.parametrize(
    "fields",
    [{"model": "sparkpix-image"}, {"model": "gpt-image-2-all", "size": "1024x1024"}],
    ids=lambda each: each["model"],
)
def test_a_synchronous_model_is_called_for_once_too(caller: Caller, receiver: Receiver, fields: dict[str, str]) -> None:
    assert caller.post("a fox", receiver.url, **fields).status_code == 200
    assert receiver.next().data["state"] == "completed"
    caller.create("the next", receiver.url)
    assert json.loads(receiver.next().data["param"])["prompt"] == "the next"


def test_a_task_without_a_callback_url_or_credits_calls_nobody(
    opened: Callable[..., Caller], receiver: Receiver
) -> None:
    caller = opened(balance=0.03)
    assert caller.post("too dear", receiver.url, n=2).status_code == 402
    assert caller.post("bad", receiver.url, n=0).status_code == 400
    caller.create("the last", receiver.url)
    assert json.loads(receiver.next().data["param"])["prompt"] == "the last"


def test_a_call_waits_for_the_end_of_its_task_and_for_nothing_else(
    opened: Callable[..., Caller], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for the next look at the clock: that is an hour away here. How late a call is, `tests/bench` measures."""
    monkeypatch.setattr(webhook_delivery, "_LONGEST_SLEEP", 3600.0)
    caller = opened(latency="0.5/1.5")
    for _ in range(40):
        caller.create("a fox", receiver.url, size="16x16")
    calls = [receiver.next() for _ in range(40)]
    assert all(call.at_ms > call.data["completeTime"] - 1 for call in calls)


# --- until it is taken


def test_it_is_called_again_until_it_answers_2xx_and_then_no_more(
    opened: Callable[..., Caller], receiver: Receiver
) -> None:
    caller = opened(**hurried(20))
    for answer in (status(500), status(302, Location=receiver.url), status(404), status(503), status(400), status(201)):
        receiver.answers.put(answer)
    task_id = caller.create("a fox", receiver.url)
    calls = [receiver.next() for _ in range(6)]
    assert {call.data["taskId"] for call in calls} == {task_id}
    gaps = [(late.at_ms - early.at_ms) / 1000 * 20 for early, late in itertools.pairwise(calls)]
    assert all(gap > wait - 0.02 for gap, wait in zip(gaps, (1, 2, 4, 25, 25), strict=True))
    caller.create("another", receiver.url)
    assert json.loads(receiver.next().data["param"])["prompt"] == "another"


def test_a_receiver_that_hangs_is_left_after_10_seconds_and_holds_nobody_up(
    opened: Callable[..., Caller], receiver: Receiver
) -> None:
    caller = opened(**hurried(50))
    with Receiver() as hanging:
        for _ in range(30):
            hanging.answers.put(lambda _: time.sleep(0.5))
        for _ in range(30):
            caller.create("a fox", hanging.url)
        caller.create("another", receiver.url)
        assert json.loads(receiver.next().data["param"])["prompt"] == "another"
        assert {hanging.next().path for _ in range(60)} == {"/hook"}


def test_a_restart_calls_what_is_still_to_be_called(receiver: Receiver, tmp_path: Path, painter: Any) -> None:
    settings: dict[str, Any] = {"store": tmp_path / "store", "paint": painter}
    later = {"clock": lambda: time.time() + 3600, **settings}
    with Receiver() as failing, ExitStack() as stack:
        failing.otherwise = status(500)
        with LocalGateway(latency="3600/3600", **settings) as gateway:
            slow = Caller(gateway, stack).create("slow", receiver.url)
        with LocalGateway(latency="0/0", **settings) as gateway:
            caller = Caller(gateway, stack)
            done, failed = caller.create("done", receiver.url), caller.create("failed", failing.url)
            assert receiver.next().data["taskId"] == done
            assert [failing.next().data["taskId"] for _ in range(2)] == [failed] * 2  # the second a second later
        failing.otherwise = status(204)
        with LocalGateway(**later):
            assert failing.next().data["taskId"] == failed
            assert receiver.next().data["taskId"] == slow
        with LocalGateway(latency="0/0", **later) as gateway:
            for url in (receiver, failing):
                last = Caller(gateway, stack).create("last", url.url)
                again = url.next().data["taskId"]
                while again in (slow, failed):  # the gateway may have left before it had read the 2xx
                    again = url.next().data["taskId"]
                assert again == last


SERVE = """
import sys
from apimodels_async.gateway import serve
serve(port=0, store=sys.argv[1], latency="0/0", on_ready=lambda url: print(url, flush=True), paint=lambda **_: b"")
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX's")
def test_a_gateway_that_is_killed_calls_at_least_once(receiver: Receiver, tmp_path: Path) -> None:
    def start() -> tuple[subprocess.Popen[str], LocalGateway]:
        command = [sys.executable, "-c", SERVE, str(tmp_path / "store")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        stack.callback(process.communicate)
        stack.callback(process.kill)
        assert process.stdout is not None
        gateway = LocalGateway()
        gateway.base_url = process.stdout.readline().strip()
        return process, gateway

    with ExitStack() as stack:
        process, gateway = start()
        caller = Caller(gateway, stack)
        for _ in range(10):
            receiver.answers.put(status(204))
        receiver.otherwise = status(500)
        ids = {caller.create(f"number {number}", receiver.url) for number in range(20)}
        first = [receiver.next().data["taskId"] for _ in range(20)]
        assert set(first) <= ids
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL

        receiver.otherwise = status(204)
        start()
        # Those whose 2xx was not noted any more may come again too; all others must.
        missing = ids - set(first[:10])
        while missing:
            missing.discard(receiver.next().data["taskId"])


# --- where it may go


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://hooks.example/SECRET", "callback_hosts= (apimodels gateway --callback-to HOST)"),
        ("http://10.0.0.1/SECRET", "callback_hosts= (apimodels gateway --callback-to HOST)"),
        ("http://169.254.169.254/SECRET", "callback_hosts= (apimodels gateway --callback-to HOST)"),
        ("http://me:SECRET@127.0.0.1/", "leave out the user"),
        ("ftp://127.0.0.1/SECRET", "give an http or https URL"),
    ],
)
def test_a_create_that_would_call_elsewhere_is_refused(caller: Caller, url: str, words: str) -> None:
    answer = caller.post("a fox", url)
    assert answer.status_code == 400
    assert answer.json()["msg"].startswith("callback_url: ")
    assert words in answer.json()["msg"]
    assert "SECRET" not in answer.text


def test_an_option_allows_more(opened: Callable[..., Caller]) -> None:
    caller = opened(callback_hosts=["hooks.example", "10.0.0.0/8"], latency="3600/3600")
    caller.create("a fox", "https://hooks.example/hook")
    caller.create("a fox", "http://10.1.2.3:8000/hook")


def test_a_bad_option_is_an_error_at_once() -> None:
    with pytest.raises(ValueError, match="callback_hosts"):
        create_app(callback_hosts=["https://hooks.example"])


# --- faults on request


def test_a_latecomer_comes_10_seconds_late(opened: Callable[..., Caller], receiver: Receiver) -> None:
    options = hurried(50)
    caller = opened(**options)
    caller.create("a latecomer", receiver.url)
    data = receiver.next().data
    late = options["clock"]() * 1000 - data["completeTime"]
    assert late + 1 >= 10_000


def test_a_doppelganger_comes_twice(caller: Caller, receiver: Receiver) -> None:
    caller.create("a Doppelganger!", receiver.url)
    first, second = receiver.next(), receiver.next()
    assert first.body == second.body
    caller.create("another", receiver.url)
    assert json.loads(receiver.next().data["param"])["prompt"] == "another"


def test_a_harbinger_comes_before_the_answer_to_the_create(opened: Callable[..., Caller], receiver: Receiver) -> None:
    caller = opened(latency="0.2/0.2")
    for answer in (status(204), status(500)):
        receiver.answers.put(answer)
        task_id = caller.create("a harbinger", receiver.url)
        assert receiver.calls.get_nowait().data["taskId"] == task_id
        assert caller.query(task_id)["state"] == "completed"


def test_a_harbinger_without_a_call_is_not_waited_for(opened: Callable[..., Caller], receiver: Receiver) -> None:
    caller = opened(latency="3600/3600")
    caller.create("a harbinger", "http://127.0.0.1:9/", callback_url=None)
    caller.create("a harbinger and absentee", receiver.url)


def test_an_absentee_never_comes(caller: Caller, receiver: Receiver) -> None:
    task_id = caller.create("an absentee", receiver.url)
    other = caller.create("another", receiver.url)
    assert receiver.next().data["taskId"] == other
    assert receiver.calls.empty()
    assert caller.query(task_id)["state"] == "completed"


@pytest.mark.parametrize("model", ["grok-4.2-image", "sparkpix-image"])
def test_a_castaways_answer_is_lost_and_its_call_brings_the_id(caller: Caller, receiver: Receiver, model: str) -> None:
    before = caller.http.get("/balance").json()["data"]["balance"]
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        caller.post("a castaway", receiver.url, model=model)
    task_id = receiver.next().data["taskId"]
    assert caller.query(task_id)["state"] == "completed"
    assert caller.http.get("/balance").json()["data"]["balance"] < before


def test_a_castaway_needs_no_call(caller: Caller) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        caller.post("a castaway", "", callback_url=None)
    assert caller.http.get("/balance").json()["data"]["balance"] == pytest.approx(1e6 - 0.03)


def test_the_words_add_up(caller: Caller, receiver: Receiver) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        caller.post("contraband of a castaway, a harbinger and a doppelganger", receiver.url)
    assert [receiver.calls.get_nowait().data["state"], receiver.next().data["state"]] == ["failed", "failed"]


def test_of_500_creates_a_fifth_loses_its_answer_and_all_are_called_for(caller: Caller, receiver: Receiver) -> None:
    def create(number: int) -> str | None:
        try:
            return caller.create("a castaway" if number % 5 == 0 else "a fox", receiver.url, seed=number, size="16x16")
        except httpx.RemoteProtocolError:
            return None

    with ThreadPoolExecutor(16) as threads:
        known = list(threads.map(create, range(500)))
    called = [receiver.next().data for _ in range(500)]
    assert sum(task_id is None for task_id in known) == 100
    assert {json.loads(data["param"])["seed"] for data in called} == set(range(500))
    assert {task_id for task_id in known if task_id} <= {data["taskId"] for data in called}
    assert receiver.calls.empty()


def test_on_another_server_the_lost_answer_breaks_off(painter: Any) -> None:
    async def main() -> list[dict[str, Any]]:
        app = create_app(paint=painter, latency="0/0")
        body = json.dumps({"model": "grok-4.2-image", "prompt": "a castaway"}).encode()
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/images/generations",
            "query_string": b"",
            "scheme": "http",
            "headers": [(b"authorization", b"Bearer sk_localdevelopment")],
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        async with app.router.lifespan_context(app):
            await app(scope, receive, send)
        return sent

    [start] = asyncio.run(main())
    assert start["type"] == "http.response.start"
    assert (b"content-length", b"1") in start["headers"]
