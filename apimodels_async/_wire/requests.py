"""The body of a create request. Pure."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

from apimodels_async._secret import Secret
from apimodels_async._wire.bodies import PictureSource, StreamedBody, write_body
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
    return write_body(_fields(request, model, pictures, callback_url), _encoded(request, pictures))


def streamed_body(
    request: GenerationRequest,
    model: str,
    pictures: Mapping[str, str | bytes | PictureSource | Sequence[str | bytes | PictureSource]],
    callback_url: Secret[str] | None = None,
) -> StreamedBody:
    """The same JSON, for pictures that are read while it is sent."""
    return StreamedBody(_fields(request, model, pictures, callback_url), _encoded(request, pictures))


def _fields(
    request: GenerationRequest, model: str, pictures: Mapping[str, object], callback_url: Secret[str] | None
) -> dict[str, Any]:
    fields: dict[str, Any] = request_fields(request)
    if callback_url is not None:
        fields["callback_url"] = callback_url.reveal()
    return {"model": model, **fields, **pictures, **(request.extra_body or {})}


def _encoded(request: GenerationRequest, pictures: Mapping[str, object]) -> Set[str]:
    """The fields that hold pictures; a field of ``extra_body`` is sent as it is."""
    return pictures.keys() - (request.extra_body or {}).keys()
