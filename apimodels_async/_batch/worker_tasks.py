"""Tasks that do one short work after another: making a task takes several times what waking one does."""

from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import TypeAlias

import anyio
import anyio.abc

Work: TypeAlias = Callable[[], Awaitable[object]]

IDLE = 64
"""Tasks that are kept for later work: as many as there are queries at once."""


class _Worker:
    """A task that waits for work."""

    __slots__ = ("wake", "work")

    def __init__(self, wake: anyio.Event) -> None:
        self.work: Work | None = None
        self.wake: anyio.Event = wake


class WorkerTasks:
    """Does each work in a task of a group, and keeps a few of these tasks.

    What is done has the context variables of where this was made, and those that earlier work in the same task has set
    and left so.

    Args:
        group: that the tasks belong to. What their work raises, and its cancellation, is a matter of the group.
        keep: tasks that are kept for later work; none where the work calls what may leave context variables behind.
    """

    def __init__(self, group: anyio.abc.TaskGroup, keep: int = IDLE) -> None:
        self._group = group
        self._keep = keep
        self._context = copy_context()
        self._idle: list[_Worker] = []
        self._new_event: Callable[[], anyio.Event] = type(anyio.Event())
        """`anyio.Event` itself finds out each time which library runs, which takes longer than all the rest."""

    def start(self, work: Work) -> None:
        """Have `work` done soon, beside everything else."""
        if self._idle:
            worker = self._idle.pop()
            worker.work = work
            worker.wake.set()
        else:
            self._context.run(self._group.start_soon, self._do, work)

    async def _do(self, work: Work | None) -> None:
        while work is not None:
            await work()
            work = None  # what it held may be large
            if len(self._idle) < self._keep:
                worker = _Worker(self._new_event())
                self._idle.append(worker)
                await worker.wake.wait()
                work = worker.work
