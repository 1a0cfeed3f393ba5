"""The gateway's page is for this gateway's own page only: hosts, origins, passwords, and what its markup may do."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from apimodels_async.gateway import DEFAULT_API_KEY
from apimodels_async.gateway.page_guard import HEADERS

OWN = "http://gateway.test"
PARTS = ("/", "/page/live", "/page/page.css", "/page/page.js", "/page/page.svg", "/page/tasks/x", "/page/thumbnails/x")


def get(desk: Any, path: str = "/", **headers: str) -> Any:
    return desk.ask("GET", f"{OWN}{path}", headers=headers)


def post(desk: Any, **headers: str) -> Any:
    files = {name: (None, value) for name, value in {"prompt": "a kite", "model": "sparkpix-image"}.items()}
    return desk.ask("POST", f"{OWN}/page/create", files=files, headers=headers)


@pytest.mark.parametrize("path", PARTS)
@pytest.mark.parametrize("host", ["evil.com", "evil.com:8787", "localhost.evil.com", "127.0.0.1.evil.com", "user@host"])
def test_a_name_that_is_rebound_to_this_machine_sees_nothing(desk: Any, path: str, host: str) -> None:
    desk.create("a secret kite")

    answer = get(desk, path, Host=host)

    assert answer.status_code == 421
    assert "secret" not in answer.text


@pytest.mark.parametrize("host", ["evil.com", "localhost.evil.com"])
def test_a_name_that_is_rebound_to_this_machine_makes_nothing(desk: Any, host: str) -> None:
    before = desk.balance()

    assert post(desk, Host=host, Origin=f"http://{host}").status_code == 421

    desk.clock.advance(60)
    assert desk.balance() == before


@pytest.mark.parametrize("host", ["localhost:8787", "127.0.0.1:8787", "[::1]:8787", "192.168.1.5", "gateway.localhost"])
def test_this_machine_and_addresses_see_the_page(desk: Any, host: str) -> None:
    assert get(desk, Host=host).status_code == 200
    assert post(desk, Host=host, Origin=f"http://{host}").status_code == 303


def test_a_name_can_be_allowed(opened: Callable[..., Any]) -> None:
    desk = opened(allowed_hosts=["images.example"])

    assert get(desk, Host="images.example").status_code == 200
    assert post(desk, Host="images.example", Origin="http://images.example").status_code == 303
    assert get(desk, Host="other.example").status_code == 421


@pytest.mark.parametrize(
    "origin", ["http://evil.com", "null", "https://gateway.test", "http://gateway.test:81", "http://gateway.test.evil"]
)
@pytest.mark.parametrize("path", PARTS)
def test_another_origin_reads_nothing(desk: Any, path: str, origin: str) -> None:
    assert get(desk, path, Origin=origin).status_code == 403


@pytest.mark.parametrize("origin", ["http://evil.com", "null", "http://gateway.test:81", None])
def test_a_form_of_another_origin_makes_nothing(desk: Any, origin: str | None) -> None:
    before = desk.balance()

    answer = post(desk, **({} if origin is None else {"Origin": origin}))

    assert answer.status_code == 403
    desk.clock.advance(60)
    assert desk.balance() == before


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_sites_page_can_link_to_the_page_and_do_nothing_else(desk: Any, site: str) -> None:
    followed = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}

    assert get(desk, "/", **followed).status_code == 200
    assert get(desk, "/", **followed | {"Sec-Fetch-Mode": "no-cors"}).status_code == 403
    assert post(desk, Origin=OWN, **followed).status_code == 403


@pytest.mark.parametrize("cors", [(), ["*"], ["http://localhost:5173"]])
def test_no_origin_that_may_use_the_api_may_read_the_page(opened: Callable[..., Any], cors: Any) -> None:
    desk = opened(cors=cors)
    origin = "http://localhost:5173"

    assert get(desk, Origin=origin).status_code == 403
    assert post(desk, Origin=origin).status_code == 403
    for answer in (get(desk), get(desk, Origin=OWN), get(desk, Origin=origin)):
        assert not [name for name in answer.headers if name.startswith("access-control-")]
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    assert desk.ask("OPTIONS", f"{OWN}/page/create", headers=asked).status_code == 405
    api = desk.ask("GET", "/models", headers={"Origin": origin})
    assert ("access-control-allow-origin" in api.headers) is bool(cors)


@pytest.mark.parametrize("path", [*PARTS, "/page/create"])
def test_nothing_from_elsewhere_is_allowed(desk: Any, path: str) -> None:
    answer = post(desk, Origin=OWN) if path == "/page/create" else get(desk, path)

    assert {name: answer.headers[name] for name in HEADERS if name != "Cache-Control"} == {
        name: value for name, value in HEADERS.items() if name != "Cache-Control"
    }
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy.pop("default-src") == "'none'"
    assert set(policy.values()) == {"'self'", "'none'"}
    assert (policy["frame-ancestors"], policy["base-uri"]) == ("'none'", "'none'")


def test_the_default_key_which_is_no_secret_needs_no_password(desk: Any) -> None:
    made = post(desk, Origin=OWN, Authorization="")

    assert get(desk, "/", Authorization="").status_code == 200
    assert made.status_code == 303
    assert DEFAULT_API_KEY in get(desk, made.headers["location"], Authorization="").text


def test_keys_of_ones_own_protect_the_page_too(opened: Callable[..., Any]) -> None:
    desk = opened(api_keys=["sk_one", "sk_two"])

    def password(word: str) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(f"me:{word}".encode()).decode()}

    for path in PARTS:
        refused = get(desk, path, Authorization="")
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Basic ")
        assert "sk_" not in refused.text
    for wrong in (
        password("sk_three"),
        password(""),
        {"Authorization": "Bearer sk_one"},
        {"Authorization": "Basic %%"},
    ):
        assert get(desk, "/", **wrong).status_code == 401
        assert post(desk, Origin=OWN, **wrong).status_code == 401
    answer = get(desk, "/", **password("sk_two"))
    assert answer.status_code == 200
    assert "sk_one" not in answer.text
    made = post(desk, Origin=OWN, **password("sk_one"))
    assert made.status_code == 303
    task = get(desk, made.headers["location"], **password("sk_one")).text
    assert "$APIMODELS_API_KEY" in task
    assert "sk_one" not in task
