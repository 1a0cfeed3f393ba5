"""What is publicly known about the vendor's models: ids and prices, with the date they were read.

Data, not logic: prices change, so nothing but an estimate or a message may depend on them. A model that is
not listed here is sent to the server as it is.
"""

from collections.abc import Mapping
from datetime import date

from attrs import Factory, field, frozen

__all__ = ["AS_OF", "MODELS", "SERVER_ALIASES", "CatalogueModel", "Price", "find", "resolution_of"]

AS_OF = date(2026, 11, 26)
"""The day the figures below were read from the vendor's public pages."""

_PRICE_LIST = "price list"
_GPT_IMAGE_2_ALL = "page gpt-image-2-all"
_TIERS = ((1536, "1K"), (2048, "2K"))


def resolution_of(size: tuple[int, int]) -> str:
    """The resolution that a picture of this width and height is billed as.

    By its longer side: up to 1536 pixels ``"1K"``, up to 2048 ``"2K"``, above ``"4K"`` (page gpt-image-2-all).
    """
    return next((name for side, name in _TIERS if max(size) <= side), "4K")


@frozen
class Price:
    """What one picture costs, where the conditions hold.

    Attributes:
        dollars: US dollars a picture.
        resolution: ``"1K"``, ``"2K"`` or ``"4K"``; ``None`` for every resolution.
        quality: ``"low"``, ``"medium"`` or ``"high"``; ``None`` for every quality.
        edit: whether pictures are given to work on; ``None`` for both.
        pieces: pictures that one price pays for.
        source: where it was read.
        read: the day it was read.
    """

    dollars: float
    resolution: str | None = None
    quality: str | None = None
    edit: bool | None = None
    pieces: int = 1
    source: str = _PRICE_LIST
    read: date = AS_OF

    def holds(self, resolution: str, quality: str, *, edit: bool) -> bool:
        """Whether the conditions hold."""
        return self.resolution in {None, resolution} and self.quality in {None, quality} and self.edit in {None, edit}


def _by_resolution(prices: Mapping[str, float]) -> tuple[Price, ...]:
    if len(prices) == 1:
        return (Price(next(iter(prices.values()))),)
    return tuple(Price(dollars, resolution) for resolution, dollars in prices.items())


@frozen
class CatalogueModel:
    """A model as the vendor lists it.

    Attributes:
        id: the full id, ``provider/name`` where a provider is known.
        prices: US dollars a picture of medium quality, by resolution (``"1K"``, ``"2K"``, ``"4K"``). A model with one
            price for every resolution lists only ``"1K"``; a model without a published price lists none.
        table: the prices with all their conditions, in the order in which they are tried; from `prices` unless given.
    """

    id: str
    prices: Mapping[str, float] = field(factory=dict[str, float])
    table: tuple[Price, ...] = field(default=Factory(lambda self: _by_resolution(self.prices), takes_self=True))

    @property
    def short_id(self) -> str:
        """The id without its provider, which the server accepts as well."""
        return self.id.rpartition("/")[2]

    def price(self, resolution: str | None = None, *, quality: str | None = None, edit: bool = False) -> float | None:
        """US dollars a picture, or ``None`` where no price is published.

        Args:
            resolution: ``"1K"``, ``"2K"`` or ``"4K"``, in any case; ``None`` for the server's own, taken as 1K.
            quality: ``"low"``, ``"medium"`` or ``"high"``; anything else is billed as medium.
            edit: whether pictures are given to work on.
        """
        wanted = "1K" if resolution is None else resolution.upper()
        given = quality if quality in {"low", "high"} else "medium"
        found = next((price for price in self.table if price.holds(wanted, given, edit=edit)), None)
        return None if found is None else found.dollars / found.pieces


def _gpt_image_2_all() -> CatalogueModel:
    dollars = {"1K": (0.005, 0.025, 0.07), "2K": (0.01, 0.04, 0.10), "4K": (0.015, 0.06, 0.23)}
    table = tuple(
        Price(each, resolution, quality, source=_GPT_IMAGE_2_ALL)
        for resolution, row in dollars.items()
        for quality, each in zip(("low", "medium", "high"), row, strict=True)
    )
    return CatalogueModel("gpt-image-2-all", {name: medium for name, (_, medium, _) in dollars.items()}, table)


MODELS: tuple[CatalogueModel, ...] = (
    CatalogueModel("grok-image/grok-4.2-image", {"1K": 0.03}),
    CatalogueModel("grok-imagine/grok-imagine-image", {"1K": 0.03}),
    CatalogueModel("grok-imagine-pro/grok-imagine-image-pro", {"1K": 0.08, "2K": 0.12}),
    CatalogueModel("gpt-image-2"),
    _gpt_image_2_all(),
    CatalogueModel("gpt-image-2-lite", {"1K": 0.008, "2K": 0.015, "4K": 0.025}),
    CatalogueModel("sparkpix-image", {"1K": 0.008}),
    CatalogueModel("sparkpix-image-edit", {"1K": 0.013}),
    CatalogueModel("doubao-seedream-4-5-251128"),
    CatalogueModel("doubao-seedream-5-0-260128"),
    CatalogueModel("doubao-seedream-5-0-pro"),
    CatalogueModel("gemini-2.5-flash-image"),
    CatalogueModel("gemini-3-pro-image"),
    CatalogueModel("gemini-3.1-flash-image"),
    CatalogueModel("kling-expand"),
    CatalogueModel("kling-image-o1"),
    CatalogueModel("kling-multi-image"),
    CatalogueModel("kling-v2-1"),
    CatalogueModel("kling-v2-new"),
    CatalogueModel("kling-v3-image"),
    CatalogueModel("nanobanana-2-beta"),
    CatalogueModel("qwen3-image"),
    CatalogueModel("qwen3-image-pro"),
    CatalogueModel("real-esrgan"),
    CatalogueModel("gpt-image-2-beta"),
    CatalogueModel("gpt-image-2.5-flare"),
    CatalogueModel("gpt-image-2.5-sunburst"),
    CatalogueModel("grok-imagine-image-2.0"),
    CatalogueModel("flux-2-klein-4b"),
    CatalogueModel("z-image-spicy"),
)
"""The image models that the vendor's public pages name. The list is never complete: more are accepted."""

SERVER_ALIASES: Mapping[str, str] = {"https://api.apimodels.app/v1": "https://apimodels.app/api/v1"}
"""Other addresses of the vendor's service, and the one by which a ledger knows it: they share accounts and tasks."""

_BY_ID = {name: model for model in MODELS for name in (model.id, model.short_id)}


def find(model: str) -> CatalogueModel | None:
    """The listed model with this full or short id, else ``None``."""
    return _BY_ID.get(model)
