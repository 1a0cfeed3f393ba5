"""Workers that share one ledger are killed, frozen and cut off from their peers; nothing is paid twice or lost.

python -m tests.proofs.cluster [--engine plain|dask] [--kills N] [--crashes N] [--freezes N] [--partitions N]
"""

import argparse
import itertools
import math
import os
import random
import signal
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from apimodels_async import GenerationRequest
from apimodels_async.ledger import PostgresLedger
from tests.proofs.cluster.account import Account
from tests.proofs.cluster.engines import Dask, Engine, Plain
from tests.proofs.cluster.partitions import Partitions, enter_namespace, groups
from tests.proofs.cluster.referee import Referee
from tests.support.postgres import PostgresServer, running

if TYPE_CHECKING:
    import subprocess

MODEL = "grok-image/grok-4.2-image"
PATIENCE = 3600.0


class Disturber:
    """Kills, freezes, crashes and partitions, each so often and in an order by chance."""

    def __init__(
        self, options: argparse.Namespace, server: PostgresServer, ledger: PostgresLedger, referee: Referee
    ) -> None:
        self._server = server
        self._ledger = ledger
        self._ttl = options.ttl
        self._random = random.Random(options.seed)
        counts = {"kill": options.kills, "freeze": options.freezes, "crash": options.crashes}
        counts["partition"] = options.partitions
        self.partitions = Partitions({"database": server.port, "vendor": urlsplit(referee.base_url).port or 80})
        peers = ("database", "vendor", "scheduler") if options.engine == "dask" else ("database", "vendor")
        self._peers = itertools.cycle(peers)
        self.left = [name for name, number in counts.items() for _ in range(number)]
        self._random.shuffle(self.left)
        self._every = options.every
        self._next = time.monotonic() + 2.0 * options.every
        self._thawing: list[threading.Timer] = []
        self.done: dict[str, int] = dict.fromkeys(counts, 0)
        self.sending: list[int] = []
        self.uneven: list[str] = []
        self._left: dict[tuple[int, int], float] = {}
        self.taken_after: list[float] = []

    @property
    def interruptions(self) -> int:
        return sum(self.done.values())

    def look(self) -> None:
        """Note when shards with accepted tasks of dead workers are begun again: seconds after their lease."""
        if self._left:
            now = time.monotonic()
            fences = {state.number: state.fence for state in self._ledger.shards()}
            taken = [(number, fence) for number, fence in self._left if fences[number] > fence]
            self.taken_after += [max(0.0, now - self._left.pop(each) - self._ttl) for each in taken]

    def act(self, engine: Engine) -> None:
        """Do the next thing, if its time has come."""
        if not self.left or time.monotonic() < self._next:
            return
        victim = self._victim(engine, whole=self.left[-1] == "partition")
        if victim is None:
            # One that has just begun does nothing yet that could go wrong. But the first that does something is not
            # waited for: it would always be met in its first moment.
            self._next = time.monotonic() + self._random.uniform(0.3, 1.7) * self._every
            return
        what = self.left.pop()
        self.done[what] += 1
        self._next = time.monotonic() + self._random.uniform(0.3, 1.7) * self._every
        if what == "crash":
            self._server.stop("immediate")
            time.sleep(self._random.uniform(0.0, 1.0))
            self._server.start()
            return
        if what == "kill":
            victim.kill()
            victim.wait()
            [(sending,)] = self._ledger.database.select(_SENDING, (victim.pid,))
            self.sending.append(sending)
            now = time.monotonic()
            self._left |= dict.fromkeys(self._ledger.database.select(_LEFT, (victim.pid,)), now)
            [(used, cost, budget)] = self._ledger.database.select(_MONEY)
            if used != cost or used > budget:
                self.uneven.append(f"after {self.done['kill']} kills used {used}, cost {cost}, budget {budget}")
        elif what == "partition":
            self.partitions.cut(victim.pid, next(self._peers), 2.2 * self._ttl)
        else:  # longer than its lease, and then let go as a zombie
            victim.send_signal(signal.SIGSTOP)
            timer = threading.Timer(2.2 * self._ttl, victim.send_signal, (signal.SIGCONT,))
            timer.daemon = True
            timer.start()
            self._thawing.append(timer)

    def _victim(self, engine: Engine, *, whole: bool) -> "subprocess.Popen[bytes] | None":
        """A worker that is working on a shard in which something is under way; `whole`: and reaches all its peers."""
        busy = {pid for (pid,) in self._ledger.database.select(_BUSY)}
        working = [worker for worker in engine.workers() if worker.pid in busy and worker.poll() is None]
        working = [worker for worker in working if not (whole and self.partitions.is_cut(worker.pid))]
        return self._random.choice(working) if working else None


_BUSY = """
SELECT DISTINCT r.pid FROM apimodels.run r JOIN apimodels.entry e ON e.run = r.id
WHERE r.ended IS NULL AND r.seen > clock_timestamp() - make_interval(secs => r.ttl / 2)
  AND e.step IN ('sending', 'created', 'done')
"""
_SENDING = """
SELECT count(*) FROM apimodels.entry WHERE step = 'sending' AND run IN (SELECT id FROM apimodels.run WHERE pid = %s)
"""

_LEFT = """
SELECT s.number, s.fence FROM apimodels.shard s JOIN apimodels.run r ON r.id = s.run
WHERE r.pid = %s AND NOT s.finished AND EXISTS (SELECT FROM apimodels.entry e WHERE e.digest >= s.first
    AND (s.beyond IS NULL OR e.digest < s.beyond) AND e.step IN ('created', 'done'))
"""
_MONEY = """
SELECT (SELECT sum(used) FROM apimodels.run), (SELECT sum(cost) FROM apimodels.entry WHERE step IN
    ('sending', 'created', 'done', 'saved', 'unknown')), budget
FROM apimodels.ledger
"""


def prove(options: argparse.Namespace) -> list[str]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        server = stack.enter_context(running())
        referee = stack.enter_context(
            Referee(refused=0.0 if options.demo else 0.08, lost=0.0 if options.demo else 0.01)
        )
        dsn = server.database()
        ledger = stack.enter_context(PostgresLedger(dsn))
        loaded = load(ledger, options, 0)
        kind = Dask if options.engine == "dask" else Plain
        environment = {"APIMODELS_API_KEY": "sk_localdevelopment", "APIMODELS_BASE_URL": referee.base_url}
        engine = kind(
            stack, ledger, dsn, folder / "pictures", workers=options.workers, ttl=options.ttl, environment=environment,
            groups=groups() if options.partitions else None,
        )  # fmt: skip
        disturber = Disturber(options, server, ledger, referee)
        began, shown = time.monotonic(), 0.0
        while engine.tend() or disturber.left:
            if disturber.left and all(state.finished for state in ledger.shards()):
                loaded = load(ledger, options, loaded)
            disturber.look()
            disturber.act(engine)
            if time.monotonic() - shown > (1.0 if options.demo else 10.0):
                shown = time.monotonic()
                show(ledger, disturber, shown - began)
            if time.monotonic() - began > PATIENCE:
                return [f"not done after {PATIENCE:g} s"]
            time.sleep(0.1)
        print(f"\n{options.engine}: {disturber.done} in {time.monotonic() - began:.0f} s", flush=True)
        return judge(options, disturber, Account.of(referee, ledger))


def judge(options: argparse.Namespace, disturber: Disturber, account: Account) -> list[str]:
    """Print what was seen, and return what is not as it must be."""
    print(account.lines(), flush=True)
    faults = account.faults(disturber.interruptions, options.unknown) + disturber.uneven[:3]
    if disturber.sending:
        mean, most = sum(disturber.sending) / len(disturber.sending), max(disturber.sending)
        busy = os.getloadavg()[1] / (os.cpu_count() or 1)
        print(f"being sent when killed: {mean:.2f} on average, {most} at most; load of each core {busy:.1f}")
    if after := disturber.taken_after:
        average, longest = sum(after) / len(after), max(after)
        print(f"accepted tasks watched again: {average:.1f} s after the lease on average, {longest:.1f} at most")
    if options.watched is not None and max(disturber.taken_after, default=math.inf) > options.watched:
        faults.append(f"accepted tasks were watched again later than {options.watched:g} s after the lease")
    if options.partitions:
        print("packets dropped by the partitions:", disturber.partitions.dropped)
        if not all(disturber.partitions.dropped):
            faults.append("a partition has dropped nothing")
    if options.rate is not None and account.busiest > 1.2 * options.rate + 1:
        faults.append(f"{account.busiest} in the busiest second at rate {options.rate:g}")
    return faults


def load(ledger: PostgresLedger, options: argparse.Namespace, loaded: int) -> int:
    """Put in as many requests again, at the beginning or where the work was done too soon, and return how many there
    are. The budget is what all of them cost.
    """
    wanted: int = loaded + options.requests
    ledger.load((GenerationRequest(f"picture {n}") for n in range(wanted)), model=MODEL)
    ledger.set_terms(budget=0.03 * wanted, create_rate=options.rate)
    ledger.divide(max(4 * options.workers, options.requests // 50))
    return wanted


def show(ledger: PostgresLedger, disturber: Disturber, seconds: float) -> None:
    """A line about the shards: which are finished (=), being worked on (+), and waiting (.)."""
    states = ledger.shards()
    marks = "".join("=" if state.finished else "+" if state.held else "." for state in states[:100])
    counts = " ".join(f"{step} {number}" for step, number in sorted(ledger.counts().items()))
    print(f"{seconds:5.0f} s  [{marks}]  {counts}   {disturber.done}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("plain", "dask"), default="plain")
    for name, number in (
        ("kills", 60),
        ("crashes", 0),
        ("freezes", 0),
        ("partitions", 0),
        ("requests", 1000),
        ("workers", 3),
        ("seed", 1),
    ):
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--ttl", type=float, default=4.0, help="seconds of a lease")
    parser.add_argument("--every", type=float, default=1.5, help="seconds from one disturbance to the next, on average")
    parser.add_argument("--unknown", type=float, help="maximum of unknown requests an interruption, on average")
    parser.add_argument("--watched", type=float, help="maximum seconds until accepted tasks are watched again")
    parser.add_argument("--rate", type=float, default=None, help="create requests a second, of all workers")
    parser.add_argument("--demo", action="store_true", help="a friendly server, and a view of the shards each second")
    options = parser.parse_args()
    if options.partitions:
        enter_namespace(sys.argv[1:])
    os.environ.setdefault("PYTHONPATH", os.getcwd())  # noqa: PTH109
    faults = prove(options)
    for fault in faults:
        print("FAULT:", fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
