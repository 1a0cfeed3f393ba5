"""What a batch would do and cost, found out without sending anything."""

from collections import Counter
from collections.abc import AsyncIterable

from attrs import define

from apimodels_async._batch import resume
from apimodels_async._create.engine import Engine
from apimodels_async._prices import price
from apimodels_async.ledger.entries import Entry, Plan, Step, key_of, plan
from apimodels_async.ledger.port import Ledger
from apimodels_async.models import GenerationRequest


@define
class Estimate:
    """What would become of the requests of a batch.

    Attributes:
        new: how many would be sent, and paid for.
        matched: how many an earlier run made, has under way, or gave up: they would not be sent again.
        unknown: how many an earlier run may have sent: they would not be sent until a person decides.
        cost: US dollars for the new ones, by the catalogue's prices.
        unpriced: how many of the new ones have no known price.
    """

    new: int = 0
    matched: int = 0
    unknown: int = 0
    cost: float = 0.0
    unpriced: int = 0

    @property
    def requests(self) -> int:
        """All of them."""
        return self.new + self.matched + self.unknown


async def estimate(
    engine: Engine, requests: AsyncIterable[GenerationRequest], ledger: Ledger | None, *, failed_again: bool = False,
    retry_failed: bool = False,
) -> Estimate:  # fmt: skip
    """What would become of `requests`.

    Args:
        engine: prepares the requests, as for sending; it sends nothing.
        requests: in the order of the batch.
        ledger: that of earlier runs; it is only read.
        failed_again: whether every task that failed is sent again.
        retry_failed: whether one is if a retry may help.

    Raises:
        TypeError, ValueError: a picture that cannot be read, or no model.
        LedgerError: the ledger cannot be read.
    """
    found = Estimate()
    steps = {} if ledger is None else ledger.steps()
    seen: Counter[str] = Counter()
    async for request in requests:
        entry: Entry | None = None
        if ledger is not None:
            digest = (await engine.prepare(request, for_ledger=True)).digest
            key = key_of(digest, seen[digest])
            seen[digest] += 1
            step = steps.get(key)
            again = failed_again and step is Step.FAILED
            entry = None if plan(step) is Plan.SUBMIT or again else ledger.find(key)
        match resume.resume(entry, index=found.requests, retry_failed=retry_failed):
            case resume.Submit():
                found.new += 1
                cost = price(request, engine.model_of(request), engine.prices)
                found.cost += cost or 0.0
                found.unpriced += cost is None
            case resume.Recover() | resume.ReportUnknown():
                found.unknown += 1
            case _:
                found.matched += 1
    return found
