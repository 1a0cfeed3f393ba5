"""When which of thousands of tasks is asked about: one heap and one sleeper, not a timer for each task."""

import heapq
import math
from collections import Counter, deque
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import anyio
import anyio.abc

from apimodels_async._limits import Rate
from apimodels_async._poll.poller import Poller
from apimodels_async._poll.watch import TaskWatch
from apimodels_async._wire.tasks import lacks_links
from apimodels_async.pacing.adaptive import EARLY_LOOKS
from apimodels_async.pacing.protocol import Pacing, typical, urgency

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
C_contra = TypeVar("C_contra", contravariant=True)

RERANK = 1.0
"""Seconds for which the order of urgency of a crowd is kept; it changes slowly."""
REVISE = 1.0
"""Seconds between two revisions of what is waiting."""
PROBES = 32
"""So many tasks of a model that nobody has seen finish are looked at early, in case it is a quick one."""
FEW = 32
"""So few are put in order anew each time."""


class Watcher(Protocol[C_contra]):
    """Who is told how the watched tasks are doing."""

    def queried(self, item: C_contra, watched: TaskWatch) -> None:
        """A look was taken, and the watch goes on."""
        ...

    def ended(self, item: C_contra, watched: TaskWatch, error: Exception | None) -> None:
        """The watch has ended: with the task's end, or with an error."""
        ...


class Scheduler(Generic[T]):
    """Looks at every watched task when its time has come.

    Args:
        poller: who asks.
        pacing: when.
        rate: the client's bound on queries a second.
        watcher: who is told.
    """

    def __init__(self, poller: Poller, pacing: Pacing, rate: Rate, watcher: Watcher[T]) -> None:
        self._poller = poller
        self._pacing = pacing
        self._rate = rate
        self._watcher = watcher
        self._numbers = count()
        self._waiting: list[tuple[float, int, T, TaskWatch]] = []
        self._ready: deque[tuple[T, TaskWatch]] = deque()  # the most urgent last
        self._rung: list[tuple[T, TaskWatch]] = []
        self._learned = False
        self._revises = hasattr(pacing, "revised")
        self._added: Counter[str] = Counter()
        self._revised = -REVISE
        self._ranked = -RERANK
        self._sooner = anyio.Event()
        self._slots = anyio.Semaphore(poller.at_once)

    def add(self, item: T, watched: TaskWatch) -> None:
        """Watch one more task."""
        self._added[watched.key] += 1
        watched.probe = self._added[watched.key] <= PROBES or not self._revises
        watched.begin(self._pacing, anyio.current_time())
        self._spare(watched)
        watched.listen(partial(self._called, item, watched))
        self._push(item, watched)

    def _called(self, item: T, watched: TaskWatch) -> None:
        """The vendor has called about a task; told by the bare loop, where nothing can be asked of it."""
        self._rung.append((item, watched))
        self._sooner.set()

    def drain(self) -> list[tuple[T, TaskWatch]]:
        """Watch nothing any more, and give what was being watched."""
        waiting = ((item, watched) for _, ticket, item, watched in self._waiting if watched.ticket == ticket)
        left = [*self._ready, *waiting]
        self._ready.clear()
        self._waiting.clear()
        for _, watched in left:
            watched.unsubscribe()
        return left

    def _push(self, item: T, watched: TaskWatch) -> None:
        if not self._waiting or watched.due < self._waiting[0][0]:
            self._sooner.set()
        watched.ticket = next(self._numbers)  # an older entry of the same watch is void
        heapq.heappush(self._waiting, (watched.due, watched.ticket, item, watched))

    async def run(self, group: anyio.abc.TaskGroup) -> None:
        """Look, and look again, until cancelled."""
        try:
            await self._run(group)
        finally:
            self.drain()

    async def _run(self, group: anyio.abc.TaskGroup) -> None:
        while True:
            now = anyio.current_time()
            self._collect_due(now)
            if not self._ready:
                self._sooner = anyio.Event()
                with anyio.move_on_after(self._waiting[0][0] - now if self._waiting else None):
                    await self._sooner.wait()
                continue
            pause = max(self._rate.pause(now), self._poller.gate.pause(now))
            if pause > 0.0:
                await anyio.sleep(pause)
                continue
            await self._slots.acquire()
            if not self._ready:  # drained meanwhile
                self._slots.release()
                continue
            item, watched = self._ready.pop()
            self._rate.take(anyio.current_time())
            group.start_soon(self._look, item, watched)

    def _collect_due(self, now: float) -> None:
        """Move what is due into the ready list, and put that into order where there is a choice to be made."""
        for item, watched in self._rung:
            # Where a look is under way, the next is planned when that has ended.
            if watched.ticket is not None and watched.advance_on_callback(now):
                self._push(item, watched)
        self._rung.clear()
        if self._learned and now - self._revised >= REVISE:
            self._revised, self._learned = now, False
            self._revise(now)
        while self._waiting and self._waiting[0][0] <= now:
            _, ticket, item, watched = heapq.heappop(self._waiting)
            if watched.ticket != ticket:
                continue
            if watched.defer(self._pacing, now):
                self._push(item, watched)
            else:
                watched.ticket = None
                self._ready.appendleft((item, watched))
        crowd = len(self._ready)
        if crowd > 1 and (crowd <= FEW or now - self._ranked >= RERANK):
            self._ranked = now
            self._ready = deque(sorted(self._ready, key=lambda pair: self._urgency(pair[1], now)))

    def _spare(self, watched: TaskWatch) -> None:
        """Leave the early looks to a few; what they find out brings the others forward."""
        sparing = watched.ours and not watched.probe and watched.call is None and watched.trouble is None
        if sparing and not lacks_links(watched.task) and typical(self._pacing, watched.key) is None:
            watched.postpone(max(watched.due, watched.born + EARLY_LOOKS[-1]))

    def _revise(self, now: float) -> None:
        """Look sooner at what is waiting, where tasks turn out to be quicker than was thought when it was planned."""
        revised: Callable[[str, float], float] | None = getattr(self._pacing, "revised", None)
        if revised is None:
            return
        kept = [entry for entry in self._waiting if entry[3].ticket == entry[1]]
        for _, _, _, watched in kept:
            watched.advance(now, watched.born + revised(watched.key, watched.queried - watched.born))
        self._waiting = [(watched.due, number, item, watched) for _, number, item, watched in kept]
        heapq.heapify(self._waiting)

    def _urgency(self, watched: TaskWatch, now: float) -> float:
        if watched.has_callback:
            return math.inf
        return urgency(self._pacing, watched.key, watched.queried - watched.born, now - watched.born)

    async def _look(self, item: T, watched: TaskWatch) -> None:
        try:
            await self._poller.poll(watched)
        except Exception as error:  # noqa: BLE001  (it becomes the item's outcome)
            watched.unsubscribe()
            self._watcher.ended(item, watched, error)
            return
        finally:
            self._slots.release()
        if watched.ended or watched.last:
            watched.unsubscribe()
        if watched.ended:
            self._learned = True
            self._watcher.ended(item, watched, None)
        elif watched.last:
            self._watcher.ended(item, watched, watched.timed_out(anyio.current_time()))
        else:
            self._watcher.queried(item, watched)
            self._poller.plan(watched, self._pacing)
            self._spare(watched)
            self._push(item, watched)
