"""What a receiver remembers of the callbacks it has accepted: the port, and a store in memory."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

__all__ = ["RETENTION", "Arrival", "CallbackStore", "MemoryCallbackStore", "StoreFullError"]

RETENTION = 7 * 86400.0
"""Seconds for which a callback is remembered: longer than any task and the 30 minutes of tries after it."""
TRIES_END = 3600.0
"""Seconds after which a server has long given up: it keeps trying for 30 minutes."""


class StoreFullError(Exception):
    """The store can take no more now. The receiver answers 503, and the server tries again."""


class Arrival(NamedTuple):
    """A callback that was accepted.

    Attributes:
        intent_id: of the URL that was called; empty for the plain one.
        task_id: the task it named.
        settled: whether all that was to be done about it is done, so that another one is a duplicate.
    """

    intent_id: str
    task_id: str
    settled: bool


class CallbackStore(Protocol):
    """Remembers which callbacks were accepted. It holds task ids and intent ids, and no body.

    Its calls may come from several threads at once. Whatever they raise is answered 503, so that the server tries
    again. A key stands for what can be delivered only once: an intent, or one task of it.

    Attributes:
        shared: whether other processes write to it as well. Its calls may then take their time, and are made in worker
            threads; and `since` is asked several times a second while somebody waits.
    """

    shared: bool

    def find(self, key: str) -> Arrival | None:
        """What came under this key."""
        ...

    def add(self, key: str, arrival: Arrival) -> Arrival:
        """Remember an arrival, unless the key has one already: what it has now. In one step, whoever else does so."""
        ...

    def settle(self, key: str) -> None:
        """Mark the arrival of this key as settled."""
        ...

    def arrivals(self, intent_ids: Sequence[str]) -> list[Arrival]:
        """All that came for these intents."""
        ...

    def since(self, mark: int | None) -> tuple[int, list[Arrival]]:
        """What was added after a mark, and the mark for the next time. ``None`` asks for the mark alone."""
        ...

    def close(self) -> None:
        """Use it no more."""
        ...


class MemoryCallbackStore:
    """Remembers in this process, for as long as it runs.

    Args:
        max_size: arrivals. When it is full, the oldest give way, but none younger than an hour, while their server may
            still be trying: then callbacks are answered 503.
        clock: seconds, for tests.
    """

    shared: bool = False

    def __init__(self, *, max_size: int = 100_000, clock: Callable[[], float] = time.monotonic) -> None:
        if max_size < 1:
            raise ValueError(f"max_size={max_size}: give at least 1")
        self._max_size = max_size
        self._clock = clock
        self._turn = threading.Lock()
        self._kept: dict[str, tuple[float, Arrival]] = {}
        self._keys: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: str) -> Arrival | None:
        """What came under this key."""
        with self._turn:
            found = self._kept.get(key)
        return None if found is None else found[1]

    def add(self, key: str, arrival: Arrival) -> Arrival:
        """Remember an arrival, unless the key has one already: what it has now.

        Raises:
            StoreFullError: there is no room.
        """
        with self._turn:
            if key in self._kept:
                return self._kept[key][1]
            now = self._clock()
            self._make_room(now)
            self._kept[key] = now, arrival
            self._keys.setdefault(arrival.intent_id, []).append(key)
            return arrival

    def _make_room(self, now: float) -> None:
        while self._kept:
            key, (added, arrival) = next(iter(self._kept.items()))
            full = len(self._kept) >= self._max_size
            if now - added < (TRIES_END if full else RETENTION):
                break
            del self._kept[key]
            keys = self._keys[arrival.intent_id]
            keys.remove(key)
            if not keys:
                del self._keys[arrival.intent_id]
        if len(self._kept) >= self._max_size:
            raise StoreFullError(f"{self._max_size} callbacks came within an hour: max_size= can be more")

    def settle(self, key: str) -> None:
        """Mark the arrival of this key as settled."""
        with self._turn:
            if key in self._kept:
                added, arrival = self._kept[key]
                self._kept[key] = added, arrival._replace(settled=True)

    def arrivals(self, intent_ids: Sequence[str]) -> list[Arrival]:
        """All that came for these intents."""
        with self._turn:
            return [self._kept[key][1] for each in intent_ids for key in self._keys.get(each, ())]

    def since(self, mark: int | None) -> tuple[int, list[Arrival]]:
        """Nothing: nobody else adds to it."""
        return mark or 0, []

    def close(self) -> None:
        """Forget everything."""
        with self._turn:
            self._kept.clear()
            self._keys.clear()
