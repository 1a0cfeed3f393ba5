"""Three network namespaces in a row, connected to nothing else: client, router, server.

Nothing is created outside of them, so several labs may run at the same time, and no packet leaves the machine. What
has to go wrong on the way goes wrong in the router.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.proofs.network.processes import LabError, Program, run

CLIENT, SERVER = "10.73.1.2", "10.73.2.2"
ROUTER_AT_CLIENT, ROUTER_AT_SERVER = "10.73.1.1", "10.73.2.1"
TUNNEL_AT_CLIENT, TUNNEL_AT_ROUTER = "tunclient", "tunrouter"
PREFIX = "apimodels"
_ETC = Path("/etc/netns")
_DELAY = Path(__file__).with_name("delay.py")


class Namespaces:
    """The namespaces of one run. Made by `create`, and deleted by `delete`, which may be called at any time.

    Args:
        folder: for what the programs print.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = {place: f"{PREFIX}-{os.getpid()}-{place}" for place in ("client", "router", "server")}
        self._started: list[Program] = []

    def create(self) -> None:
        """Add them and the links between them. Those that a killed run has left behind are deleted first."""
        _delete_abandoned()
        for name in self._names.values():
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        self._link("client", CLIENT, ROUTER_AT_CLIENT)
        self._link("server", SERVER, ROUTER_AT_SERVER)
        self.run("router", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")

    def _link(self, place: str, address: str, gateway: str) -> None:
        name, router = self._names[place], self._names["router"]
        end = f"to-{place}"
        run("ip", "link", "add", "eth0", "netns", name, "type", "veth", "peer", "name", end, "netns", router)
        run("ip", "-n", name, "address", "add", f"{address}/24", "dev", "eth0")
        run("ip", "-n", router, "address", "add", f"{gateway}/24", "dev", end)
        run("ip", "-n", name, "link", "set", "eth0", "up")
        run("ip", "-n", router, "link", "set", end, "up")
        run("ip", "-n", name, "route", "add", "default", "via", gateway)

    def use_names(self, hosts: dict[str, tuple[str, ...]]) -> None:
        """Let the client look names up in `hosts` (their addresses), and everything else at the router's dnsmasq."""
        folder = _ETC / self._names["client"]
        folder.mkdir(parents=True, exist_ok=True)
        lines = ["127.0.0.1 localhost", *(f"{each} {name}" for name, addresses in hosts.items() for each in addresses)]
        (folder / "hosts").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / "resolv.conf").write_text(
            f"nameserver {ROUTER_AT_CLIENT}\noptions timeout:1 attempts:2\n", encoding="utf-8"
        )

    def inside(self, place: str, *command: str) -> list[str]:
        """The command that runs `command` in a namespace."""
        return ["ip", "netns", "exec", self._names[place], *command]

    def run(self, place: str, *command: str) -> str:
        """Run a short program there to its end, and return what it printed."""
        return run(*self.inside(place, *command))

    def start(self, place: str, name: str, *command: str, env: dict[str, str] | None = None) -> Program:
        """Start a program there. It is ended by `delete` at the latest."""
        program = Program(self.inside(place, *command), self._folder / f"{name}.output", env)
        self._started.append(program)
        return program

    def listening(self, place: str, port: int, kind: str = "t") -> bool:
        """Whether something listens on a port there; `kind` is ``t`` for TCP and ``u`` for UDP."""
        return bool(self.run(place, "ss", f"-Hln{kind}", f"sport = :{port}").strip())

    def delay(self, seconds: float) -> None:
        """Make every packet take so much longer in each direction: a TUN device carries them between two namespaces."""
        client, router = self._names["client"], self._names["router"]
        program = self.start("router", "delay", sys.executable, str(_DELAY), str(seconds))
        program.wait_until(lambda: TUNNEL_AT_CLIENT in run("ip", "-n", router, "-o", "link"))
        run("ip", "-n", router, "link", "set", TUNNEL_AT_CLIENT, "netns", client)
        run("ip", "-n", client, "link", "set", TUNNEL_AT_CLIENT, "up")
        run("ip", "-n", router, "link", "set", TUNNEL_AT_ROUTER, "up")
        run("ip", "-n", client, "route", "replace", "default", "dev", TUNNEL_AT_CLIENT, "src", CLIENT)
        run("ip", "-n", router, "route", "replace", f"{CLIENT}/32", "dev", TUNNEL_AT_ROUTER)

    def rule(self, *rule: str) -> None:
        """Add a rule to what the router forwards."""
        self.run("router", "iptables", "-w", "-A", "FORWARD", *rule)

    def drop_rules(self) -> None:
        """Forward everything again."""
        self.run("router", "iptables", "-w", "-F", "FORWARD")

    def delete(self) -> None:
        """End all programs, and delete the namespaces. Goes on when a part of it fails, and raises at its end."""
        failures: list[str] = []
        for program in reversed(self._started):
            try:
                program.end()
            except subprocess.TimeoutExpired as error:
                failures.append(str(error))
        existing = run("ip", "netns", "list").split()
        for name in self._names.values():
            if name in existing:
                try:
                    _delete(name)
                except LabError as error:
                    failures.append(str(error))
        if failures:
            raise LabError("; ".join(failures))


def _delete_abandoned() -> None:
    """Delete the namespaces of runs whose process is no more."""
    for name in run("ip", "netns", "list").split():
        found = re.fullmatch(rf"{PREFIX}-(\d+)-\w+", name)
        if found and not Path(f"/proc/{found[1]}").exists():
            _delete(name)


def _delete(name: str) -> None:
    """Delete a namespace, and first kill what still runs in it: without that, it would live on without a name."""
    for pid in run("ip", "netns", "pids", name).split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    run("ip", "netns", "delete", name)
    shutil.rmtree(_ETC / name, ignore_errors=True)
