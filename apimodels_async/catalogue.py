"""What is publicly known about the vendor's models: ids and prices, with the date they were read.

Data, not logic: prices change, so nothing but an estimate or a message may depend on them. A model that is
not listed here is sent to the server as it is.
"""

import math
import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import date
from difflib import get_close_matches
from typing import Any, cast

from attrs import Factory, field, frozen

from apimodels_async._reprs import safe_repr

__all__ = [
    "AS_OF",
    "MODELS",
    "PUBLISHED",
    "RECORDS_PAGE",
    "SERVER_ALIASES",
    "CatalogueModel",
    "Price",
    "PriceTable",
    "find",
    "inline_limit",
    "parse_prices",
    "resolution_of",
    "similar",
    "tier_of",
]

AS_OF = date(2026, 11, 26)
"""The day the figures below were read from the vendor's public pages."""

_PRICE_LIST = "price list"
_GPT_IMAGE_2_ALL = "page gpt-image-2-all"
_TIERS = ((1536, "1K"), (2048, "2K"))
_LONGEST_SIDE = 4096


def resolution_of(size: tuple[int, int]) -> str:
    """The resolution that a picture of this width and height is billed as.

    By its longer side: up to 1536 pixels ``"1K"``, up to 2048 ``"2K"``, above ``"4K"`` (page gpt-image-2-all).
    """
    return next((name for side, name in _TIERS if max(size) <= side), "4K")


def tier_of(resolution: str) -> str:
    """The resolution as prices name it: ``"2k"`` is ``"2K"``, and ``"512"`` is billed as ``"1K"``."""
    match = re.fullmatch(r"(?a)(\d{1,5})|(\d{1,2}(?:\.\d{1,3})?)[Kk]", resolution)
    if match is None:
        return resolution.upper()
    side = int(match[1]) if match[1] else round(1024 * float(match[2]))
    return resolution_of((side, side)) if side <= _LONGEST_SIDE else resolution.upper()


@frozen(repr=False)
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

    __repr__ = safe_repr

    dollars: float
    resolution: str | None = None
    quality: str | None = None
    edit: bool | None = None
    pieces: int = 1
    source: str = _PRICE_LIST
    read: date = AS_OF

    def holds(self, resolution: str, quality: str, *, edit: bool) -> bool:
        """Whether the conditions hold."""
        return (
            (self.resolution is None or self.resolution == resolution)
            and (self.quality is None or self.quality == quality)
            and (self.edit is None or self.edit == edit)
        )

    def cost(self, n: int) -> float:
        """US dollars for `n` pictures."""
        return self.dollars * math.ceil(n / self.pieces)


def _best_price(
    table: tuple[Price, ...], resolution: str | None, *, quality: str | None = None, edit: bool = False
) -> Price | None:
    """The first price of a table whose conditions hold; the arguments are as in `PriceTable.cost`."""
    wanted = "1K" if resolution is None else tier_of(resolution)
    given = quality if quality in {"low", "high"} else "medium"
    for price in table:
        if price.holds(wanted, given, edit=edit):
            return price
    return None


def _by_resolution(prices: Mapping[str, float]) -> tuple[Price, ...]:
    if len(prices) == 1:
        return (Price(next(iter(prices.values()))),)
    return tuple(Price(dollars, resolution) for resolution, dollars in prices.items())


@frozen(repr=False)
class CatalogueModel:
    """A model as the vendor lists it.

    Attributes:
        id: the full id, ``provider/name`` where a provider is known.
        prices: US dollars a picture of medium quality, by resolution (``"1K"``, ``"2K"``, ``"4K"``). A model with one
            price for every resolution lists only ``"1K"``; a model without a published price lists none.
        table: the prices with all their conditions, in the order in which they are tried; from `prices` unless given.
    """

    __repr__ = safe_repr

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
        found = _best_price(self.table, resolution, quality=quality, edit=edit)
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

RECORDS_PAGE: str = "https://apimodels.app/console/records"
"""The vendor's page with the tasks of an account."""

SERVER_ALIASES: Mapping[str, str] = {"https://api.apimodels.app/v1": "https://apimodels.app/api/v1"}
"""Other addresses of the vendor's service, and the one by which a ledger knows it: they share accounts and tasks."""

_INLINE_LIMITS: Mapping[str, int] = {"https://api.apimodels.app/v1": 100_000_000}
_SMALLEST_LIMIT = 4_500_000


def inline_limit(base_url: str) -> int:
    """Bytes of a request's body that an address takes at most, as far as is known; read on the day `AS_OF`.

    The vendor's default address stands behind a host of functions that takes 4.5 MB, and so may any other.
    """
    return _INLINE_LIMITS.get(base_url.rstrip("/").lower(), _SMALLEST_LIMIT)


_BY_ID = {name: model for model in MODELS for name in (model.id, model.short_id)}


def find(model: str) -> CatalogueModel | None:
    """The listed model with this full or short id, else ``None``."""
    return _BY_ID.get(model)


def similar(model: str) -> str | None:
    """The id of the listed model whose id is most like this one, if this is no listed model and any is like it."""
    if find(model) is not None:
        return None
    by_lower = {name.lower(): name for name in _BY_ID}
    found = get_close_matches(model.strip().lower(), by_lower, 1, 0.7)
    return by_lower[found[0]] if found else None


@frozen(repr=False)
class PriceTable:
    """All prices: those of the catalogue, and in their place those that were given.

    Attributes:
        own: prices by model id, full or short. They replace all prices of the model.
    """

    __repr__ = safe_repr

    own: Mapping[str, tuple[Price, ...]] = field(factory=dict[str, tuple[Price, ...]])

    def of(self, model: str) -> tuple[Price, ...]:
        """The prices of a model, in the order in which they are tried; empty if none is known."""
        known = find(model)
        if known is not None and not self.own:
            return known.table
        names = (model,) if known is None else (model, known.id, known.short_id)
        given = next((self.own[name] for name in names if name in self.own), None)
        return given if given is not None else () if known is None else known.table

    def cost(
        self, model: str, n: int = 1, *, resolution: str | None = None, quality: str | None = None, edit: bool = False
    ) -> float | None:
        """US dollars for `n` pictures, or ``None`` if no price is known.

        Args:
            model: the model id.
            n: number of pictures.
            resolution: ``"1K"``, ``"2K"`` or ``"4K"``, in any case; ``None`` for the server's own, taken as 1K.
            quality: ``"low"``, ``"medium"`` or ``"high"``; anything else is billed as medium.
            edit: whether pictures are given to work on.
        """
        price = _best_price(self.of(model), resolution, quality=quality, edit=edit)
        return None if price is None else price.cost(n)


PUBLISHED: PriceTable = PriceTable()
"""The prices of the catalogue alone."""


_TIER_NAMES = ("1K", "2K", "4K")
_QUALITIES = ("low", "medium", "high")


def _is_number(value: object, kinds: tuple[type, ...], lowest: float, highest: float) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool) and lowest <= cast("float", value) <= highest


_AXES: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "dollars": (lambda value: _is_number(value, (int, float), 0, 1000), "US dollars, as 0.04"),
    "resolution": (_TIER_NAMES.__contains__, f"one of {', '.join(_TIER_NAMES)}"),
    "quality": (_QUALITIES.__contains__, f"one of {', '.join(_QUALITIES)}"),
    "edit": (lambda value: isinstance(value, bool), "true or false"),
    "pieces": (lambda value: _is_number(value, (int,), 1, 1000), "a whole number from 1"),
}
"""What a price may depend on: whether a value is right, and what would be."""


def parse_prices(text: str) -> PriceTable:
    """The prices in the text of a TOML file.

    ::

        read = 2026-12-01
        source = "console"

        [prices]
        "gpt-image-2" = 0.04
        "gpt-image-2-lite" = { 1K = 0.009, 2K = 0.016, 4K = 0.026 }
        "gpt-image-2-all" = [
          { dollars = 0.03, resolution = "1K", quality = "medium" },
          { dollars = 0.05, edit = true, pieces = 2 },
        ]

    Raises:
        ValueError: it is not TOML, or something in it is not a price.
    """
    content = tomllib.loads(text)
    unknown = content.keys() - {"prices", "read", "source"}
    if unknown:
        raise ValueError(f"unknown name {min(unknown)!r}: there are read, source and the table prices")
    read, source = content.get("read", AS_OF), content.get("source", "a file")
    if not isinstance(read, date) or not isinstance(source, str):
        raise ValueError('give read as a date, 2026-12-01, and source as text, "console"')  # noqa: TRY004  (of a file)
    prices: object = content.get("prices")
    if not isinstance(prices, dict):
        raise ValueError('there is no table [prices] with lines as "gpt-image-2" = 0.04')  # noqa: TRY004  (of a file)
    return PriceTable(
        {
            model: tuple(_price(model, entry, source, read) for entry in _entries(value))
            for model, value in cast("dict[str, object]", prices).items()
        }
    )


def _entries(value: object) -> list[object]:
    """The three forms of a model's prices as a list of tables."""
    if isinstance(value, list):
        return cast("list[object]", value)
    if isinstance(value, dict) and "dollars" not in value:
        by_tier = cast("dict[str, object]", value)
        return [{"dollars": dollars, "resolution": tier} for tier, dollars in by_tier.items()]
    return [value if isinstance(value, dict) else {"dollars": value}]


def _price(model: str, entry: object, source: str, read: date) -> Price:
    fields = dict(cast("dict[str, Any]", entry)) if isinstance(entry, dict) else {}
    for name, value in {"dollars": None, **fields}.items():
        if name not in _AXES:
            raise ValueError(f"{model}: unknown name {name!r}: there are {', '.join(_AXES)}")
        is_right, right = _AXES[name]
        if not is_right(value):
            raise ValueError(f"{model}: {name} = {value!r}: give {right}")
    fields["dollars"] = float(fields["dollars"])
    return Price(**fields, source=source, read=read)
