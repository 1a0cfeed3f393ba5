"""What a PostgreSQL ledger costs, and that it costs as much with a million requests in it as with a thousand.

A throw-away server of the distribution's PostgreSQL on the same machine, as it comes: every commit is on the disk
before it is acknowledged. For each size, a new database is loaded with that many requests, and a few of its shards are
gone through as a worker does: 256 requests at a time are marked, accepted, ended and saved, through the writer that a
batch uses, but without HTTP. The CPU of this process is the client's; that of all processes of the server is the
server's. The bytes on the disk are those of the whole database after that, for each request in it. A vacuum and a
checkpoint come first, so that nothing of the loading is left to do, and every size writes its first pages whole.

Changes a second are those of one connection: once with as many changes in a transaction as gather while it is busy,
and once with 40, as a batch makes them that waits for its pictures.

The CPU of a batch is that of the batch of 2,000 tasks in *ledger*, once with a ledger in PostgreSQL and once with one
in a file, in turn, each in a fresh interpreter.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

if __name__ == "__main__":  # the server is found from there
    sys.path.insert(0, str(Path(__file__).parents[2]))

from apimodels_async import GenerationRequest
from apimodels_async.ledger import PostgresLedger, SavedFile, Step
from apimodels_async.ledger.port import Change, Ledger
from apimodels_async.ledger.recorder import LedgerJournal, LedgerWriter
from apimodels_async.models import Task
from tests.bench import ledger as of_batches
from tests.bench.rows import Row, at_least, at_most, just, show
from tests.support.postgres import REQUIRED, PostgresServer, running

MODEL = "grok-image/grok-4.2-image"
SIZES = (1_000, 10_000, 100_000, 1_000_000)
LIVES = 3_000
"""Requests that are gone through at each size."""
WARMING = 200
"""Of a new connection, which are not counted: it makes its plans."""
AT_ONCE = 256
A_TRANSACTION = 40
PAIRS = 5
GOAL_CHANGES, GOAL_LOADED, GOAL_CPU, GOAL_FLAT = 5_000, 60.0, 1.1, 1.25
_TICKS = os.sysconf("SC_CLK_TCK")


class Cost(NamedTuple):
    """What was used up.

    Attributes:
        seconds: on the wall.
        client: seconds of CPU of this process.
        server: seconds of CPU of all processes of the server.
        wal: bytes of write-ahead log.
    """

    seconds: float
    client: float
    server: float
    wal: int


class Size(NamedTuple):
    """A ledger of one size.

    Attributes:
        loading: what all of its requests cost to load.
        life: what `lives` of them cost.
        lives: how many went through.
        disk: bytes of the database.
    """

    loading: Cost
    life: Cost
    lives: int
    disk: int

    @property
    def cpu(self) -> float:
        """Microseconds of CPU for each life, of both sides."""
        return 1e6 * (self.life.client + self.life.server) / self.lives


class Meter:
    """Reads what a server and this process have used up."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._main = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])

    def server_cpu(self) -> float:
        """Seconds of CPU, also of those of its processes that have ended."""
        ticks = 0
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(folder.name) == self._main:
                ticks += sum(map(int, fields[11:15]))
            elif int(fields[1]) == self._main:
                ticks += sum(map(int, fields[11:13]))
        return ticks / _TICKS

    def _wal(self) -> int:
        [(position,)] = self._server.sql("postgres", "SELECT pg_current_wal_insert_lsn() - '0/0'")
        return int(position)

    @contextmanager
    def costs(self) -> Iterator[list[Cost]]:
        """A list into which the cost of what happens inside comes at its end."""
        found: list[Cost] = []
        wal, server, client, began = self._wal(), self.server_cpu(), time.process_time(), time.perf_counter()
        yield found
        seconds, used = time.perf_counter() - began, time.process_time() - client
        found.append(Cost(seconds, used, self.server_cpu() - server, self._wal() - wal))


def saved(key: str) -> SavedFile:
    return SavedFile(f"/data/pictures/{key}.png", "0" * 64)


def ended(key: str) -> Task:
    return Task(id=f"task-{key}", state="completed", result_urls=(f"https://cdn.example/pictures/{key}.png",))


async def live(ledger: Ledger, keys: Sequence[str]) -> None:
    """Go through the lives of these entries, many at once, as a batch does."""
    writer = LedgerWriter(ledger)
    left = iter(keys)

    async def work() -> None:
        for key in left:
            journal = LedgerJournal(writer, key)
            await journal.sending()
            await journal.accepted(Task(id=f"task-{key}", state="pending"))
            journal.ended()
            writer.post(Change(key, Step.DONE, task=ended(key)))
            writer.post(Change(key, Step.SAVED, files=[saved(key)]))

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())
    await writer.aclose()


def measure(server: PostgresServer, meter: Meter, size: int) -> Size:
    """A new ledger of `size` requests, some of whose lives are gone through."""
    dsn = server.database()
    name = dsn.rpartition("/")[2]
    with PostgresLedger(dsn) as ledger:
        with meter.costs() as loading:
            ledger.load((GenerationRequest(f"a red kite over the sea, no. {n}") for n in range(size)), model=MODEL)
        shards = ledger.divide()
        server.sql(name, "VACUUM (ANALYZE)")  # or the server would do so by itself while it is measured
        server.sql(name, "CHECKPOINT")
        lives = 0
        life: list[Cost] = []
        for number in range(shards):
            shard = ledger.shard(number)
            keys = [key for key, step in shard.steps().items() if step is Step.INTENT][: LIVES - lives]
            if not life:
                asyncio.run(live(shard, keys[:WARMING]))
                keys = keys[WARMING:]
            with meter.costs() as cost:
                asyncio.run(live(shard, keys))
            life += cost
            lives += len(keys)
            shard.close()
            if lives >= LIVES:
                break
        assert ledger.counts()[Step.SAVED] == lives + WARMING
    [(disk,)] = server.sql(name, "SELECT pg_database_size(current_database())")
    return Size(loading[0], Cost(*map(sum, zip(*life, strict=True))), lives, int(disk))


def steady(server: PostgresServer) -> tuple[float, float]:
    """Changes a second of one connection, with 40 in a transaction; and how many transactions that is."""
    with PostgresLedger(server.database()) as ledger:
        ledger.load((f"a kite, no. {n}" for n in range(LIVES)), model=MODEL)
        keys = list(ledger.steps())
        seconds = 0.0
        changes = 0
        left = iter(keys)
        while some := list(islice(left, A_TRANSACTION)):
            for each in (
                [Change(key, Step.SENDING, attempt=1) for key in some],
                [Change(key, Step.CREATED, task=Task(id=f"task-{key}", state="pending"), attempt=1) for key in some],
                [Change(key, Step.DONE, task=ended(key)) for key in some],
                [Change(key, Step.SAVED, files=[saved(key)]) for key in some],
            ):
                began = time.perf_counter()
                assert set(ledger.apply(each)) == {1}
                if some[0] != keys[0]:
                    seconds += time.perf_counter() - began
                    changes += len(each)
    return changes / seconds, changes / A_TRANSACTION / seconds


def batches(server: PostgresServer, meter: Meter) -> Iterator[Row]:
    """Batches with either ledger, in turn."""
    pairs: list[tuple[float, float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for pair in range(PAIRS):
            in_file, _ = of_batches.measure(str(Path(folder) / f"{pair}.db"))
            before = meter.server_cpu()
            shared, _ = of_batches.measure(server.database())
            pairs.append((in_file, shared, meter.server_cpu() - before))
    in_file, shared, server_side = (
        1e6 * statistics.median(each) / of_batches.NUMBER for each in zip(*pairs, strict=True)
    )
    what, beside = f"{of_batches.NUMBER:,} tasks with a ledger in PostgreSQL, CPU a task", "with one in a file"
    ratio = statistics.median(ours / others for others, ours, _ in pairs)
    yield at_most(what, beside, ratio, GOAL_CPU, told=f"{shared:,.0f} µs : {in_file:,.0f} µs")
    both = statistics.median((ours + theirs) / others for others, ours, theirs in pairs)
    yield just(f"{what}, that of its server included", beside, both, told=f"{server_side:,.0f} µs of the server")


def rows() -> Iterator[Row]:
    os.environ.setdefault(REQUIRED, "1")
    with running() as server:
        meter = Meter(server)
        empty = PostgresLedger(dsn := server.database())
        empty.close()
        [(least,)] = server.sql(dsn.rpartition("/")[2], "SELECT pg_database_size(current_database())")
        each, transactions = steady(server)
        yield at_least(
            f"changes a second of one connection, {A_TRANSACTION} a transaction", "", each, GOAL_CHANGES, "",
            told=f"{transactions:.0f} transactions a second",
        )  # fmt: skip
        found: dict[int, Size] = {}
        for size in SIZES:
            found[size] = it = measure(server, meter, size)
            client, server_side, wal = (1e6 * it.life.client, 1e6 * it.life.server, it.life.wal)
            yield just(
                f"a request on a ledger of {size:,}, CPU", "", it.cpu, "µs",
                told=f"{client / it.lives:.0f} µs here, {server_side / it.lives:.0f} µs of the server; "
                f"{(it.disk - least) / size:,.0f} bytes on disk, {wal / it.lives:,.0f} of write-ahead log",
            )  # fmt: skip
        small, large = found[SIZES[0]], found[SIZES[-1]]
        beside = f"on one of {SIZES[0]:,}"
        what = f"a request on a ledger of {SIZES[-1]:,}"
        yield just(f"{what}, CPU here", "", 1e6 * large.life.client / large.lives, "µs")
        yield just(f"{what}, CPU of the server", "", 1e6 * large.life.server / large.lives, "µs")
        yield just(f"{what}, disk", "", (large.disk - least) / SIZES[-1], "bytes")
        yield at_most(f"{what}, CPU", beside, large.cpu / small.cpu, GOAL_FLAT)
        on_disk = (large.disk - least) / SIZES[-1], (small.disk - least) / SIZES[0]
        yield at_most(f"{what}, bytes on disk", beside, on_disk[0] / on_disk[1], GOAL_FLAT)
        wal_each = large.life.wal / large.lives, small.life.wal / small.lives
        yield at_most(f"{what}, write-ahead log", beside, wal_each[0] / wal_each[1], GOAL_FLAT)
        yield at_least(
            f"changes a second of one connection, {AT_ONCE} requests at once", "",
            4 * large.lives / large.life.seconds, GOAL_CHANGES, "", told="on the largest",
        )  # fmt: skip
        loading = large.loading
        yield at_most(
            f"{SIZES[-1]:,} requests loaded", "", loading.seconds, GOAL_LOADED, "s",
            told=f"CPU: {loading.client:.0f} s here, {loading.server:.0f} s of the server",
        )  # fmt: skip
        yield from batches(server, meter)


if __name__ == "__main__":
    show(rows())
