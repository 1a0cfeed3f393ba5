"""What an agent pays for: each request once, by its key in a ledger, and all of them together within a budget.

What counts is in the ledger, so that a restart does not begin anew: every entry that is or may be paid for, and every
request that is being sent. No argument of a tool leads past `PaidRequests.task_of`.
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from weakref import WeakValueDictionary

import anyio

from apimodels_async._download.destination import as_paths
from apimodels_async._prices import price, price_as_sent
from apimodels_async.catalogue import PriceTable
from apimodels_async.client import AsyncImagesClient
from apimodels_async.errors import NotSubmittedError
from apimodels_async.ledger.entries import Entry, Plan, Step, plan
from apimodels_async.ledger.once import create_once
from apimodels_async.ledger.run import LedgerRun
from apimodels_async.models import GenerationRequest, Task

__all__ = ["Created", "PaidRequests"]

_PAID = frozenset({Step.SENDING, Step.CREATED, Step.DONE, Step.SAVED, Step.UNKNOWN})
"""Entries at these steps are paid for, or may be."""
_ROUNDING = 1e-9


class Created(NamedTuple):
    """The task of a request.

    Attributes:
        key: of its entry in the ledger.
        task: as the server accepted it, or as it was last recorded.
        paid: US dollars that this call has committed; 0 where an earlier call had made it already.
    """

    key: str
    task: Task
    paid: float


class PaidRequests:
    """Creates tasks by keys, as far as the budget goes.

    Args:
        client: sends the requests.
        records: its way into the ledger.
        budget: US dollars for everything in the ledger.
    """

    def __init__(self, client: AsyncImagesClient, records: LedgerRun, budget: float) -> None:
        self._engine = client._engine  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        self._records = records
        self._reserved = 0.0
        self._money = anyio.Lock()
        self._locks: WeakValueDictionary[str, anyio.Lock] = WeakValueDictionary()
        self.budget: float = budget

    @classmethod
    async def open(cls, client: AsyncImagesClient, ledger: Path, budget: float) -> "PaidRequests":
        """Open a ledger, which is closed with the client.

        Raises:
            LedgerError: it belongs to another server, or another process uses it.
        """
        records = await client._open(ledger, match=False)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        return cls(client, records, budget)

    async def spent(self) -> float:
        """US dollars that are paid or may be, by the catalogue's prices."""
        entries = await self._records.entries()
        return sum(_cost_of(entry, self._engine.prices) for entry in entries) + self._reserved

    async def task_of(self, request: GenerationRequest, key: str | None) -> Created:
        """The task of a request: that of an earlier call with its key, or a new one if the budget allows it.

        Args:
            request: what to make.
            key: a name for it; by default its content, so that the same request is made once.

        Raises:
            NotSubmittedError: the budget does not allow it, or the price is not known; nothing was sent.
            ValueError: the key belongs to another request, or an argument is not valid.
            ApimodelsError: as `AsyncImagesClient.create` raises with a ledger.
        """
        prepared = await self._engine.prepare(request, for_ledger=True)
        named = key or f"content:{prepared.digest}"
        async with self._locks.setdefault(named, anyio.Lock()):
            entry = await self._records.find(named)
            cost = 0.0
            if entry is None or plan(entry.step) is Plan.SUBMIT:
                cost = await self._reserve(request, prepared.model)
            with self._reserved_until_sent(cost):
                task = await create_once(self._records, prepared, named, self._engine)
            return Created(named, task, cost)

    async def _reserve(self, request: GenerationRequest, model: str) -> float:
        cost = price(request, model, self._engine.prices)
        if cost is None:
            raise NotSubmittedError(
                f"not sent: no price is known for {model}, so that it cannot be kept within the budget; choose a model "
                "with a known price"
            )
        async with self._money:
            spent = await self.spent()
            if spent + cost > self.budget + _ROUNDING:
                raise NotSubmittedError(
                    f"not sent: it costs ${cost:.3f}, and ${spent:.3f} of the budget of ${self.budget:.2f} is spent. "
                    "The budget was set by the person who started this server, and no tool changes it"
                )
            self._reserved += cost
        return cost

    @contextmanager
    def _reserved_until_sent(self, cost: float) -> Generator[None]:
        try:
            yield
        finally:
            self._reserved -= cost  # from its mark in the ledger on, the entry counts by itself

    async def entry_of(self, task_id: str) -> Entry | None:
        """The entry with this task, if the ledger has one."""
        entries = await self._records.entries()
        return next((each for each in entries if each.task is not None and each.task.id == task_id), None)

    async def ended(self, key: str, task: Task) -> None:
        """Record that the task of an entry has ended: one that failed is not paid for.

        Raises:
            LedgerError: it cannot be recorded.
        """
        self._records.ended(key, task)
        await self._records.flush()

    async def saved_files(self, key: str) -> list[Path]:
        """The pictures of an entry that are on the disk as they were saved; empty if they are not all there."""
        entry = await self._records.find(key)
        files = None if entry is None else await self._records.whole_files(entry)
        return list(as_paths(files or ()))

    async def save(self, client: AsyncImagesClient, key: str | None, task: Task, directory: Path) -> list[Path]:
        """Save the pictures of a completed task, and record where they are.

        Raises:
            ApimodelsError: as `AsyncImagesClient.download` raises; or it cannot be recorded.
        """
        downloader = client._downloader  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        saved = await downloader.download(task, directory)
        if key is not None:
            self._records.ended(key, task)
            self._records.saved(key, saved)
            await self._records.flush()
        return list(as_paths(picture.path for picture in saved))


def _cost_of(entry: Entry, prices: PriceTable) -> float:
    """US dollars of an entry that is or may be paid for. One without a price was not made by this server."""
    return (price_as_sent(entry.request, entry.model, prices) or 0.0) if entry.step in _PAID else 0.0
