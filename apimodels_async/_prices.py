"""What a request costs, by the catalogue's dated prices. Pure.

An estimate: the vendor bills a picture when its task completes, and its prices change.
"""

from collections.abc import Mapping
from typing import Any

from apimodels_async import catalogue
from apimodels_async.models import GenerationRequest

_INPUTS = frozenset({"image", "image_url", "images", "image_urls"})
"""The fields by which a create request brings pictures to work on."""


def price(request: GenerationRequest, model: str) -> float | None:
    """US dollars that a request costs if it completes, or ``None`` where the catalogue has no price.

    The resolution is the request's; where it gives a size instead, the resolution that holds it.
    """
    resolution = request.resolution or _resolution(request.size)
    edit = request.image is not None or request.images is not None
    return _price(model, resolution, request.quality, request.n, edit=edit)


def price_as_sent(fields: Mapping[str, Any], model: str) -> float | None:
    """As `price`, for the fields of a request as they are sent and as a ledger keeps them.

    Fields that another version would not accept have no price.
    """
    try:
        resolution = fields.get("resolution") or _resolution(fields.get("size"))
        return _price(model, resolution, fields.get("quality"), fields.get("n"), edit=not _INPUTS.isdisjoint(fields))
    except (AttributeError, TypeError, ValueError):
        return None


def _price(model: str, resolution: str | None, quality: str | None, n: int | None, *, edit: bool) -> float | None:
    known = catalogue.find(model)
    each = None if known is None else known.price(resolution, quality=quality, edit=edit)
    return None if each is None else each * (n or 1)


def _resolution(size: str | None) -> str | None:
    if size is None:
        return None
    width, height = map(int, size.split("x"))
    return catalogue.resolution_of((width, height))
