import hashlib
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimodels_async._download.links import file_stem, next_hop
from apimodels_async._urls import check_link, is_loopback

VENDOR = "https://apimodels.app/api/v1"
LOCAL = "http://127.0.0.1:8787/api/v1"
INHOUSE = "http://models.corp.example:8080/v1"


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost.",
        "gateway.localhost",
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "::ffff:127.0.0.1",
        "0.0.0.0",
        "::",
    ],
)
def test_a_loopback_host_is_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "example.com", "localhost.example.com", "notlocalhost", "10.0.0.1", "192.168.1.1", "::2", "1.127.0.0"]
)
def test_any_other_host_is_not(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("url", "base_url"),
    [
        ("https://r2.apimodels.app/images/xxx.jpeg", VENDOR),
        ("https://cdn.example/a.png?sig=%2F&x=1#part", VENDOR),
        ("https://cdn.example:8443/a.png", VENDOR),
        ("https://cdn.example./a.png", VENDOR),
        ("https://7.cdn-2.example/a.png", VENDOR),
        ("HTTPS://CDN.EXAMPLE/a.png", VENDOR),
        ("https://203.0.113.7/a.png", VENDOR),
        ("https://[2001:db8::1]/a.png", VENDOR),
        ("https://cdn.example/a.png", LOCAL),
        ("http://127.0.0.1:8787/pictures/1.png", LOCAL),
        ("http://127.0.0.1:9999/pictures/1.png", LOCAL),
        ("http://localhost:8787/pictures/1.png", LOCAL),
        ("http://[::1]:8787/pictures/1.png", LOCAL),
        ("https://localhost/1.png", "http://gateway.localhost/v1"),
        ("http://models.corp.example/a.png", INHOUSE),
        ("http://MODELS.corp.example:9000/a.png", INHOUSE),
        ("https://elsewhere.example/a.png", INHOUSE),
    ],
)
def test_a_link_that_may_be_fetched_is_given_back_as_it_is(url: str, base_url: str) -> None:
    assert check_link(url, base_url=base_url) == url


@pytest.mark.parametrize(
    ("url", "base_url", "reason"),
    [
        ("", VENDOR, "not an http"),
        ("a.png", VENDOR, "not an http"),
        ("/images/a.png", VENDOR, "not an http"),
        ("//cdn.example/a.png", VENDOR, "not an http"),
        ("https://", VENDOR, "not an http"),
        ("https:///a.png", VENDOR, "not an http"),
        ("https:a.png", VENDOR, "not an http"),
        ("ftp://cdn.example/a.png", VENDOR, "not an http"),
        ("file:///etc/passwd", VENDOR, "not an http"),
        ("file://cdn.example/etc/passwd", LOCAL, "not an http"),
        ("data:image/png;base64,QUJD", VENDOR, "not an http"),
        ("javascript:alert(1)", VENDOR, "not an http"),
        ("https://user@cdn.example/a.png", VENDOR, "credentials"),
        ("https://user:password@cdn.example/a.png", VENDOR, "credentials"),
        ("https://:@cdn.example/a.png", VENDOR, "credentials"),
        ("http://user:password@127.0.0.1:8787/a.png", LOCAL, "credentials"),
        ("http://cdn.example/a.png", VENDOR, "plain http"),
        ("http://apimodels.app/a.png", VENDOR, "plain http"),
        ("http://cdn.example/a.png", LOCAL, "plain http"),
        ("http://cdn.example/a.png", INHOUSE, "plain http"),
        ("http://models.corp.example/a.png", "https://models.corp.example/v1", "plain http"),
        ("https://127.0.0.1/a.png", VENDOR, "this machine"),
        ("http://127.0.0.1:6379/", VENDOR, "this machine"),
        ("https://localhost/a.png", VENDOR, "this machine"),
        ("https://LOCALHOST/a.png", VENDOR, "this machine"),
        ("https://[::1]/a.png", VENDOR, "this machine"),
        ("http://127.0.0.1/a.png", INHOUSE, "this machine"),
        ("https://localhost./a.png", VENDOR, "this machine"),
        ("https://0.0.0.0/a.png", VENDOR, "this machine"),
        ("https://[::]/a.png", VENDOR, "this machine"),
        ("https://[::ffff:127.0.0.1]/a.png", VENDOR, "this machine"),
        ("https://127.1/a.png", VENDOR, "odd way"),
        ("https://127.0.0.1./a.png", VENDOR, "odd way|this machine"),
        ("https://2130706433/a.png", VENDOR, "odd way"),
        ("https://0x7f000001/a.png", VENDOR, "odd way"),
        ("https://0x7f.1/a.png", VENDOR, "odd way"),
        ("https://0177.0.0.1/a.png", VENDOR, "odd way"),
        ("https://127\u30020\u30020\u30021/a.png", VENDOR, "odd way"),
        ("https://\u24db\u24de\u24d2alhost/a.png", VENDOR, "odd way"),
        ("https://cdn.example:99999/a.png", VENDOR, "Port"),
        ("https://cdn.example:port/a.png", VENDOR, "Port"),
        ("https://[::1/a.png", VENDOR, "IPv6"),
    ],
)
def test_a_link_that_may_not_be_fetched_is_refused_with_the_reason(url: str, base_url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_link(url, base_url=base_url)


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("https://other.example/b.png", "https://other.example/b.png"),
        ("//other.example/b.png", "https://other.example/b.png"),
        ("/b.png", "https://cdn.example/b.png"),
        ("b.png?x=1", "https://cdn.example/images/b.png?x=1"),
        ("../b.png", "https://cdn.example/b.png"),
    ],
)
def test_a_redirect_leads_to_a_link_that_may_be_fetched(location: str, leads_to: str) -> None:
    assert next_hop("https://cdn.example/images/a.png", location, base_url=VENDOR) == leads_to


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        (None, "without a Location"),
        ("", "without a Location"),
        ("http://cdn.example/a.png", "plain http"),
        ("https://127.0.0.1/a.png", "this machine"),
        ("//localhost/a.png", "this machine"),
        ("file:///etc/passwd", "not an http"),
        ("https://user:password@cdn.example/", "credentials"),
        ("https://cdn.example:99999/", "Port"),
    ],
)
def test_a_redirect_to_anywhere_else_is_refused_with_the_reason(location: str | None, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        next_hop("https://cdn.example/images/a.png", location, base_url=VENDOR)


# --- file names


@pytest.mark.parametrize(
    ("task_id", "index", "stem"),
    [
        ("clx12_3-4", 0, "clx12_3-4-0"),
        ("x" * 100, 3, "x" * 100 + "-3"),
        ("../../etc/passwd", 1, "______etc_passwd-DIGEST-1"),
        ("a\\b:c*d", 2, "a_b_c_d-DIGEST-2"),
        ("t\x00\r\n", 0, "t___-DIGEST-0"),
        ("task.png", 0, "task_png-DIGEST-0"),
        ("Abc", 0, "Abc-DIGEST-0"),
        ("half a \ud800", 0, "half_a__-DIGEST-0"),
        ("x" * 500, 3, "x" * 87 + "-DIGEST-3"),
        ("a_b-0123456789ab", 0, "a_b-0123456789ab-DIGEST-0"),
    ],
)
def test_a_file_is_named_after_its_task_and_its_place(task_id: str, index: int, stem: str) -> None:
    digest = hashlib.sha256(task_id.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    assert file_stem(task_id, index) == stem.replace("DIGEST", digest)


ALIKE = [
    *(
        "a/b",
        "a_b",
        "a:b",
        "a+b",
        "a\\b",
        "a.b",
        "a\u0301",
        "\u00e1",
        "e\u0301",
        "u\u0308",
        "\u00fc",
        "Abc",
        "abc",
        "ABC",
    ),
    *("x" * 100, "x" * 101, "x" * 102, "x" * 500, "x" * 99 + "y", " abc", "abc ", "\ud800", "\udc00"),
]


def test_two_ids_never_share_a_name_not_even_where_capitals_are_not_told_apart() -> None:
    ids = [*ALIKE, *(file_stem(each, 0).removesuffix("-0") for each in ALIKE)]
    stems = {each: file_stem(each, 0).lower() for each in ids}

    assert len(set(stems.values())) == len(set(ids))


@given(st.lists(st.text(alphabet="aAbB01-_/\u00e9.", min_size=1, max_size=130), unique=True, min_size=2, max_size=20))
def test_no_two_ids_of_a_few_odd_letters_share_a_name(ids: list[str]) -> None:
    assert len({file_stem(each, 0).lower() for each in ids}) == len(ids)


@given(st.text(max_size=200), st.integers(0, 99))
def test_no_id_leads_out_of_the_directory(task_id: str, index: int) -> None:
    stem = file_stem(task_id, index)

    assert (Path("out") / stem).parent == Path("out")
    assert PurePosixPath(stem).parts == PureWindowsPath(stem).parts == (stem,)
    assert stem.isascii()
    assert stem.isprintable()
    assert len(stem) <= 103
    assert "." not in stem
