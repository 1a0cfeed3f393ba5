"""Base64 and ``data:`` URIs as browsers take them (WHATWG Infra, "forgiving-base64 decode"; RFC 2397). Pure."""

import binascii
import re
import string
from typing import NamedTuple
from urllib.parse import unquote, unquote_to_bytes

from apimodels_async._wire.picture_formats import HEAD, PictureFormat, recognise

_ALPHABET = (string.ascii_letters + string.digits + "+/").encode()
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_BLANKS = b" \t\n\r\f\v"
_LEADING = " \t\n\r\f\v\x00\ufeff"
_HEADER = re.compile(r"(?i)data:((?:[^,\"]|\"(?:[^\"\\]|\\.)*\")*+),", re.DOTALL)
_PLAIN_HEADER = re.compile(r"(?i)data:([^,]*),")
_BASE64 = re.compile(r"(?i);\s*base64\s*$")
DEFAULT_MEDIA_TYPE = "text/plain;charset=US-ASCII"
"""The type of a ``data:`` URI that names none (RFC 2397)."""


class DataUri(NamedTuple):
    """A ``data:`` URI taken apart. `media_type` is as written, with its parameters."""

    media_type: str
    data: bytes


def decode_base64(text: str) -> bytes:
    """The bytes that base64 stands for: with or without padding, in either alphabet, with blanks, percent-encoded.

    Raises:
        ValueError: it has other characters, or is cut off.
    """
    if "%" in text:
        text = unquote(text, errors="replace")
    try:
        raw = text.removeprefix("\ufeff").encode("ascii")
    except UnicodeEncodeError as error:
        raise ValueError(f"base64 has no {text[error.start]!r}") from None
    raw = raw.translate(_URL_SAFE, _BLANKS).rstrip(b"=")
    foreign = raw.translate(None, _ALPHABET)
    if foreign:
        raise ValueError(f"base64 has no {chr(foreign[0])!r}")
    if len(raw) % 4 == 1:
        raise ValueError(f"base64 is cut off: it has {len(raw)} characters, which no number of bytes gives")
    return binascii.a2b_base64(raw + b"=" * (-len(raw) % 4))


def is_data_uri(text: str) -> bool:
    """Whether a string is meant as a ``data:`` URI."""
    return text[:64].lstrip(_LEADING)[:5].lower() == "data:"


def parse_data_uri(uri: str) -> DataUri:
    """The media type and the bytes of a ``data:`` URI. A comma inside a quoted parameter does not end its header.

    Raises:
        ValueError: it is no data: URI, or its base64 is broken.
    """
    uri = uri.lstrip(_LEADING)
    header = _HEADER.match(uri) or _PLAIN_HEADER.match(uri)
    if header is None:
        raise ValueError("a data: URI begins with 'data:' and has a comma before its data")
    media_type, data = header[1].strip(), uri[header.end() :]
    encoding = _BASE64.search(media_type)
    if encoding is None:
        return DataUri(media_type or DEFAULT_MEDIA_TYPE, unquote_to_bytes(data))
    data = data.partition("#")[0]  # a fragment is no part of the data, and base64 has no such character
    try:
        return DataUri(media_type[: encoding.start()] or DEFAULT_MEDIA_TYPE, decode_base64(data))
    except ValueError as error:
        raise ValueError(f"the data: URI is broken: {error}") from None


def recognise_base64(text: str) -> PictureFormat | None:
    """The format of a picture that a string holds as plain base64, or ``None``: it is a path, or anything else."""
    start = "".join(unquote(text[: 4 * HEAD]).partition("%")[0].split())  # the last escape may be cut
    try:
        return recognise(decode_base64(start[: len(start) // 4 * 4]))
    except ValueError:
        return None


def to_data_uri(base64: str) -> str:
    """A ``data:`` URI for a file given as base64. Its type is that of its first bytes, if they are a known picture's.

    A string that is a ``data:`` URI already is returned without what is before it.
    """
    if is_data_uri(base64):
        return base64.lstrip(_LEADING)
    known = recognise_base64(base64)
    return f"data:{known.media_type if known else 'application/octet-stream'};base64,{base64}"
