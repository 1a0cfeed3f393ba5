"""What a batch has spent and may spend, by the catalogue's dated prices. Pure."""

from apimodels_async._prices import price
from apimodels_async.models import GenerationRequest


class UnpricedModelError(ValueError):
    """A budget cannot be kept for a model whose price is not known."""


class BudgetExceededError(ValueError):
    """One more request would exceed the budget."""


class Budget:
    """Counts what is spent and what tasks under way will cost.

    Attributes:
        spent: US dollars, for completed tasks and for those that may have been accepted.
    """

    def __init__(self, dollars: float | None) -> None:
        self._dollars = dollars
        self._committed = 0.0
        self.spent = 0.0

    def commit(self, request: GenerationRequest, model: str) -> float:
        """Set aside what `request` will cost, in US dollars.

        Raises:
            UnpricedModelError, BudgetExceededError: there is a budget, and it does not allow this one.
        """
        cost = price(request, model)
        if self._dollars is not None:
            if cost is None:
                raise UnpricedModelError(f"a budget is set, and no price is known for {model!r}")
            # A hundredth of a cent: sums of prices must not fail by a rounding error.
            if self.spent + self._committed + cost > self._dollars + 1e-4:
                raise BudgetExceededError(
                    f"it would cost about ${cost:.3f}, and ${self.spent + self._committed:.3f} of the budget of "
                    f"${self._dollars:.2f} is spent or under way"
                )
        self._committed += cost or 0.0
        return cost or 0.0

    def take_up(self, request: GenerationRequest, model: str) -> float:
        """Set aside what a request of an earlier run will cost, whatever the budget says: it is under way."""
        cost = price(request, model) or 0.0
        self._committed += cost
        return cost

    def spend(self, request: GenerationRequest, model: str) -> None:
        """Count what an earlier run has spent."""
        self.spent += price(request, model) or 0.0

    def settle(self, cost: float, *, billed: bool) -> None:
        """What was set aside is spent, or free again."""
        self._committed -= cost
        if billed:
            self.spent += cost
