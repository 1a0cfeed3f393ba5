"""1,000 creates through a proxy that kills every fifth answer after the server has acted: is one lost, or paid twice?

    python tests/proofs/proxy_kills.py [--mitmdump PATH]

mitmproxy in reverse mode stands before the embedded gateway, on this machine. Without ``--mitmdump`` it is installed
from the registry into a temporary environment of its own. What was created is read from the gateway's own store. One
run goes over httpx, one over aiohttp, which create requests take once a query has loaded it, and one over trio.
"""

import argparse
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import venv
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import anyio

sys.path.insert(0, str(Path(__file__).parents[2]))

from apimodels_async import AsyncImagesClient, SubmissionUnknownError
from apimodels_async.gateway import LocalGateway
from tests.proofs.peers import install

CREATES = 1000
AT_ONCE = 32
PATIENCE = 240.0
"""Seconds for all creates of one back end."""

ADDON = """
import random

class Kills:
    def __init__(self):
        self.random = random.Random(7)
        self.killed = 0

    def response(self, flow):
        if flow.request.method == "POST" and self.random.random() < 0.2:
            self.killed += 1
            flow.kill()

    def done(self):
        open("killed", "w").write(str(self.killed))

addons = [Kills()]
"""


class Result(NamedTuple):
    """What came of one run.

    Attributes:
        killed: answers that the proxy killed.
        created: rows in the gateway's store.
        known: of those, how many ids the caller was given.
        unknown: `SubmissionUnknownError`s.
        other: any other end of a create request.
        duplicates: prompts that stand in the store more than once.
        strangers: ids that the caller was given and that are not in the store.
        seconds: of the whole run.
    """

    killed: int
    created: int
    known: int
    unknown: int
    other: int
    duplicates: int
    strangers: int
    seconds: float

    @property
    def good(self) -> bool:
        """Whether every task is accounted for, once."""
        accounted = self.created == self.known + self.unknown == CREATES and self.unknown == self.killed
        return accounted and self.other == self.duplicates == self.strangers == 0


@contextmanager
def killing_proxy(mitmdump: str, folder: Path, origin: str) -> Iterator[str]:
    """The proxy, and where it listens. When it has ended, the file `killed` says how often it struck."""
    (folder / "kills.py").write_text(ADDON)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [mitmdump, "--quiet", "--mode", f"reverse:{origin}", "--listen-host", "127.0.0.1"]
    command += ["--listen-port", str(port), "--set", f"confdir={folder}", "--scripts", "kills.py"]
    with subprocess.Popen(command, cwd=folder) as process:
        try:
            _wait_for(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError("mitmdump does not listen")


async def create_all(base_url: str, api_key: str, *, aiohttp: bool) -> tuple[list[str], int, Counter[str]]:
    """Ids given, unknowns reported, and whatever else happened."""
    known: list[str] = []
    others: Counter[str] = Counter()
    unknown = 0
    limit = anyio.CapacityLimiter(AT_ONCE)

    async def create(number: int) -> None:
        nonlocal unknown
        async with limit:
            try:
                task = await client.create(f"cat number {number}")
            except SubmissionUnknownError:
                unknown += 1
            except Exception as error:  # noqa: BLE001  (counted, and the run fails)
                others[type(error).__name__] += 1
            else:
                known.append(task.id or "")

    with anyio.fail_after(PATIENCE):
        async with (
            AsyncImagesClient(api_key, base_url=base_url, model="grok-image/grok-4.2-image") as client,
            anyio.create_task_group() as group,
        ):
            if aiohttp:
                await client.balance()
            for number in range(CREATES):
                group.start_soon(create, number)
    return known, unknown, others


def run(backend: str, mitmdump: str, *, aiohttp: bool) -> Result:
    """One run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.monotonic()
        with LocalGateway(store=folder / "store", latency="0.05/0.1", balance=1e6) as gateway:
            origin, _, path = gateway.base_url.partition("/api/")
            with killing_proxy(mitmdump, folder, origin) as proxy:
                work = partial(create_all, f"{proxy}/api/{path}", gateway.api_key, aiohttp=aiohttp)
                known, unknown, others = anyio.run(work, backend=backend)
        with closing(sqlite3.connect(folder / "store")) as store:
            created = dict(store.execute("SELECT id, prompt FROM tasks"))
        return Result(
            killed=int((folder / "killed").read_text()),
            created=len(created),
            known=len(set(known)),
            unknown=unknown,
            other=others.total(),
            duplicates=len(created) - len(set(created.values())),
            strangers=len(set(known) - set(created)),
            seconds=time.monotonic() - began,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description="creates through a proxy that kills answers")
    parser.add_argument("--mitmdump", help="the command; left out, it is installed into a temporary environment")
    mitmdump: str | None = parser.parse_args().mitmdump
    with tempfile.TemporaryDirectory() as name:
        if mitmdump is None:
            into = Path(name) / "mitmproxy"
            venv.create(into, with_pip=True)
            if install(into, "mitmproxy") is None:
                print("mitmproxy cannot be installed here")
                return 1
            mitmdump = str(into / "bin" / "mitmdump")
        print("back end          " + "  ".join(Result._fields))
        good = True
        for backend, aiohttp in (("asyncio", False), ("asyncio", True), ("trio", False)):
            result = run(backend, mitmdump, aiohttp=aiohttp)
            good = good and result.good
            print(
                f"{backend + ', aiohttp' * aiohttp:<16}  "
                + "  ".join(f"{value:>{len(field)}.4g}" for field, value in zip(Result._fields, result, strict=True)),
                flush=True,
            )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
