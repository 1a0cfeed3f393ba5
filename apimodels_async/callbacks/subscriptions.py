"""Who waits for which intent, and a thread that looks into a shared store for what other processes were told."""

import logging
import threading
from collections.abc import Callable, Iterable

from apimodels_async.callbacks.stores import Arrival, CallbackStore

__all__ = ["Subscriptions"]

logger = logging.getLogger("apimodels_async")

LOOK_EVERY = 0.2
"""Seconds. A look costs a few microseconds while nothing has changed."""
IDLE_LOOKS = 10
"""How often the thread looks around with nobody left to tell, before it ends."""


class _Subscription:
    """Somebody who waits for one intent."""

    __slots__ = ("heard", "told")

    def __init__(self, told: Callable[[str], object]) -> None:
        self.told = told
        self.heard: set[str] = set()


class Subscriptions:
    """Tells those who follow an intent of what was accepted for it, each task once."""

    def __init__(self, store: CallbackStore) -> None:
        self._store = store
        self._turn = threading.Lock()
        self._followers: dict[str, _Subscription] = {}
        self._fresh: list[str] = []
        self._stir = threading.Event()
        self._watch: threading.Thread | None = None
        self._closed = False

    def subscribe(self, intent_id: str, told: Callable[[str], object]) -> None:
        """Tell `told` of all that came and will come for an intent. Never waits."""
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
        """Tell no more."""
        with self._turn:
            self._followers.pop(intent_id, None)

    def tell(self, arrivals: Iterable[Arrival]) -> bool:
        """Tell whom it concerns; whether there was anybody."""
        anybody = False
        for arrival in arrivals:
            with self._turn:
                follower = self._followers.get(arrival.intent_id)
                if follower is None:
                    continue
                anybody = True
                if arrival.task_id in follower.heard:
                    continue
                follower.heard.add(arrival.task_id)
            try:
                follower.told(arrival.task_id)
            except Exception:
                logger.exception("what follows the callback of task %s failed", arrival.task_id)
        return anybody

    def close(self) -> None:
        """End the thread, and wait for that."""
        with self._turn:
            self._closed = True
            watch = self._watch
        self._stir.set()
        if watch is not None and watch is not threading.current_thread():
            watch.join()

    def _look_around(self) -> None:
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
                # The mark comes before the look back: what is added between the two is found by both.
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
            self._stir.wait(LOOK_EVERY)
            self._stir.clear()
