"""Web pages may use the gateway where their origin was allowed."""

from collections.abc import Callable
from typing import Any

import pytest

from apimodels_async.gateway import create_app

PAGE = "http://localhost:5173"
PREFLIGHT = {
    "Origin": PAGE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


@pytest.mark.parametrize("origins", [[PAGE], ["http://other.example", PAGE], PAGE, "*"])
def test_an_allowed_page_may_create_ask_and_fetch(opened: Callable[..., Any], origins: Any) -> None:
    desk = opened(cors=origins)
    asked = desk.ask("OPTIONS", "/images/generations", headers={**PREFLIGHT, "Authorization": ""})
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] in {PAGE, "*"}
    assert "authorization" in asked.headers["access-control-allow-headers"].lower()
    (url,) = desk.finish()["resultUrls"]
    for method, each in (("GET", "/balance"), ("GET", url), ("GET", "/images/generations")):
        assert desk.ask(method, each, headers={"Origin": PAGE}).headers["access-control-allow-origin"] in {PAGE, "*"}


def test_another_page_may_not(opened: Callable[..., Any]) -> None:
    desk = opened(cors=[PAGE])
    answer = desk.ask("GET", "/balance", headers={"Origin": "http://evil.example"})
    assert "access-control-allow-origin" not in answer.headers
    assert desk.ask("OPTIONS", "/balance", headers={**PREFLIGHT, "Origin": "http://evil.example"}).status_code == 400


def test_without_the_option_there_is_none_of_it(desk: Any) -> None:
    assert desk.ask("OPTIONS", "/images/generations", headers=PREFLIGHT).status_code == 405
    assert "access-control-allow-origin" not in desk.ask("GET", "/balance", headers={"Origin": PAGE}).headers


@pytest.mark.parametrize("origin", ["", "localhost:5173", "http://localhost:5173/", "http://a b", "ftp://x"])
def test_what_is_no_origin_cannot_be_allowed(origin: str) -> None:
    with pytest.raises(ValueError, match="cors"):
        create_app(cors=[origin])
