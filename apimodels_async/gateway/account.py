"""The balance: completed tasks reduce it, and tasks in flight hold what they will cost.

Figures are whole millionths of a dollar, because sums of 0.008 do not come out even. Times are epoch milliseconds.
"""

import heapq

from apimodels_async.catalogue import PUBLISHED, CatalogueModel, PriceTable, resolution_of

__all__ = ["PRICE_OF_THE_UNPRICED", "Account", "dollars", "price_of"]

PRICE_OF_THE_UNPRICED = 0.02
"""US dollars a picture of a model whose price is not published: made up."""


def price_of(
    model: CatalogueModel,
    size: tuple[int, int],
    n: int,
    *,
    quality: str | None = None,
    edit: bool = False,
    prices: PriceTable = PUBLISHED,
) -> int:
    """What `n` pictures of `size` cost, in millionths of a dollar.

    Where `prices` has none for the size, the model's highest one is taken; where it has none at all,
    `PRICE_OF_THE_UNPRICED`.
    """
    cost = prices.cost(model.id, n, resolution=resolution_of(size), quality=quality, edit=edit)
    if cost is None:
        cost = max((price.cost(n) for price in prices.of(model.id)), default=PRICE_OF_THE_UNPRICED * n)
    return round(cost * 1e6)


def dollars(millionths: int) -> float:
    """The figure as the API returns it."""
    return millionths / 1e6


class Account:
    """The balance and what is available, without a look at every task: those in flight are in a heap by their end.

    Args:
        deposited: paid in, in millionths of a dollar.
    """

    def __init__(self, deposited: int) -> None:
        self._balance = deposited
        self._held = 0
        self._in_flight: list[tuple[int, int, bool]] = []

    @property
    def next_end(self) -> int | None:
        """When the next task in flight ends."""
        return self._in_flight[0][0] if self._in_flight else None

    def add(self, *, ended: int, price: int, billed: bool) -> None:
        """Take a task into account that ends at `ended`, and is `billed` only if it completes."""
        self._held += price
        heapq.heappush(self._in_flight, (ended, price, billed))

    def refund(self, *, ended: int, price: int) -> None:
        """Do not bill a task that was to be billed."""
        entry = (ended, price, True)
        if entry in self._in_flight:
            self._in_flight[self._in_flight.index(entry)] = (ended, price, False)
            heapq.heapify(self._in_flight)
        else:
            self._balance += price

    def balance(self, now: int) -> int:
        """What is left after the tasks that have completed by `now`."""
        while self._in_flight and self._in_flight[0][0] <= now:
            _, price, billed = heapq.heappop(self._in_flight)
            self._held -= price
            self._balance -= price * billed
        return self._balance

    def available(self, now: int) -> int:
        """What is left when the tasks in flight have been paid too, as if all of them will complete."""
        return self.balance(now) - self._held
