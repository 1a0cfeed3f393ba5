"""Settings: the name of the server is unknown for a while, or stands for an address where nothing is."""

from collections.abc import Callable

from tests.proofs.network import parts
from tests.proofs.network.certificates import HOST
from tests.proofs.network.lab import Lab, base_url
from tests.proofs.network.namespaces import SERVER
from tests.proofs.network.result import Result
from tests.proofs.network.settings import Setting, all_of, batch_job, no_errors, within

LATENCY = (1.9, 2.1)
N = 300
IDEAL = 11.5
DEAD = "10.73.2.77"
"""An address of the server's network where no machine is."""
UNREACHABLE = "fd00:73::1"
"""An address to which the client has no route."""


def _no_name_server(lab: Lab) -> Result:
    lab.serve(LATENCY)
    lab.net.use_names({})
    server = lab.start_dnsmasq({HOST: SERVER})

    def during() -> None:
        lab.at(4.0)
        server.kill()
        lab.at(24.0)
        lab.start_dnsmasq({HOST: SERVER})

    return lab.drive(batch_job("no name", base_url(HOST, parts.API_PORT), 500, 120.0), during)


def _addresses(*addresses: str) -> Callable[[Lab], Result]:
    def run(lab: Lab) -> Result:
        lab.serve(LATENCY)
        lab.net.use_names({HOST: addresses})
        return lab.drive(batch_job("addresses", base_url(HOST, parts.API_PORT), N, 120.0))

    return run


SETTINGS = (
    Setting(
        "no_name", "dnsmasq is away for 20 s", "all ok, ≤ 60 s", 38.5, _no_name_server, all_of(no_errors, within(60.0))
    ),
    Setting(
        "dead_address",
        "the first of two addresses is dead",
        "all ok, ≤ 30 s",
        IDEAL,
        _addresses(DEAD, SERVER),
        all_of(no_errors, within(30.0)),
    ),
    Setting(
        "no_ipv6",
        "an IPv6 address without a route, then IPv4",
        "all ok, ≤ 30 s",
        IDEAL,
        _addresses(UNREACHABLE, SERVER),
        all_of(no_errors, within(30.0)),
    ),
)
