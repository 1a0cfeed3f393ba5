"""Cutting a worker off from one of its peers: what its group sends there is dropped, in a network of the proof's own.

Each worker runs in a group of users of its own, by which the firewall knows its packets. Needs root, iptables and
util-linux.
"""

import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_FIRST_GROUP = 50_000
_INSIDE = "CLUSTER_PROOF_HAS_ITS_NETWORK"


def enter_namespace(arguments: Sequence[str]) -> None:
    """Run this proof again in a network namespace that has nothing but its loopback, unless it is in one."""
    if _INSIDE in os.environ:
        return
    os.environ[_INSIDE] = "yes"
    sys.stdout.flush()
    again = [sys.executable, "-m", "tests.proofs.cluster", *arguments]
    os.execvp("unshare", ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *again])


def groups() -> Iterator[int]:
    """A group for each worker that is started."""
    return itertools.count(_FIRST_GROUP)


class Partitions:
    """Cuts workers off.

    Args:
        ports: where a worker's peers listen, by their name. A peer that is not named is everything else.

    Attributes:
        dropped: packets that were dropped by each partition that is over.
    """

    def __init__(self, ports: Mapping[str, int]) -> None:
        self._ports = ports
        self._cut: set[str] = set()
        self.dropped: list[int] = []

    def cut(self, pid: int, peer: str, seconds: float) -> None:
        """Drop what a worker sends to a peer for so long."""
        named = ["--dports", ",".join(map(str, self._ports.values()))]
        where = ["--dports", str(self._ports[peer])] if peer in self._ports else ["!", *named]
        group = _group(pid)
        self._cut.add(group)
        rule = ["OUTPUT", "-p", "tcp", "-m", "owner", "--gid-owner", group, "-m", "multiport", *where, "-j", "DROP"]
        _iptables("-A", *rule)
        timer = threading.Timer(seconds, self._heal, (group, rule))
        timer.daemon = True
        timer.start()

    def is_cut(self, pid: int) -> bool:
        """Whether a worker is cut off now. What it sends to a second peer depends on the first."""
        return _group(pid) in self._cut

    def _heal(self, group: str, rule: Sequence[str]) -> None:
        lines = _iptables("-nvxL", "OUTPUT").splitlines()
        self.dropped += [int(line.split()[0]) for line in lines if f"GID match {group} " in line][:1]
        _iptables("-D", *rule)
        self._cut.discard(group)


def _group(pid: int) -> str:
    return str(Path(f"/proc/{pid}").stat().st_gid)


def _iptables(*arguments: str) -> str:
    return subprocess.run(["iptables", "-w", *arguments], check=True, capture_output=True, text=True).stdout
