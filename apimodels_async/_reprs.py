"""Reprs of values: safe for objects that are half made, short for pictures, and silent about tokens."""

import re
from collections.abc import Sequence
from typing import Any, cast

from attrs import NOTHING, AttrsInstance, fields


def safe_repr(self: Any) -> str:
    """The repr of an attrs object. Fields that are not set yet are left out; a value whose repr raises is named."""
    shown: list[str] = []
    for each in fields(cast("type[AttrsInstance]", type(self))):
        value = getattr(self, each.name, NOTHING)
        if each.repr is False or value is NOTHING:
            continue
        try:
            text = each.repr(value) if callable(each.repr) else repr(value)
        except Exception as error:  # noqa: BLE001  (of a caller's object)
            text = f"<{type(value).__name__}: its repr raises {type(error).__name__}>"
        shown.append(f"{each.name}={text}")
    return f"{type(self).__name__}({', '.join(shown)})"


def shorten_links(urls: Sequence[str]) -> str:
    """A data: URI is a whole picture; it does not belong in a log."""
    return repr(tuple(map(shorten_link, urls)))


def shorten_link(url: str) -> str:
    """A link, or what it is if it is long or holds a picture."""
    return url if len(url) <= 200 and url[:5].lower() != "data:" else f"{url[:22]}…({len(url)} characters)"


def brief(value: object) -> str:
    """A picture in a repr: what it is, not what is in it."""
    match value:
        case bytes() | bytearray():
            return f"<{len(value)} bytes>"
        case str():
            return shorten_links((value,))[1:-2]
        case memoryview():
            return f"<{value.nbytes} bytes>"
        case Sequence():
            return f"[{', '.join(map(brief, cast('Sequence[object]', value)))}]"
        case _:
            return repr(value)


def origin_of(url: str | None) -> str:
    """A callback URL without its path, which may hold a token."""
    found = None if url is None else re.match(r"(\w+://)(?:[^/?#]*@)?([^/?#]*)", url)
    return repr(url) if found is None else repr(f"{found[1]}{found[2]}/…")
