"""What a batch counts: requests, bytes, and what was spent by the catalogue's prices. No I/O."""

from apimodels_async._batch.budget import Budget
from apimodels_async._batch.options import Item, Phase
from apimodels_async.catalogue import PUBLISHED, PriceTable
from apimodels_async.errors import LedgerError, SubmissionUnknownError
from apimodels_async.models import BatchStats, Task, TaskState


class Accounts:
    """The counters of one batch, and its budget.

    Attributes:
        budget: what it may spend and has spent.
        read, submitted, in_flight, saving, completed, failed, unknown, polls, bytes, uploaded: as in `BatchStats`.
    """

    def __init__(self, dollars: float | None, prices: PriceTable = PUBLISHED, *, allow_unpriced: bool = False) -> None:
        self.budget: Budget = Budget(dollars, prices, allow_unpriced=allow_unpriced)
        self.read: int = 0
        self.submitted: int = 0
        self.in_flight: int = 0
        self.saving: int = 0
        self.completed: int = 0
        self.failed: int = 0
        self.unknown: int = 0
        self.polls: int = 0
        self.bytes: int = 0
        self.uploaded: int = 0
        self._uploads: dict[int, int] = {}

    def move(self, item: Item, phase: Phase, *, billed: bool = True) -> None:
        """An item enters another phase. When it leaves the flight, what was set aside for it is spent if `billed`."""
        if item.phase is Phase.IN_FLIGHT:
            self.in_flight -= 1
            self.budget.settle(item.cost, billed=billed)
            item.cost = 0.0
        elif item.phase is Phase.SAVING:
            self.saving -= 1
        item.phase = phase
        self.in_flight += phase is Phase.IN_FLIGHT
        self.saving += phase is Phase.SAVING

    def note_upload(self, item: Item, sent: int, *, ended: bool) -> None:
        """`sent` bytes of one of an item's large pictures were sent; an upload that begins anew counts again."""
        before = self._uploads.get(item.index, 0)
        self.uploaded += sent - before if sent >= before else sent
        self._uploads[item.index] = sent
        if ended:
            del self._uploads[item.index]

    def count_failure(self, error: Exception) -> None:
        """One more request has ended with an error."""
        self.failed += 1
        self.unknown += isinstance(error, SubmissionUnknownError)

    def stats(self, *, matched: int, waiting: int, outage: float) -> BatchStats:
        """All of it, for the user; the arguments are as in `BatchStats`."""
        return BatchStats(
            read=self.read,
            submitted=self.submitted,
            in_flight=self.in_flight,
            saving=self.saving,
            completed=self.completed,
            failed=self.failed,
            unknown=self.unknown,
            polls=self.polls,
            bytes=self.bytes,
            spent=self.budget.spent,
            matched=matched,
            waiting=waiting,
            outage=outage,
            uploaded=self.uploaded,
            unpriced=sum(self.budget.unpriced.values()),
        )


def is_billed(task: Task | None, error: Exception | None) -> bool:
    """Whether a request that ended with `task` and `error` counts as paid for.

    A task that was accepted is, unless it failed: one whose wait was given up goes on, and will be billed. So is a
    create request that was accepted and could not be written down, and one whose outcome is unknown.
    """
    accepted = task is not None and task.state != TaskState.FAILED
    unwritten = isinstance(error, LedgerError) and error.task_id is not None
    return accepted or unwritten or isinstance(error, SubmissionUnknownError)
