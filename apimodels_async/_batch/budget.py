"""What a batch has spent and may spend, by dated prices. Pure.

An estimate: the vendor bills a picture when its task completes, and its prices change.
"""

import re
from collections.abc import Mapping
from typing import Any

from apimodels_async.catalogue import PUBLISHED, PriceTable, resolution_of
from apimodels_async.models import GenerationRequest

_PICTURES = ("image", "images", "image_url", "image_urls")


class UnpricedModelError(ValueError):
    """A budget cannot be kept for a model whose price is not known."""


class BudgetExceededError(ValueError):
    """One more request would exceed the budget."""


def price(request: GenerationRequest, model: str, prices: PriceTable = PUBLISHED) -> float | None:
    """US dollars that a request costs if it completes, or ``None`` if no price is known.

    The resolution is the request's; where it gives a size instead, the resolution that holds it. What stands in
    ``extra_body`` counts, as it does for the server.
    """
    extra = request.extra_body or {}
    edit = any(getattr(request, name, None) is not None or extra.get(name) is not None for name in _PICTURES)
    n = _field(request, extra, "n")
    quality = _field(request, extra, "quality")
    return prices.cost(
        model,
        n if isinstance(n, int) and n > 0 else 1,
        resolution=_resolution(_field(request, extra, "resolution"), _field(request, extra, "size")),
        quality=quality if isinstance(quality, str) else None,
        edit=edit,
    )


def _field(request: GenerationRequest, extra: Mapping[str, Any], name: str) -> object:
    given: object = extra.get(name)
    return getattr(request, name) if given is None else given


def _resolution(resolution: object, size: object) -> str | None:
    if isinstance(resolution, str):
        return resolution
    if not isinstance(size, str):
        return None
    pixels = re.fullmatch(r"(?a)(\d{1,5})[x*](\d{1,5})", size)
    if pixels is not None:
        return resolution_of((int(pixels[1]), int(pixels[2])))
    return size if re.fullmatch(r"(?a)\d.*[Kk]", size) else None


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
        # A hundredth of a cent: sums of prices must not fail by a rounding error.
        if self._dollars is not None and self.spent + self._committed + cost > self._dollars + 1e-4:
            raise BudgetExceededError(
                f"it would cost about ${cost:.3f}, and ${self.spent + self._committed:.3f} of the budget of "
                f"${self._dollars:.2f} is spent or under way"
            )
        self._committed += cost
        return cost

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
