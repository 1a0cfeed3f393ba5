"""Changes as the JSON that the database's function takes, and rows as entries. Pure."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeAlias

from apimodels_async._prices import price_as_sent
from apimodels_async._text import storable
from apimodels_async._wire.converter import task_from_dict
from apimodels_async.catalogue import PriceTable
from apimodels_async.ledger.entries import Entry, SavedFile, Step, key_of, task_fields
from apimodels_async.ledger.port import Change
from apimodels_async.models import Task

Row: TypeAlias = Sequence[Any]

READ = """
SELECT e.digest, e.occurrence, e.name, r.content, r.model, r.body, e.step, e.task, e.files, e.error, e.changed,
       e.intent_id, (SELECT server FROM apimodels.ledger), e.attempt, e.picture_name
FROM apimodels.entry e JOIN apimodels.request r USING (digest, occurrence)
"""
"""What `entry_of` takes."""

_OF_CONTENT = re.compile(r"([0-9a-f]{32})#(0|[1-9][0-9]{0,8})")


class RowId(NamedTuple):
    """The primary key of an entry.

    Attributes:
        digest: 16 bytes: of the content, or, for a key that the user named, of that name.
        occurrence: of the content; -1 for a named key.
    """

    digest: bytes
    occurrence: int


def row_id(key: str) -> RowId:
    """Where the entry with this key is."""
    if found := _OF_CONTENT.fullmatch(key):
        return RowId(bytes.fromhex(found[1]), int(found[2]))
    return RowId(hashlib.sha256(key.encode()).digest()[:16], -1)


def key_at(digest: bytes, occurrence: int, name: str | None) -> str:
    """The key of the entry there."""
    return key_of(digest.hex(), occurrence) if name is None else name


def micros(dollars: float | None) -> int | None:
    """US dollars as whole millionths."""
    return None if dollars is None else round(dollars * 1e6)


def changes_json(changes: Sequence[Change], prices: PriceTable) -> str:
    """Changes as the function ``apimodels.apply`` takes them, with what new entries cost.

    Raises:
        TypeError, ValueError, RecursionError: one of them cannot be written.
    """
    return json.dumps([_change(each, prices) for each in changes])


def _change(change: Change, prices: PriceTable) -> dict[str, Any]:
    digest, occurrence = row_id(change.key)
    row: dict[str, Any] = {"digest": f"\\x{digest.hex()}", "occurrence": occurrence, "step": change.step.value}
    if change.digest is not None:
        request = change.request or {}
        row |= {
            "content": f"\\x{bytes.fromhex(change.digest).hex()}",
            "model": change.model or "",
            "body": body_of(request),
            "cost": micros(price_as_sent(request, change.model or "", prices)),
        }
        if occurrence < 0:
            row["name"] = change.key
    else:
        row["before"] = _listed(change.allowed_from)
        row["attempt"] = change.attempt
        if change.task is not None:
            row["task_id"] = None if change.task.id is None else storable(change.task.id)
            row["task"] = _compact(change.task)
        if change.files is not None:
            row["files"] = json.dumps(change.files)
        if change.error is not None:
            row["error"] = storable(change.error)
        if change.intent_id is not None:
            row["intent_id"] = change.intent_id
        if change.name is not None:
            row["picture_name"] = storable(change.name)
    if change.at is not None:
        row["at"] = change.at
    return row


def body_of(request: Mapping[str, Any]) -> str:
    """A request's fields as the database keeps them."""
    return json.dumps(request, default=str)


def _compact(task: Task) -> str:
    """A task's fields that are not at their defaults: the row is written four times."""
    return json.dumps({name: value for name, value in task_fields(task).items() if value not in (None, [])})


@cache
def _listed(steps: frozenset[Step]) -> str:
    return " ".join(sorted(each.value for each in steps))


def entry_of(row: Row) -> Entry:
    """An entry from a row of `READ`.

    Raises:
        ValueError, KeyError, TypeError: the row is not one that was written here.
    """
    digest, occurrence, name, content, model, body, step, task, files, error, changed, *rest = row
    intent_id, server, attempt, picture_name = rest
    return Entry(
        key=key_at(digest, occurrence, name),
        digest=content.hex(),
        model=model,
        request=json.loads(body),
        step=Step(step),
        task=None if task is None else _task(task),
        files=tuple(SavedFile(*each) for each in json.loads(files or "[]")),
        error=error,
        changed=changed,
        intent_id=intent_id,
        server=server,
        attempt=attempt,
        name=picture_name,
    )


def _task(text: str) -> Task:
    return task_from_dict({"id": None, **json.loads(text)})
