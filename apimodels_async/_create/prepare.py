"""Preparation of a request: read its pictures, build its JSON, compute its digest. Blocking, for threads."""

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from apimodels_async._create import inputs
from apimodels_async._create.identity import digest_of, request_view
from apimodels_async._secret import Secret
from apimodels_async._wire.requests import create_body
from apimodels_async.callbacks.expected import CallbackUrl
from apimodels_async.models import GenerationRequest


class PreparedRequest(NamedTuple):
    """A request that is ready to send.

    Attributes:
        body: the JSON of the create request; secret, because it contains the callback URL.
        model: the model id.
        view: what a ledger stores of it; empty without a ledger.
        digest: of `view`; empty without a ledger.
        intent_id: of the callback that it asks for, if any.
    """

    body: Secret[bytes]
    model: str
    view: dict[str, Any]
    digest: str
    intent_id: str | None = None

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return len(self.body.reveal())


def prepare(
    request: GenerationRequest, model: str, *, for_ledger: bool = False, order: CallbackUrl | None = None
) -> PreparedRequest:
    """Read a request's pictures and build its JSON, with the callback URL in `order`.

    Raises:
        TypeError, ValueError: an input is not a picture.
    """
    pictures = inputs.request_fields(request)
    body = Secret(create_body(request, model, pictures, None if order is None else order.url))
    intent_id = None if order is None else order.intent_id
    if not for_ledger:
        return PreparedRequest(body, model, {}, "", intent_id)
    view = _view(request, model, pictures)
    return PreparedRequest(body, model, view, digest_of(view), intent_id)


def view_of(request: GenerationRequest, model: str) -> dict[str, Any]:
    """What a ledger stores of a request, without its body. Reads its local pictures.

    Raises:
        TypeError, ValueError: an input is not a picture.
    """
    return _view(request, model, inputs.request_fields(request))


def _view(
    request: GenerationRequest, model: str, pictures: Mapping[str, inputs.Sent | list[inputs.Sent]]
) -> dict[str, Any]:
    return request_view(request, model, {name: _summed_up(value) for name, value in pictures.items()})


def _summed_up(picture: inputs.Sent | list[inputs.Sent]) -> str | list[str]:
    """Return the sha256 of a local picture; a URL unchanged."""
    if isinstance(picture, list):
        return [str(_summed_up(each)) for each in picture]
    return picture if isinstance(picture, str) else "sha256:" + hashlib.sha256(picture).hexdigest()
