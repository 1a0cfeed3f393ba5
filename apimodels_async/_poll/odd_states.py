"""Unknown words for the state of a task that has links: it counts as completed, which is logged once."""

import logging

from apimodels_async._wire.tasks import odd_state
from apimodels_async.models import Task

logger = logging.getLogger("apimodels_async")

_REMEMBERED = 50_000


class OddStates:
    """The tasks of one client for which this was logged."""

    def __init__(self) -> None:
        self._tasks: set[str] = set()

    def note(self, task: Task) -> None:
        """Log it if it is so, and was not logged before."""
        word = odd_state(task)
        if word is None or task.id is None or task.id in self._tasks:
            return
        if len(self._tasks) >= _REMEMBERED:
            self._tasks.clear()
        self._tasks.add(task.id)
        logger.warning(
            "task %s is in the unknown state %r and has links: it counts as completed",
            task.id,
            word,
            extra={"task_id": task.id, "model": task.model},
        )
