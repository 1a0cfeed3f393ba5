"""An http or https URL taken apart, and the hosts that a webhook may be sent to.

A server that posts to any URL it is given can be made to reach what only it can reach. So this machine is allowed, and
everything else only by name or by network; a name is allowed for its public addresses only.
"""

import ipaddress
import re
from collections.abc import Collection
from typing import Self
from urllib.parse import urlsplit

from attrs import field, frozen

from apimodels_async.gateway.limits import MAX_URL
from apimodels_async.gateway.refusals import Refusal, quoted

__all__ = ["Address", "AllowedHosts", "HttpUrl", "address_of", "local_addresses", "parse_url"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_LOCALHOST = "localhost"
_NAME = re.compile(r"(?!.{254})[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*", re.ASCII)
_URL = re.compile(r"https?://[!-~]+", re.IGNORECASE)
"""No white space and no control characters, which `urlsplit` would silently drop."""


def address_of(host: str) -> Address | None:
    """The IP address in `host`, or ``None`` for a name. An IPv4-mapped IPv6 address gives the IPv4 address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return (isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped) or address


def local_addresses(host: str) -> list[str] | None:
    """The addresses of a name that always means this machine (RFC 6761); ``None`` for any other name."""
    return ["127.0.0.1", "::1"] if host == _LOCALHOST or host.endswith(f".{_LOCALHOST}") else None


@frozen
class HttpUrl:
    """An http or https URL, taken apart.

    Attributes:
        url: the whole URL.
        tls: whether it is https.
        host: the name or address, in lower case, without brackets.
        port: the port.
        netloc: host and port as the Host header has them.
        target: path and query.
    """

    url: str = field(repr=False)  # it may hold a token
    tls: bool
    host: str
    port: int
    netloc: str
    target: str = field(repr=False)

    @property
    def origin(self) -> str:
        """The URL without path and query, which may hold a token: for logs."""
        return f"{'https' if self.tls else 'http'}://{self.netloc}"


def parse_url(name: str, url: object) -> HttpUrl:
    """Take the URL in the field `name` apart.

    Raises:
        Refusal: it is not an http or https URL. The URL is not quoted: it may hold a token.
    """
    malformed = Refusal(400, f"{name}: give an http or https URL, in ASCII and without spaces")
    if not isinstance(url, str) or len(url) > MAX_URL or not _URL.fullmatch(url):
        raise malformed
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        raise malformed from None
    if "@" in parts.netloc:
        raise Refusal(400, f"{name}: leave out the user and the password")
    if port == 0 or not (_NAME.fullmatch(host) or (address_of(host) and "%" not in host)):
        raise malformed
    tls = parts.scheme.lower() == "https"
    bracketed = f"[{host}]" if ":" in host else host
    return HttpUrl(
        url=url,
        tls=tls,
        host=host,
        port=port or (443 if tls else 80),
        netloc=bracketed if port is None else f"{bracketed}:{port}",
        target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
    )


@frozen
class AllowedHosts:
    """The hosts that webhooks may be sent to, besides this machine.

    Attributes:
        names: hosts allowed by name.
        networks: hosts allowed by address.
    """

    names: frozenset[str]
    networks: tuple[_Network, ...]

    @classmethod
    def parse(cls, hosts: Collection[str]) -> Self:
        """Read names (``"hooks.example.com"``), addresses and networks (``"10.0.0.0/8"``).

        Raises:
            ValueError: one of them is something else.
        """
        names: set[str] = set()
        networks: list[_Network] = []
        for host in (hosts,) if isinstance(hosts, str) else hosts:
            try:
                networks.append(ipaddress.ip_network(host.strip("[]")))
            except ValueError:
                name = host.lower().removesuffix(".")
                if not _NAME.fullmatch(name) or name.replace(".", "").isdecimal():
                    raise ValueError(
                        f"callback_hosts: {host!r} is not a host name, address or network: give it as "
                        "hooks.example.com, 10.0.0.5 or 10.0.0.0/8, without scheme and port"
                    ) from None
                names.add(name)
        return cls(frozenset(names), tuple(networks))

    def check(self, to: HttpUrl) -> None:
        """Check the host of a callback URL as it is written. A name is not looked up.

        Raises:
            Refusal: it is not allowed; the message says which option allows it.
        """
        address = address_of(to.host)
        if address is None:
            allowed = to.host in self.names or local_addresses(to.host) is not None
        else:
            allowed = self.allow_address(to.host, address)
        if not allowed:
            raise Refusal(
                400,
                f"callback_url: the host {quoted(to.host)} is not allowed. This gateway posts to its own machine, and "
                "to what callback_hosts= (apimodels gateway --callback-to HOST) names",
            )

    def allow_address(self, host: str, address: Address) -> bool:
        """Whether a webhook to `host` may connect to `address`, one of the addresses of `host`."""
        if address.is_loopback or any(address in network for network in self.networks):
            return True
        return host in self.names and address.is_global and not address.is_multicast

    def known(self, host: str) -> list[str] | None:
        """The addresses of `host` where no lookup is needed; ``None`` if the name must be looked up."""
        return local_addresses(host) or (None if address_of(host) is None else [host])
