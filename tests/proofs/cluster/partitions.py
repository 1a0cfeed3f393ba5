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


def enter_namespace(arguments: Sequence[str]) -> None:
    """Run this proof again in a network namespace that has nothing but its loopback, unless it is in one."""
    ours, first = (Path(f"/proc/{process}/ns/net").readlink() for process in ("self", 1))
    if ours != first:
        return
    sys.stdout.flush()
    again = [sys.executable, "-m", "tests.proofs.cluster", *arguments]
    os.execvp("unshare", ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *again])


def groups() -> Iterator[int]:
    """A group for each worker that is started."""
    return itertools.count(_FIRST_GROUP)


class Partitions:
    """Cuts workers off.

    Args:
        ports: where a worker's peers listen, by their name. Who has none is cut off by everything but these.
    """

    def __init__(self, ports: Mapping[str, int]) -> None:
        self._ports = ports
        self._timers: list[threading.Timer] = []

    def cut(self, pid: int, peer: str, seconds: float) -> None:
        """Drop what a worker sends to a peer for so long."""
        port = self._ports.get(peer)
        where = ["!", "--dports", ",".join(map(str, self._ports.values()))] if port is None else ["--dports", str(port)]
        group = os.stat(f"/proc/{pid}").st_gid  # noqa: PTH116
        rule = [
            "OUTPUT",
            "-p",
            "tcp",
            "-m",
            "owner",
            "--gid-owner",
            str(group),
            "-m",
            "multiport",
            *where,
            "-j",
            "DROP",
        ]
        _iptables("-A", *rule)
        timer = threading.Timer(seconds, _iptables, ("-D", *rule))
        timer.daemon = True
        timer.start()
        self._timers.append(timer)


def _iptables(*arguments: str) -> None:
    subprocess.run(["iptables", "-w", *arguments], check=True, capture_output=True)
