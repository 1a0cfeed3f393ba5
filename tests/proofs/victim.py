"""Runs batches in processes that are killed with SIGKILL: by themselves at a fail point, or by their parent's clock.

One order a line comes on standard input, as JSON; one line goes back for each, with how the process ended. Each batch
runs in a fork of this process, which has imported everything and done nothing: so a fork costs a hundredth of a start.
"""

import functools
import gc
import json
import os
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

import anyio

from apimodels_async import AsyncImagesClient, GenerationRequest, Outcome
from apimodels_async._download import part_file
from apimodels_async._http import tls, transport
from apimodels_async._sqlite import connect
from apimodels_async.ledger import SqliteLedger, recorder
from apimodels_async.ledger import run as ledger_run
from apimodels_async.ledger.sql import CHANGE
from apimodels_async.pacing import FixedPacing
from tests.support.commits import commits

for _module in ("_batch.batch", "ledger.once"):  # what a client imports when it needs it
    import_module(f"apimodels_async.{_module}")

PATIENCE = 120.0
"""Seconds for one batch."""


class Fuse:
    """Kills this process when its point is reached for the k-th time."""

    def __init__(self, point: str, count: int) -> None:
        self.point = point
        self.left = count

    def reached(self, point: str) -> None:
        if point == self.point:
            self.left -= 1
            if self.left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


class Wired:
    """A connection with a fuse beside every commit."""

    def __init__(self, database: sqlite3.Connection, fuse: Fuse) -> None:
        self._database = database
        self._fuse = fuse
        self._traced = 0
        database.set_trace_callback(self._trace)

    def _trace(self, statement: str) -> None:
        """Called for a statement, and then for each trigger: those are what changes the entries."""
        self._traced += 1
        if statement.startswith(CHANGE) and self._traced == 2:
            self._fuse.reached("inside a transaction")

    def execute(self, sql: str, values: Any = ()) -> Any:
        durable = commits(self._database, sql)
        self._traced = 0
        if durable:
            self._fuse.reached("before a commit")
        rows = self._database.execute(sql, values)
        if durable:
            self._fuse.reached("after a commit")
        return rows

    @property
    def total_changes(self) -> int:
        return self._database.total_changes

    def close(self) -> None:
        self._fuse.reached("before the file is closed")
        self._database.close()


POINTS = (
    "before a commit",
    "inside a transaction",
    "after a commit",
    "before a transaction",
    "after a transaction",
    "before the first byte",
    "after the mark",
    "after the answer",
    "before a rename",
    "between the flush and the rename",
    "after a rename",
    "before the files are noted",
    "after the files are noted",
    "before the file is closed",
)
"""Where a process can be killed."""


def around(holder: Any, name: str, fuse: Fuse, before: str, after: str) -> None:
    """Put the fuse before and after a plain function."""
    original = getattr(holder, name)

    @functools.wraps(original)
    def wired(*given: Any, **named: Any) -> Any:
        fuse.reached(before)
        result = original(*given, **named)
        fuse.reached(after)
        return result

    setattr(holder, name, wired)


def around_async(holder: Any, name: str, fuse: Fuse, before: str, after: str) -> None:
    """Put the fuse before and after an async function."""
    original = getattr(holder, name)

    @functools.wraps(original)
    async def wired(*given: Any, **named: Any) -> Any:
        fuse.reached(before)
        result = await original(*given, **named)
        fuse.reached(after)
        return result

    setattr(holder, name, wired)


def wire(fuse: Fuse) -> Callable[[str], Any]:
    """Put the fuse at every point; gives how to connect."""
    around(SqliteLedger, "apply", fuse, "before a transaction", "after a transaction")
    around_async(recorder.LedgerJournal, "sending", fuse, "before the first byte", "after the mark")
    around_async(transport.Http, "submit", fuse, "", "after the answer")
    around(part_file.PartFile, "finish", fuse, "before a rename", "after a rename")
    around(os, "fsync", fuse, "", "between the flush and the rename")
    around(ledger_run.LedgerRun, "saved", fuse, "before the files are noted", "after the files are noted")
    return lambda path: Wired(connect(path), fuse)


def told(outcome: Outcome, key: str) -> dict[str, Any]:
    """An outcome as JSON."""
    return {
        "prompt": outcome.request.prompt,
        "ok": outcome.ok,
        "error": None if outcome.error is None else type(outcome.error).__name__,
        "task_id": None if outcome.task is None else outcome.task.id,
        "files": [str(file) for file in outcome.files],
        "words": str(outcome.error or "").replace(key, "(the key)"),
    }


async def run(order: dict[str, Any], connect: Callable[[str], Any]) -> None:
    """One batch, and its outcomes into a file."""
    requests = [GenerationRequest(prompt, size="32x32") for prompt in order["prompts"]]
    with SqliteLedger(order["ledger"], connect=connect) as ledger, anyio.fail_after(PATIENCE):
        async with AsyncImagesClient(
            order["key"], base_url=order["base_url"], model=order["model"], pacing=FixedPacing(0.02)
        ) as client:
            outcomes = await client.generate_many(
                requests, ledger=ledger, download_to=order["pictures"], max_in_flight=order["at_once"]
            )
    report = json.dumps([told(outcome, order["key"]) for outcome in outcomes])
    await anyio.Path(order["report"]).write_text(report)


def child(order: dict[str, Any]) -> None:
    """The life of one process."""
    code = 1
    try:
        fuse = Fuse(order.get("point", "nowhere"), order.get("count", 1))
        anyio.run(run, order, wire(fuse), backend=order["backend"])
        code = 0
    except BaseException:  # noqa: BLE001  (nothing may get out of a fork)
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Fork for each order."""
    tls.shared_context()  # (read once, not in every fork)
    for name in ("cattrs.gen", "apimodels_async._http.fast"):  # what is imported on first use, likewise
        with suppress(ImportError):
            import_module(name)
    gc.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            child(order)
        if "after" in order:
            time.sleep(order["after"])
            os.kill(pid, signal.SIGKILL)  # harmless if it has ended: nobody has waited for it yet
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"code": os.waitstatus_to_exitcode(status)}), flush=True)


if __name__ == "__main__":
    main()
