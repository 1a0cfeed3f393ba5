"""What a request costs, by the catalogue's dated prices. Pure.

An estimate: the vendor bills a picture when its task completes, and its prices change.
"""

from apimodels_async import catalogue
from apimodels_async.models import GenerationRequest


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
