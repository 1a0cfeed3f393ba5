"""Several workers on one PostgreSQL ledger: SIGKILL, SIGSTOP, crashes of the database, answers that are lost.

    python tests/proofs/shared_kills.py [KILLS] [CRASHES]

The embedded gateway makes the pictures, on this machine. At the end, what it accepted is compared with the ledger.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from attrs import Factory, define

sys.path.insert(0, str(Path(__file__).parents[2]))

from apimodels_async.gateway import LocalGateway
from apimodels_async.ledger import PostgresLedger, Step
from tests.proofs.kills import MODEL, Books, paint
from tests.support.postgres import PostgresServer, running

ROOT = Path(__file__).parents[2]
TTL = 4.0
PRICE = 0.03


@define
class Account:
    """What came of it; counts of requests unless it says otherwise.

    Attributes:
        kills: workers that were killed.
        stops: workers that were stopped for longer than their lease, and then went on.
        crashes: of the database.
        swallowed: answers of the database that never came.
        saved: completed, and saved.
        unknown: reported as unknown.
        paid_twice: for which more than one task was accepted.
        lost: accepted tasks that neither an entry nor a stray names, and whose entry is not unknown.
        sums: what is used and what the entries cost, in millionths.
        granted: of the budget, in millionths.
        odd: what should not be, in words.
    """

    kills: int = 0
    stops: int = 0
    crashes: int = 0
    swallowed: int = 0
    saved: int = 0
    unknown: int = 0
    paid_twice: int = 0
    lost: int = 0
    sums: tuple[int, int] = (0, 0)
    granted: int = 0
    odd: list[str] = Factory(list[str])


class Swallower:
    """Stands between workers and the database, and now and then breaks a connection instead of passing an answer on.

    What was asked has been carried out then, its COMMIT included.
    """

    def __init__(self, port: int, one_in: int, seed: int) -> None:
        self._to = port
        self._one_in = one_in
        self._random = random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.swallowed = 0
        self.on = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._to))
                except OSError:
                    client.close()
                    continue
                threading.Thread(target=self._pass, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, client, True), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                # The answer of a statement that changed something; not of the handshake.
                if answers and self.on and b"SELECT 1" in data and self._random.randrange(self._one_in) == 0:
                    self.swallowed += 1
                    break
                sink.sendall(data)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def close(self) -> None:
        self._listener.close()


class Crew:
    """The workers, each started again when it is killed."""

    def __init__(self, dsn: str, gateway: LocalGateway, folder: Path, workers: int, seed: int) -> None:
        program = str(ROOT / "tests/proofs/shared_worker.py")
        self._command = [sys.executable, program, dsn, gateway.base_url, gateway.api_key, str(folder), str(TTL)]
        paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        self._env = {**os.environ, "PYTHONPATH": paths}
        self._log = (folder / "workers.log").open("ab")
        self._seed = seed
        self.workers = [self._start() for _ in range(workers)]

    def _start(self) -> subprocess.Popen[bytes]:
        self._seed += 1
        return subprocess.Popen([*self._command, str(self._seed)], env=self._env, stderr=self._log, stdout=self._log)

    def kill(self, at: int) -> bool:
        """Kill one and start another; False if it has ended by itself."""
        process = self.workers[at]
        if process.poll() is not None:
            return False
        process.kill()
        process.wait(60)
        self.workers[at] = self._start()
        return True

    def stop(self, at: int, seconds: float) -> bool:
        """Stop one for so long; False if it has ended."""
        process = self.workers[at]
        if process.poll() is not None:
            return False
        process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        process.send_signal(signal.SIGCONT)
        return True

    def wait(self, timeout: float) -> list[int]:
        """The exit codes, once all have ended."""
        return [worker.wait(timeout) for worker in self.workers]

    def close(self) -> None:
        for process in self.workers:
            if process.poll() is None:
                process.kill()
                process.wait(60)
        self._log.close()


@contextmanager
def stage(
    requests: int, shards: int, seed: int, create_rate: float | None
) -> Iterator[tuple[PostgresServer, str, Swallower]]:
    """A database with loaded requests, and what stands before it."""
    with running() as server:  # with fsync: crashes must lose nothing
        dsn = server.database()
        with PostgresLedger(dsn) as ledger:
            ledger.load((f"shared-{number}" for number in range(requests)), model=MODEL)
            ledger.divide(shards)
            ledger.set_terms(budget=2 * requests * PRICE, create_rate=create_rate)
        swallower = Swallower(server.port, 40, seed)
        try:
            yield server, dsn, swallower
        finally:
            swallower.close()


def kill_shared(
    kills: int,
    crashes: int,
    stops: int,
    home: Path,
    *,
    seed: int,
    requests: int = 120,
    workers: int = 3,
    create_rate: float | None = None,
) -> Account:
    """Kill workers, crash the database and stop workers, at random; then let the work end, and return the account.

    A few requests need a `create_rate`, so that the work is not over before the last of it has happened.
    """
    choose = random.Random(seed)
    account, books = Account(), Books()
    with (
        books.kept(),
        LocalGateway(latency="0.2/0.5", balance=1e6, paint=paint) as gateway,
        stage(requests, 4 * workers, seed, create_rate) as (server, dsn, swallower),
    ):
        through = dsn.replace(f":{server.port}/", f":{swallower.port}/")
        swallower.on = True
        crew = Crew(through, gateway, home, workers, seed * 1000)
        try:
            events = ["kill"] * kills + ["crash"] * crashes + ["stop"] * stops
            choose.shuffle(events)
            for event in events:
                _wait_for_work(books, choose)
                at = choose.randrange(workers)
                if event == "kill":
                    account.kills += crew.kill(at)
                elif event == "stop":
                    account.stops += crew.stop(at, 2 * TTL)
                else:
                    server.stop("immediate")
                    server.start()
                    account.crashes += 1
            codes = crew.wait(400)
            account.odd += [f"a worker ended with {code}" for code in codes if code != 0]
        finally:
            crew.close()
            account.swallowed = swallower.swallowed
        _check(account, dsn, books, requests)
    return account


def _wait_for_work(books: Books, choose: random.Random) -> None:
    """Until a few more tasks were accepted, or for some seconds where nothing comes."""
    before, ends = len(books.taken), time.monotonic() + 8.0
    more = choose.randint(1, 6)
    while len(books.taken) < before + more and time.monotonic() < ends:
        time.sleep(0.02)
    time.sleep(choose.uniform(0.0, 0.1))


def _check(account: Account, dsn: str, books: Books, requests: int) -> None:
    with PostgresLedger(dsn) as ledger:
        entries = list(ledger.entries())
        strays = {task_id for _, task_id in ledger.strays()}
        named = {entry.task.id for entry in entries if entry.task is not None} | strays
        open_ones = {entry.request["prompt"] for entry in entries if entry.step in {Step.UNKNOWN, Step.SENDING}}
        [(granted, used, cost)] = ledger.database.select(
            "SELECT (SELECT granted FROM apimodels.ledger), (SELECT sum(used)::bigint FROM apimodels.run), "
            "(SELECT sum(cost)::bigint FROM apimodels.entry WHERE apimodels.is_billed(step))"
        )
    account.sums, account.granted = (used, cost), granted
    account.saved = sum(entry.step is Step.SAVED for entry in entries)
    account.unknown = len(open_ones)
    for prompt, ids in books.taken.items():
        account.paid_twice += len(ids) > 1
        account.lost += sum(each not in named for each in ids) if prompt not in open_ones else 0
    if len(entries) != requests:
        account.odd.append(f"{len(entries)} entries of {requests}")
    if account.saved + account.unknown != requests:
        left: Any = {entry.key: (entry.step, entry.error) for entry in entries if entry.step is not Step.SAVED}
        account.odd.append(f"neither saved nor unknown: {left}")


def main() -> None:
    """Kill, and print the account."""
    kills, crashes = (int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 2 else (200, 20)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        seed, requests = random.randrange(10**6), 20 * (kills + crashes)
        account = kill_shared(kills, crashes, max(1, crashes // 4), Path(home), seed=seed, requests=requests)
    print(f"{time.monotonic() - began:.0f} s: {account}")
    used, cost = account.sums
    sys.exit(bool(account.paid_twice or account.lost or account.odd or used != cost))


if __name__ == "__main__":
    main()
