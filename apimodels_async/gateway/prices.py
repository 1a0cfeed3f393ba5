"""The prices that the gateway bills: the catalogue's, or those of the file that ``APIMODELS_PRICES`` names."""

import os
from pathlib import Path

from apimodels_async.catalogue import PUBLISHED, PriceTable, parse_prices

__all__ = ["load_prices"]


def load_prices() -> PriceTable:
    """Read them.

    Raises:
        ValueError: the file cannot be read, or holds something else.
    """
    name = os.environ.get("APIMODELS_PRICES")
    if not name:
        return PUBLISHED
    try:
        return parse_prices(Path(name).expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"APIMODELS_PRICES: {name}: {reason}") from None
