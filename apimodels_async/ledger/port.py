"""The port to where ledgers are kept: changes as values, and what an adapter does with them.

`SqliteLedger` (a file), `PostgresLedger` (a database that many hosts share) and `MemoryLedger` (for tests) are the
adapters; `tests/ledger/test_port.py` is the contract that each of them passes. An adapter knows nothing of clients,
event loops or HTTP: its methods block, and the `LedgerWriter` calls them in threads.

Where several processes share a ledger, a mark at ``sending`` carries the random number of its attempt, and so does all
news about it. The adapter takes the news of the attempt that the entry is at, and no other.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

from apimodels_async.ledger.entries import Entry, SavedFile, Step, steps_before
from apimodels_async.models import Task


class Change(NamedTuple):
    """Something that happened to one entry.

    With a digest it begins the entry, unless there is one with this key. Without a digest it moves an entry to another
    step: what is not given stays as it was, except the error. An entry that must not come to this step from where it is
    stays there, so that a change that is written late never undoes a later one.

    Attributes:
        key: of the entry.
        step: to which it comes.
        digest: of the request's content, for a new entry.
        model: of a new entry.
        request: the fields of a new entry's request.
        task: the task as it is now.
        files: where its pictures are.
        error: why it failed, was rejected or is unknown.
        intent_id: of the callback that its create request ordered.
        name: what its pictures are called.
        at: when it happened, epoch seconds; by default when it is written.
        before: the steps from which it may come; by default those that `FOLLOWS` allows.
        attempt: the number that a mark at ``sending`` sets, and that news about it must match; ``None`` matches all.
    """

    key: str
    step: Step
    digest: str | None = None
    model: str | None = None
    request: Mapping[str, Any] | None = None
    task: Task | None = None
    files: Sequence[SavedFile] | None = None
    error: str | None = None
    intent_id: str | None = None
    name: str | None = None
    at: float | None = None
    before: frozenset[Step] | None = None
    attempt: int | None = None

    @property
    def allowed_from(self) -> frozenset[Step]:
        """The steps from which it moves an entry."""
        return steps_before(self.step) if self.before is None else self.before


class Result(IntEnum):
    """What became of a change. Only `CHANGED` is more than nothing; the negative ones say why a mark was refused."""

    CHANGED = 1
    UNCHANGED = 0
    """There is no such entry, it must not come to this step from where it is, or the news is of another attempt."""
    FENCED = -1
    """Another worker has begun the shard since."""
    ENDED = -2
    """This run was taken for dead: its lease had run out."""
    MOVED = -3
    """The database is a copy, or a standby that was promoted, and may lack what was acknowledged."""
    NO_BUDGET = -4
    """The budget of the ledger is used up."""
    NO_PRICE = -5
    """The ledger has a budget, and no price is known for the entry's model."""
    NOT_LOADED = -6
    """It is an entry of a shard, and there is none with this content: a picture has changed since it was loaded."""


class Slots(NamedTuple):
    """When create requests may be sent, at the one rate of a ledger's runs.

    Attributes:
        wait: seconds until the first may be sent.
        spacing: seconds between one and the next.
    """

    wait: float
    spacing: float


class Ledger(Protocol):
    """Keeps entries. Its methods block and may be called from several threads; each raises `LedgerError`.

    Attributes:
        shared: whether other processes use it at the same time.
    """

    shared: bool

    def bind(self, server: str) -> None:
        """Use the ledger for `server`, to which it and its entries belong from the first time on.

        Raises:
            LedgerError: it belongs to another server.
        """
        ...

    def apply(self, changes: Iterable[Change]) -> list[int]:
        """Carry out changes in their order, in one transaction, and return when it is durable.

        Returns:
            For each change a `Result`, or a number equal to one: 1 if it changed an entry.

        Raises:
            LedgerError: none of them was carried out.
        """
        ...

    def find(self, key: str) -> Entry | None:
        """The entry with this key, or ``None``."""
        ...

    def steps(self, keys: Collection[str] | None = None) -> dict[str, Step]:
        """The step of each entry by its key: of all entries, or of those among `keys`."""
        ...

    def entries(self) -> Iterator[Entry]:
        """Every entry, in the order in which they were begun."""
        ...

    def is_being_sent(self, key: str) -> bool:
        """Whether another process, which is alive, is sending the create request of this entry."""
        ...

    def slots(self, number: int) -> Slots | None:
        """Take that many turns to send a create request, or return ``None`` where the ledger sets no rate."""
        ...

    def close(self) -> None:
        """Let others have it; may be called twice."""
        ...
