"""Rules about text: what can be seen of it, and how much of it is shown. Pure."""

import re
import unicodedata

CONTROL = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)"
"""A control character that no prompt contains: all but tab and line end."""
_BLANK_SYMBOLS = frozenset("\t\n\v\f\r\u034f\u115f\u1160\u2800\u3164\uffa0") | frozenset(
    map(chr, range(0xFE00, 0xFE10))
)
"""White space, and characters that Unicode counts as letters, symbols and marks, and that have no shape."""
_INVISIBLE = frozenset({"Cf", "Zl", "Zp", "Zs"})
"""The categories of format characters and of white space."""

_SHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Control characters, half surrogates, and characters that would change the direction of the text around them."""


def is_blank(text: str) -> bool:
    """Whether there is nothing to be seen: no text at all, white space, zero-width characters, a byte order mark."""
    if "!" <= text[:1] <= "~":
        return False  # most texts: their first character is a sign of ASCII
    return all(unicodedata.category(each) in _INVISIBLE or each in _BLANK_SYMBOLS for each in text)


def control_character(text: str) -> str | None:
    """The first control character as ``U+0000``, and where it is; ``None`` if there is none."""
    found = re.search(CONTROL, text)
    return None if found is None else f"U+{ord(found[0]):04X} at character {found.start() + 1}"


def visible(text: str) -> str:
    r"""`text` with what cannot be seen or would rearrange it written as escapes, such as ``\u202e``.

    Tabs and line ends stay, and so do the marks that Arabic and Hebrew need. The result can be encoded.
    """
    return _SHOWN.sub(lambda found: f"\\u{ord(found[0]):04x}", text.replace("\r\n", "\n"))


def shorten(text: str, longest: int = 80) -> str:
    """`text`, or its beginning and its length if it is longer."""
    return text if len(text) <= longest else f"{text[: longest - 20]}…({len(text)} characters)"


def printable(text: str) -> str:
    """A server's words without anything that a terminal or a log file would obey.

    `text` with every character that cannot be seen escaped, as Python writes it: line breaks, ESC, directions.
    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def storable(text: str) -> str:
    """A server's text without what PostgreSQL refuses, and with it the whole transaction."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
