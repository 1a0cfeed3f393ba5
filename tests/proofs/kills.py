"""kill -9 anywhere, again and again: is a request paid for twice, a task lost, a picture torn?

    python tests/proofs/kills.py [KILLS]

Batches with a ledger run against the embedded gateway, on this machine, and are killed at every fail point and at
random moments. After a few kills each is run to its end, and what the gateway accepted is compared with what came out.
"""

import hashlib
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from attrs import Factory, define

sys.path.insert(0, str(Path(__file__).parents[2]))

from apimodels_async.gateway import LocalGateway
from apimodels_async.gateway.store import Store
from tests.proofs.victim import POINTS
from tests.support.pictures import noise

ROOT = Path(__file__).parents[2]
REQUESTS = 6
"""In one batch."""
KILLS_OF_ONE = 5
"""Kills that one batch has to go through at most, before it may run to its end."""
BATCHES_A_KILL = 5
"""Batches for each kill that is wanted, at most: more means that nothing is killed."""
MOST_RUNS = 12
"""Runs of one batch at most: not every one gets as far as its fail point."""
MODEL = "grok-image/grok-4.2-image"


@define
class Figures:
    """What came of it all; counts of requests unless it says otherwise.

    Attributes:
        kills: processes killed.
        by_point: of those, where.
        requests: in all batches.
        accepted: tasks that the gateway took.
        paid_twice: requests for which it took more than one.
        lost: accepted tasks that neither came out nor were reported unknown.
        unknown_accepted: reported unknown, and the gateway has the task.
        unknown_unsent: reported unknown, although the gateway never got it: the price of certainty.
        torn: pictures that are not what the ledger says.
        damaged: ledgers that SQLite finds fault with.
        odd: outcomes that should not be, in words.
    """

    kills: int = 0
    by_point: Counter[str] = Factory(Counter[str])
    requests: int = 0
    accepted: int = 0
    paid_twice: int = 0
    lost: int = 0
    unknown_accepted: int = 0
    unknown_unsent: int = 0
    torn: int = 0
    damaged: int = 0
    odd: list[str] = Factory(list[str])

    @property
    def faults(self) -> dict[str, Any]:
        """What must all be nought."""
        return {name: getattr(self, name) for name in ("paid_twice", "lost", "torn", "damaged", "odd")}


def paint(*, prompt: str, **_: Any) -> bytes:
    """A picture of a few thousand bytes, another one for each prompt."""
    return noise(prompt, 32, 32)


class Books:
    """What the gateway has taken, by prompt; kept as it takes it."""

    def __init__(self) -> None:
        self.taken: dict[str, list[str]] = {}
        self._turn = threading.Lock()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Look over every gateway's shoulder."""
        accept = Store.accept

        def noting(store: Store, task: Any, recipe: Any, **rest: Any) -> int | None:
            short = accept(store, task, recipe, **rest)
            if short is None:
                with self._turn:
                    self.taken.setdefault(recipe.prompt, []).append(task.id)
            return short

        with mock.patch.object(Store, "accept", noting):
            yield


class Killing:
    """One process that forks victims, and the batches that they run one after another.

    Args:
        home: a folder for the batches.
        gateway: where they create their tasks.
        books: what it has taken.
        seed: of this one's choices.
        points: the fail points in the order in which they are used.
    """

    def __init__(self, home: Path, gateway: LocalGateway, books: Books, seed: int, points: Sequence[str]) -> None:
        self._home = home
        self._gateway = gateway
        self._books = books
        self._random = random.Random(seed)
        self._seed = seed
        self._points = points
        self._kills_at_points = 0
        self.figures = Figures()
        paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        self._forge = subprocess.Popen(
            [sys.executable, str(ROOT / "tests/proofs/victim.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": paths},
        )

    def close(self) -> None:
        """End the process."""
        assert self._forge.stdin is not None
        assert self._forge.stdout is not None
        self._forge.stdin.close()
        assert self._forge.wait(60) == 0
        self._forge.stdout.close()

    def kill(self, kills: int, at_points: int) -> Figures:
        """Go through so many kills at least, and so many of them at fail points."""
        for number in range(BATCHES_A_KILL * (kills + at_points)):
            if self.figures.kills >= kills and self._kills_at_points >= at_points:
                return self.figures
            self._one_batch(f"s{self._seed}-b{number}")
        raise AssertionError(f"the batches end before they are killed: {self.figures}")

    def _one_batch(self, name: str) -> None:
        home = self._home / name
        home.mkdir()
        order = {
            "base_url": self._gateway.base_url,
            "key": self._gateway.api_key,
            "model": MODEL,
            "ledger": str(home / "run.db"),
            "pictures": str(home / "out"),
            "report": str(home / "report.json"),
            "prompts": [f"{name}-{number}" for number in range(REQUESTS)],
            "at_once": self._random.choice([2, REQUESTS]),
        }
        killed = 0
        for _ in range(MOST_RUNS):
            if killed >= KILLS_OF_ONE:
                break
            point = self._points[self._kills_at_points % len(self._points)]
            if self._random.random() < 0.25:
                code = self._run(order, after=self._random.uniform(0.0, 0.2))
                point = "at random"
            else:
                # A resumed batch has less left to do than a new one.
                code = self._run(order, point=point, count=self._random.randint(1, 1 if killed else 4))
            if code == -9:
                killed += 1
                self.figures.kills += 1
                self._kills_at_points += point in self._points
                self.figures.by_point[point] += 1
            elif code != 0:
                self.figures.odd.append(f"{name}: a run ended with {code}")
        if self._run(order) != 0:
            self.figures.odd.append(f"{name}: the last run failed")
            return
        self._check(order)

    def _run(self, order: dict[str, Any], **how: Any) -> int:
        assert self._forge.stdin is not None
        assert self._forge.stdout is not None
        backend = self._random.choice(["asyncio", "asyncio", "trio"])
        self._forge.stdin.write(json.dumps({**order, **how, "backend": backend}) + "\n")
        self._forge.stdin.flush()
        code: int = json.loads(self._forge.stdout.readline())["code"]
        return code

    def _check(self, order: dict[str, Any]) -> None:
        figures = self.figures
        sums = self._sums(order["ledger"])
        outcomes = {outcome["prompt"]: outcome for outcome in json.loads(Path(order["report"]).read_text())}
        for prompt in order["prompts"]:
            taken = self._books.taken.get(prompt, [])
            outcome = outcomes[prompt]
            figures.requests += 1
            figures.accepted += len(taken)
            figures.paid_twice += len(taken) > 1
            if outcome["error"] == "SubmissionUnknownError":
                figures.unknown_accepted += bool(taken)
                figures.unknown_unsent += not taken
            elif not outcome["ok"] or outcome["task_id"] not in taken:
                figures.lost += bool(taken)
                figures.odd.append(f"{prompt}: {taken} {outcome}")
            else:
                figures.torn += not outcome["files"]
                for file in outcome["files"]:
                    data = Path(file).read_bytes()
                    right = data == paint(prompt=prompt) and hashlib.sha256(data).hexdigest() == sums.get(file)
                    figures.torn += not right

    def _sums(self, ledger: str) -> dict[str, str]:
        with closing(sqlite3.connect(ledger)) as database:
            (verdict,) = database.execute("PRAGMA integrity_check").fetchone()
            self.figures.damaged += verdict != "ok"
            rows = database.execute("SELECT files FROM entries WHERE files IS NOT NULL").fetchall()
        return {path: digest for (files,) in rows for path, digest in json.loads(files)}


def added(parts: list[Figures]) -> Figures:
    """All figures in one."""
    total = Figures()
    for part in parts:
        for name in Figures.__slots__:
            if not name.startswith("_"):
                setattr(total, name, getattr(total, name) + getattr(part, name))
    return total


def kill_many(kills: int, home: Path, *, seed: int, workers: int = 3) -> Figures:
    """Kill so many processes or a few more, in `home`, at every fail point at least once."""
    books = Books()
    points = random.Random(seed).sample(POINTS, len(POINTS))
    share = -(-len(points) // workers)
    with books.kept(), LocalGateway(latency="0.02/0.05", balance=1e6, paint=paint) as gateway:
        killings = [
            Killing(home, gateway, books, seed * 1000 + number, points[number * share :] + points[: number * share])
            for number in range(workers)
        ]
        try:
            with ThreadPoolExecutor(workers) as threads:
                each = -(-kills // workers)
                return added(list(threads.map(lambda killing: killing.kill(each, share), killings)))
        finally:
            for killing in killings:
                killing.close()


def main() -> None:
    """Kill, and print the figures."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        figures = kill_many(kills, Path(home), seed=random.randrange(10**6))
    print(f"{figures.kills} kills in {time.monotonic() - started:.0f} s, {figures.requests} requests")
    for point, number in figures.by_point.most_common():
        print(f"  {number:5} {point}")
    for name in ("accepted", "unknown_accepted", "unknown_unsent"):
        print(f"{name}: {getattr(figures, name)}")
    print(figures.faults)
    sys.exit(any(figures.faults.values()))


if __name__ == "__main__":
    main()
