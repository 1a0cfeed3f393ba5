"""`Batch` without ``await``.

Generated from _batch/batch.py by ``python tests/tools/generate_sync.py``: not to be edited by hand.
"""

from collections.abc import Iterator
from functools import partial
from types import TracebackType
from typing import Self

from apimodels_async._batch.batch import Batch as AsyncBatch
from apimodels_async.models import BatchStats, Outcome, Task
from apimodels_async.sync.base import Companion

__all__ = ["Batch"]


class Batch(Companion[AsyncBatch]):
    """Many requests on their way; made by ``ImagesClient.batch``.

    ``with client.batch(requests) as batch: for outcome in batch: …`` gives one outcome for each request,
    as they complete. Leaving the block early stops the local work; what is under way at the vendor goes on there, and
    its tasks are found in `detached`.
    """

    @property
    def stats(self) -> BatchStats:
        """How far the batch is; cheap enough for a progress bar."""
        return self._portal.run(lambda: self._async.stats)

    @property
    def detached(self) -> list[Task]:
        """After the block was left early: every task that the server accepted and whose outcome was not taken.

        A create request whose answer was still under way adds its task when the answer comes. The vendor has no call to
        cancel a task: these go on, and ``client.wait`` can wait for each.
        """
        return self._portal.run(lambda: self._async.detached)

    def stop_creating(self, reason: str, cause: Exception) -> None:
        """Send no further create request. What is under way is finished; the rest ends as `NotSubmittedError`.

        Args:
            reason: why, in words.
            cause: the error behind it.
        """
        self._portal.run(partial(self._async.stop_creating, reason, cause))

    def __enter__(self) -> Self:
        return self._portal.enter(self._async.__aenter__(), self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return self._portal.last(self._async.__aexit__(kind, error, traceback))

    def __iter__(self) -> Iterator[Outcome]:
        return self

    def __next__(self) -> Outcome:
        return self._portal.step(self._async.__anext__())
