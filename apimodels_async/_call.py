"""The vendor's call about one create, come or still to come. Pure: who waits for it is woken by a plain function."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Call:
    """One create's callback. It is a hint, which tells that asking is worth it; what it says is not believed.

    Attributes:
        intent_id: names it.
        task_id: as the first callback said; ``None`` before. The only way to find a task whose create lost its answer.
        rings: how many callbacks have come.
        wakes: called at each of them.
    """

    __slots__ = ("intent_id", "rings", "task_id", "wakes")

    def __init__(self, intent_id: str) -> None:
        self.intent_id: str = intent_id
        self.task_id: str | None = None
        self.rings: int = 0
        self.wakes: set[Callable[[], object]] = set()

    def ring(self, task_id: str) -> None:
        """A callback has come."""
        self.rings += 1
        if self.task_id is None:
            self.task_id = task_id
        for wake in list(self.wakes):
            wake()
