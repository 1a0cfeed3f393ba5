"""One check of an absolute http(s) URL, and which hosts are this machine. Pure: nothing is looked up."""

import ipaddress
import re
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from apimodels_async.catalogue import SERVER_ALIASES
from apimodels_async.errors import ConfigurationError

_PRINTABLE = "[!-~]+"
_NUMBER = r"(?a)(.*\.)?(\d+|0x[0-9a-f]*)\.?"


def split_http_url(url: str) -> SplitResult:
    """The parts of an absolute http(s) URL.

    Raises:
        ValueError: it is relative, has another scheme, no host, an impossible port, or is not printable ASCII. It is
            not quoted, because it may hold a password or a token.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("not an absolute http(s) URL") from None
    if parts.scheme not in ("http", "https") or not host or not re.fullmatch(_PRINTABLE, url):
        raise ValueError("not an absolute http(s) URL")
    return parts


def check_endpoint(url: str, argument: str, *, example: str, credentials: str) -> SplitResult:
    """Check a URL that paths are appended to: absolute http(s), without credentials, a query or a fragment.

    Args:
        url: the URL.
        argument: its name in messages.
        example: a right one.
        credentials: what to say about credentials in it.

    Raises:
        ValueError: why it cannot be used. The URL is not quoted.
    """
    try:
        parts = split_http_url(url)
    except ValueError:
        raise ValueError(f"{argument}: give an absolute http(s) URL, such as {example}") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"{argument}: a URL with credentials in it is refused; {credentials}")
    if "?" in url or "#" in url:
        raise ValueError(f"{argument}: give the URL without a query or a fragment, such as {example}")
    return parts


def exposed_host(parts: SplitResult) -> str | None:
    """The host of a plain http URL that is not this machine: what is sent there travels unprotected."""
    host = parts.hostname or ""
    return host if parts.scheme == "http" and not is_loopback(host) else None


def is_loopback(host: str) -> bool:
    """Whether a URL's host is this machine, by name or by address."""
    host = host.removesuffix(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    plain = getattr(address, "ipv4_mapped", None) or address
    return plain.is_loopback or plain.is_unspecified  # a connection to 0.0.0.0 ends here as well


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
    """Return `url` if a picture may be fetched from it, or sent to it.

    https is allowed from any host; plain http only from this machine, or from the API's own host if the API itself is
    used over plain http. Only an API on this machine may link to this machine: a remote server must not make the client
    send requests to local services.

    Raises:
        ValueError: the reason why it may not.
    """
    parts = urlsplit(url)
    _check_host(parts.scheme, parts.netloc, base_url)
    return url


@lru_cache(256)  # the links of a server lead to few hosts
def _check_host(scheme: str, netloc: str, base_url: str) -> None:
    api, parts = urlsplit(base_url), SplitResult(scheme, netloc, "", "", "")
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


_DEFAULT_PORTS = {"http": 80, "https": 443}


def server_identity(base_url: str) -> str:
    """Which service a base URL leads to: its origin and path in one spelling, and one name for the vendor's aliases.

    Raises:
        ValueError: it is not an absolute http(s) URL.
    """
    parts = split_http_url(base_url)
    address = f"{origin(parts)}{parts.path.rstrip('/')}"
    return SERVER_ALIASES.get(address, address)


def origin(parts: SplitResult) -> str:
    """Scheme, host and port of a URL, in lower case and without a default port."""
    host = (parts.hostname or "").removesuffix(".")
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def database_url(text: str, what: str) -> str | None:
    """The URL if `text` is that of a PostgreSQL database; ``None`` if it is a path.

    Args:
        text: a path or URL.
        what: its name, for the message.

    Raises:
        ConfigurationError: it is another URL. Taken for a path, it would be the name of a new and empty file.
    """
    found = _SCHEME.match(text)
    if found is None:
        return None
    if found[1].lower() not in {"postgresql", "postgres"}:
        raise ConfigurationError(
            f"{what} {found[0]}…: give the path of a file, or a URL that begins with postgresql://"
        )
    return text
