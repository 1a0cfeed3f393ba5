"""The body of a create request, read and checked; a refusal names the field.

A field that is ``null`` counts as left out, and an unknown field is ignored: the vendor adds fields without notice.
"""

import json
import re
from collections.abc import Mapping
from typing import cast
from urllib.parse import urlsplit

from attrs import frozen

from apimodels_async import catalogue
from apimodels_async.gateway.base64_text import decoded
from apimodels_async.gateway.faults import Fault
from apimodels_async.gateway.json_body import json_object, whole_number
from apimodels_async.gateway.limits import MAX_PROMPT, MAX_URL
from apimodels_async.gateway.refusals import Refusal, quoted
from apimodels_async.gateway.sizes import (
    Size,
    check_custom,
    check_gpt_image_2_all,
    check_ratio,
    check_resolution,
    check_size,
)
from apimodels_async.gateway.triggers import Behaviour, Failure, behaviours_of, failure_of, fault_of
from apimodels_async.gateway.urls import HttpUrl, parse_url

__all__ = [
    "LINKS",
    "MOST_INPUTS",
    "MOST_PICTURES",
    "OPENAI_SHAPED",
    "CreateBody",
    "ImageSource",
    "create_body",
    "picture_source",
    "read_create_body",
]

OPENAI_SHAPED = frozenset({"gpt-image-2-all"})
"""Models that, given a `size` or a `response_format`, are synchronous and answer in OpenAI's shape."""

LINKS = "url"
"""The `response_format` of an answer without the pictures themselves."""
MOST_PICTURES = 10
"""The maximum of pictures that one task makes."""
MOST_INPUTS = 16
"""The maximum of pictures that one task is painted from."""

_TIER = re.compile(r"[124]K", re.IGNORECASE)
_WEB = re.compile(r"https?://", re.IGNORECASE)
_QUALITIES = ("low", "medium", "high", "auto", "max", "standard", "hd")
_RESPONSE_FORMATS = ("b64_json", LINKS)
_ANY_MODEL = re.compile(r"[\w./:@-]{1,200}", re.ASCII)
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
        openai_shaped: whether it asks for an answer in OpenAI's shape, if its model can.
        quality: the asked quality.
        response_format: "b64_json" or "url", for an answer in OpenAI's shape; ``None`` for both.
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
        fault: the fault of the service that the prompt causes.
    """

    model: catalogue.CatalogueModel
    prompt: str
    n: int
    size: Size | None
    openai_shaped: bool
    quality: str | None
    response_format: str | None
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
    fault: Fault | None


def _text(body: Mapping[str, object], name: str, most: int | None = None) -> str:
    value = body.get(name)
    if value is None:
        raise Refusal(400, f"{name} is missing")
    if most is not None and isinstance(value, str) and len(value) > most:
        raise Refusal(400, f"{name}: give at most {most} characters")
    if not isinstance(value, str) or not value.strip():
        raise Refusal(400, f"{name} {quoted(value)}: give text that is not empty")
    if not value.isprintable():
        # Half a surrogate pair is valid in JSON, but not in text: it can be neither stored nor drawn.
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Refusal(400, f"{name} holds half a surrogate pair") from None
    return value


def _model(body: Mapping[str, object], *, any_model: bool) -> catalogue.CatalogueModel:
    name = _text(body, "model", _LONGEST_RECORDED)
    model = catalogue.find(name)
    if model is None and any_model and _ANY_MODEL.fullmatch(name):
        model = catalogue.CatalogueModel(name)
    if model is None:
        # The vendor's words, which its clients take apart.
        supported = ", ".join(each.id for each in catalogue.MODELS)
        raise Refusal(400, f"Invalid model: {quoted(name)[1:-1]}. Supported models: {supported}")
    return model


def _whole(body: Mapping[str, object], name: str, lowest: int, highest: int) -> int | None:
    value = whole_number(body.get(name))
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
    if not isinstance(value, str) or len(value) > MAX_URL or not _WEB.match(value):
        return False
    try:
        return bool(urlsplit(value).hostname)
    except ValueError:
        return False


def _url(name: str, value: object) -> str:
    if not isinstance(value, str) or not _is_web(value):
        raise Refusal(400, f"{name} {quoted(value)}: give an http or https URL")
    return value


def picture_source(name: str, value: object) -> ImageSource:
    """A picture given as its URL or in base64.

    Raises:
        Refusal: it is neither.
    """
    return ImageSource(name, _url(name, value)) if _is_web(value) else _encoded(name, value)


def _encoded(name: str, value: object) -> ImageSource:
    if isinstance(value, bytes):  # of a form
        return ImageSource(name, value)
    if not isinstance(value, str):
        raise Refusal(400, f"{name} {quoted(value)}: give a picture in base64")
    try:
        content = decoded(value)
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
        sources.append(picture_source(name, value))
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
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, str) and not _is_web(value):
        return f"<{len(value)} characters>"
    return _record(value)


def _sizes(fields: Mapping[str, object]) -> tuple[Size | None, Size | None, int | None]:
    """The size in pixels, the aspect ratio, and the longer side."""
    size, ratio, longer = None, None, None
    asked = fields.get("size")
    if isinstance(asked, str) and _TIER.fullmatch(asked):
        longer = check_resolution(asked)
    elif asked is not None and asked != "auto":
        size = check_size(asked)
    if fields.get("aspect_ratio") == "custom":
        custom = check_custom(fields.get("width"), fields.get("height"))
        size = size or custom
    elif "aspect_ratio" in fields:
        ratio = check_ratio(fields["aspect_ratio"])
    if "resolution" in fields:
        longer = check_resolution(fields["resolution"])
    return size, ratio, longer


def read_create_body(body: bytes, *, any_model: bool = False) -> CreateBody:
    """Read the body of a create request.

    Raises:
        Refusal: something about it is wrong; the message names the field.
    """
    return create_body(json_object(body), any_model=any_model)


def create_body(fields: Mapping[str, object], *, any_model: bool = False) -> CreateBody:
    """Check the fields of a create request. Pictures may be bytes. `any_model`: whether unknown models are accepted.

    Raises:
        Refusal: something about them is wrong; the message names the field.
    """
    sources = _sources(fields)
    if "mask" in fields and not sources:
        raise Refusal(400, "mask: give the image it belongs to as well")
    prompt = _text(fields, "prompt", MAX_PROMPT)
    model = _model(fields, any_model=any_model)
    size, ratio, longer = _sizes(fields)
    if model.id in OPENAI_SHAPED and size is not None:
        check_gpt_image_2_all(size)
    callback = fields.get("callback_url", fields.get("callBackUrl"))
    return CreateBody(
        model=model,
        prompt=prompt,
        n=_whole(fields, "n", 1, MOST_PICTURES) or 1,
        size=size,
        openai_shaped=model.id in OPENAI_SHAPED and ("size" in fields or "response_format" in fields),
        quality=_one_of(fields, "quality", _QUALITIES),
        response_format=_one_of(fields, "response_format", _RESPONSE_FORMATS),
        ratio=ratio,
        longer=longer,
        output_format=_one_of(fields, "output_format", _FORMATS) or "png",
        seed=_whole(fields, "seed", -_SEEDS, _SEEDS - 1),
        sources=sources,
        mask=_encoded("mask", fields["mask"]) if "mask" in fields else None,
        callback=None if callback is None else parse_url("callback_url", callback),
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
        fault=fault_of(prompt),
    )
