"""A ledger in memory, for tests: the port's rules without a disk. What it holds ends with the process."""

import json
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator

from apimodels_async.errors import LedgerError
from apimodels_async.ledger import server as servers
from apimodels_async.ledger.entries import Entry, Step, task_from_json, task_to_json
from apimodels_async.ledger.port import Change, Slots


class MemoryLedger:
    """Keeps entries in a dictionary.

    Args:
        clock: epoch seconds.
    """

    shared: bool = False

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._turn = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._closed = False
        self._server: str | None = None

    def bind(self, server: str) -> None:
        """Use the ledger for `server`, to which it belongs from the first time on."""
        with self._turn:
            self._check_open()
            servers.check("the ledger", [] if self._server is None else [self._server], server)
            self._server = server
            self._entries = {key: entry._replace(server=server) for key, entry in self._entries.items()}

    def apply(self, changes: Iterable[Change]) -> list[int]:
        """Carry out changes, all or none of them."""
        with self._turn:
            self._check_open()
            try:
                stored = [_as_stored(change) for change in changes]
            except (TypeError, ValueError) as error:
                raise LedgerError(f"the ledger cannot be written: {error}") from error
            return [self._carry_out(change) for change in stored]

    def _carry_out(self, change: Change) -> int:
        entry = self._entries.get(change.key)
        at = self._clock() if change.at is None else change.at
        if change.digest is not None:
            if entry is not None:
                return 0
            self._entries[change.key] = Entry(
                change.key, change.digest, change.model or "", change.request or {}, change.step, changed=at,
                server=self._server,
            )  # fmt: skip
            return 1
        if entry is None or entry.step not in change.allowed_from:
            return 0
        self._entries[change.key] = entry._replace(
            step=change.step,
            task=change.task or entry.task,
            files=entry.files if change.files is None else tuple(change.files),
            error=change.error,
            intent_id=change.intent_id or entry.intent_id,
            name=change.name or entry.name,
            changed=at,
        )
        return 1

    def find(self, key: str) -> Entry | None:
        """The entry with this key, or ``None``."""
        with self._turn:
            self._check_open()
            return self._entries.get(key)

    def steps(self, keys: Collection[str] | None = None) -> dict[str, Step]:
        """The step of each entry by its key."""
        with self._turn:
            self._check_open()
            return {key: entry.step for key, entry in self._entries.items() if keys is None or key in keys}

    def entries(self) -> Iterator[Entry]:
        """Every entry, in the order in which they were begun."""
        with self._turn:
            self._check_open()
            entries = list(self._entries.values())
        yield from entries

    def is_being_sent(self, key: str) -> bool:
        """There is one process only."""
        return False

    def slots(self, number: int) -> Slots | None:
        """One process has its own rate."""
        return None

    def close(self) -> None:
        """Take no more calls."""
        with self._turn:
            self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise LedgerError("the ledger is closed")


def _as_stored(change: Change) -> Change:
    """A change with what a file would hold of it: JSON's own types, and no pictures inside a task."""
    return change._replace(
        request=None if change.request is None else json.loads(json.dumps(change.request, default=str)),
        task=None if change.task is None else task_from_json(task_to_json(change.task)),
    )
