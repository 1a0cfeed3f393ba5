"""The body of a create request, read and checked; a refusal names the field.

A field that is ``null`` counts as left out, and an unknown field is ignored: the vendor adds fields without notice.
"""

import base64
import json
import re
from collections.abc import Mapping
from typing import cast
from urllib.parse import urlsplit

from attrs import frozen

from apimodels_async import catalogue
from apimodels_async.gateway.json_body import json_object
from apimodels_async.gateway.limits import MAX_PROMPT
from apimodels_async.gateway.refusals import Refusal, quoted
from apimodels_async.gateway.sizes import Size, check_ratio, check_resolution, check_size
from apimodels_async.gateway.triggers import Behaviour, Failure, behaviours_of, failure_of
from apimodels_async.gateway.urls import HttpUrl, parse_url

__all__ = ["MOST_INPUTS", "MOST_PICTURES", "CreateBody", "ImageSource", "create_body", "read_create_body"]

MOST_PICTURES = 10
"""The maximum of pictures that one task makes."""
MOST_INPUTS = 16
"""The maximum of pictures that one task is painted from."""

_DATA_URI = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)
_SPACE = re.compile(r"\s")
_WEB = re.compile(r"https?://", re.IGNORECASE)
_QUALITIES = ("low", "medium", "high", "auto")
_FORMATS = ("png", "jpeg", "webp")
_SEEDS = 2**63
_LONGEST_RECORDED = 10_000
"""Characters of a text in the record, and so in the webhook's ``param``."""


@frozen
class ImageSource:
    """A picture that comes in, as the request gives it.

    Attributes:
        name: the field it came in, for messages.
        content: its bytes, or the URL where they are.
    """

    name: str
    content: bytes | str


@frozen(kw_only=True)
class CreateBody:
    """The body of a create request. Its pictures are not looked into.

    Attributes:
        model: the model.
        prompt: what to paint.
        n: number of pictures.
        size: pixels, if asked for.
        ratio: the asked aspect ratio.
        longer: the longer side in pixels that the asked resolution stands for.
        output_format: "png", "jpeg" or "webp".
        seed: the asked seed.
        sources: the pictures to work on.
        mask: the mask.
        callback: where the webhook is posted.
        request: the body as JSON for the record, without pictures and long texts.
        failure: how the prompt makes the task fail.
        behaviours: what else the prompt causes.
    """

    model: catalogue.CatalogueModel
    prompt: str
    n: int
    size: Size | None
    ratio: Size | None
    longer: int | None
    output_format: str
    seed: int | None
    sources: tuple[ImageSource, ...]
    mask: ImageSource | None
    callback: HttpUrl | None
    request: str
    failure: Failure | None
    behaviours: frozenset[Behaviour]


def _text(body: Mapping[str, object], name: str) -> str:
    value = body.get(name)
    if value is None:
        raise Refusal(400, f"{name} is missing")
    if not isinstance(value, str) or not value.strip():
        raise Refusal(400, f"{name} {quoted(value)}: give text that is not empty")
    if not value.isprintable():
        # Half a surrogate pair is valid in JSON, but not in text: it can be neither stored nor drawn.
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Refusal(400, f"{name} holds half a surrogate pair") from None
    return value


def _model(body: Mapping[str, object]) -> catalogue.CatalogueModel:
    name = _text(body, "model")
    model = catalogue.find(name)
    if model is None:
        raise Refusal(400, f"model {quoted(name)} is unknown: GET /models lists those there are")
    return model


def _whole(body: Mapping[str, object], name: str, lowest: int, highest: int) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise Refusal(400, f"{name} {quoted(value)}: give a whole number from {lowest} to {highest}")
    return value


def _one_of(body: Mapping[str, object], name: str, words: tuple[str, ...]) -> str | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or value not in words:
        raise Refusal(400, f"{name} {quoted(value)}: give one of {', '.join(words)}")
    return value


def _is_web(value: object) -> bool:
    if not isinstance(value, str) or not _WEB.match(value):
        return False
    try:
        return bool(urlsplit(value).hostname)
    except ValueError:
        return False


def _url(name: str, value: object) -> str:
    if not isinstance(value, str) or not _is_web(value):
        raise Refusal(400, f"{name} {quoted(value)}: give an http or https URL")
    return value


def _encoded(name: str, value: object) -> ImageSource:
    if not isinstance(value, str):
        raise Refusal(400, f"{name} {quoted(value)}: give a picture in base64")
    text = "".join(value.split()) if _SPACE.search(value) else value
    prefix = _DATA_URI.match(text)
    try:
        content = base64.b64decode(text[prefix.end() :] if prefix else text, validate=True)
    except ValueError:
        hint = "; a URL goes into image_url" if _WEB.match(value) else ""
        raise Refusal(400, f"{name} is not valid base64{hint}") from None
    return ImageSource(name, content)


def _list(body: Mapping[str, object], name: str) -> list[object]:
    value = body.get(name, [])
    if not isinstance(value, list):
        raise Refusal(400, f"{name} {quoted(value)}: give a list of pictures")
    return cast("list[object]", value)


def _sources(body: Mapping[str, object]) -> tuple[ImageSource, ...]:
    sources: list[ImageSource] = []
    if "image" in body:
        sources.append(_encoded("image", body["image"]))
    if "image_url" in body:
        sources.append(ImageSource("image_url", _url("image_url", body["image_url"])))
    for index, value in enumerate(_list(body, "images")):
        name = f"images[{index}]"
        sources.append(ImageSource(name, _url(name, value)) if _is_web(value) else _encoded(name, value))
    for index, value in enumerate(_list(body, "image_urls")):
        sources.append(ImageSource(f"image_urls[{index}]", _url(f"image_urls[{index}]", value)))
    if len(sources) > MOST_INPUTS:
        raise Refusal(400, f"{sources[MOST_INPUTS].name}: give {MOST_INPUTS} pictures at most")
    return tuple(sources)


def _record(value: object) -> object:
    """A value for the record: long texts, pictures among them, by their length."""
    if isinstance(value, list):
        return [_record(item) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        return {name: _record(item) for name, item in cast("dict[str, object]", value).items()}
    if isinstance(value, str) and len(value) > _LONGEST_RECORDED:
        return f"<{len(value)} characters>"
    return value


def _picture_record(value: object) -> object:
    if isinstance(value, list):
        return [_picture_record(item) for item in cast("list[object]", value)]
    if isinstance(value, str) and not _is_web(value):
        return f"<{len(value)} characters>"
    return _record(value)


def read_create_body(body: bytes) -> CreateBody:
    """Read the body of a create request.

    Raises:
        Refusal: something about it is wrong; the message names the field.
    """
    return create_body(json_object(body))


def create_body(fields: Mapping[str, object]) -> CreateBody:
    """Check the fields of a create request.

    Raises:
        Refusal: something about them is wrong; the message names the field.
    """
    sources = _sources(fields)
    if "mask" in fields and not sources:
        raise Refusal(400, "mask: give the image it belongs to as well")
    prompt = _text(fields, "prompt")
    if len(prompt) > MAX_PROMPT:
        raise Refusal(400, f"prompt: give at most {MAX_PROMPT} characters")
    _one_of(fields, "quality", _QUALITIES)  # changes nothing here
    return CreateBody(
        model=_model(fields),
        prompt=prompt,
        n=_whole(fields, "n", 1, MOST_PICTURES) or 1,
        size=check_size(fields["size"]) if "size" in fields else None,
        ratio=check_ratio(fields["aspect_ratio"]) if "aspect_ratio" in fields else None,
        longer=check_resolution(fields["resolution"]) if "resolution" in fields else None,
        output_format=_one_of(fields, "output_format", _FORMATS) or "png",
        seed=_whole(fields, "seed", -_SEEDS, _SEEDS - 1),
        sources=sources,
        mask=_encoded("mask", fields["mask"]) if "mask" in fields else None,
        callback=parse_url("callback_url", fields["callback_url"]) if "callback_url" in fields else None,
        request=json.dumps(
            {
                name: value
                if name == "prompt"
                else _picture_record(value)
                if name in {"image", "images", "mask"}
                else _record(value)
                for name, value in fields.items()
            },
            allow_nan=False,
        ),
        failure=failure_of(prompt),
        behaviours=behaviours_of(prompt),
    )
