"""When which of thousands of tasks is asked about: one heap and one sleeper, not a timer for each task.

A watched task is always in exactly one of four places:

1. *Waiting*: in the heap, ordered by when its next query is due. An entry of the heap is valid only while it carries
   the ticket of its watch: planning a task anew pushes a second entry under a new ticket, and the old entry is skipped
   when it comes up, which is cheaper than searching the heap for it.
2. *Ready*: its time has come, and it waits for the poll rate, for the gate that a 429 or an outage has closed, or for
   one of the few connections. Only here is there a choice to be made. It goes by urgency: which task has, by what is
   known about its model, probably lain finished and unseen for longest. A large crowd is put in order at most once a
   second, because urgencies change slowly and computing thousands of them takes time. A closed gate holds back all but
   the tasks whose time is up.
3. *Being queried*: by one of the batch's tasks, with no entry anywhere (its ticket is ``None``).
4. *Ended*: the watcher was notified.

Three things move a task before its time. A callback from the vendor makes it due at once; it arrives outside of any
task, so it only adds to a list and wakes the sleeper. What was learned from a task that ended may show that others are
due sooner than was planned when less was known: the heap is then revised, at most once a second. And what was learned
may show that a task that comes up is asked about too early: then it waits on.

Of many tasks of a model of which nothing is known, only the first `PROBES` make the early queries of the adaptive
pacing, and then take turns, the more closely the more tasks depend on what they find: a thousand that ask would learn
the same. When `ENOUGH` have ended, each of the probes is asked about once more, because those that still run count as
well, and all go by the pacing.
"""

import heapq
import logging
import math
from collections import Counter, deque
from functools import partial
from itertools import count
from typing import Generic, Protocol, TypeVar

import anyio

from apimodels_async._batch.worker_tasks import WorkerTasks
from apimodels_async._clock import loop_clock
from apimodels_async._limits import Rate
from apimodels_async._poll.poller import Poller
from apimodels_async._poll.watch import WORTH_A_QUERY, TaskWatch
from apimodels_async.pacing.adaptive import EARLY_LOOKS
from apimodels_async.pacing.protocol import Pacing, learns, typical, urgency

logger = logging.getLogger("apimodels_async")

T = TypeVar("T")
C_contra = TypeVar("C_contra", contravariant=True)

RERANK = 1.0
"""Seconds for which the order of urgency of a crowd is kept at least; it changes slowly."""
RANKED = 5_000
"""Tasks that are put in order in a second at most: tens of thousands would take half of the time."""
REVISE = 1.0
"""Seconds between two revisions of what is waiting."""
PROBES = 32
"""Tasks of a model without a completion yet that are asked about early, in case it is a quick one."""
ENOUGH = 8
"""Tasks of a model that have ended, after which the schedule knows what is to be known."""
FEW = 32
"""So few ready tasks are put in order anew whenever there is one more."""


class Watcher(Protocol[C_contra]):
    """What is notified of how the watched tasks are doing."""

    def queried(self, item: C_contra, watched: TaskWatch) -> None:
        """A query was made, and the watch goes on."""
        ...

    def ended(self, item: C_contra, watched: TaskWatch, error: Exception | None) -> None:
        """The watch has ended: with the task's end, or with an error."""
        ...


class Scheduler(Generic[T]):
    """Queries every watched task when its time has come.

    Args:
        poller: makes the queries.
        pacing: plans them.
        rate: the client's bound on queries a second.
        watcher: is notified.
    """

    def __init__(self, poller: Poller, pacing: Pacing, rate: Rate, watcher: Watcher[T]) -> None:
        self._now = loop_clock()
        self._poller = poller
        self._pacing = pacing
        self._learns = learns(pacing)
        self._rate = rate
        self._watcher = watcher
        self._numbers = count()
        self._waiting: list[tuple[float, int, T, TaskWatch]] = []
        self._ready: deque[tuple[T, TaskWatch]] = deque()  # the most urgent last
        self._called_back: list[tuple[T, TaskWatch]] = []
        self._learned = False
        self._added: Counter[str] = Counter()
        self._ended: Counter[str] = Counter()
        self._turns: dict[str, float] = {}  # by model, when the last of the probes has its turn
        self._revised = -REVISE
        self._ranked = -RERANK
        self._sooner = anyio.Event()
        self._slots = anyio.Semaphore(poller.at_once, fast_acquire=True)

    def add(self, item: T, watched: TaskWatch) -> None:
        """Watch one more task."""
        self._added[watched.key] += 1
        watched.probe = self._added[watched.key] <= PROBES
        watched.begin(self._pacing, self._now())
        self._postpone_unless_probe(watched)
        watched.listen(partial(self._note_callback, item, watched))
        self._push(item, watched)

    def _note_callback(self, item: T, watched: TaskWatch) -> None:
        """The vendor has called about a task. Called by the bare loop, where nothing can be awaited."""
        self._called_back.append((item, watched))
        self._sooner.set()

    def drain(self) -> list[tuple[T, TaskWatch]]:
        """Watch nothing any more, and return what was being watched."""
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

    async def run(self, workers: WorkerTasks) -> None:
        """Query what is due, again and again, until cancelled.

        A fault here must not end the batch: what was being watched has ended with that error, and what is added later
        is watched again.
        """
        self._poller.held.add(self._wake)
        try:
            while True:
                try:
                    await self._run(workers)
                except Exception as error:
                    logger.exception("the watch over %d tasks failed", len(self._waiting) + len(self._ready))
                    for item, watched in self.drain():
                        self._watcher.ended(item, watched, error)
        finally:
            self._poller.held.discard(self._wake)
            self.drain()

    def _wake(self) -> None:
        self._sooner.set()

    async def _run(self, workers: WorkerTasks) -> None:
        while True:
            now = self._now()
            self._collect_due(now)
            if not self._ready:
                self._sooner = anyio.Event()
                with anyio.move_on_after(self._idle(now)):
                    await self._sooner.wait()
                continue
            pause = self._rate.pause(now)
            if pause > 0.0:
                await anyio.sleep(pause)
                continue
            await self._slots.acquire()
            if not self._ready:  # drained meanwhile
                self._slots.release()
                continue
            now = self._now()
            item, watched = self._next_to_query(now)
            if self._poller.may_poll(watched, now):
                self._rate.take(now)
                workers.start(partial(self._query, item, watched))
                continue
            self._slots.release()
            self._ready.append((item, watched))
            self._sooner = anyio.Event()
            with anyio.move_on_after(min(self._poller.gate.pause(now), RERANK)):
                await self._sooner.wait()

    def _idle(self, now: float) -> float | None:
        """Seconds until something is to be done, if nothing happens; ``None`` if nothing is."""
        if not self._waiting:
            return None
        due = self._waiting[0][0]
        if self._learned:
            due = min(due, self._revised + REVISE)
        return max(0.0, due - now)

    def _next_to_query(self, now: float) -> tuple[T, TaskWatch]:
        """Take the most urgent task from the ready list; while the gate is closed, one whose time is up."""
        if self._poller.gate.pause(now) > 0.0:
            for number, (_, watched) in enumerate(self._ready):
                if watched.is_last(now):
                    pair = self._ready[number]
                    del self._ready[number]
                    return pair
        return self._ready.pop()

    def _collect_due(self, now: float) -> None:
        """Move what is due into the ready list, and put that into order where there is a choice to be made."""
        for item, watched in self._called_back:
            # Where a look is under way, the next is planned when that has ended.
            if watched.ticket is not None and watched.advance_on_callback(now):
                self._push(item, watched)
        self._called_back.clear()
        if self._learned and now >= self._revised + REVISE:  # the very sum of `_idle`: it must not ask in vain
            self._revised, self._learned = now, False
            self._revise(now)
        more = False
        while self._waiting and self._waiting[0][0] <= now:
            _, ticket, item, watched = heapq.heappop(self._waiting)
            if watched.ticket != ticket:
                continue
            if watched.defer(self._pacing, now):
                self._push(item, watched)
            else:
                watched.ticket = None
                self._ready.appendleft((item, watched))
                more = True
        crowd = len(self._ready)
        if crowd > 1 and ((more and crowd <= FEW) or now - self._ranked >= max(RERANK, crowd / RANKED)):
            self._ranked = now
            self._ready = deque(sorted(self._ready, key=lambda pair: self._urgency(pair[1], now)))

    def _finds_out(self, watched: TaskWatch, now: float) -> bool:
        """Whether a task is one of the few by which is found out how long those of its model take."""
        return (
            self._learns
            and watched.probe
            and watched.plain
            and now - watched.born >= EARLY_LOOKS[-1]
            and self._added[watched.key] > PROBES
        )

    def _plan_again(self, watched: TaskWatch) -> None:
        """Plan the next query of a task that was found running."""
        now = self._now()
        watched.probe = watched.probe and self._ended[watched.key] < ENOUGH
        if not self._finds_out(watched, now):
            self._poller.plan(watched, self._pacing)
            self._postpone_unless_probe(watched)
            return
        if now < watched.planned:  # the pacing knows a task by its plan: it would take this query for another task's
            watched.postpone(watched.planned)
        else:
            self._poller.plan(watched, self._pacing)
        # By the inspection problem, if they begin to end with a chance of 1 / age a second: see `Schedule`.
        turn = math.sqrt(2.0 * WORTH_A_QUERY * (now - watched.born) / self._added[watched.key])
        due = self._turns[watched.key] = max(now, self._turns.get(watched.key, now)) + turn
        watched.advance(now, due)

    def _postpone_unless_probe(self, watched: TaskWatch) -> None:
        """Leave the early queries to a few; what they find out brings the others forward."""
        if self._learns and not watched.probe and watched.plain and typical(self._pacing, watched.key) is None:
            watched.postpone(max(watched.due, watched.born + EARLY_LOOKS[-1]))

    def _note_end(self, watched: TaskWatch) -> None:
        """Have the rest planned anew by what was learned from a task that has ended."""
        key = watched.key
        self._ended[key] += 1
        if not self._learns:
            return
        if self._ended[key] == ENOUGH and self._added[key] > PROBES:
            self._end_turns(key, self._now())
        self._learned = True
        self._sooner.set()

    def _end_turns(self, key: str, now: float) -> None:
        """Ask about each task that found out about a model once more: how many are still running is learned too."""
        for _, ticket, item, watched in list(self._waiting):
            if watched.ticket == ticket and watched.probe and watched.key == key:
                watched.advance(now, now)
                self._push(item, watched)

    def _revise(self, now: float) -> None:
        """Look sooner at what is waiting, where tasks turn out to be quicker than was thought when it was planned."""
        if not learns(self._pacing):
            return
        revised = self._pacing.revised
        kept = [entry for entry in self._waiting if entry[3].ticket == entry[1]]
        firsts: dict[str, float] = {}  # of the many that were never queried, which is the same for all of a model
        for _, _, _, watched in kept:
            key, looked_at = watched.key, watched.queried - watched.born
            if not looked_at and key not in firsts:
                firsts[key] = revised(key, 0.0)
            watched.advance(now, watched.born + (revised(key, looked_at) if looked_at else firsts[key]))
        self._waiting = [(watched.due, number, item, watched) for _, number, item, watched in kept]
        heapq.heapify(self._waiting)

    def _urgency(self, watched: TaskWatch, now: float) -> float:
        if watched.has_callback:
            return math.inf
        return urgency(self._pacing, watched.key, watched.queried - watched.born, now - watched.born)

    async def _query(self, item: T, watched: TaskWatch) -> None:
        last = watched.last
        try:
            await self._poller.poll(watched)
            if not watched.ended and not last:
                self._plan_again(watched)
        except Exception as error:  # noqa: BLE001  (it becomes the item's outcome)
            watched.unsubscribe()
            self._watcher.ended(item, watched, error)
            return
        finally:
            self._slots.release()
        if watched.ended or last:
            if watched.ended:
                self._note_end(watched)
            watched.unsubscribe()
            self._watcher.ended(item, watched, None if watched.ended else watched.timed_out(self._now()))
        else:
            self._watcher.queried(item, watched)
            self._push(item, watched)
