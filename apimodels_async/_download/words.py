"""What a host of pictures says when it refuses: its own words out of an XML, HTML, JSON or text body. Pure."""

import html
import re

_MARKED = re.compile(
    rb"<(?:Message|title|h1)[^>]*>\s*+(.+?)</|\"(?:message|error|msg|detail)\"\s*:\s*\"((?:[^\"\\]|\\.)+)\"",
    re.IGNORECASE | re.DOTALL,
)
READ = 4096
"""Bytes of a refusal that are read for its words."""
_SHOWN = 200
"""Characters of them that are shown."""


def words_of(body: bytes) -> str:
    """The reason that a refusal gives, on one line; empty if it gives none.

    Storage services answer ``<Message>Access Denied</Message>``, web servers ``<title>404 Not Found</title>``.
    """
    marked = _MARKED.search(body)
    found = body
    if marked is not None:
        found = marked[1] or marked[2]
    elif body.lstrip()[:1] in (b"<", b"{", b"["):
        found = b""
    text = " ".join(html.unescape(found.decode("utf-8", "replace")).split())
    return text[:_SHOWN] if text.isprintable() else ""
