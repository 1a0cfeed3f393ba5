"""A vendor in memory, clients that die, and the state machine's eye on what is paid for."""

import json
import logging
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import anyio
import httpx

from apimodels_async import AsyncImagesClient, Outcome
from apimodels_async._sqlite import connect
from apimodels_async.ledger import SqliteLedger, Step
from apimodels_async.pacing import FixedPacing
from tests.support.commits import commits
from tests.support.envelopes import envelope
from tests.support.pictures import PNG
from tests.support.virtual import success

logger = logging.getLogger("apimodels_async")

PICTURE = PNG

PATIENCE = 60.0
"""Seconds after which a run that does not end is a fault."""

UNDECIDED = frozenset({Step.SENDING, Step.UNKNOWN})


class Life:
    """One process's: it ends at its k-th event, and nothing that it does afterwards has any effect."""

    def __init__(self, events: int | None) -> None:
        self._left = events
        self.dead = False

    def event(self) -> None:
        """Something has happened; perhaps the last thing."""
        if self._left is not None and not self.dead:
            self._left -= 1
            self.dead = self._left <= 0

    def connect(self, path: str) -> Any:
        """A connection that ends with this life."""
        return _Mortal(connect(path), self)


class _Mortal:
    def __init__(self, database: sqlite3.Connection, life: Life) -> None:
        self._database = database
        self._life = life

    def execute(self, sql: str, values: Any = ()) -> Any:
        durable = commits(self._database, sql)
        if durable:
            self._life.event()
        if self._life.dead:
            raise sqlite3.OperationalError("this process is dead")
        rows = self._database.execute(sql, values)
        if durable:
            self._life.event()
        return rows

    @property
    def total_changes(self) -> int:
        return self._database.total_changes

    def close(self) -> None:
        self._database.close()


class Vendor:
    """Takes creates, and answers as it is told.

    Attributes:
        faults: for the next creates, in turn.
        links_gone: whether pictures are no longer at their links.
        accepted: prompt → the ids of its tasks: all that is paid for.
        posts: creates that came, taken or not.
        words: with which it refuses.
    """

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.links_gone = False
        self.words = "no"
        self.accepted: dict[str, list[str]] = {}
        self.posts: Counter[str] = Counter()

    def transport(self, life: Life) -> httpx.MockTransport:
        """The way of one process to this vendor."""

        def answer(request: httpx.Request) -> httpx.Response:
            life.event()
            if life.dead:
                raise httpx.ReadError("this process is dead")
            response = self._create(request, life) if request.method == "POST" else self._get(request)
            life.event()
            if life.dead:
                raise httpx.ReadError("this process is dead")
            return response

        return httpx.MockTransport(answer)

    def _create(self, request: httpx.Request, life: Life) -> httpx.Response:
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "refused":
            raise httpx.ConnectError("refused")
        prompt = json.loads(request.content)["prompt"]
        self.posts[prompt] += 1
        if fault in ("429", "402", "400"):
            return httpx.Response(int(fault), content=json.dumps(envelope(int(fault), self.words)))
        if fault == "503, not taken":
            return httpx.Response(503, text="busy")
        ids = self.accepted.setdefault(prompt, [])
        ids.append(f"{prompt}-{len(ids)}")
        life.event()
        if fault == "lost":
            raise httpx.ReadError("reset")
        if fault == "503, taken":
            return httpx.Response(503, text="busy")
        return success(taskId=ids[-1], state="pending")

    def _get(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "pictures.example":
            return httpx.Response(403) if self.links_gone else httpx.Response(200, stream=httpx.ByteStream(PICTURE))
        task_id = request.url.params["task_id"]
        assert task_id in {each for ids in self.accepted.values() for each in ids}
        return success(taskId=task_id, state="completed", resultUrls=[f"https://pictures.example/{task_id}.png"])


def _no_jitter(low: float, _: float) -> float:
    return low


class World:
    """One ledger, one vendor, and one process after another."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.vendor = Vendor()
        self.vendor.words = "no \ud800"  # which no text in a database can hold
        self.path = home / "run.db"

    def in_a_process(self, backend: str, events: int | None, work: Callable[[Any, Any], Any]) -> Any:
        """What `work` gives to a new client and ledger; ``None`` if the process dies before."""
        life = Life(events)

        async def process() -> Any:
            result = None
            async with anyio.create_task_group() as group:
                group.start_soon(_mourn, life, group.cancel_scope)
                async with httpx.AsyncClient(transport=self.vendor.transport(life)) as http:
                    client = AsyncImagesClient(
                        "sk_test", base_url="https://api.example/v1", model="m", http_client=http,
                        pacing=FixedPacing(0.001), wait_timeout=20.0,
                    )  # fmt: skip
                    client._engine.submitter._uniform = client._engine.poller._uniform = _no_jitter
                    try:
                        with SqliteLedger(self.path, connect=life.connect) as ledger:
                            async with client:
                                with anyio.fail_after(PATIENCE):
                                    result = await work(client, ledger)
                    except Exception:
                        if not life.dead:
                            raise
                group.cancel_scope.cancel()
            return None if life.dead else result

        quiet = mock.patch.object(logger, "disabled", new=True)  # a process that was killed logs nothing
        with quiet, mock.patch("apimodels_async._download.picture_fetch.full_jitter", return_value=0.0):
            return anyio.run(process, backend=backend)

    def batch(self, backend: str, events: int | None, prompts: list[str]) -> list[Outcome] | None:
        """Run a batch; its outcomes, or ``None`` if it died."""

        async def work(client: AsyncImagesClient, ledger: SqliteLedger) -> list[Outcome]:
            return await client.generate_many(prompts, ledger=ledger, download_to=self.home / "out", max_in_flight=3)

        outcomes: list[Outcome] | None = self.in_a_process(backend, events, work)
        return outcomes

    def entries(self) -> dict[str, Any]:
        """What stands in the ledger, by key."""
        with SqliteLedger(self.path) as ledger:
            return {entry.key: entry for entry in ledger.entries()}

    def check(self) -> None:
        """Nothing is paid for twice, and nothing that is paid for is lost."""
        entries = list(self.entries().values())
        known = Counter(entry.task.id for entry in entries if entry.task is not None)
        assert not [task_id for task_id, times in known.items() if times > 1]
        for prompt, ids in self.vendor.accepted.items():
            own = [entry for entry in entries if entry.request["prompt"] == prompt]
            begun = [entry for entry in own if entry.step not in (Step.INTENT, Step.REJECTED)]
            assert len(ids) <= len(begun), f"{prompt} was paid for {len(ids)} times, for {len(begun)} requests"
            missing = [task_id for task_id in ids if task_id not in known]
            open_ones = [entry for entry in own if entry.task is None and entry.step in {*UNDECIDED, Step.ABANDONED}]
            assert len(missing) <= len(open_ones), f"lost: {missing}"


async def _mourn(life: Life, scope: anyio.CancelScope) -> None:
    """When the process is dead, let nothing of it wait for anything."""
    while not life.dead:  # noqa: ASYNC110  (it may die in a thread)
        await anyio.sleep(0.001)
    scope.cancel()
