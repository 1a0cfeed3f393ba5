"""What a request costs, by dated prices. Pure.

An estimate: the vendor bills a picture when its task completes, and its prices change.
"""

import re
from collections.abc import Mapping
from typing import Any, cast

from attrs import fields

from apimodels_async.catalogue import PUBLISHED, PriceTable, resolution_of
from apimodels_async.models import GenerationRequest

_INPUTS = frozenset({"image", "image_url", "images", "image_urls"})
"""The fields by which a create request brings pictures to work on."""


def price(request: GenerationRequest, model: str, prices: PriceTable = PUBLISHED) -> float | None:
    """US dollars that a request costs if it completes, or ``None`` if no price is known.

    The resolution is the request's; where it gives a size instead, the resolution that holds it.
    """
    if request.extra_body:
        return price_as_sent(
            {each.name: getattr(request, each.name) for each in fields(GenerationRequest)}, model, prices
        )
    resolution, n = _resolution(request.resolution, request.size), request.n or 1
    edit = request.image is not None or request.images is not None
    return prices.cost(model, n, resolution=resolution, quality=request.quality, edit=edit)


def price_as_sent(fields: Mapping[str, Any], model: str, prices: PriceTable = PUBLISHED) -> float | None:
    """As `price`, for the fields of a request as they are sent and as a ledger keeps them.

    What stands in ``extra_body`` counts, as it does for the server.
    """
    extra: object = fields.get("extra_body")
    more: Mapping[str, Any] = cast("Mapping[str, Any]", extra) if isinstance(extra, Mapping) else {}
    given: Mapping[str, Any] = fields
    if more:
        given = {**fields, **{name: value for name, value in more.items() if value is not None}}
    n, quality, sent = given.get("n", 1), given.get("quality"), _sent_model(more.get("model"), model)
    n = int(n) if isinstance(n, float) and n.is_integer() else 1 if n is None else n
    if sent is None or not isinstance(n, int) or isinstance(n, bool):
        return None  # who knows what the server takes it for
    return prices.cost(
        sent,
        max(n, 1),
        resolution=_resolution(given.get("resolution"), given.get("size")),
        quality=quality if isinstance(quality, str) else None,
        edit=not _INPUTS.isdisjoint(given) and any(given.get(name) is not None for name in _INPUTS),
    )


def _sent_model(given: object, model: str) -> str | None:
    """The model that the server sees; ``None`` if ``extra_body`` puts something else in its place."""
    return model if given is None else given if isinstance(given, str) else None


def _resolution(resolution: object, size: object) -> str | None:
    if isinstance(resolution, str):
        return resolution
    if not isinstance(size, str):
        return None
    pixels = re.fullmatch(r"(?a)(\d{1,5})[x*](\d{1,5})", size)
    if pixels is not None:
        return resolution_of((int(pixels[1]), int(pixels[2])))
    return size if re.fullmatch(r"(?a)\d.*[Kk]", size) else None
