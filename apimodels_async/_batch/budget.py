"""What a batch has spent and may spend, by dated prices. Pure."""

from apimodels_async._prices import price
from apimodels_async.catalogue import PUBLISHED, PriceTable
from apimodels_async.models import GenerationRequest


class UnpricedModelError(ValueError):
    """A budget cannot be kept for a model whose price is not known."""


class BudgetExceededError(ValueError):
    """One more request would exceed the budget."""


class Budget:
    """Counts what is spent and what tasks under way will cost.

    Args:
        dollars: what may be spent; ``None`` for no limit.
        prices: the prices that count.
        allow_unpriced: whether a request may be sent although its price is not known. It counts as free.

    Attributes:
        spent: US dollars, for completed tasks and for those that may have been accepted.
        unpriced: models for which no price is known, and the number of their requests.
    """

    def __init__(self, dollars: float | None, prices: PriceTable = PUBLISHED, *, allow_unpriced: bool = False) -> None:
        self._dollars = dollars
        self._prices = prices
        self._allow_unpriced = allow_unpriced
        self._committed = 0.0
        self._earlier: dict[str, float] = {}
        self._set_aside = 0.0  # their sum
        self.spent = 0.0
        self.unpriced: dict[str, int] = {}

    def commit(self, request: GenerationRequest, model: str) -> float:
        """Set aside what `request` will cost, in US dollars.

        Raises:
            UnpricedModelError, BudgetExceededError: there is a budget, and it does not allow this one.
        """
        cost = price(request, model, self._prices)
        if cost is None:
            if self._dollars is not None and not self._allow_unpriced:
                raise UnpricedModelError(
                    f"a budget is set, and no price is known for {model!r}; allow_unpriced=True sends it all the same, "
                    "and APIMODELS_PRICES names a file of prices"
                )
            self.unpriced[model] = self.unpriced.get(model, 0) + 1
            return 0.0
        used = self.spent + self._committed + self._set_aside
        # A hundredth of a cent: sums of prices must not fail by a rounding error.
        if self._dollars is not None and used + cost > self._dollars + 1e-4:
            raise BudgetExceededError(
                f"it would cost about ${cost:.3f}, and ${used:.3f} of the budget of ${self._dollars:.2f} is spent or "
                "under way"
            )
        self._committed += cost
        return cost

    @property
    def is_limited(self) -> bool:
        """Whether there is a budget."""
        return self._dollars is not None

    def set_aside(self, key: str, request: GenerationRequest, model: str) -> None:
        """Count what an earlier run has spent on a request that comes later, until it is its turn."""
        self._earlier[key] = price(request, model, self._prices) or 0.0
        self._set_aside += self._earlier[key]

    def release(self, key: str) -> None:
        """It is the turn of a request of an earlier run."""
        self._set_aside -= self._earlier.pop(key, 0.0)

    def take_up(self, request: GenerationRequest, model: str) -> float:
        """Set aside what a request of an earlier run will cost, whatever the budget says: it is under way."""
        cost = price(request, model, self._prices) or 0.0
        self._committed += cost
        return cost

    def spend(self, request: GenerationRequest, model: str) -> None:
        """Count what an earlier run has spent."""
        self.spent += price(request, model, self._prices) or 0.0

    def settle(self, cost: float, *, billed: bool) -> None:
        """What was set aside is spent, or free again."""
        self._committed -= cost
        if billed:
            self.spent += cost
