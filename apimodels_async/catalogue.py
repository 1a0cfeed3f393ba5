"""What is publicly known about the vendor's models: ids and prices, with the date they were read.

Data, not logic: prices change, so nothing but an estimate or a message may depend on them. A model that is
not listed here is sent to the server as it is.
"""

from collections.abc import Mapping
from datetime import date

from attrs import field, frozen

__all__ = ["AS_OF", "MODELS", "SERVER_ALIASES", "CatalogueModel", "find"]

AS_OF = date(2026, 11, 1)
"""The day the figures below were read from the vendor's public pages."""


@frozen
class CatalogueModel:
    """A model as the vendor lists it.

    Attributes:
        id: the full id, ``provider/name`` where a provider is known.
        prices: US dollars a picture, by resolution (``"1K"``, ``"2K"``, ``"4K"``). A model with one price for
            every resolution lists only ``"1K"``; a model without a published price lists none.
    """

    id: str
    prices: Mapping[str, float] = field(factory=dict[str, float])

    @property
    def short_id(self) -> str:
        """The id without its provider, which the server accepts as well."""
        return self.id.rpartition("/")[2]

    def price(self, resolution: str | None = None) -> float | None:
        """US dollars a picture at `resolution` (``None``: the server's own default, taken as 1K).

        ``None`` when no price is published.
        """
        wanted = "1K" if resolution is None else resolution.upper()
        if len(self.prices) == 1:
            return next(iter(self.prices.values()))
        return self.prices.get(wanted)


MODELS: tuple[CatalogueModel, ...] = (
    CatalogueModel("grok-image/grok-4.2-image", {"1K": 0.03}),
    CatalogueModel("grok-imagine/grok-imagine-image", {"1K": 0.03}),
    CatalogueModel("grok-imagine-pro/grok-imagine-image-pro", {"1K": 0.08, "2K": 0.12}),
    CatalogueModel("gpt-image-2-lite", {"1K": 0.008, "2K": 0.015, "4K": 0.025}),
    CatalogueModel("gpt-image-2-all"),
    CatalogueModel("sparkpix-image", {"1K": 0.008}),
    CatalogueModel("sparkpix-image-edit", {"1K": 0.013}),
)
"""Every model the vendor's public pages name."""

SERVER_ALIASES: Mapping[str, str] = {"https://api.apimodels.app/v1": "https://apimodels.app/api/v1"}
"""Other addresses of the vendor's service, and the one by which a ledger knows it: they share accounts and tasks."""

_BY_ID = {name: model for model in MODELS for name in (model.id, model.short_id)}


def find(model: str) -> CatalogueModel | None:
    """The listed model with this full or short id, else ``None``."""
    return _BY_ID.get(model)
