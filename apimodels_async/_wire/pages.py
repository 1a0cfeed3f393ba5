"""What stands on the page that a proxy sends in place of the API's JSON. Pure."""

import html
import re
from http import HTTPStatus

_LOOKED_AT = 4096
_LONGEST = 200


def title(text: str) -> str:
    """The title of an HTML page, or its first heading; empty where there is neither."""
    text = text[:_LOOKED_AT]
    for tag in ("title", "h1"):
        found = re.search(rf"(?is)<{tag}\b[^>]*>(.*?)</{tag}\s*>", text)
        words = "" if found is None else " ".join(html.unescape(re.sub(r"<[^>]*>", " ", found[1])).split())
        if words:
            return words[:_LONGEST]
    return ""


def phrase(status: int) -> str:
    """What a status says by itself, such as ``Bad Gateway``."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no reason given"


def origin(text: str, server: str) -> str:
    """What an answer without JSON is, and which server sent it."""
    kind = "JSON" if text.lstrip()[:1] == "{" else "text"
    kind = "an HTML page" if re.search(r"(?i)<(!doctype html|html|head|title|body|h1)\b", text[:_LOOKED_AT]) else kind
    kind = kind if text.strip() else "an empty answer"
    return f"{kind}{f' by {server[:_LONGEST]}' if server else ''}, not the API's answer"
