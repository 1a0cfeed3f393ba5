"""Prices from a file of the user's: they change more often than this package. `APIMODELS_PRICES` names the file.

The file is TOML::

    read = 2026-12-01
    source = "console"

    [prices]
    "gpt-image-2" = 0.04
    "gpt-image-2-lite" = { 1K = 0.009, 2K = 0.016, 4K = 0.026 }
    "gpt-image-2-all" = [
      { dollars = 0.03, resolution = "1K", quality = "medium" },
      { dollars = 0.05, edit = true, pieces = 2 },
    ]
"""

import os
import tomllib
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, cast

from apimodels_async.catalogue import AS_OF, PUBLISHED, Price, PriceTable
from apimodels_async.errors import ConfigurationError

VARIABLE = "APIMODELS_PRICES"
_TIERS = ("1K", "2K", "4K")
_QUALITIES = ("low", "medium", "high")


def _is_number(value: object, kinds: tuple[type, ...], lowest: float, highest: float) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool) and lowest <= cast("float", value) <= highest


_AXES: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "dollars": (lambda value: _is_number(value, (int, float), 0, 1000), "US dollars, as 0.04"),
    "resolution": (_TIERS.__contains__, f"one of {', '.join(_TIERS)}"),
    "quality": (_QUALITIES.__contains__, f"one of {', '.join(_QUALITIES)}"),
    "edit": (lambda value: isinstance(value, bool), "true or false"),
    "pieces": (lambda value: _is_number(value, (int,), 1, 1000), "a whole number from 1"),
}
"""What a price may depend on: whether a value is right, and what would be."""


def load_prices(getenv: Callable[[str], str | None] = os.getenv) -> PriceTable:
    """The prices that count: those of the file that `APIMODELS_PRICES` names, and else those of the catalogue.

    Raises:
        ConfigurationError: the file cannot be read, or holds something else.
    """
    name = getenv(VARIABLE)
    if not name:
        return PUBLISHED
    try:
        return parse_prices(Path(name).expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"{VARIABLE}: {name}: {reason}") from None


def parse_prices(text: str) -> PriceTable:
    """The prices in the text of a file. Pure.

    Raises:
        ValueError: it is not TOML, or something in it is not a price.
    """
    content = tomllib.loads(text)
    unknown = content.keys() - {"prices", "read", "source"}
    if unknown:
        raise ValueError(f"unknown name {min(unknown)!r}: there are read, source and the table prices")
    read, source = content.get("read", AS_OF), content.get("source", VARIABLE)
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
    fields = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
    for name, value in {"dollars": None, **fields}.items():
        if name not in _AXES:
            raise ValueError(f"{model}: unknown name {name!r}: there are {', '.join(_AXES)}")
        is_right, right = _AXES[name]
        if not is_right(value):
            raise ValueError(f"{model}: {name} = {value!r}: give {right}")
    return Price(**{**fields, "dollars": float(fields["dollars"])}, source=source, read=read)
