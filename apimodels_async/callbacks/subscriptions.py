"""Subscriptions to intents, and a thread that polls a shared store for callbacks received by other processes."""

import logging
import threading
from collections.abc import Callable, Iterable

from apimodels_async.callbacks.stores import Arrival, CallbackStore, ListeningStore

__all__ = ["Subscriptions"]

logger: logging.Logger = logging.getLogger("apimodels_async")

LOOK_EVERY = 0.2
"""Seconds between two polls. A poll costs a few microseconds while nothing has changed."""
LISTENED_EVERY = 5.0
"""Seconds between two polls of a store that says by itself when there is something."""
IDLE_LOOKS = 10
"""Polls without any subscriber after which the thread ends."""


class _Subscription:
    """One subscriber of one intent."""

    __slots__ = ("heard", "told")

    def __init__(self, told: Callable[[str], object]) -> None:
        self.told = told
        self.heard: set[str] = set()


class Subscriptions:
    """Notifies the subscribers of an intent of its accepted callbacks, once for each task."""

    def __init__(self, store: CallbackStore) -> None:
        self._store = store
        self._turn = threading.Lock()
        self._followers: dict[str, _Subscription] = {}
        self._fresh: list[str] = []
        self._stir = threading.Event()
        self._watch: threading.Thread | None = None
        self._closed = False

    def subscribe(self, intent_id: str, told: Callable[[str], object]) -> None:
        """Call `told` for all past and future callbacks of an intent. Never blocks."""
        with self._turn:
            self._followers[intent_id] = _Subscription(told)
            if self._store.shared and not self._closed:
                self._fresh.append(intent_id)
                if self._watch is None or not self._watch.is_alive():  # after a fork it is not
                    self._watch = threading.Thread(target=self._look_around, name="apimodels-callbacks", daemon=True)
                    self._watch.start()
        if self._store.shared:
            self._stir.set()
        else:
            self.tell(self._store.arrivals((intent_id,)))

    def unsubscribe(self, intent_id: str) -> None:
        """Cancel the subscription to an intent."""
        with self._turn:
            self._followers.pop(intent_id, None)

    def tell(self, arrivals: Iterable[Arrival]) -> bool:
        """Notify the subscribers of these arrivals; return whether any of them has a subscriber."""
        subscribed = False
        for arrival in arrivals:
            with self._turn:
                follower = self._followers.get(arrival.intent_id)
                if follower is None:
                    continue
                subscribed = True
                if arrival.task_id in follower.heard:
                    continue
                follower.heard.add(arrival.task_id)
            try:
                follower.told(arrival.task_id)
            except Exception:
                logger.exception("what follows the callback of task %s failed", arrival.task_id)
        return subscribed

    def close(self) -> None:
        """Stop the thread and wait until it has ended."""
        with self._turn:
            self._closed = True
            watch = self._watch
        self._stir.set()
        if watch is not None and watch is not threading.current_thread():
            watch.join()

    def _is_listening(self) -> bool:
        return isinstance(self._store, ListeningStore) and self._store.listening

    def _look_around(self) -> None:
        if isinstance(self._store, ListeningStore):
            self._store.listen(self._stir.set)
        mark: int | None = None
        idle = 0
        troubled = False
        while True:
            with self._turn:
                fresh, self._fresh = self._fresh, []
                idle = 0 if self._followers else idle + 1
                if self._closed or idle > IDLE_LOOKS:
                    self._watch = None
                    return
            try:
                # The mark is read before the past arrivals, so that nothing added in between is missed.
                mark, news = self._store.since(mark)
                self.tell(news)
                self.tell(self._store.arrivals(fresh) if fresh else ())
                troubled = False
            except Exception:
                with self._turn:
                    self._fresh += fresh
                if not troubled:
                    logger.exception("the store of callbacks cannot be read; trying on")
                troubled = True
            self._stir.wait(LISTENED_EVERY if self._is_listening() else LOOK_EVERY)
            self._stir.clear()
