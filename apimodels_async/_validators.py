"""The checks of a request's fields, each for one kind of value. Pure."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from apimodels_async._arguments import ArgumentError, ArgumentTypeError, check_type
from apimodels_async._text import control_character, is_blank

if TYPE_CHECKING:
    from attrs import Attribute


def check(condition: object, argument: str, value: object, right: str, hint: str = "") -> None:
    if not condition:
        shown = repr(value)
        if len(shown) > 80:
            shown = f"{shown[:77]}…"
        raise ArgumentError(argument, right, value=shown, hint=hint)


# Patterns are compiled on first use, and kept, by `re` itself: an import need not pay for them.
_SURROGATE = "[\ud800-\udfff]"
_WORD = r"[A-Za-z][A-Za-z]+([-_][A-Za-z0-9]+)*"
"""A word as pages use it for a value: ``auto``, ``match_input_image``."""
SIZE = rf"(?a)[1-9]\d{{0,4}}[x*][1-9]\d{{0,4}}|\d{{1,2}}(\.\d{{1,2}})?[Kk]|{_WORD}"
_SIDE = r"(?!0+(\.0+)?(:|$))\d{1,4}(\.\d{1,3})?"
RATIO = rf"(?a){_SIDE}:{_SIDE}|{_WORD}"
RESOLUTION = rf"(?a)\d{{1,2}}(\.\d{{1,2}})?[Kk]|[1-9]\d{{2,4}}p?|{_WORD}"
QUALITY = rf"(?a){_WORD}"
_ELSE = "; another value the server may know goes through extra_body"


URL = r"(?ai)https?://[^\s/?#]+\S*"


def pattern(regex: str, right: str, hint: str = _ELSE) -> Any:
    def validate(_: object, attribute: "Attribute[Any]", value: str | None) -> None:
        if value is not None:
            check_type(value, str, attribute.name, f"give {right}")
            check(re.fullmatch(regex, value), attribute.name, value, f"give {right}", hint)

    return validate


size = pattern(SIZE, 'pixels as "1024x1024", or "2K" or "auto"')
aspect_ratio = pattern(RATIO, 'a ratio as "16:9", or a word as "auto"')
resolution = pattern(RESOLUTION, '"1K", "2K" or "4K", or another one of the model, as "512"')
quality = pattern(QUALITY, "'low', 'medium', 'high', 'auto', or another word of the model")


def callback_url(_: object, __: "Attribute[Any]", value: str | None) -> None:
    if value is not None:
        check_type(value, str, "callback_url", "give an absolute http(s) URL")
        if not re.fullmatch(URL, value):
            raise ArgumentError("callback_url", "give an absolute http(s) URL")  # not quoted: it may hold a token


def one_of(*words: str) -> Any:
    right = "give one of " + ", ".join(map(repr, words))

    def validate(_: object, attribute: "Attribute[Any]", value: str | None) -> None:
        check(value is None or value in words, attribute.name, value, right, _ELSE)

    return validate


def text(_: object, attribute: "Attribute[Any]", value: str | None) -> None:
    if value is not None or attribute.name == "prompt":
        check_text(attribute.name, value)


def check_text(argument: str, value: object) -> None:
    """Refuse what is not text, or empty, or holds what JSON, logs and databases cannot.

    Raises:
        ArgumentTypeError, ArgumentError: naming the argument.
    """
    check_type(value, str, argument, "give text")
    content = str(value)
    check(not is_blank(content), argument, value, "give text that is not empty")
    if not content.isprintable():
        check(not re.search(_SURROGATE, content), argument, value, "give text without lone surrogates")
        control = control_character(content)
        check(control is None, argument, value, f"give text without control characters (it has {control})")


_LARGEST = 256
"""Bits of a whole number: Python writes none of more than 4,300 digits."""


def whole_number(lowest: int | None) -> Any:
    def validate(_: object, attribute: "Attribute[Any]", value: int | None) -> None:
        if value is not None:
            check_type(value, int, attribute.name, "give a whole number")
            if value.bit_length() > _LARGEST:
                raise ArgumentError(attribute.name, f"give a whole number of at most {_LARGEST} bits")
            check(lowest is None or value >= lowest, attribute.name, value, f"give at least {lowest}")

    return validate


_BYTES = (bytes, bytearray, memoryview)
_READERS = ("read", "read_bytes", "open", "save")
"""The methods by which the bytes of a picture can be had, in the order in which they are preferred."""


def picture(_: object, attribute: "Attribute[Any]", value: object) -> None:
    if value is None or isinstance(value, (str, os.PathLike, *_BYTES)):
        return
    if isinstance(value, type) or not any(hasattr(value, name) for name in _READERS):
        raise ArgumentTypeError(
            attribute.name,
            f"is a {type(value).__name__}: give a URL, a data: URI, a path, bytes, a binary file or a Pillow image",
        )


def as_tuple(values: Any) -> Any:
    """A list of the caller's may change later."""
    return tuple(cast("Sequence[object]", values)) if isinstance(values, list) else values


def pictures(self: object, attribute: "Attribute[Any]", values: object) -> None:
    if values is None:
        return
    if isinstance(values, (str, *_BYTES)) or not isinstance(values, Sequence):
        raise ArgumentTypeError("images", "give a list of pictures", hint="; a single one goes to image")
    given = cast("Sequence[object]", values)
    check(given, attribute.name, given, "give at least one picture, or leave it out")
    for each in given:
        picture(self, attribute, each)


def json_mapping(_: object, attribute: "Attribute[Any]", value: object) -> None:
    if value is not None:
        check_type(value, Mapping, attribute.name, "give a mapping of request fields to JSON values")
        try:
            json.dumps(dict(cast("Mapping[object, object]", value)), ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            reason = "it has half of a surrogate pair" if isinstance(error, UnicodeEncodeError) else str(error)
            kind = ArgumentTypeError if isinstance(error, TypeError) else ArgumentError
            raise kind(attribute.name, f"cannot be written as JSON: {reason}") from None
