"""One setting on one lane: namespaces, the counting server, what stands before it, and the SDK in its own process."""

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.proofs.network import parts, result
from tests.proofs.network.namespaces import ROUTER_AT_CLIENT, SERVER, Namespaces
from tests.proofs.network.processes import LabError, Program
from tests.proofs.network.result import Result

HERE = Path(__file__).parent
CREATE_SECONDS = (0.2, 0.4)
"""From how many to how many seconds until a create request is answered: some are always under way."""
GRACE = 30.0
"""Seconds that a driver has beyond its own bound before it is killed."""
PHASE = 3.0
"""Seconds that are waited for create requests to be under way, before something is done to them."""
READ = 0.1
"""Seconds in which the server reads what was sent. Less than a create request takes."""
READY = 15.0
"""Seconds that a server may take beyond its outage until it listens again."""
START = 30.0
"""Seconds within which a driver must have started."""
PASSED_ON = ("PATH", "HOME", "PYTHONPATH", "PYTHONSAFEPATH", "VIRTUAL_ENV", "LANG")
"""Variables that a driver is given; no other, so that no proxy or certificate of this machine gets in."""


class _DriverEndedError(Exception):
    """The driver has ended before what was to happen to it."""


class Lab:
    """Everything of one run; it is up inside its ``with`` block.

    Args:
        lane: ``fast``, ``plain`` or ``trio``.

    Attributes:
        lane: as given.
        folder: for all files.
        net: the namespaces.
        measured: figures of this setting, by name.
    """

    def __init__(self, lane: str) -> None:
        self.lane = lane
        self._temporary = tempfile.TemporaryDirectory(prefix="network-")
        self.folder = Path(self._temporary.name)
        self.folder.chmod(0o755)
        self.net = Namespaces(self.folder)
        self.journal = self.folder / "journal"
        self.measured: dict[str, float] = {}
        self._server: Program | None = None
        self._server_options: dict[str, Any] = {}
        self._nginx: Program | None = None
        self._driver: Program | None = None
        self._began = 0.0
        self._under_way = 0
        self._kills = 0
        self._cut: set[str] = set()

    def __enter__(self) -> Self:
        try:
            self.net.create()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        # A second Ctrl-C would leave half of it behind.
        asked = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self.net.delete()
        finally:
            self._temporary.cleanup()
            for number, handler in asked.items():
                signal.signal(number, handler)

    # --- the server and what stands before it

    def serve(self, latency: tuple[float, float], create_seconds: tuple[float, float] = CREATE_SECONDS) -> str:
        """Start the counting server, and return its base URL.

        Args:
            latency: from how many to how many seconds a task takes.
            create_seconds: from how many to how many seconds until a create request is answered.
        """
        self._server_options = {"latency": latency, "create_seconds": create_seconds, "keepalive": 75}
        self._server_options |= {"host": SERVER, "port": parts.API_PORT}
        self.start_server(0.0)
        assert self._server is not None
        self._server.wait_until(lambda: self.net.listening("server", parts.API_PORT))
        return base_url(SERVER, parts.API_PORT)

    def start_server(self, down: float) -> None:
        """Start the server (again), so that it listens in `down` seconds. Its tasks are those it had."""
        options = json.dumps({**self._server_options, "start_at": time.time() + down})
        command = (sys.executable, str(HERE / "server.py"), str(self.journal), options)
        self._server = self.net.start("server", "server", *command)

    def await_creates(self, count: int) -> None:
        """Wait until `count` create requests are under way, at most `PHASE` seconds."""
        until = time.monotonic() + PHASE
        while len(result.unanswered(self.journal) - self._cut) < count and time.monotonic() < until:
            time.sleep(0.02)

    def await_answers(self, count: int) -> None:
        """Wait until `count` create requests have been answered."""
        until = time.monotonic() + READY
        while result.answered(self.journal) < count:
            if time.monotonic() > until:
                raise LabError(f"not answered within {READY:g} s: {count} create requests")
            time.sleep(0.05)

    def count_creates(self) -> None:
        """Count the create requests that are under way now; those of an earlier kill are left out."""
        fresh = result.unanswered(self.journal) - self._cut
        self._cut |= fresh
        self._under_way += len(fresh)

    def kill_server(self) -> None:
        """Kill it. The client is stopped meanwhile, so that the server has read all create requests that were sent."""
        assert self._server is not None
        if self._driver is not None:
            self._driver.signal(signal.SIGSTOP)
            time.sleep(READ)
        self._server.kill()
        self.count_creates()
        self._kills += 1
        if self._driver is not None:
            self._driver.signal(signal.SIGCONT)

    def outage(self, seconds: float) -> None:
        """Kill the server, and start it again after `seconds`; until then connections are refused."""
        self.kill_server()
        began = time.monotonic()
        self.start_server(seconds)
        assert self._server is not None
        self._server.wait_until(lambda: self.net.listening("server", parts.API_PORT), seconds + READY)
        self.measured["down"] = self.measured.get("down", 0.0) + time.monotonic() - began

    def start_nginx(self, refusal: str = "", certificates: dict[int, str] | None = None) -> str:
        """Start nginx before the server, and return the base URL of its port without TLS."""
        path = self._write_nginx(refusal, certificates)
        self._nginx = self.net.start("server", "nginx", "nginx", "-c", str(path))
        self._nginx.wait_until(lambda: self.net.listening("server", parts.FRONT_PORT))
        return base_url(SERVER, parts.FRONT_PORT)

    def reload_nginx(self, refusal: str = "") -> None:
        """Give nginx other directives, as an operator does: nothing is cut off."""
        assert self._nginx is not None
        self._write_nginx(refusal, None)
        self._nginx.process.send_signal(signal.SIGHUP)

    def _write_nginx(self, refusal: str, certificates: dict[int, str] | None) -> Path:
        path = self.folder / "nginx.conf"
        text = parts.nginx(str(self.folder), refusal=refusal, certificates=certificates)
        path.write_text(text, encoding="utf-8")
        return path

    def start_haproxy(self, rules: str, *, certificate: str | None = None, client_timeout: int = 300) -> str:
        """Start haproxy before the server, and return the base URL of its port without TLS."""
        path = self.folder / "haproxy.cfg"
        path.write_text(parts.haproxy(rules, certificate=certificate, client_timeout=client_timeout), encoding="utf-8")
        program = self.net.start("server", "haproxy", "haproxy", "-db", "-q", "-f", str(path))
        program.wait_until(lambda: self.net.listening("server", parts.FRONT_PORT))
        return base_url(SERVER, parts.FRONT_PORT)

    def start_tinyproxy(self, *, port: int, only: str) -> str:
        """Start a forward proxy in the router, and return its ``host:port``."""
        path = self.folder / f"tinyproxy-{port}.conf"
        path.write_text(parts.tinyproxy(port=port, only=only), encoding="utf-8")
        program = self.net.start("router", f"tinyproxy-{port}", "tinyproxy", "-d", "-c", str(path))
        program.wait_until(lambda: self.net.listening("router", port))
        return f"{ROUTER_AT_CLIENT}:{port}"

    def start_dnsmasq(self, names: dict[str, str]) -> Program:
        """Start a name server in the router."""
        program = self.net.start("router", "dnsmasq", *parts.dnsmasq(names))
        program.wait_until(lambda: self.net.listening("router", 53, "u"))
        return program

    # --- the client

    def drive(
        self, job: dict[str, Any], during: Callable[[], None] | None = None, env: dict[str, str] | None = None
    ) -> Result:
        """Run the SDK to the end of a job, and `during` beside it, which may call `at`.

        Args:
            job: what to do; see the driver.
            during: what happens to the network meanwhile.
            env: variables for the driver.

        Raises:
            LabError: the driver failed, or did not end in its time.
        """
        self.start_driver(job, env)
        try:
            if during is not None:
                during()
        except _DriverEndedError:
            pass
        return self.finish_driver(job)

    def start_driver(self, job: dict[str, Any], env: dict[str, str] | None = None) -> None:
        """Start the SDK on a job, and return when it has started."""
        path = self.folder / "job.json"
        (self.folder / "driver.output").unlink(missing_ok=True)
        path.write_text(json.dumps({**job, "lane": self.lane}), encoding="utf-8")
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        command = (sys.executable, str(HERE / "driver.py"), str(path), str(self.folder / "result.json"))
        driver = self._driver = self.net.start("client", "driver", *command, env={**passed, **(env or {})})
        until = time.monotonic() + START
        while "started" not in driver.said():
            if not driver.running or time.monotonic() > until:
                raise LabError(f"the driver has not started: {driver.said()}")
            time.sleep(0.01)
        self._began = time.monotonic()

    def kill_driver(self) -> None:
        """Kill the SDK's process, as a user's machine might."""
        assert self._driver is not None
        self._driver.kill()

    def finish_driver(self, job: dict[str, Any]) -> Result:
        """Wait for the end of the driver, and put together what came of it."""
        driver = self._driver
        assert driver is not None
        limit = (job["bound"] * (4 if job["kind"] == "calls" else 1)) + GRACE
        while driver.running:
            if time.monotonic() > self._began + limit:
                raise LabError(f"the driver is still running after {limit:g} s: {driver.said()}")
            time.sleep(0.05)
        if driver.process.returncode:
            raise LabError(f"the driver failed: {driver.said()}")
        found = json.loads((self.folder / "result.json").read_text(encoding="utf-8"))
        return Result(
            n=job["n"],
            lines=found["lines"],
            seconds=found["seconds"],
            accepted=result.accepted(self.journal),
            under_way=self._under_way,
            kills=self._kills,
            detached=tuple(found["detached"]),
            measured=dict(self.measured),
        )

    def at(self, seconds: float) -> None:
        """Wait until the driver has been running for `seconds`. Ends what happens to it if the driver has ended."""
        assert self._driver is not None
        while (left := self._began + seconds - time.monotonic()) > 0:
            if not self._driver.running:
                raise _DriverEndedError
            time.sleep(min(left, 0.05))

    def connecting(self) -> int:
        """Connections the client is just trying to open."""
        return len(self.net.run("client", "ss", "-Htn", "state", "syn-sent").splitlines())


def base_url(host: str, port: int, scheme: str = "http") -> str:
    """The base URL of an API there."""
    return f"{scheme}://{host}:{port}/api/v1"
