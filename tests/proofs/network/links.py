"""Settings: the way between client and server loses, delays, forgets or breaks off."""

import re

from tests.proofs.network.lab import Lab
from tests.proofs.network.result import Result
from tests.proofs.network.settings import (
    LARGE_PICTURE,
    Setting,
    all_of,
    batch_job,
    no_errors,
    none_but_unknown,
    within,
)

RANDOM = ("-m", "statistic", "--mode", "random", "--probability")
OUT_OF_STATE = ("-p", "tcp", "-m", "conntrack", "--ctstate", "INVALID", "-j", "DROP")
"""A firewall that drops what belongs to no connection it knows, without a word."""
IDLE = 36.0
"""Seconds that a batch takes whose tasks are long enough for connections to be idle."""


def _loss(lab: Lab) -> Result:
    url = lab.serve((1.9, 2.1))
    lab.net.rule(*RANDOM, "0.05", "-j", "DROP")
    return lab.drive(batch_job("loss", url, 300, 120.0))


def _delayed(lab: Lab) -> Result:
    url = lab.serve((1.9, 2.1))
    lab.net.delay(0.1)
    return lab.drive(batch_job("delay", url, 500, 120.0))


def _partition(lab: Lab) -> Result:
    url = lab.serve((1.9, 2.1))

    def during() -> None:
        lab.at(4.0)
        lab.net.rule("-j", "DROP")
        lab.at(24.0)
        lab.net.drop_rules()

    return lab.drive(batch_job("partition", url, 500, 420.0), during)


def _resets(lab: Lab) -> Result:
    url = lab.serve((1.9, 2.1))
    from_client = ("-i", "to-client", "-p", "tcp")
    lab.net.rule(*from_client, *RANDOM, "0.03", "-j", "REJECT", "--reject-with", "tcp-reset")
    return lab.drive(batch_job("resets", url, 300, 180.0))


def _firewall(lab: Lab) -> None:
    """Let the router know connections, and drop what belongs to none."""
    lab.net.rule(*OUT_OF_STATE)
    _set(lab, "nf_conntrack_tcp_loose", 0)


def _forget_idle(lab: Lab, seconds: int) -> None:
    """Let the router forget connections that are idle for so long, from their next packet on."""
    _set(lab, "nf_conntrack_tcp_timeout_established", seconds)


def _set(lab: Lab, name: str, value: int) -> None:
    lab.net.run("router", "sh", "-c", f"echo {value} > /proc/sys/net/netfilter/{name}")


def _forgotten(lab: Lab) -> Result:
    url = lab.serve((1.9, 2.1))
    _firewall(lab)

    def during() -> None:
        lab.at(4.0)
        lab.await_creates(8)
        lab.net.run("router", "conntrack", "-F")

    return lab.drive(batch_job("forgotten", url, 300, 400.0), during)


def _forgotten_when_idle(lab: Lab) -> Result:
    """All tasks take equally long: then no query keeps another's connection in use.

    The firewall begins to forget when all create requests are answered. Otherwise those that were under way while this
    machine stood still for 6 s would be unknown: no client can help that.
    """
    url = lab.serve((IDLE - 1.0, IDLE - 1.0))
    _firewall(lab)

    def during() -> None:
        lab.await_answers(20)
        _forget_idle(lab, 6)

    return lab.drive(batch_job("idle", url, 20, 300.0), during)


def _slow_creates(lab: Lab) -> Result:
    """A synchronous model: a create request is answered after 45 s, over a connection that is idle so long."""
    url = lab.serve((0.1, 0.1), create_seconds=(45.0, 45.0))
    _firewall(lab)
    _forget_idle(lab, 20)
    return lab.drive(batch_job("slow creates", url, 5, 360.0))


def _reset_in_the_body(lab: Lab) -> Result:
    """Every connection over which more than 1 MB has been sent is reset, in the middle of a create request's body."""
    url = lab.serve((0.5, 0.5))
    _set(lab, "nf_conntrack_acct", 1)
    sent = ("-m", "connbytes", "--connbytes", "1000000:", "--connbytes-dir", "original", "--connbytes-mode", "bytes")
    lab.net.rule("-p", "tcp", *sent, "-j", "REJECT", "--reject-with", "tcp-reset")
    job = {"name": "body", "kind": "creates", "base_url": url, "n": 6, "bound": 30.0, "picture": LARGE_PICTURE}
    return lab.drive(job)


def _unknown_in_words(result: Result) -> list[str]:
    wrong = [line for line in result.lines if not re.search("Connection reset by peer|Broken pipe", line["message"])]
    missed = [f"errors: {dict(result.errors)}"] if result.unknown != result.n else []
    return missed + [f"does not say that the connection was reset: {line['message']}" for line in wrong]


SETTINGS = (
    Setting("loss", "iptables, 5 % loss both ways", "all ok", 11.5, _loss, no_errors),
    Setting("delay", "TUN, 200 ms round trip", "all ok", 22.0, _delayed, no_errors),
    Setting("partition", "iptables, every packet dropped for 20 s", "all ok", 39.0, _partition, none_but_unknown),
    Setting(
        "resets", "iptables, reset to 3 % of the client's packets", "ok or unknown", 11.5, _resets, none_but_unknown
    ),
    Setting(
        "reset_in_body",
        "conntrack, reset after 1 MB of a create request's 3.9 MB",
        "unknown, 6 of 6, and why; ≤ 5 s",
        1.0,
        _reset_in_the_body,
        all_of(_unknown_in_words, within(5.0)),
    ),
    Setting(
        "forgotten",
        "conntrack, all connections forgotten at 4 s",
        "≤ 45 s, ok or unknown",
        11.5,
        _forgotten,
        all_of(none_but_unknown, within(45.0)),
    ),
    Setting(
        "idle",
        "conntrack, connections idle for 6 s are forgotten",
        "all ok, ≤ 1.3 of the ideal",
        IDLE,
        _forgotten_when_idle,
        all_of(no_errors, within(1.3 * IDLE)),
    ),
    Setting(
        "slow_creates",
        "conntrack, connections idle for 20 s are forgotten, a create request takes 45 s",
        "all ok, ≤ 60 s",
        46.0,
        _slow_creates,
        all_of(no_errors, within(60.0)),
    ),
)
