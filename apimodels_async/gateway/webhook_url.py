"""Where a call may go: a callback URL taken apart, and the hosts and networks that are allowed.

A server that posts to any URL it is given can be made to reach what only it can reach. So this machine is allowed, and
everything else only by name or by network; and a name is good for the addresses it has in public, no others.
"""

import ipaddress
import re
from collections.abc import Collection
from typing import Self
from urllib.parse import urlsplit

from attrs import field, frozen

from apimodels_async.gateway.refusals import Refusal, quoted

__all__ = ["Address", "Destination", "Hosts", "address_of", "destination_of"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_HOME = "localhost"
_NAME = re.compile(r"(?!.{254})[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*", re.ASCII)
_URL = re.compile(r"https?://[!-~]+", re.IGNORECASE)
"""No white space and no control characters, which `urlsplit` would drop in silence."""


def address_of(host: str) -> Address | None:
    """The address that `host` is, or ``None`` when it is a name; of an IPv4 address in IPv6's clothes the IPv4 one."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return (isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped) or address


@frozen
class Destination:
    """An http or https URL, taken apart.

    Attributes:
        url: all of it.
        tls: whether it is https.
        host: the name or address, in small letters, without brackets.
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
        """The URL without what comes after the host, which may hold a token: for logs."""
        return f"{'https' if self.tls else 'http'}://{self.netloc}"


def destination_of(url: object) -> Destination:
    """Take a callback URL apart.

    Raises:
        Refusal: it is no http or https URL that can be called. The URL is not quoted: it may hold a token.
    """
    malformed = Refusal(400, "callback_url: give an http or https URL, in ASCII and without spaces")
    if not isinstance(url, str) or not _URL.fullmatch(url):
        raise malformed
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        raise malformed from None
    if "@" in parts.netloc:
        raise Refusal(400, "callback_url: leave out the user and the password")
    if port == 0 or not (_NAME.fullmatch(host) or (address_of(host) and "%" not in host)):
        raise malformed
    tls = parts.scheme.lower() == "https"
    name = f"[{host}]" if ":" in host else host
    return Destination(
        url=url,
        tls=tls,
        host=host,
        port=port or (443 if tls else 80),
        netloc=name if port is None else f"{name}:{port}",
        target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
    )


@frozen
class Hosts:
    """The hosts that may be called, besides this machine itself.

    Attributes:
        names: by name.
        networks: by address.
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
                        f"callback_hosts: {host!r} is no host name, address or network: give it as hooks.example.com, "
                        "10.0.0.5 or 10.0.0.0/8, without scheme and port"
                    ) from None
                names.add(name)
        return cls(frozenset(names), tuple(networks))

    def check(self, to: Destination) -> None:
        """Let a URL pass if its host is allowed as it stands, without a look at what a name stands for.

        Raises:
            Refusal: it is not; the message says which option allows it.
        """
        address = address_of(to.host)
        if not (self._is_home(to.host) or to.host in self.names if address is None else self.reach(to.host, address)):
            raise Refusal(
                400,
                f"callback_url: the host {quoted(to.host)} is not allowed. This gateway calls its own machine, and "
                "what callback_hosts= (apimodels gateway --callback-to HOST) names",
            )

    def reach(self, host: str, address: Address) -> bool:
        """Whether a call to `host` may connect to `address`, which is what `host` stands for."""
        if address.is_loopback or any(address in network for network in self.networks):
            return True
        return host in self.names and address.is_global and not address.is_multicast

    def known(self, host: str) -> list[str] | None:
        """The addresses of a host that nobody needs to be asked for; ``None`` if its name must be looked up."""
        if self._is_home(host):
            return ["127.0.0.1", "::1"]  # RFC 6761: whatever a resolver would say
        return None if address_of(host) is None else [host]

    @staticmethod
    def _is_home(host: str) -> bool:
        return host == _HOME or host.endswith(f".{_HOME}")
