"""A callback leads to this machine, or where the options say, and nowhere else."""

import ipaddress

import pytest

from apimodels_async.gateway.refusals import Refusal
from apimodels_async.gateway.urls import AllowedHosts, parse_url


@pytest.mark.parametrize(
    ("url", "origin", "host", "port", "target"),
    [
        ("http://127.0.0.1/", "http://127.0.0.1", "127.0.0.1", 80, "/"),
        ("https://hooks.example", "https://hooks.example", "hooks.example", 443, "/"),
        ("HTTP://Hooks.Example.:8000/a?b=c#d", "http://hooks.example:8000", "hooks.example", 8000, "/a?b=c"),
        ("http://[::1]:3000?x", "http://[::1]:3000", "::1", 3000, "/?x"),
        ("http://localhost:3000/cb/%20;a=b", "http://localhost:3000", "localhost", 3000, "/cb/%20;a=b"),
    ],
)
def test_a_url_is_taken_apart(url: str, origin: str, host: str, port: int, target: str) -> None:
    to = parse_url("callback_url", url)

    assert (to.origin, to.host, to.port, to.target) == (origin, host, port, target)
    assert to.tls == origin.startswith("https")
    assert to.netloc == origin.partition("://")[2]


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "/hook",
            "hook",
            "ftp://127.0.0.1/",
            "file:///etc/passwd",
            "http://",
            "http:///x",
            "http://[",
            "http://[]/",
        ),
        *("http://127.0.0.1:0/", "http://127.0.0.1:x/", "http://127.0.0.1:65536/", "http://a b/", "http://a/b c"),
        *(
            "http://127.0.0.1/\n",
            "http://127.0.0.1/\r\nX: y",
            "http://127.0.0.1/\tx",
            "http://ü.example/",
            "http://a/ü",
        ),
        *("http://a..b/", "http://[fe80::1%25eth0]/", f"http://{'a' * 64}/", f"http://{'a.' * 127}ab/", "http://*/"),
        *("http://a\\b/", 5, None, True, ["http://127.0.0.1/"], b"http://127.0.0.1/"),
    ],
)
def test_anything_else_is_refused_and_not_quoted(url: object) -> None:
    with pytest.raises(Refusal, match=r"^callback_url: give an http or https URL") as caught:
        parse_url("callback_url", url)
    assert caught.value.code == 400


@pytest.mark.parametrize("url", ["http://me:secret@127.0.0.1/", "http://me@127.0.0.1/", "http://@127.0.0.1/"])
def test_credentials_are_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(Refusal, match=r"^callback_url: leave out the user and the password$"):
        parse_url("callback_url", url)


def taken(hosts: AllowedHosts, url: str) -> bool:
    try:
        hosts.check(parse_url("callback_url", url))
    except Refusal:
        return False
    return True


def test_the_refusal_names_the_host_and_the_option_that_allows_it() -> None:
    with pytest.raises(Refusal, match=r'"hooks\.example" .* callback_hosts= .* --callback-to') as caught:
        AllowedHosts.parse([]).check(parse_url("callback_url", "https://hooks.example/SECRET"))
    assert caught.value.code == 400
    assert "SECRET" not in caught.value.message


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.9.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "LOCALHOST.", "app.localhost"]
)
def test_this_machine_is_always_allowed(host: str) -> None:
    assert taken(AllowedHosts.parse([]), f"http://{host}:3000/")


@pytest.mark.parametrize(
    "host",
    [
        *(
            "hooks.example",
            "localhost.example",
            "notlocalhost",
            "8.8.8.8",
            "10.0.0.1",
            "192.168.0.1",
            "169.254.169.254",
        ),
        *("0.0.0.0", "[::]", "[fd00::1]", "[fe80::1]", "[::ffff:10.0.0.1]", "[::ffff:169.254.169.254]", "224.0.0.1"),
        *("2130706433", "0x7f.1", "127.1", "0177.0.0.1"),  # what a resolver would take for 127.0.0.1
    ],
)
def test_nothing_else_is_allowed_unless_an_option_says_so(host: str) -> None:
    assert not taken(AllowedHosts.parse([]), f"http://{host}/")


def test_a_name_is_allowed_as_it_stands_at_any_port() -> None:
    hosts = AllowedHosts.parse(["Hooks.Example."])
    assert taken(hosts, "https://hooks.example/x")
    assert taken(hosts, "http://HOOKS.example.:8000/x")
    assert not taken(hosts, "https://more.hooks.example/x")
    assert not taken(hosts, "https://example/x")


def test_one_host_may_be_given_as_text() -> None:
    assert taken(AllowedHosts.parse("hooks.example"), "https://hooks.example/x")


def test_addresses_and_networks_are_allowed() -> None:
    hosts = AllowedHosts.parse(["10.0.0.5", "192.168.0.0/16", "[fd00::1]", "fd12::/16"])
    for host in ("10.0.0.5", "192.168.44.1", "[fd00::1]", "[fd12::9]", "[::ffff:10.0.0.5]"):
        assert taken(hosts, f"http://{host}/")
    for host in ("10.0.0.6", "192.169.0.1", "[fd00::2]", "web"):
        assert not taken(hosts, f"http://{host}/")


@pytest.mark.parametrize(
    "host",
    ["", "https://hooks.example", "hooks.example:8000", "*.example", "a b", "10.0.0.1/8", "10.0.0.0/33", "256.1.1.1"],
)
def test_an_option_that_is_no_host_is_an_error_that_shows_how(host: str) -> None:
    with pytest.raises(ValueError, match=r"callback_hosts: .* 10\.0\.0\.0/8"):
        AllowedHosts.parse([host])


@pytest.mark.parametrize(
    ("address", "reached"),
    [
        *(("93.184.216.34", True), ("2606:2800:220:1:248:1893:25c8:1946", True), ("127.0.0.1", True), ("::1", True)),
        *(("10.1.2.3", True), ("10.2.0.1", False), ("192.168.0.1", False), ("169.254.169.254", False)),
        *(("0.0.0.0", False), ("224.0.0.1", False), ("fe80::1", False), ("fd00::1", False), ("100.64.0.1", False)),
    ],
)
def test_a_name_is_good_for_its_public_addresses_and_for_networks_that_are_allowed(address: str, reached: bool) -> None:
    hosts = AllowedHosts.parse(["hooks.example", "10.1.0.0/16"])
    assert hosts.allow_address("hooks.example", ipaddress.ip_address(address)) is reached


def test_localhost_is_this_machine_whatever_a_resolver_says() -> None:
    hosts = AllowedHosts.parse([])
    assert hosts.known("localhost") == hosts.known("app.localhost") == ["127.0.0.1", "::1"]
    assert hosts.known("10.0.0.1") == ["10.0.0.1"]
    assert hosts.known("hooks.example") is None


def test_what_is_shown_of_a_url_is_its_host_alone() -> None:
    to = parse_url("callback_url", "https://hooks.example/cb/SECRET?t=SECRET")
    assert "SECRET" not in to.origin
    assert "SECRET" not in repr(to)
