"""Writes the ledgers of this schema, which every later version has to resume; run once for each, and never again.

python tests/ledger/golden/make.py
"""

import json
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from apimodels_async._create.identity import digest_of, request_view
from apimodels_async.ledger import SqliteLedger, Step
from apimodels_async.ledger.entries import SavedFile, key_of
from apimodels_async.ledger.port import Change
from apimodels_async.ledger.sql import SCHEMA_VERSION
from apimodels_async.models import GenerationRequest, Task, TaskState

HERE = Path(__file__).parent
MODEL = "grok-image/grok-4.2-image"
WAYS: dict[Step, tuple[Step, ...]] = {
    Step.INTENT: (),
    Step.SENDING: (Step.SENDING,),
    Step.CREATED: (Step.SENDING, Step.CREATED),
    Step.DONE: (Step.SENDING, Step.CREATED, Step.DONE),
    Step.SAVED: (Step.SENDING, Step.CREATED, Step.DONE, Step.SAVED),
    Step.FAILED: (Step.SENDING, Step.CREATED, Step.FAILED),
    Step.REJECTED: (Step.SENDING, Step.REJECTED),
    Step.UNKNOWN: (Step.SENDING, Step.UNKNOWN),
    Step.ABANDONED: (Step.SENDING, Step.UNKNOWN, Step.ABANDONED),
}
"""How an entry comes to each step."""


def task_of(prompt: str, step: Step) -> Task | None:
    """The task as it is at a step."""
    created = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
    match step:
        case Step.CREATED:
            return Task(id=f"task-{prompt}", state=TaskState.PENDING, model=MODEL)
        case Step.DONE:
            links = (f"https://pictures.example/task-{prompt}.png",)
            ended = datetime(2026, 1, 2, 3, 4, 25, tzinfo=UTC)
            return Task(
                id=f"task-{prompt}", state=TaskState.COMPLETED, model=MODEL, result_urls=links, complete_time=ended,
                create_time=created,
            )  # fmt: skip
        case Step.FAILED:
            return Task(
                id=f"task-{prompt}", state=TaskState.FAILED, model=MODEL, fail_code="CONTENT_MODERATION",
                fail_msg="not this", retryable=False, create_time=created,
            )  # fmt: skip
        case _:
            return None


def life(prompt: str, step: Step, occurrence: int = 0) -> list[Change]:
    """All that is written about one request until it is at `step`."""
    view = request_view(GenerationRequest(prompt, size="1024x1024", seed=7, extra_body={"style": "ink"}), MODEL, {})
    key = key_of(digest_of(view), occurrence)
    changes = [Change(key, Step.INTENT, digest_of(view), MODEL, view)]
    for each in WAYS[step]:
        files = [SavedFile(f"/elsewhere/{prompt}.png", "0" * 64)] if each is Step.SAVED else None
        error = "no" if each in (Step.UNKNOWN, Step.REJECTED, Step.FAILED) else None
        ordered = f"call-{prompt}" if each is Step.SENDING else None
        name = f"picture of {prompt}" if each is Step.DONE else None
        task = task_of(prompt, each)
        changes.append(Change(key, each, task=task, files=files, error=error, intent_id=ordered, name=name))
    return changes


def write(name: str, changes: list[Change]) -> None:
    """One ledger, all of it in one file."""
    place = HERE / name
    place.unlink(missing_ok=True)
    with SqliteLedger(place) as ledger:
        ledger.bind("https://api.example/v1")
        assert all(changed == 1 for changed in ledger.apply(changes))
    place.with_name(f"{name}.lock").unlink()
    with closing(sqlite3.connect(place)) as database:
        database.execute("UPDATE entries SET changed = 1767323045.0")
        database.commit()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("VACUUM")


def main() -> None:
    """Write them."""
    version = f"v{SCHEMA_VERSION}"
    write(f"{version}-empty.db", [])
    write(f"{version}-every-step.db", [change for step in Step for change in life(step.value, step)])
    twice = [change for number in range(3) for change in life("the same", Step.DONE, number)]
    write(f"{version}-repeated.db", [*twice, *life("the same", Step.UNKNOWN, 3)])
    print(json.dumps({path.name: path.stat().st_size for path in sorted(HERE.glob("*.db"))}))


if __name__ == "__main__":
    main()
