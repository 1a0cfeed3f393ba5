"""The API key in what a server or a library says: it may quote the request, and errors carry its words."""

import re
from functools import cached_property

from apimodels_async._secret import Secret

PLACEHOLDER = "[API key]"
_SHORTEST = 8
"""Nothing shorter is a key, and its letters might stand in the names of fields."""
_SIGNS_OF_ANOTHER_SPELLING = (b"\\", b"\x00", b"%", b"&#", b";#")

_SLASHES = r"(?<!\\)\\++"
"""A run of backslashes, as a whole: to look at each of a million as a beginning would take half an hour."""
_AMPERSANDS = r"&(?:(?:amp|#0*38|#[xX]0*26);)*"
"""What is written for an ampersand that was written for one."""


def _either_case(hexadecimal: str) -> str:
    return "".join(f"[{each}{each.upper()}]" if each.isalpha() else each for each in hexadecimal)


def _spellings(letter: str) -> str:
    """A pattern for a letter as it is, and as JSON, Python, URLs and HTML may write it, once or several times."""
    code = _either_case(f"{ord(letter):02x}")
    in_code = rf"{_SLASHES}(?:u00{code}|x{code}|u\{{0*{code}\}})"
    return rf"(?:{re.escape(letter)}|{in_code}|%(?:25)*{code}|{_AMPERSANDS}#(?:0*{ord(letter)}|[xX]0*{code});?)"


class Redactor:
    """Replaces a key, in every spelling.

    Patterns hold the key, so they are secrets as well: no traceback that shows locals shows them.
    """

    def __init__(self, key: Secret[str]) -> None:
        self._key = key
        self.works: bool = len(key.reveal()) >= _SHORTEST

    @cached_property
    def _patterns(self) -> Secret[tuple[re.Pattern[str], re.Pattern[bytes]]]:
        # Between the letters: the other halves of UTF-16 and UTF-32, also as Python writes them.
        pattern = rf"(?:\x00|{_SLASHES}(?:x00|u0000))*".join(map(_spellings, self._key.reveal()))
        return Secret((re.compile(pattern), re.compile(pattern.encode())))

    def plain(self, content: bytes, encoding: str = "utf-8") -> bytes:
        """A long body without the key as it is in this encoding."""
        if not self.works:
            return content
        return content.replace(self._key.reveal().encode(encoding), PLACEHOLDER.encode(encoding))

    def body(self, content: bytes) -> bytes:
        """A body without the key."""
        if not self.works:
            return content
        content = self.plain(content)
        if not any(sign in content for sign in _SIGNS_OF_ANOTHER_SPELLING):
            return content
        return self._patterns.reveal()[1].sub(PLACEHOLDER.encode(), content)

    def text(self, words: str) -> str:
        """Words without the key."""
        return self._patterns.reveal()[0].sub(PLACEHOLDER, words) if self.works else words
