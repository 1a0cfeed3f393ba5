"""Which proxy a URL is reached through, as the environment says. Pure: the environment comes in as an argument."""

import ipaddress
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from apimodels_async._urls import is_loopback
from apimodels_async.errors import ConfigurationError

SCHEMES = ("http", "https", "socks5", "socks5h")


class Proxy(NamedTuple):
    """A proxy.

    Attributes:
        url: with a scheme; it may hold a password.
        variable: the environment variable that names it.
    """

    url: str
    variable: str

    @property
    def is_socks(self) -> bool:
        """Whether it needs the extra `socks`."""
        return self.url.startswith("socks")

    @property
    def replies(self) -> int:
        """How often a SOCKS proxy answers until its tunnel stands: about the method, the password, the destination."""
        if not self.is_socks:
            return 0
        parts = urlsplit(self.url)
        return 2 + bool(parts.username or parts.password)

    def __str__(self) -> str:
        return f"{_without_password(self.url)} ({self.variable})"


class ProxyRules:
    """The proxies of one environment.

    Args:
        proxies: URLs by scheme, as `urllib.request.getproxies` returns them: ``http``, ``https``, ``all``, and under
            ``no`` the hosts that need none.
        environ: the environment, to name the variable in an error.
    """

    def __init__(self, proxies: Mapping[str, str], environ: Mapping[str, str]) -> None:
        self._proxies = proxies
        self._environ = environ
        self._exceptions = [entry.strip().lower() for entry in proxies.get("no", "").split(",") if entry.strip()]

    def for_url(self, url: str) -> Proxy | None:
        """The proxy for a URL. This machine is never reached through one.

        Raises:
            ConfigurationError: the variable holds no URL of a proxy.
        """
        parts = urlsplit(url)
        host = (parts.hostname or "").removesuffix(".")
        scheme = parts.scheme if self._proxies.get(parts.scheme) else "all"
        value = self._proxies.get(scheme)
        if not value or is_loopback(host):
            return None
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if any(_applies(entry, parts.scheme, host, port) for entry in self._exceptions):
            return None
        return _checked(value, self._variable(scheme))

    def _variable(self, scheme: str) -> str:
        name = f"{scheme}_proxy"
        return next((each for each in self._environ if each.lower() == name and self._environ[each]), name.upper())


def _checked(value: str, variable: str) -> Proxy:
    url = value.strip()
    url = url if "://" in url else f"http://{url}"
    url = re.sub(r"(?i)^socks://", "socks5://", url)  # as GNOME writes it
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    else:
        url = f"{parts.scheme}{url[len(parts.scheme) :]}"  # urlsplit writes the scheme in small letters
        plain = parts.path in ("", "/") and re.fullmatch("[!-~]+", url)
        host = host if parts.scheme in SCHEMES and plain else None
    if not host:
        raise ConfigurationError(
            f"{variable}={_without_password(value)!r} is not the URL of a proxy: give http://, https:// or socks5:// "
            "with a host and a port, or unset it"
        )
    return Proxy(url, variable)


def _without_password(url: str) -> str:
    return re.sub(r"^(\w+://)?.*@", r"\1***@", url, flags=re.DOTALL)


def _applies(entry: str, scheme: str, host: str, port: int) -> bool:
    """Whether an entry of ``NO_PROXY`` names a host: ``*``, a name, an address or a range of them, perhaps a port.

    A name stands for itself and for all names below it. Entries that can be neither match nothing.
    """
    wanted, separator, rest = entry.partition("://")
    if separator:
        if wanted not in ("all", scheme):
            return False
        entry = rest
    if found := re.fullmatch(r"(\[.*\]|[^:\[\]]+):(\d+)", entry):
        if int(found[2]) != port:
            return False
        entry = found[1]
    if entry == "*":
        return True
    try:
        network = ipaddress.ip_network(re.sub(r"[\[\]]", "", entry), strict=False)
    except ValueError:
        name = entry.removeprefix("*").removeprefix(".").removesuffix(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))
    try:
        return ipaddress.ip_address(host) in network
    except ValueError:
        return False
