"""The page of a batch as bytes: one HTML file with its style, its script and its rows in it. Pure.

Its Content-Security-Policy allows that style and that script by their hashes, and nothing else: what comes from a
prompt or from a server is data, and nothing is fetched from a network.
"""

import hashlib
import html
import re
from base64 import b64encode
from typing import NamedTuple

from apimodels_async._page.rows import script_json
from apimodels_async._text import visible

MARK = '<meta name="generator" content="apimodels-async batch page">'
"""Tells a page of ours, which may be replaced, from a file of the user's."""
_ROWS = "{{ROWS}}"


class PageSource(NamedTuple):
    """What every page is made from.

    Attributes:
        html: the document, with places for the rest.
        css: its style.
        js: its script.
    """

    html: str
    css: str
    js: str


class Summary(NamedTuple):
    """What the page says of the batch as a whole.

    Attributes:
        title: the name of the batch.
        state: ``running``, ``done`` or ``left``.
        updated: when the page was written, epoch seconds.
    """

    title: str
    state: str
    updated: float


def frame(template: PageSource, summary: Summary) -> tuple[bytes, bytes]:
    """What stands before and after the rows. Each row ends with a comma."""
    values = {
        "MARK": MARK,
        "POLICY": (
            f"default-src 'none'; img-src 'self' data: file:; style-src {_source(template.css)}; "
            f"script-src {_source(template.js)}; base-uri 'none'; form-action 'none'"
        ),
        "TITLE": html.escape(visible(summary.title)),
        "CSS": template.css,
        "JS": template.js,
        "SUMMARY": script_json(summary._asdict()).decode(),
    }
    before, after = (
        re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], part) for part in template.html.split(_ROWS)
    )
    return before.encode(), after.encode()


def _source(text: str) -> str:
    """The source expression of an inline style or script, as a policy has it."""
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
