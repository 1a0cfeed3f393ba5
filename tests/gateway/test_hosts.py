"""Requests for other hosts are refused: a web page may rebind its own name to this machine."""

from collections.abc import Callable
from typing import Any

import pytest

from apimodels_async.gateway import create_app


@pytest.mark.parametrize(
    "host", ["evil.com", "evil.com:8787", "localhost.evil.com", "notlocalhost", "127.0.0.1.evil.com"]
)
@pytest.mark.parametrize(
    ("method", "url"),
    [
        *(("GET", "/balance"), ("POST", "/images/generations"), ("GET", "http://gateway.test/openapi.json")),
        *(("GET", "http://gateway.test/results/x"), ("PUT", "http://gateway.test/uploads/x")),
    ],
)
def test_a_foreign_name_is_answered_421(desk: Any, host: str, method: str, url: str) -> None:
    answer = desk.ask(method, url, headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (421, 421)
    assert "--allow-host" in answer.json()["msg"]
    assert answer.json()["data"] is None


@pytest.mark.parametrize("host", ["[", "a b", "user@host", "host/path", "localhost:x"])
def test_what_is_no_host_is_answered_421(desk: Any, host: str) -> None:
    assert desk.ask("GET", "/models", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:8787", "LOCALHOST.", "gateway.localhost:1", "127.0.0.1:8787", "[::1]:8787"),
        *("192.168.1.5:8787", "gateway.test", ""),
    ],
)
def test_this_machine_and_addresses_are_served(desk: Any, host: str) -> None:
    assert desk.ask("GET", "/models", headers={"Host": host}).status_code == 200


def test_a_name_can_be_allowed(opened: Callable[..., Any]) -> None:
    desk = opened(allowed_hosts=["Gateway.", "images.example"])
    for host in ("gateway:8787", "GATEWAY", "images.example"):
        assert desk.ask("GET", "/models", headers={"Host": host}).status_code == 200
    assert desk.ask("GET", "/models", headers={"Host": "more.images.example"}).status_code == 421


@pytest.mark.parametrize("name", ["", "a b", "http://gateway", "gateway:8787", "*.example", "a..b"])
def test_what_is_no_name_cannot_be_allowed(name: str) -> None:
    with pytest.raises(ValueError, match="allowed_hosts"):
        create_app(allowed_hosts=[name])
