"""The body of a create request. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from apimodels_async._secret import Secret
from apimodels_async._wire.bodies import write_body
from apimodels_async._wire.converter import request_fields
from apimodels_async.models import GenerationRequest


def create_body(
    request: GenerationRequest,
    model: str,
    pictures: Mapping[str, str | bytes | Sequence[str | bytes]],
    callback_url: Secret[str] | None = None,
) -> bytes:
    """The JSON of a create request.

    Args:
        request: what to ask for.
        model: the model id.
        pictures: those of the request by field name: URLs, and bytes, which go as base64.
        callback_url: in place of the request's own.
    """
    fields: dict[str, Any] = request_fields(request)
    if callback_url is not None:
        fields["callback_url"] = callback_url.reveal()
    extra = request.extra_body or {}
    return write_body({"model": model, **fields, **pictures, **extra}, pictures.keys() - extra.keys())
