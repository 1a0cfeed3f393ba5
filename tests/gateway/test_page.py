"""The vendor's page, tried on the gateway: its commands word for word but for host, key and pictures."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from apimodels_async.gateway import LocalGateway

CREATE = """\
curl -X POST https://apimodels.app/api/v1/images/generations \\
-H "Authorization: Bearer YOUR_API_KEY" \\
-H "Content-Type: application/json" \\
-d '{
"model": "grok-image/grok-4.2-image",
"prompt": "A cute cat wearing a space helmet, digital art",
"size": "1024x1024",
"n": 1
}'
"""

INPAINT = """\
curl -X POST https://apimodels.app/api/v1/images/generations \\
-H "Authorization: Bearer YOUR_API_KEY" \\
-H "Content-Type: application/json" \\
-d '{
"model": "grok-image/grok-4.2-image",
"prompt": "Replace with a golden retriever",
"image": "BASE64_ENCODED_IMAGE",
"mask": "BASE64_ENCODED_MASK",
"size": "1024x1024"
}'
"""

POLL = """\
curl "https://apimodels.app/api/v1/images/generations?task_id=TASK_ID" \\
-H "Authorization: Bearer YOUR_API_KEY"
"""


def with_curl(arguments: list[str]) -> Any:
    command = [shutil.which("curl") or "curl", "--silent", "--show-error", "--noproxy", "*", *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=30).stdout)


def with_httpx(arguments: list[str]) -> Any:
    """What these arguments mean to curl: -X method, -H header, -d body, and the URL."""
    given = {"-X": ["GET"], "-H": [], "-d": [""], "": []}
    words = iter(arguments)
    for word in words:
        if word in given:
            given[word].append(next(words))
        else:
            given[""].append(word)
    (url,) = given[""]
    headers = dict(header.split(": ") for header in given["-H"])
    with httpx.Client(trust_env=False, timeout=60) as client:
        return client.request(given["-X"][-1], url, headers=headers, content=given["-d"][-1].encode()).json()


@pytest.fixture(params=["curl", "httpx"])
def run(request: pytest.FixtureRequest, gateway: LocalGateway) -> Callable[..., Any]:
    """Runs one of the page's commands, with the placeholders replaced."""
    if request.param == "curl" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    send = with_curl if request.param == "curl" else with_httpx

    def run(command: str, **placeholders: str) -> Any:
        placeholders["YOUR_API_KEY"] = gateway.api_key
        placeholders["https://apimodels.app/api/v1"] = gateway.base_url
        for placeholder, value in placeholders.items():
            assert placeholder in command
            command = command.replace(placeholder, value)
        return send(shlex.split(command.replace("\\\n", " "))[1:])

    return run


def check_completed(answer: Any, task_id: str) -> str:
    assert {**answer, "data": 0} == {"code": 200, "msg": "success", "data": 0}
    data = answer["data"]
    assert (data["taskId"], data["state"]) == (task_id, "completed")
    assert 0 < data["createTime"] <= data["completeTime"]
    assert data["createTime"] > 1_700_000_000_000
    (url,) = data["resultUrls"]
    assert isinstance(url, str)
    return url


def check_pending(answer: Any) -> str:
    assert {**answer, "data": 0} == {"code": 200, "msg": "success", "data": 0}
    assert answer["data"]["state"] == "pending"
    task_id: str = answer["data"]["taskId"]
    assert re.fullmatch("cl[a-z0-9]+", task_id)
    return task_id


def test_text_to_image(run: Callable[..., Any], client: httpx.Client, painter: Any) -> None:
    task_id = check_pending(run(CREATE))
    url = check_completed(run(POLL, TASK_ID=task_id), task_id)
    assert client.get(url).headers["content-type"] == "image/png"
    assert painter.calls[0]["prompt"] == "A cute cat wearing a space helmet, digital art"
    assert painter.calls[0]["size"] == (1024, 1024)


def test_mask_inpainting(run: Callable[..., Any], client: httpx.Client, painter: Any, b64: Any, png: Any) -> None:
    task_id = check_pending(run(INPAINT, BASE64_ENCODED_IMAGE=b64(), BASE64_ENCODED_MASK=b64(48, 32, "WEBP")))
    client.get(check_completed(run(POLL, TASK_ID=task_id), task_id)).raise_for_status()
    assert (painter.calls[0]["images"], painter.calls[0]["mask"]) == ([png()], png(48, 32, "WEBP"))


def test_a_failure_has_the_pages_shape(run: Callable[..., Any]) -> None:
    task_id = check_pending(run(CREATE, **{"A cute cat": "A contraband cat"}))
    answer = run(POLL, TASK_ID=task_id)
    assert {**answer, "data": 0} == {"code": 200, "msg": "success", "data": 0}
    assert {name: answer["data"][name] for name in ("taskId", "state", "failMsg")} == {
        "taskId": task_id,
        "state": "failed",
        "failMsg": "Content policy violation",
    }
