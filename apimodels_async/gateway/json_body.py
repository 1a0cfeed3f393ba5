"""A request's body as a JSON object, within limits that hold before and after it is parsed."""

import json
import math
from typing import cast

from apimodels_async.gateway.limits import MAX_DEPTH, MAX_ESCAPES, MAX_JSON, MAX_VALUES
from apimodels_async.gateway.long_texts import PIECE, LongTexts
from apimodels_async.gateway.refusals import Refusal

__all__ = ["json_object", "whole_number"]


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large")  # it would be written as Infinity, which is not JSON
    return value


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, (list, dict))
            for inner in (
                cast("dict[str, object]", outer).values() if isinstance(outer, dict) else cast("list[object]", outer)
            )
        ]
        if not level:
            return
    raise Refusal(400, f"the body is nested more than {MAX_DEPTH} levels deep")


def _small(body: bytes) -> object:
    _check_values(body)
    return json.loads(body, parse_constant=_refuse_constant, parse_float=_finite)


def _large(body: bytes) -> object:
    """The value of a large body. Other threads get their turn in between."""
    if b"\0" in body[:4]:
        raise ValueError("JSON is UTF-8")  # and a quote is one byte
    if body.count(b'"') > 4 * MAX_VALUES or body.count(b"\\") > MAX_ESCAPES:
        raise Refusal(400, f"the body is JSON of more than {MAX_VALUES} values, or of more than {MAX_ESCAPES} escapes")
    texts = LongTexts(body)
    if len(texts.rest) > MAX_JSON:
        raise Refusal(400, f"the body has more than {MAX_JSON >> 20} MB of JSON besides its pictures")
    _check_values(texts.rest)

    def number_or_text(number: str) -> object:
        text = texts.get(number)
        return _finite(number) if text is None else text

    return json.loads(texts.rest, parse_constant=_refuse_constant, parse_float=number_or_text)


def _check_values(body: bytes) -> None:
    # Counted before it is parsed: a list of a million lists is small, but large in memory.
    if sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise Refusal(400, f"the body is JSON of more than {MAX_VALUES} values")


def json_object(body: bytes) -> dict[str, object]:
    """Parse the body of a request. A field that is ``null`` counts as left out.

    Raises:
        Refusal: it is not a JSON object, or too large a one.
    """
    try:
        value = _small(body) if len(body) <= PIECE else _large(body)
    except (ValueError, RecursionError):
        raise Refusal(400, "the body is not valid JSON") from None
    if not isinstance(value, dict):
        raise Refusal(400, "the body is not a JSON object")
    fields = cast("dict[str, object]", value)
    _check_depth(fields)
    return {name: given for name, given in fields.items() if given is not None}


def whole_number(value: object) -> object:
    """A value; a whole number written as ``177.0`` is an integer, as in JSON Schema."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
