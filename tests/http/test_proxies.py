"""Which proxy a URL is reached through, as the environment says."""

import pytest

from apimodels_async._http.proxies import Proxy, ProxyRules
from apimodels_async.errors import ConfigurationError

PROXY = "http://proxy.test:3128"


def rules(no_proxy: str = "", **proxies: str) -> ProxyRules:
    given = proxies or {"http": PROXY, "https": PROXY}
    environ = {f"{scheme}_proxy".upper(): url for scheme, url in given.items()}
    return ProxyRules({**given, "no": no_proxy}, environ)


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("", "https://a.test/", False),
        ("*", "https://a.test/", True),
        ("a.test", "https://a.test/", True),
        ("a.test", "https://b.a.test/", True),
        ("a.test", "https://ba.test/", False),
        (".a.test", "https://b.a.test/", True),
        ("*.a.test", "https://b.a.test/", True),
        ("A.TEST.", "https://a.test/", True),
        (" b.test , a.test ", "https://a.test/", True),
        ("a.test:443", "https://a.test/", True),
        ("a.test:8443", "https://a.test/", False),
        ("https://a.test", "https://a.test/", True),
        ("http://a.test", "https://a.test/", False),
        ("all://a.test", "https://a.test/", True),
        ("10.0.0.0/8", "https://10.1.2.3/", True),
        ("10.0.0.0/8", "https://11.1.2.3/", False),
        ("10.0.0.0/8", "https://ten.test/", False),
        ("10.1.2.3", "https://10.1.2.3/", True),
        ("10.1.2.3:80", "http://10.1.2.3/", True),
        ("fe80::/10", "https://[fe80::1]/", True),
        ("fe80::/10", "https://[2001:db8::1]/", False),
        ("2001:db8::1", "https://[2001:db8::1]/", True),
        ("[2001:db8::1]", "https://[2001:db8::1]/", True),
        ("[2001:db8::]/32", "https://[2001:db8::1]/", True),
        ("[2001:db8::1]:443", "https://[2001:db8::1]/", True),
        ("[2001:db8::1]:80", "https://[2001:db8::1]/", False),
        ("localhost,::1,fe80::/10,[::1]", "https://a.test/", False),
        ("]:[,:,//,a:b:c,10.0.0.0/99,.", "https://a.test/", False),
    ],
)
def test_no_proxy_names_hosts_addresses_and_ranges(no_proxy: str, url: str, direct: bool) -> None:
    assert (rules(no_proxy).for_url(url) is None) == direct


@pytest.mark.parametrize(
    "url", ["http://localhost:8787/", "http://127.0.0.1/", "http://[::1]:1/", "http://x.localhost/", "http://0.0.0.0/"]
)
def test_this_machine_is_never_reached_through_a_proxy(url: str) -> None:
    assert rules().for_url(url) is None
    assert rules(all="nonsense://").for_url(url) is None


@pytest.mark.parametrize(
    ("proxies", "url", "found"),
    [
        ({"http": "http://a:1"}, "https://x.test/", None),
        ({"http": "http://a:1"}, "http://x.test/", Proxy("http://a:1", "HTTP_PROXY")),
        ({"all": "http://a:1"}, "https://x.test/", Proxy("http://a:1", "ALL_PROXY")),
        ({"all": "http://a:1", "https": "http://b:2"}, "https://x.test/", Proxy("http://b:2", "HTTPS_PROXY")),
        ({"https": "a:1"}, "https://x.test/", Proxy("http://a:1", "HTTPS_PROXY")),
        ({"https": "HTTP://a"}, "https://x.test/", Proxy("http://a", "HTTPS_PROXY")),
        ({"all": "socks5h://a:1"}, "https://x.test/", Proxy("socks5h://a:1", "ALL_PROXY")),
        ({"all": "socks://127.0.0.1:7890"}, "https://x.test/", Proxy("socks5://127.0.0.1:7890", "ALL_PROXY")),
        ({"https": "http://[2001:db8::1]:3128"}, "https://x.test/", Proxy("http://[2001:db8::1]:3128", "HTTPS_PROXY")),
        ({}, "https://x.test/", Proxy(PROXY, "HTTPS_PROXY")),
    ],
)
def test_the_scheme_decides_which_variable_counts(proxies: dict[str, str], url: str, found: Proxy | None) -> None:
    assert rules(**proxies).for_url(url) == found


def test_the_variable_is_named_as_it_is_written() -> None:
    given = ProxyRules({"https": PROXY}, {"HTTPS_PROXY": "", "https_proxy": PROXY})
    assert given.for_url("https://a.test/") == Proxy(PROXY, "https_proxy")


@pytest.mark.parametrize(
    "value",
    [
        "http://proxy:abc",
        "ftp://proxy:21",
        "http://",
        "http://[::1",
        "://",
        "http://a b:1",
        "socks4://a:1",
        "http://ä:1",
    ],
)
def test_what_is_no_proxy_is_refused_by_the_name_of_its_variable(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"HTTPS_PROXY=.* is not the URL of a proxy"):
        rules(https=value).for_url("https://a.test/")


@pytest.mark.parametrize("value", ["http://user:pa%40ss@proxy:abc", "user:pass@proxy:abc", "http://u:p@ss/w@proxy:abc"])
def test_a_password_is_shown_nowhere(value: str) -> None:
    with pytest.raises(ConfigurationError) as wrong:
        rules(https=value).for_url("https://a.test/")
    shown = str(wrong.value)
    assert "***@proxy:abc" in shown
    assert not any(secret in shown for secret in ("pass", "pa%", "user", "u:p", "ss/w"))
    assert str(Proxy("http://user:pass@proxy:1", "HTTPS_PROXY")) == "http://***@proxy:1 (HTTPS_PROXY)"


@pytest.mark.parametrize(
    ("url", "replies"),
    [("socks5://a:1", 2), ("socks5h://me:secret@a:1", 3), ("http://me:secret@a:1", 0), ("https://a:1", 0)],
)
def test_a_socks_proxy_answers_about_the_method_the_password_and_the_destination(url: str, replies: int) -> None:
    assert Proxy(url, "ALL_PROXY").replies == replies
