"""Storage for the callbacks that a receiver has accepted: the port, and a store in memory."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

__all__ = ["RETENTION", "Arrival", "CallbackStore", "ListeningStore", "MemoryCallbackStore", "StoreFullError"]

RETENTION = 7 * 86400.0
"""Seconds for which a callback is remembered: longer than any task plus the 30 minutes of retries after it."""
TRIES_END = 3600.0
"""Seconds after which the server has certainly stopped retrying: it retries for 30 minutes."""


class StoreFullError(Exception):
    """The store is full for now. The receiver answers 503, and the server retries."""


class Arrival(NamedTuple):
    """An accepted callback.

    Attributes:
        intent_id: of the URL that was called; empty for the plain URL.
        task_id: of the task in the callback.
        settled: whether it was handled completely, so that any further one is a duplicate.
    """

    intent_id: str
    task_id: str
    settled: bool


class CallbackStore(Protocol):
    """Remembers which callbacks were accepted. It stores task ids and intent ids, not bodies.

    Methods may be called from several threads at once. If one raises, the callback is answered 503 and the server
    retries. A key identifies what is delivered only once: an intent, or one task of an intent.

    Attributes:
        shared: whether other processes write to it as well. If so, its methods may block and are called in worker
            threads, and `since` is called several times a second while there are subscribers.
    """

    shared: bool

    def find(self, key: str) -> Arrival | None:
        """Return the arrival stored under this key, or ``None``."""
        ...

    def add(self, key: str, arrival: Arrival) -> Arrival:
        """Store an arrival unless the key has one already, and return the stored one. Atomic across processes."""
        ...

    def settle(self, key: str) -> None:
        """Mark the arrival of this key as settled."""
        ...

    def arrivals(self, intent_ids: Sequence[str]) -> list[Arrival]:
        """Return all arrivals for these intents."""
        ...

    def since(self, mark: int | None) -> tuple[int, list[Arrival]]:
        """Return the next mark and the arrivals added after `mark`; with ``None``, only the mark and no arrivals."""
        ...

    def close(self) -> None:
        """Release what the store holds. It is not used after this."""
        ...


@runtime_checkable
class ListeningStore(Protocol):
    """A shared store that may notice by itself what other processes add.

    Attributes:
        listening: whether it does now; else it is polled.
    """

    listening: bool

    def listen(self, stir: Callable[[], object]) -> None:
        """Call `stir`, in any thread, whenever there may be something; from now on until it is closed."""
        ...


class MemoryCallbackStore:
    """A store in the memory of this process.

    Args:
        max_size: maximum number of arrivals. A full store drops its oldest ones, but not those under an hour old, which
            the server may still be retrying: callbacks are then answered 503.
        clock: returns seconds; for tests.
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
        """Return the arrival stored under this key, or ``None``."""
        with self._turn:
            found = self._kept.get(key)
        return None if found is None else found[1]

    def add(self, key: str, arrival: Arrival) -> Arrival:
        """Store an arrival unless the key has one already, and return the stored one.

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
        """Return all arrivals for these intents."""
        with self._turn:
            return [self._kept[key][1] for each in intent_ids for key in self._keys.get(each, ())]

    def since(self, mark: int | None) -> tuple[int, list[Arrival]]:
        """Return no arrivals: no other process adds to this store."""
        return mark or 0, []

    def close(self) -> None:
        """Forget everything."""
        with self._turn:
            self._kept.clear()
            self._keys.clear()
