"""The service of the guide that returns tasks and outcomes as JSON, as it stands there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from apimodels_async.gateway import LocalGateway
from tests.support.served import served

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "first-picture.md"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:fastapi")


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    sources = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (source,) = [each for each in sources if "FastAPI" in each]
    addresses: list[str] = []

    def app_of(url: str) -> Any:
        addresses.append(url.removesuffix("/calls"))
        names: dict[str, Any] = {"__name__": "tasks"}
        exec(compile(source, "tasks.py", "exec"), names)
        return names["app"]

    with LocalGateway(latency="0.1/0.1") as gateway, pytest.MonkeyPatch.context() as patch:
        patch.setenv("APIMODELS_BASE_URL", gateway.base_url)
        patch.setenv("APIMODELS_API_KEY", gateway.api_key)
        patch.setenv("APIMODELS_MODEL", "grok-image/grok-4.2-image")
        with served(app_of):
            yield addresses[0]


def test_a_task_is_returned_as_json(service: str) -> None:
    created = httpx.post(f"{service}/tasks", params={"prompt": "a fox"}, timeout=50, trust_env=False).json()
    shown = created
    while shown["state"] != "completed":  # it takes a tenth of a second
        shown = httpx.get(f"{service}/tasks/{created['id']}", timeout=50, trust_env=False).json()

    assert created["state"] == "pending"
    assert shown["id"] == created["id"]
    assert shown["create_time"].endswith("+00:00")


def test_outcomes_are_returned_as_json(service: str) -> None:
    prompts = ["a fox", "a contraband fox"]
    first, second = httpx.post(f"{service}/batches", json=prompts, timeout=50, trust_env=False).json()

    assert (first["ok"], first["task"]["state"], first["request"]["prompt"]) == (True, "completed", "a fox")
    assert (second["ok"], second["error"]["class"]) == (False, "ContentPolicyError")
    assert second["error"]["task_id"] == second["task"]["id"]
