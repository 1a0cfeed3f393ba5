"""Base64 and data: URIs as browsers take them."""

import base64
import re
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimodels_async._wire.data_uris import (
    DEFAULT_MEDIA_TYPE,
    DataUri,
    decode_base64,
    is_data_uri,
    parse_data_uri,
    recognise_base64,
    to_data_uri,
)
from apimodels_async._wire.picture_formats import PictureFormat

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) + b"\xfb\xff\xfe\xbf"


def plain(data: bytes) -> str:
    return base64.b64encode(data).decode()


FORMS: dict[str, Callable[[bytes], str]] = {
    "plain": plain,
    "without padding": lambda data: plain(data).rstrip("="),
    "url-safe": lambda data: base64.urlsafe_b64encode(data).decode(),
    "url-safe without padding": lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="),
    "in lines": lambda data: base64.encodebytes(data).decode(),
    "in lines of Windows": lambda data: base64.encodebytes(data).decode().replace("\n", "\r\n"),
    "with blanks": lambda data: " \t" + " ".join(plain(data)) + "\f\n",
    "percent-encoded": lambda data: quote(plain(data), safe=""),
    "with a byte order mark": lambda data: "\ufeff" + plain(data),
}


@pytest.mark.parametrize("form", FORMS)
@given(data=st.binary(max_size=200))
def test_every_form_of_base64_gives_the_same_bytes(form: str, data: bytes) -> None:
    assert decode_base64(FORMS[form](data)) == data
    assert parse_data_uri("data:image/png;base64," + FORMS[form](data)).data == data


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("@@@@", "base64 has no '@'"),
        ("QUJ!", "base64 has no '!'"),
        ("QUJDé", "base64 has no 'é'"),
        ("QU=J", "base64 has no '='"),
        ("QUJDR", "base64 is cut off: it has 5 characters"),
        ("QUJD%FF", "base64 has no '\ufffd'"),
        ("\ud83d", "base64 has no '\\ud83d'"),
    ],
)
def test_what_is_not_base64_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        decode_base64(text)
    with pytest.raises(ValueError, match=re.escape("the data: URI is broken: " + reason)):
        parse_data_uri("data:;base64," + text)


@pytest.mark.parametrize(
    ("header", "media_type"),
    [
        ("data:image/png;base64,", "image/png"),
        ("DATA:image/png;BASE64,", "image/png"),
        (" \r\n\tdata:image/png;base64,", "image/png"),
        ("\ufeffdata:image/png;base64,", "image/png"),
        ("data:image/png; base64 ,", "image/png"),
        ("data:;base64,", DEFAULT_MEDIA_TYPE),
        ('data:image/png;name="a,b.png";base64,', 'image/png;name="a,b.png"'),
        ('data:image/png;name="a\\",b";base64,', 'image/png;name="a\\",b"'),
        ('data:image/png;name="a;base64,', 'image/png;name="a'),  # a quote that is not closed protects no comma
    ],
)
def test_the_header_of_a_data_uri_is_read_as_browsers_do(header: str, media_type: str) -> None:
    assert is_data_uri(header)
    assert parse_data_uri(header + plain(PNG)) == DataUri(media_type, PNG)


def test_a_fragment_is_no_part_of_base64_data() -> None:
    assert parse_data_uri(f"data:image/png;base64,{plain(PNG)}#page=1").data == PNG


def test_data_that_are_not_base64_are_percent_decoded() -> None:
    uri = "data:image/svg+xml;charset=utf-8,%3Csvg%20xmlns='http://www.w3.org/2000/svg'/%3E"
    assert parse_data_uri(uri) == ("image/svg+xml;charset=utf-8", b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    assert parse_data_uri("data:,a,b") == (DEFAULT_MEDIA_TYPE, b"a,b")


@given(st.binary(max_size=100))
def test_any_bytes_can_be_percent_encoded(data: bytes) -> None:
    assert parse_data_uri("data:application/octet-stream," + quote(data)).data == data


@given(st.text(max_size=60))
def test_any_text_is_a_data_uri_or_a_value_error(text: str) -> None:
    for uri in (text, "data:" + text, "data:;base64," + text, 'data:x="' + text):
        try:
            parsed = parse_data_uri(uri)
        except ValueError:
            continue
        assert is_data_uri(uri)
        assert isinstance(parsed.data, bytes)


@pytest.mark.parametrize("text", ["data", "datax:,", "image/png;base64,AAAA", "", "http://a/data:,"])
def test_other_strings_are_no_data_uris(text: str) -> None:
    assert not is_data_uri(text)
    with pytest.raises(ValueError, match="begins with 'data:'"):
        parse_data_uri(text)


@pytest.mark.parametrize("form", FORMS)
def test_the_picture_in_plain_base64_is_recognised(form: str) -> None:
    assert recognise_base64(FORMS[form](PNG)) == PictureFormat.PNG


@pytest.mark.parametrize(
    "text", ["", "picture.png", "/home/someone/pictures/a.png", "C:\\a.png", "s3://bucket/a.png", "~/x.png", "QUJDREVG"]
)
def test_a_path_is_not_taken_for_base64(text: str) -> None:
    assert recognise_base64(text) is None


# --- results that come as base64


@pytest.mark.parametrize("form", FORMS)
def test_a_result_in_any_form_of_base64_becomes_a_data_uri_of_its_type(form: str) -> None:
    uri = to_data_uri(FORMS[form](PNG))

    assert uri.startswith("data:image/png;base64,")
    assert parse_data_uri(uri).data == PNG


def test_a_result_of_an_unknown_type_is_octets() -> None:
    for text in (plain(b"what is this"), "A", "\u00e9", "\ud800"):
        assert to_data_uri(text) == f"data:application/octet-stream;base64,{text}"


@pytest.mark.parametrize("before", ["", " ", "\ufeff", "\r\n"])
def test_a_result_that_is_a_data_uri_already_stays_one(before: str) -> None:
    assert to_data_uri(f"{before}data:image/png;base64,QUJD") == "data:image/png;base64,QUJD"
