"""What became of a shard: a value that is sent between processes. Pure."""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import NamedTuple

from apimodels_async.ledger.entries import Step


class ShardEnd(StrEnum):
    """How the work on a shard ended."""

    FINISHED = "finished"
    """Nothing is left to do in it."""
    OPEN = "open"
    """Something is left, such as a task whose wait was given up, or requests for which the credits did not suffice."""
    STOPPED = "stopped"
    """The process was asked to end, and let the shard go."""
    LOST = "lost"
    """Another process has begun it meanwhile."""
    HELD = "held"
    """Another process that is alive had it: nothing was done."""


class ShardReport(NamedTuple):
    """The work of one process on one shard.

    Attributes:
        number: of the shard, from 0.
        end: how the work ended.
        counts: the number of requests at each step, by its name, such as ``"saved"``.
        not_sent: requests that were not sent, or not taken, because nothing more is: credits, budget, key.
        errors: the first few errors, in words.
        pictures: saved by this process.
        bytes: of these pictures.
        seconds: that it took.
        host: on which it ran.
        pid: of the process.
        finished: shards that are finished by now.
        shards: that there are.
    """

    number: int
    end: ShardEnd
    counts: Mapping[str, int]
    not_sent: int = 0
    errors: tuple[str, ...] = ()
    pictures: int = 0
    bytes: int = 0
    seconds: float = 0.0
    host: str = ""
    pid: int = 0
    finished: int = 0
    shards: int = 0


def open_steps(*, download: bool, retry_failed: bool) -> frozenset[Step]:
    """The steps at which a run has something to do.

    Args:
        download: whether pictures are saved.
        retry_failed: whether a task that failed may be submitted again.
    """
    steps = {Step.INTENT, Step.SENDING, Step.CREATED, Step.REJECTED, Step.UNKNOWN}
    return frozenset(steps | ({Step.DONE} if download else set()) | ({Step.FAILED} if retry_failed else set()))


ENDED: frozenset[Step] = frozenset({Step.REJECTED, Step.UNKNOWN, Step.FAILED})
"""Steps that a run may find and take up, and that are an end when it leaves them so."""


def is_finished(counts: Mapping[Step, int], steps: Collection[Step]) -> bool:
    """Whether nothing is left to do in a shard with these counts, of what is done at `steps`."""
    return not any(counts.get(step) for step in steps if step not in ENDED)
