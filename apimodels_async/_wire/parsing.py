"""JSON of the API, within bounds: what a hostile answer may cost in time and memory. Pure."""

import json
from typing import Any, cast

MOST_VALUES = 200_000
"""Commas and brackets in one answer. Twenty million empty lists would take half a minute to be read."""
MOST_ESCAPES = 2_000_000
"""Backslashes in one answer. Base64 of 64 MB has a million, where each of its slashes is escaped; ten million hold up
all threads for a second."""
_FEW = 1 << 16


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object that a body is; an empty one where it is anything else, or has far too many values or escapes."""
    if len(body) > _FEW and (
        sum(body.count(sign) for sign in (b",", b"[", b"{")) > MOST_VALUES or body.count(b"\\") > MOST_ESCAPES
    ):
        return {}
    try:
        # Most begin so, and to ask json takes as long as to decode.
        begins_plainly = body[:1] == b"{" and b"\0" not in body[:4]
        encoding = "utf-8" if begins_plainly else json.detect_encoding(body)
    except ValueError:
        return {}
    try:
        text = body.decode(encoding, "surrogatepass")
    except ValueError:  # a text in it is in another encoding: the rest can be read all the same
        text = body.decode(encoding, "replace")
    del body  # as large as the values, which are made now
    payload = _parsed(text)
    return cast("dict[str, Any]", payload) if isinstance(payload, dict) else {}


def json_value(text: str) -> object:
    """The value that a text of JSON inside of JSON is, or ``None`` where it is anything else, or too much."""
    if len(text) > _FEW and sum(text.count(sign) for sign in ",[{") > MOST_VALUES:
        return None
    return _parsed(text)


def _parsed(text: str) -> object:
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        pass
    try:
        return _TOLERANT.decode(text)
    except (ValueError, RecursionError):
        return None


def _nothing(_: str) -> None:
    """``NaN`` and its like are not JSON, and say nothing."""


def _whole(digits: str) -> int | str:
    """A whole number; a text where it has more digits than Python, and others that read it again, may take."""
    return int(digits) if len(digits) <= _DIGITS else digits


_DIGITS = 1000
_DECODER = json.JSONDecoder(parse_constant=_nothing)  # `json.loads` would make one for each answer
_TOLERANT = json.JSONDecoder(parse_constant=_nothing, parse_int=_whole, strict=False)
"""It takes line ends inside of texts, and numbers of any length: a task may stand beside them that is paid for."""
