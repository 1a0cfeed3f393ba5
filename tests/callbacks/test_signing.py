"""URLs that nobody can forge."""

import base64
import hashlib
import hmac
import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimodels_async.callbacks import CallbackSigner, new_intent_id
from apimodels_async.callbacks.signing import intent_id_of, without_tokens
from tests.callbacks.conftest import PUBLIC_URL, SECRETS

keys = st.binary(min_size=16, max_size=64) | st.text(min_size=16)
key_ids = st.from_regex(r"[A-Za-z0-9_~-]{1,64}", fullmatch=True)
intents = st.binary(min_size=16, max_size=16).map(intent_id_of)


def test_the_url_is_made_as_the_specification_says() -> None:
    url = CallbackSigner(PUBLIC_URL, SECRETS).url("0123456789abcdef" * 2)

    digest = hmac.new(SECRETS["k1"], b"cb1\0" + b"0123456789abcdef" * 2, hashlib.sha256).digest()
    token = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert url == f"https://example.com/callbacks/k1/{'0123456789abcdef' * 2}/{token}"


@given(st.dictionaries(key_ids, keys, min_size=1), intents)
def test_what_is_signed_is_verified_by_whoever_has_the_key(secrets: dict[str, Any], intent: str) -> None:
    signer = CallbackSigner(PUBLIC_URL, secrets)
    url = signer.url(intent)

    assert signer.verify(url) == intent
    assert signer.verify(url.removeprefix("https://example.com")) == intent
    only = {signer.signing_key: secrets[signer.signing_key]}
    assert CallbackSigner(PUBLIC_URL, only).verify(url) == intent


@given(keys, intents, st.integers(1, 110), st.integers(1, 255))
def test_a_url_with_one_letter_changed_is_not_verified(key: Any, intent: str, at: int, change: int) -> None:
    signer = CallbackSigner(PUBLIC_URL, {"k1": key})
    path = signer.url(intent).removeprefix("https://example.com")
    at %= len(path)
    changed = path[:at] + chr(ord(path[at]) ^ change) + path[at + 1 :]

    assert signer.place(changed, "").intent_id is None


def test_what_is_no_url_is_not_verified() -> None:
    assert CallbackSigner(PUBLIC_URL, SECRETS).verify("http://[::1") is None


@given(st.text(), st.text())
def test_no_path_upsets_it(path: str, root_path: str) -> None:
    signer = CallbackSigner(PUBLIC_URL, SECRETS)

    assert signer.place(path, root_path).intent_id is None
    assert signer.verify(path) is None


def test_an_unknown_key_id_costs_as_much_as_a_wrong_token(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = 0
    real = hmac.digest

    def counted(*arguments: Any) -> bytes:
        nonlocal digests
        digests += 1
        return real(*arguments)

    signer = CallbackSigner(PUBLIC_URL, SECRETS)
    monkeypatch.setattr(hmac, "digest", counted)
    intent = new_intent_id()
    for path in (f"/callbacks/k1/{intent}/{'A' * 43}", f"/callbacks/k2/{intent}/{'A' * 43}", "/", f"/x/k1/{intent}/"):
        digests = 0
        assert signer.verify(path) is None
        assert digests == 1


def test_a_key_that_is_not_there_is_not_the_one_that_stands_in_for_it() -> None:
    signer = CallbackSigner(PUBLIC_URL, SECRETS)
    of_zeros = CallbackSigner(PUBLIC_URL, {"k2": b"\0" * 32})

    assert signer.verify(of_zeros.url(new_intent_id())) is None


def test_the_last_key_signs_unless_another_is_named() -> None:
    secrets = {"old": "0123456789abcdef", "new": "fedcba9876543210"}

    assert CallbackSigner(PUBLIC_URL, secrets).signing_key == "new"
    assert "/old/" in CallbackSigner(PUBLIC_URL, secrets, signing_key="old").url(new_intent_id())
    with pytest.raises(ValueError, match="signing_key='other'"):
        CallbackSigner(PUBLIC_URL, secrets, signing_key="other")


def test_intent_ids_are_128_bits_that_never_come_twice() -> None:
    made = {new_intent_id() for _ in range(1000)}

    assert len(made) == 1000
    assert {len(bytes.fromhex(each)) for each in made} == {16}


@pytest.mark.parametrize("intent", ["", "a", "g" * 32, "A" * 32, "0" * 33, f"{'0' * 32}\n"])
def test_only_an_intent_id_is_signed(intent: str) -> None:
    with pytest.raises(ValueError, match="intent_id"):
        CallbackSigner(PUBLIC_URL, SECRETS).url(intent)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/callbacks",
        "ftp://example.com",
        "https://",
        "https:///callbacks",
        "https://user:canary@example.com/",
        "https://example.com/?canary=1",
        "https://example.com/#canary",
        "https://example.com/a b",
        "https://example.com/\n",
        "https://exämple.com/",
        "http://[::1",
        "https://example.com:port/",
    ],
)
def test_a_bad_public_url_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ValueError, match="public_url") as caught:
        CallbackSigner(url, SECRETS)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8788", "http://localhost/cb/", "http://[::1]:80", "https://a.b/c"])
def test_loopback_may_be_plain_http_and_a_last_slash_is_none(url: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        signer = CallbackSigner(url, SECRETS)
    intent = new_intent_id()
    assert signer.url(intent).startswith(url.rstrip("/") + "/k1/")
    assert signer.verify(signer.url(intent)) == intent


def test_plain_http_over_a_network_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="plain http to example.com"):
        CallbackSigner("http://example.com/callbacks", SECRETS)


def test_letters_that_are_escaped_in_the_public_url_are_found_again() -> None:
    signer = CallbackSigner("https://example.com/call%20backs", SECRETS)
    intent = new_intent_id()

    assert signer.verify(signer.url(intent)) == intent
    assert signer.place(signer.url(intent).removeprefix("https://example.com").replace("%20", " "), "").intent_id


@pytest.mark.parametrize(
    ("secrets", "words"),
    [
        ({}, "give a mapping"),
        (None, "give a mapping"),
        ([("k1", "0123456789abcdef")], "give a mapping"),
        ({"": "0123456789abcdef"}, "a key id"),
        ({"a/b": "0123456789abcdef"}, "a key id"),
        ({"a b": "0123456789abcdef"}, "a key id"),
        ({"é": "0123456789abcdef"}, "a key id"),
        ({"..": "0123456789abcdef"}, "a key id"),
        ({"k" * 65: "0123456789abcdef"}, "a key id"),
        ({1: "0123456789abcdef"}, "a key id"),
        ({"k1": "0123456789abcde"}, "shorter than 16 bytes"),
        ({"k1": b""}, "shorter than 16 bytes"),
    ],
)
def test_bad_keys_and_bad_ids_are_refused(secrets: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        CallbackSigner(PUBLIC_URL, secrets)


@pytest.mark.parametrize("key", [None, 1234567890123456, ["0123456789abcdef"]])
def test_a_key_of_another_type_is_a_type_error(key: Any) -> None:
    with pytest.raises(TypeError, match="'k1'"):
        CallbackSigner(PUBLIC_URL, {"k1": key})


def test_a_public_url_of_another_type_is_a_type_error() -> None:
    url: Any = b"https://example.com"
    with pytest.raises(TypeError, match="public_url"):
        CallbackSigner(url, SECRETS)


def test_no_repr_shows_a_key() -> None:
    signer = CallbackSigner(PUBLIC_URL, {"k1": "canary-0123456789"})

    assert "canary" not in repr(signer) + repr(vars(signer))
    assert "k1" in repr(signer)


@given(intents)
def test_tokens_are_taken_out_of_texts(intent: str) -> None:
    url = CallbackSigner(PUBLIC_URL, SECRETS).url(intent)

    assert without_tokens(f'"POST {url} HTTP/1.1" 200') == f'"POST {PUBLIC_URL}/k1/{intent}/… HTTP/1.1" 200'
