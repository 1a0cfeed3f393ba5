"""Which links a picture may be fetched from. Pure: nothing is looked up."""

import hashlib
import ipaddress
import re
from urllib.parse import urljoin, urlsplit

from apimodels_async._urls import is_loopback

MAX_REDIRECTS = 3


_DIGEST = r"-[0-9a-f]{12}$"
_NUMBER = r"(?a)(.*\.)?(\d+|0x[0-9a-f]*)\.?"


def _is_odd(host: str) -> bool:
    """Whether a resolver may read an address in `host` that `is_loopback` does not see: 127.1, 0x7f000001."""
    if not host.isascii():
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return re.fullmatch(_NUMBER, host) is not None
    return False


def check_link(url: str, *, base_url: str) -> str:
    """`url`, if a picture may be fetched from it.

    https anywhere; plain http only from this machine or from the API's own host where the API itself is used
    over plain http. This machine may be named only by an API that runs on it: a server elsewhere must not make
    us knock at our own doors.

    Raises:
        ValueError: why it may not.
    """
    api = urlsplit(base_url)
    parts = urlsplit(url)
    host, _ = parts.hostname, parts.port
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("not an http(s) link")
    if _is_odd(host):
        raise ValueError("a link whose host is written in an odd way")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a link with credentials in it")
    if is_loopback(host) and not is_loopback(api.hostname or ""):
        raise ValueError("a link to this machine from a server elsewhere")
    if parts.scheme == "http" and not is_loopback(host) and not (api.scheme == "http" and host == api.hostname):
        raise ValueError("a plain http link")
    return url


def next_hop(url: str, location: str | None, *, base_url: str) -> str:
    """Where a redirect leads, if a picture may be fetched from there.

    Raises:
        ValueError: why it may not.
    """
    if not location:
        raise ValueError("a redirect without a Location")
    return check_link(urljoin(url, location), base_url=base_url)


def file_stem(task_id: str | None, fallback: str, index: int) -> str:
    """A file name without suffix that belongs to one picture alone: the task id and the picture's index.

    An id that cannot be a file name as it is gets a digest, so that two ids never share a name: one with other
    characters than letters, digits, ``_`` and ``-``, one that is too long, one with capitals (some file systems do not
    tell them apart), and one that could be taken for an id with a digest. `fallback` names a picture of no task.
    """
    name = task_id or fallback
    if not re.fullmatch(r"[a-z0-9_-]{1,100}", name) or re.search(_DIGEST, name):
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        name = f"{re.sub('[^A-Za-z0-9_-]', '_', name)[:87]}-{digest}"
    return f"{name}-{index}"
