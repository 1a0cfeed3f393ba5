"""Which links a picture may be fetched from. Pure: no name is resolved."""

import hashlib
import re
from urllib.parse import urljoin

from apimodels_async._urls import check_link

MAX_REDIRECTS = 3


_DIGEST = r"-[0-9a-f]{12}$"


def next_hop(url: str, location: str | None, *, base_url: str) -> str:
    """Return the target of a redirect if a picture may be fetched from it.

    Raises:
        ValueError: the reason why it may not.
    """
    if not location:
        raise ValueError("a redirect without a Location")
    return check_link(urljoin(url, location), base_url=base_url)


def file_stem(name: str, index: int) -> str:
    """Return a file name without suffix that is unique to one picture: the task id and the picture's index."""
    return f"{safe_id(name)}-{index}"


def safe_id(name: str) -> str:
    """Return an id as a part of a file name, so that two ids never share one.

    An id that is not safe as a file name gets a digest: one with characters other than letters, digits, ``_`` and
    ``-``, one that begins with ``-`` (to a command, that is an option), one that is too long, one with capitals (some
    file systems ignore case), and one that looks like an id with a digest.
    """
    if not re.fullmatch(r"[a-z0-9_][a-z0-9_-]{0,99}", name) or re.search(_DIGEST, name):
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        name = f"{re.sub('^-|[^A-Za-z0-9_-]', '_', name)[:87]}-{digest}"
    return name
