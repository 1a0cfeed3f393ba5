"""The API key in what a server or a library says: it may quote the request, and errors carry its words."""

import base64
import re
from collections.abc import Iterator
from functools import cached_property

from apimodels_async._secret import Secret

PLACEHOLDER = "[API key]"
_SHORTEST = 8
"""Nothing shorter is a key, and its letters might stand in the names of fields."""
_SIGNS_OF_ANOTHER_SPELLING = re.compile(rb"[\\\x00%]|[&;]#|&(?:lowbar|hyphen);")
_THEIR_BYTES = b"\\\0%&;"
"""Every other spelling has one of them. To look for these takes a tenth of the time."""
_LOWER = bytes(range(256)).lower()
_SPACE = bytes(range(256)).translate(None, b"".join(bytes(range(256)).split()))

_SLASHES = r"(?<!\\)\\++"
"""A run of backslashes, as a whole: to look at each of a million as a beginning would take half an hour."""
_AMPERSANDS = r"&(?:(?:amp|#0*38|#[xX]0*26);)*"
"""What is written for an ampersand that was written for one."""


def _either_case(hexadecimal: str) -> str:
    return "".join(f"[{each}{each.upper()}]" if each.isalpha() else each for each in hexadecimal)


_BETWEEN = rf"(?:\x00|\s|{_SLASHES}(?:x00|u0000|[nrt]))*"
"""Between the letters: the other halves of UTF-16 and UTF-32, also as Python writes them, and the ends of lines."""
_BETWEEN_CODES = r"[\s:,;-]{0,2}(?:0[xX])?"
_NAMES = {"_": "lowbar|UnderBar", "-": "hyphen|dash", ".": "period"}
"""What HTML calls the signs that keys may have."""


def _spellings(letter: str) -> str:
    """A pattern for a letter in either case, and as JSON, Python, URLs and HTML may write it, once or several times."""
    code = _either_case(f"{ord(letter):02x}")
    in_code = rf"{_SLASHES}(?:u00{code}|x{code}|u\{{0*{code}\}}|0?{ord(letter):03o})"
    reference = rf"#(?:0*{ord(letter)}|[xX]0*{code});?" + (f"|(?:{_NAMES[letter]});" if letter in _NAMES else "")
    plain = "".join(map(re.escape, sorted({letter.lower(), letter.upper()})))
    return rf"(?:[{plain}]|{in_code}|%(?:25)*{code}|{_AMPERSANDS}(?:{reference}))"


def _as_base64(key: bytes) -> Iterator[str]:
    """Patterns for the key inside of base64, of both alphabets: it may begin at any byte of three."""
    for before in range(3):
        whole = (before + len(key)) * 8 // 6  # what comes behind it changes the rest
        text = base64.b64encode(bytes(before) + key).decode()[(before * 8 + 5) // 6 : whole]
        yield "".join({"+": "[+-]", "/": "[/_]"}.get(sign, sign) for sign in text)


class Redactor:
    """Replaces a key, in every spelling.

    Patterns hold the key, so they are secrets as well: no traceback that shows locals shows them.
    """

    def __init__(self, key: Secret[str]) -> None:
        self._key = key
        self.works: bool = len(key.reveal()) >= _SHORTEST

    @cached_property
    def _patterns(self) -> Secret[tuple[re.Pattern[str], re.Pattern[bytes]]]:
        return _compiled(_BETWEEN.join(map(_spellings, self._key.reveal())))

    @cached_property
    def _codes(self) -> tuple[Secret[tuple[re.Pattern[str], re.Pattern[bytes]]], ...]:
        # Not in one pattern: one that begins with a letter is found at a tenth of the time.
        key = self._key.reveal().encode()
        hexadecimal = _BETWEEN_CODES.join(_either_case(f"{each:02x}") for each in key)
        return tuple(map(_compiled, [hexadecimal, *_as_base64(key)]))

    @cached_property
    def _folded(self) -> Secret[bytes]:
        return Secret(self._key.reveal().encode().translate(_LOWER, _SPACE))

    def plain(self, content: bytes, encoding: str = "utf-8") -> bytes:
        """A long body without the key as it is in this encoding."""
        if not self.works:
            return content
        return content.replace(self._key.reveal().encode(encoding), PLACEHOLDER.encode(encoding))

    def body(self, content: bytes) -> bytes:
        """A body without the key."""
        if not self.works:
            return content
        for code in self._codes:
            if (pattern := code.reveal()[1]).search(content) is not None:
                content = pattern.sub(PLACEHOLDER.encode(), content)
        if not self._is_in(content):
            return content
        return self._patterns.reveal()[1].sub(PLACEHOLDER.encode(), self.plain(content))

    def _is_in(self, content: bytes) -> bool:
        """Whether the key may be in it, in any spelling but a code."""
        if self._folded.reveal() in content.translate(_LOWER, _SPACE):
            return True
        some = len(content.translate(None, _THEIR_BYTES)) != len(content)
        return some and _SIGNS_OF_ANOTHER_SPELLING.search(content) is not None

    def text(self, words: str) -> str:
        """Words without the key."""
        if not self.works:
            return words
        if words.isascii():
            return self.body(words.encode()).decode()
        for code in self._codes:
            words = code.reveal()[0].sub(PLACEHOLDER, words)
        return self._patterns.reveal()[0].sub(PLACEHOLDER, words)


def _compiled(pattern: str) -> Secret[tuple[re.Pattern[str], re.Pattern[bytes]]]:
    return Secret((re.compile(pattern), re.compile(pattern.encode())))
