"""The service of the guide's page, as it stands there: served, asked for a picture, and called back by a gateway."""

import json
import re
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from apimodels_async.gateway import LocalGateway
from tests.callbacks.test_on_a_server import Served

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "callbacks.md"


class Later:
    """An app that is made when its port is known."""

    def __init__(self) -> None:
        self.app: Any = None
        self.called = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.called += scope["type"] == "http" and scope["path"].startswith("/callbacks/")
        await self.app(scope, receive, send)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:fastapi")
def test_the_service_of_the_page_answers_when_the_gateway_has_called(monkeypatch: pytest.MonkeyPatch) -> None:
    source = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[0]
    later = Later()
    server = Served(later)
    with LocalGateway(latency="0.5/0.5") as gateway:
        monkeypatch.setenv("PUBLIC_URL", f"http://127.0.0.1:{server.port}")
        monkeypatch.setenv("CALLBACK_KEY", "a secret of 16 bytes or more")
        monkeypatch.setenv("APIMODELS_BASE_URL", gateway.base_url)
        monkeypatch.setenv("APIMODELS_API_KEY", gateway.api_key)
        monkeypatch.setenv("APIMODELS_MODEL", "grok-image/grok-4.2-image")
        names: dict[str, Any] = {"__name__": "service"}
        exec(compile(source, "service.py", "exec"), names)
        later.app = names["app"]
        with server:
            url = f"http://127.0.0.1:{server.port}/pictures?prompt={urllib.parse.quote('a fox')}"
            with urllib.request.urlopen(urllib.request.Request(url, data=b""), timeout=30) as answer:
                made = json.load(answer)
    assert made["task"].startswith("cl")
    assert made["links"][0].endswith("-0.png")
    assert later.called == 1
