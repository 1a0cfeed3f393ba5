"""``apimodels trigger``: a sample callback that a receiver takes for the vendor's."""

import json
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from apimodels_async.callbacks import parse_callback
from tests.gateway.receiver import Receiver, status


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def test_a_completed_task_is_reported_in_the_vendors_shape(apimodels: Any, receiver: Receiver) -> None:
    done = apimodels("trigger", receiver.url, "-n", "2", "--task-id", "cl9", "--prompt", "é <b>")

    received = receiver.next()
    assert done.returncode == 0, done.stderr
    assert "HTTP 204 in " in done.stderr
    assert json.loads(done.stdout) == json.loads(received.body)
    assert received.headers["content-type"] == "application/json"
    data = received.data
    assert set(data) == {
        *("taskId", "model", "state", "param", "resultJson", "failCode", "failMsg", "costTime"),
        *("completeTime", "createTime"),
    }
    assert (data["taskId"], data["state"], data["failCode"], data["failMsg"]) == ("cl9", "completed", None, None)
    assert len(json.loads(data["resultJson"])["resultUrls"]) == 2
    assert json.loads(data["param"])["prompt"] == "é <b>"
    assert data["completeTime"] - data["createTime"] == data["costTime"] == 12345
    callback = parse_callback(received.body)
    assert (callback.task_id, callback.state, len(callback.task.result_urls)) == ("cl9", "completed", 2)


@pytest.mark.parametrize(
    ("options", "code", "results"),
    [
        (("--state", "failed"), "CONTENT_MODERATION", None),
        (("--fail-code", "UPSTREAM_BUSY"), "UPSTREAM_BUSY", '{"resultUrls": []}'),
    ],
)
def test_a_failed_task_is_reported_with_its_reason(
    apimodels: Any, receiver: Receiver, options: tuple[str, ...], code: str, results: str | None
) -> None:
    assert apimodels("trigger", receiver.url, *options).returncode == 0

    data = receiver.next().data
    assert (data["state"], data["failCode"], data["resultJson"]) == ("failed", code, results)
    assert data["failMsg"]


def test_each_sample_is_a_task_of_its_own(apimodels: Any, receiver: Receiver) -> None:
    for _ in range(2):
        assert apimodels("trigger", receiver.url).returncode == 0

    assert receiver.next().data["taskId"] != receiver.next().data["taskId"]


def test_without_retry_one_refusal_ends_it(apimodels: Any, receiver: Receiver) -> None:
    receiver.otherwise = status(503)

    done = apimodels("trigger", receiver.url)

    assert done.returncode == 8
    assert "not accepted: HTTP 503" in done.stderr
    receiver.next()
    assert receiver.calls.empty()


def test_it_is_posted_again_as_the_vendor_does_if_asked(
    apimodels: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(round(seconds, 3))

    for _ in range(3):
        receiver.answers.put(status(500))
    monkeypatch.setattr(anyio, "sleep", sleep)

    done = apimodels("trigger", receiver.url, "--retry")

    assert done.returncode == 0, done.stderr
    assert pauses == [1.0, 2.0, 4.0]
    assert "HTTP 500 in " in done.stderr
    assert "; again in 4 s" in done.stderr
    assert len({receiver.next().body for _ in range(4)}) == 1


def test_no_connection_has_the_code_of_one(apimodels: Any) -> None:
    done = apimodels("trigger", "http://127.0.0.1:9/hook")

    assert done.returncode == 9
    assert "no answer: " in done.stderr


@pytest.mark.parametrize("url", ["hook", "ftp://127.0.0.1/x", "http://", "http://127.0.0.1:99999/"])
def test_what_is_no_url_is_a_usage_error(apimodels: Any, url: str) -> None:
    done = apimodels("trigger", url)

    assert (done.returncode, done.stdout) == (2, "")
    assert "give one such as http://127.0.0.1:3000/webhook" in done.stderr


def test_an_unknown_code_is_a_usage_error(apimodels: Any) -> None:
    done = apimodels("trigger", "http://127.0.0.1:9/", "--fail-code", "ODD")

    assert done.returncode == 2
    assert "--fail-code ODD: give one of CONTENT_MODERATION, UPSTREAM_BUSY, TIMEOUT" in done.stderr
