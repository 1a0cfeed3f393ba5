"""Preparation of a request: read its pictures, build its JSON, compute its digest. Blocking, for threads."""

import hashlib
from typing import Any, NamedTuple, cast

from apimodels_async._create import inputs
from apimodels_async._create.draft import Draft, LargePicture, Pictures, Sent, large_pictures
from apimodels_async._create.identity import digest_of, request_view
from apimodels_async._secret import Secret
from apimodels_async._wire.bodies import MemorySource, PictureSource
from apimodels_async._wire.requests import create_body, streamed_body
from apimodels_async.callbacks.expected import CallbackUrl
from apimodels_async.models import GenerationRequest


class PreparedRequest(NamedTuple):
    """A request that is ready to send.

    Attributes:
        body: the JSON of the create request, or what it is made of if some of its pictures may have to be uploaded
            first; secret, because it contains the callback URL.
        model: the model id.
        view: what a ledger stores of it; empty without a ledger.
        digest: of `view`; empty without a ledger.
        intent_id: of the callback that it asks for, if any.
    """

    body: Secret[bytes] | Secret[Draft]
    model: str
    view: dict[str, Any]
    digest: str
    intent_id: str | None = None

    @property
    def size(self) -> int:
        """Bytes that the body takes in memory."""
        content = self.body.reveal()
        return content.held if isinstance(content, Draft) else len(content)


def prepare(
    request: GenerationRequest, model: str, *, for_ledger: bool = False, order: CallbackUrl | None = None
) -> PreparedRequest:
    """Read a request's pictures and build its JSON, with the callback URL in `order`.

    Raises:
        TypeError, ValueError: an input is not a picture.
    """
    pictures = inputs.large_fields(request, digest=for_ledger)
    body = _body(request, model, pictures, None if order is None else order.url)
    intent_id = None if order is None else order.intent_id
    if not for_ledger:
        return PreparedRequest(body, model, {}, "", intent_id)
    view = _view(request, model, pictures)
    return PreparedRequest(body, model, view, digest_of(view), intent_id)


def _body(
    request: GenerationRequest, model: str, pictures: inputs.Fields, callback_url: Secret[str] | None
) -> Secret[bytes] | Secret[Draft]:
    if any(True for _ in large_pictures(pictures)):
        return Secret(Draft(pictures, lambda fields: streamed_body(request, model, _sources(fields), callback_url)))
    return Secret(create_body(request, model, cast("dict[str, str | bytes]", pictures), callback_url))


def _sources(fields: Pictures) -> dict[str, Any]:
    """Picture fields with the sources of large pictures in place of them."""
    return {
        name: [_source(each) for each in value] if isinstance(value, (list, tuple)) else _source(cast("Sent", value))
        for name, value in fields.items()
    }


def _source(picture: Sent) -> str | bytes | PictureSource:
    return picture.source if isinstance(picture, LargePicture) else picture


def view_of(request: GenerationRequest, model: str) -> dict[str, Any]:
    """What a ledger stores of a request, without its body. Reads its local pictures.

    Raises:
        TypeError, ValueError: an input is not a picture.
    """
    return _view(request, model, inputs.large_fields(request, digest=True))


def _view(request: GenerationRequest, model: str, pictures: inputs.Fields) -> dict[str, Any]:
    return request_view(request, model, {name: _summed_up(value) for name, value in pictures.items()})


def _summed_up(picture: Sent | list[Sent]) -> str | list[str]:
    """Return the sha256 of a local picture; a URL unchanged."""
    if isinstance(picture, list):
        return [str(_summed_up(each)) for each in picture]
    if isinstance(picture, str):
        return picture
    if isinstance(picture, bytes):
        return "sha256:" + hashlib.sha256(picture).hexdigest()
    source = picture.source
    return "sha256:" + (hashlib.sha256(source.data).hexdigest() if isinstance(source, MemorySource) else picture.sha256)
