"""Which links a picture may be fetched from. Pure: no name is resolved."""

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
    """Return `url` if a picture may be fetched from it.

    https is allowed from any host; plain http only from this machine, or from the API's own host if the API itself is
    used over plain http. Only an API on this machine may link to this machine: a remote server must not make the client
    send requests to local services.

    Raises:
        ValueError: the reason why it may not.
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
    ``-``, one that is too long, one with capitals (some file systems ignore case), and one that looks like an id with a
    digest.
    """
    if not re.fullmatch(r"[a-z0-9_-]{1,100}", name) or re.search(_DIGEST, name):
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        name = f"{re.sub('[^A-Za-z0-9_-]', '_', name)[:87]}-{digest}"
    return name
