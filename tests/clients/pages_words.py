"""curl with the commands of the vendor's page, word for word, and two other programs with the same requests."""

import base64
import json
import re
import time
from collections.abc import Callable
from typing import Any

from tests.clients.workplace import PATIENCE, Workplace, size_of

ADDRESS = "https://apimodels.app/api/v1"
TEXT_TO_IMAGE = r"""
curl -X POST https://apimodels.app/api/v1/images/generations \
-H "Authorization: Bearer YOUR_API_KEY" \
-H "Content-Type: application/json" \
-d '{
"model": "grok-image/grok-4.2-image",
"prompt": "A cute cat wearing a space helmet, digital art",
"size": "1024x1024",
"n": 1
}'
"""
INPAINTING = r"""
curl -X POST https://apimodels.app/api/v1/images/generations \
-H "Authorization: Bearer YOUR_API_KEY" \
-H "Content-Type: application/json" \
-d '{
"model": "grok-image/grok-4.2-image",
"prompt": "Replace with a golden retriever",
"image": "BASE64_ENCODED_IMAGE",
"mask": "BASE64_ENCODED_MASK",
"size": "1024x1024"
}'
"""
STATUS = r"""
curl "https://apimodels.app/api/v1/images/generations?task_id=TASK_ID" \
-H "Authorization: Bearer YOUR_API_KEY"
"""
BODY = {"model": "grok-image/grok-4.2-image", "prompt": "A cute cat wearing a space helmet, digital art", "n": 1}


def check_curl(place: Workplace) -> str:
    """The page's three commands, in a shell."""
    place.program("curl")
    picture = base64.b64encode(place.picture("cat.png").read_bytes()).decode()
    values = {
        ADDRESS: place.gateway.base_url,
        "YOUR_API_KEY": place.gateway.api_key,
        "BASE64_ENCODED_IMAGE": picture,
        "BASE64_ENCODED_MASK": picture,
    }

    def shell(command: str, **more: str) -> Any:
        for word, value in (values | more).items():
            command = command.replace(word, value)
        return json.loads(place.run("sh", "-c", command))["data"]

    for command in (TEXT_TO_IMAGE, INPAINTING):
        task = shell(command)
        assert task["state"] == "pending"
        done = _wait(lambda: shell(STATUS, TASK_ID=task["taskId"]))  # noqa: B023  (called at once)
        place.run("curl", "-sSfo", "curl.png", done["resultUrls"][0])
        assert size_of((place.folder / "curl.png").read_bytes()) == (1024, 1024)
    return _version(place, "curl", "--version")


def check_wget(place: Workplace) -> str:
    """Create, query and download."""
    headers = (
        f"--header=Authorization: Bearer {place.gateway.api_key}",
        "--header=Content-Type: application/json",
    )
    address = f"{place.gateway.base_url}/images/generations"

    def ask(*arguments: str) -> Any:
        return json.loads(place.run("wget", "-qO-", *headers, *arguments))["data"]

    task = ask(f"--post-data={json.dumps(BODY)}", address)
    done = _wait(lambda: ask(f"{address}?task_id={task['taskId']}"))
    place.run("wget", "-qO", "wget.png", done["resultUrls"][0])
    assert size_of((place.folder / "wget.png").read_bytes()) == (1024, 1024)
    return _version(place, "wget", "--version")


def check_httpie(place: Workplace) -> str:
    """Create, query and download, and a file in a form."""
    program = place.program("http")
    key = f"Authorization:Bearer {place.gateway.api_key}"
    address = f"{place.gateway.base_url}/images/generations"

    def ask(*arguments: str) -> Any:
        return json.loads(place.run(program, "--ignore-stdin", "--check-status", "--body", *arguments))["data"]

    fields = [f"{name}={value}" if isinstance(value, str) else f"{name}:={value}" for name, value in BODY.items()]
    task = ask("POST", address, key, *fields)
    done = _wait(lambda: ask("GET", address, key, f"task_id=={task['taskId']}"))
    place.run(program, "--ignore-stdin", "--download", "--output", "httpie.png", done["resultUrls"][0])
    assert size_of((place.folder / "httpie.png").read_bytes()) == (1024, 1024)
    hosted = ask("--form", "POST", f"{place.gateway.base_url}/files", key, f"file@{place.picture('cat.png')}")
    assert hosted["publicUrl"].startswith("http://127.0.0.1:")
    return _version(place, program, "--version")


def _wait(query: Callable[[], Any]) -> Any:
    """Ask until the task has ended."""
    deadline = time.monotonic() + PATIENCE
    while True:
        task = query()
        if task["state"] in ("completed", "failed"):
            assert task["state"] == "completed", task
            return task
        assert time.monotonic() < deadline, task
        time.sleep(0.2)


def _version(place: Workplace, *command: str) -> str:
    found = re.search(r"\d+(\.\d+)+", place.run(*command))
    assert found is not None
    return found[0]
