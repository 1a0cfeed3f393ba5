"""The service of the guide's page, as it stands there: served, asked for a picture, and called back by a gateway."""

import json
import re
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from apimodels_async.gateway import LocalGateway
from tests.support.served import served

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "callbacks.md"


class Counted:
    """The app of the page, and how often it was called back."""

    def __init__(self, app: Any, url: str) -> None:
        self.app = app
        self.url = url
        self.called = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.called += scope["type"] == "http" and scope["path"].startswith("/callbacks/")
        await self.app(scope, receive, send)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:fastapi")
def test_the_service_of_the_page_answers_when_the_gateway_has_called(monkeypatch: pytest.MonkeyPatch) -> None:
    source = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[0]

    def app_of(url: str) -> Counted:
        public = url.removesuffix("/calls")
        monkeypatch.setenv("PUBLIC_URL", public)
        names: dict[str, Any] = {"__name__": "service"}
        exec(compile(source, "service.py", "exec"), names)
        return Counted(names["app"], public)

    with LocalGateway(latency="0.5/0.5") as gateway:
        monkeypatch.setenv("CALLBACK_KEY", "a secret of 16 bytes or more")
        monkeypatch.setenv("APIMODELS_BASE_URL", gateway.base_url)
        monkeypatch.setenv("APIMODELS_API_KEY", gateway.api_key)
        monkeypatch.setenv("APIMODELS_MODEL", "grok-image/grok-4.2-image")
        with served(app_of) as counted:
            url = f"{counted.url}/pictures?prompt={urllib.parse.quote('a fox')}"
            with urllib.request.urlopen(urllib.request.Request(url, data=b""), timeout=50) as answer:
                made = json.load(answer)
    assert made["task"].startswith("cl")
    assert made["links"][0].endswith("-0.png")
    assert counted.called == 1
