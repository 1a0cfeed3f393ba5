"""What a request costs, by the catalogue's dated prices. Pure.

An estimate: the vendor bills a picture when its task completes, and its prices change.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from apimodels_async import catalogue
from apimodels_async.models import GenerationRequest

_PRICING = ("size", "n", "resolution", "quality")
_PICTURES = ("image", "image_url", "images", "image_urls")


def price(request: GenerationRequest, model: str) -> float | None:
    """US dollars that a request costs if it completes, or ``None`` where the catalogue has no price.

    The resolution is the request's; where it gives a size instead, the resolution that holds it.
    """
    known = catalogue.find(model)
    each = None
    if known is not None:
        edit = request.image is not None or request.images is not None
        each = known.price(request.resolution or _resolution(request.size), quality=request.quality, edit=edit)
    return None if each is None else each * (request.n or 1)


def _resolution(size: str | None) -> str | None:
    if size is None:
        return None
    width, height = map(int, size.split("x"))
    return catalogue.resolution_of((width, height))


def price_of_view(view: Mapping[str, Any], model: str) -> float | None:
    """The same for a request as a ledger keeps it, also one of a version that knew other sizes."""
    has_picture = any(view.get(name) for name in _PICTURES)
    try:
        return _priced(model, has_picture, *(view.get(name) for name in _PRICING))
    except (TypeError, ValueError):
        return None


@lru_cache(maxsize=1024)
def _priced(model: str, has_picture: bool, *values: Any) -> float | None:
    image = "a picture" if has_picture else None
    return price(GenerationRequest("priced", image=image, **dict(zip(_PRICING, values, strict=True))), model)
