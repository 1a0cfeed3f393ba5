"""The service of the guide's page, as it stands there: it returns pictures, and says what is wrong with a request."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from apimodels_async.gateway import LocalGateway
from tests.support.pictures import PNG
from tests.support.served import served

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "downloading.md"


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    sources = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (source,) = [each for each in sources if "FastAPI" in each]
    addresses: list[str] = []

    def app_of(url: str) -> Any:
        addresses.append(url.removesuffix("/calls"))
        names: dict[str, Any] = {"__name__": "pictures"}
        exec(compile(source, "pictures.py", "exec"), names)
        return names["app"]

    with LocalGateway(latency="0.1/0.1") as gateway, pytest.MonkeyPatch.context() as patch:
        patch.setenv("APIMODELS_BASE_URL", gateway.base_url)
        patch.setenv("APIMODELS_API_KEY", gateway.api_key)
        patch.setenv("APIMODELS_MODEL", "grok-image/grok-4.2-image")
        with served(app_of):
            yield addresses[0]


def post(service: str, prompt: str, **more: Any) -> httpx.Response:
    return httpx.post(f"{service}/picture", data={"prompt": prompt}, timeout=50, trust_env=False, **more)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:fastapi")
def test_the_service_returns_a_picture(service: str) -> None:
    answer = post(service, "a fox")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    with Image.open(io.BytesIO(answer.content)) as picture:
        picture.load()


@pytest.mark.filterwarnings("ignore::DeprecationWarning:fastapi")
def test_an_uploaded_picture_is_edited(service: str) -> None:
    assert post(service, "at night", files={"image": ("a.png", PNG)}).status_code == 200


@pytest.mark.filterwarnings("ignore::DeprecationWarning:fastapi")
@pytest.mark.parametrize(
    ("prompt", "more", "words"),
    [
        (" ", {}, "give text that is not empty"),
        ("a fox", {"files": {"image": ("a.png", b"text")}}, "image: no picture in these 4 bytes"),
        ("a fox", {"files": {"image": ("a.png", PNG[:-9])}}, "image: this PNG breaks off"),
        ("a crate of contraband", {}, "was refused"),
    ],
)
def test_bad_input_and_refusals_are_told_to_the_caller(service: str, prompt: str, more: Any, words: str) -> None:
    answer = post(service, prompt, **more)

    assert answer.status_code == 422
    assert words in answer.json()["detail"]
