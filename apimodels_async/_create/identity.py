"""What makes two requests the same: the content that a ledger keeps, and its digest. Pure.

The fields come from `GenerationRequest` itself, so that a new field cannot be left out of the digest.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from attrs import fields

from apimodels_async.models import GenerationRequest

_APART = frozenset({"model", "image", "images", "mask", "callback_url", "extra_body"})
"""Fields that enter the identity in another form, or, like the callback URL, do not change what is generated."""


def request_view(request: GenerationRequest, model: str, pictures: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a ledger stores of a request. `pictures` are its picture fields, local ones as digests.

    The callback URL is left out: it may contain a token, and it does not change what is generated.
    """
    view: dict[str, Any] = {"model": model}
    kind: Any = type(request)  # its own class, which may have more fields than ours
    for name in _fields_of(kind):
        if (value := getattr(request, name)) is not None:
            view[name] = value
    view.update(pictures)
    if request.extra_body:
        view["extra_body"] = dict(request.extra_body)
    return view


@cache
def _fields_of(kind: type[Any]) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind) if each.name not in _APART)


def view_text(view: Mapping[str, Any]) -> str:
    """Return a request's content, as returned by `request_view`, as the text of which its digest is the sum."""
    return _encode(view)


_encode = json.JSONEncoder(sort_keys=True, default=str).encode


def digest_of(view: Mapping[str, Any]) -> str:
    """Return the sha256 of a request's content, as returned by `request_view`."""
    return hashlib.sha256(view_text(view).encode()).hexdigest()
