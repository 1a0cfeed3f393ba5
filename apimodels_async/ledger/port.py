"""The port to where ledgers are kept: changes as values, and what an adapter does with them.

`SqliteLedger` (a file) and `MemoryLedger` (for tests) are the adapters; `tests/ledger/test_port.py` is the contract
that each of them passes. An adapter knows nothing of clients, event loops or HTTP: its methods block, and the
`LedgerWriter` calls them in threads.

How a PostgreSQL adapter fits: `apply` is one transaction with one ``UPDATE ... FROM unnest(...)`` for each run of
changes with different keys, and `Change.allowed_from` is its ``WHERE step = ANY(...)``. Several processes may then
share a ledger, so such an adapter adds the number of the attempt to its own marks, and checks its fence and its
allowance inside `apply`: a mark at ``sending`` that they forbid changes nothing and returns 0, and so nothing is sent.
`steps` takes keys, because a shard is a range of them. `bind` is its check of the server at each connect.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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

    @property
    def allowed_from(self) -> frozenset[Step]:
        """The steps from which it moves an entry."""
        return steps_before(self.step) if self.before is None else self.before


class Ledger(Protocol):
    """Keeps entries. Its methods block and may be called from several threads; each raises `LedgerError`."""

    def bind(self, server: str) -> None:
        """Use the ledger for `server`, to which it and its entries belong from the first time on.

        Raises:
            LedgerError: it belongs to another server.
        """
        ...

    def apply(self, changes: Iterable[Change]) -> list[int]:
        """Carry out changes in their order, in one transaction, and return when it is durable.

        Returns:
            For each change, how many entries it changed: 1 or 0.

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

    def close(self) -> None:
        """Let others have it; may be called twice."""
        ...
